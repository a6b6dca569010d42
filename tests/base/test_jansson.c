/* SPDX-License-Identifier: Apache-2.0 */
/* jansson with an allocator that refuses the n-th request, for every n: it is said, and what comes
 * out before is right. */
#include "wetmill/jansson.h"

#include <stdlib.h>

#include "test.h"

static unsigned asked, refuse_from, refuse_to;

static void *refusing(size_t size)
{
    asked++;
    return asked >= refuse_from && asked < refuse_to ? NULL : malloc(size);
}

static const char text[] = "{\"a number with a long name, longer than a buffer at its start\": "
                           "123456789012345678, \"b\": [1.5, true, null, \"x\\\"y \\u20ac and so on\"], "
                           "\"c\": {\"d\": {\"e\": \"the end of a long and longer value\"}}}";

static int parse(json_t **ret)
{
    struct wm_error err = {0};
    return wm_json_parse((struct wm_str){text, sizeof text - 1}, ret, NULL, &err);
}

static int print(const json_t *value, struct wm_buf *buf)
{
    struct wm_error err = {0};
    wm_buf_init(buf, 1 << 16);
    return wm_json_text(value, JSON_INDENT(2), buf, &err);
}

/* From the n-th request on, `n_refused` are refused, until all of the work is done without one. */
static void refuse_each(unsigned n_refused)
{
    json_t *want = NULL;
    struct wm_buf want_text, buf;
    refuse_from = refuse_to = 0;
    CHECK(!parse(&want) && want && !print(want, &want_text));
    bool reached = true;
    for (unsigned n = 1; reached; n++) {
        json_t *got = NULL;
        asked = 0;
        refuse_from = n;
        refuse_to = n + n_refused;
        int status = parse(&got);
        reached = asked >= n;
        CHECK(reached ? status == WM_E_NOMEM && !got : !status && json_equal(got, want));
        json_decref(got);
    }
    reached = true;
    for (unsigned n = 1; reached; n++) {
        asked = 0;
        refuse_from = n;
        refuse_to = n + n_refused;
        int status = print(want, &buf);
        reached = asked >= n;
        CHECK(reached ? status == WM_E_NOMEM
                      : !status && wm_str_eq(wm_buf_str(&buf), wm_buf_str(&want_text)));
        wm_buf_done(&buf);
    }
    refuse_from = refuse_to = 0;
    wm_buf_done(&want_text);
    json_decref(want);
}

int main(void)
{
    struct wm_error err = {0};
    json_error_t why;
    json_t *none;
    json_set_alloc_funcs(refusing, free);
    CHECK_OK(wm_json_parse(WM_STR("{\"a\": }"), &none, &why, &err), err);
    CHECK(!none && why.line == 1 && *why.text);
    CHECK_OK(wm_json_parse(WM_STR(""), &none, NULL, &err), err);
    CHECK(!none);
    struct wm_buf small;
    json_t *number = json_integer(123456);
    wm_buf_init(&small, 3);
    CHECK(wm_json_text(number, JSON_ENCODE_ANY, &small, &err) == WM_E_LIMIT);
    wm_buf_done(&small);
    json_decref(number);
    refuse_each(1);
    refuse_each(2);
    refuse_each(100000);
    return test_summary();
}
