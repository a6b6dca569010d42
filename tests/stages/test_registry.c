/* SPDX-License-Identifier: Apache-2.0 */
/* Every stage's table says what it must. */
#include "fixture.h"
#include "wetmill/version.h"

static void check_options(const struct wm_stage *stage)
{
    for (const struct wm_option *o = stage->options; o && o->name; o++) {
        CHECK_(o->help && *o->help, "%s: %s has no help", stage->name, o->name);
        CHECK_(o->offset < stage->shared_size, "%s: %s lies outside", stage->name, o->name);
        for (const char *c = o->name; *c; c++)
            CHECK_((*c >= 'a' && *c <= 'z') || *c == '_', "%s: option %s", stage->name, o->name);
    }
}

int main(void)
{
    const char *last = "";
    size_t n = 0;
    for (; wm_stages[n]; n++) {
        const struct wm_stage *s = wm_stages[n];
        CHECK_(strcmp(last, s->name) < 0, "%s is not in order", s->name);
        last = s->name;
        CHECK_(s->version > 0 && s->apply && s->summary && *s->summary, "%s", s->name);
        CHECK_(s->summary[strlen(s->summary) - 1] != '.', "%s: full stop", s->name);
        CHECK_(!s->survey_form == !s->survey && !s->survey == !s->reduce && !s->reduce == !s->load,
               "%s: half a survey", s->name);
        for (const char *const *lib = s->libraries; lib && *lib; lib++)
            CHECK_(wm_library_version(*lib) != NULL, "%s: no library %s", s->name, *lib);
        check_options(s);
        CHECK(wm_stage_find(wm_str_of(s->name)) == s);
    }
    CHECK_U64(n, 9);
    CHECK(wm_stage_find(WM_STR("line_repeat")) == wm_stage_find(WM_STR("line-repeat")));
    CHECK(wm_stage_find(WM_STR("line-repeat")) != NULL);
    CHECK(wm_stage_find(WM_STR("line")) == NULL);
    CHECK(wm_stage_find(WM_STR("")) == NULL);
    return test_summary();
}
