/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "fixture.h"

#define MODEL "model=" WM_SOURCE_DIR "/samples/lid.176.ftz"

#define ENGLISH "It was a bright cold day in spring,\nand the clocks of the town struck nine."
#define GERMAN \
    "Am nächsten Morgen gingen die Kinder\nmit ihrem Vater in den Wald, um Holz zu holen."
static const struct wm_str english = {ENGLISH, sizeof ENGLISH - 1};
static const struct wm_str german = {GERMAN, sizeof GERMAN - 1};

static void check_labels(void)
{
    struct fixture f;
    fixture_one(&f, "language", MODEL);
    int label = wm_schema_slot(&f.chain.schema, "language");
    int score = wm_schema_slot(&f.chain.schema, "language_score");
    CHECK(label >= 0 && score >= 0);
    CHECK_KEPT(&f, english);
    CHECK(wm_doc_has(&f.batch.docs[0], label) && wm_doc_has(&f.batch.docs[0], score));
    CHECK_STR(f.batch.docs[0].values[label].text, WM_STR("en"));
    CHECK(f.batch.docs[0].values[score].real > 0.8 && f.batch.docs[0].values[score].real <= 1);
    CHECK_KEPT(&f, german);
    CHECK_STR(f.batch.docs[0].values[label].text, WM_STR("de"));
    CHECK_DROPPED(&f, WM_STR("0 1 2 3 4 5 6 7 8 9"), "low-score");
    const char *why = fixture_run(&f, WM_STR("")); /* the end of the line is all there is */
    CHECK(why && strcmp(why, "low-score") == 0);
    struct wm_str newlines = repeated("\n", 1 << 20),
                  line = repeated("and the clocks of the town ", 1 << 19);
    why = fixture_run(&f, newlines);
    CHECK(why && strcmp(why, "low-score") == 0);
    CHECK_KEPT(&f, line);
    forget(newlines);
    forget(line);
    CHECK(f.chain.links[0].stage->memory(f.chain.links[0].shared, 4) > 1 << 20);
    CHECK(strstr(f.chain.links[0].stage->file(f.chain.links[0].shared, 0), "lid.176.ftz"));
    CHECK(f.chain.links[0].stage->file(f.chain.links[0].shared, 1) == NULL);
    fixture_done(&f);
}

/* Profile ccnet: words around a newline are one, and 0.4951 passes 0.5. */
static void check_ccnet(void)
{
    struct fixture f;
    struct wm_str glued = WM_STR("It was a bright cold day in spring,and the clocks of the town "
                                 "struck nine.");
    fixture_one(&f, "language", MODEL ";min_score=0");
    int score = wm_schema_slot(&f.chain.schema, "language_score");
    CHECK_KEPT(&f, glued);
    double exact = f.batch.docs[0].values[score].real;
    CHECK_KEPT(&f, english);
    CHECK(fabs(f.batch.docs[0].values[score].real - exact) > 1e-5); /* a blank makes a difference */
    fixture_done(&f);
    fixture_one(&f, "language", MODEL ";min_score=0;profile=ccnet");
    CHECK_KEPT(&f, english);
    CHECK(f.batch.docs[0].values[score].real == round(exact * 100) / 100);
    fixture_done(&f);
    char test[512];
    double rounded = round(exact * 100) / 100;
    CHECK_(fabs(exact - rounded) > 1e-6, "the score %.9f is round by itself", exact);
    /* between the score and what it is rounded to: the profiles differ */
    (void)snprintf(test, sizeof test, MODEL ";min_score=%.7f;profile=ccnet", (exact + rounded) / 2);
    fixture_one(&f, "language", test);
    const char *why = fixture_run(&f, glued);
    CHECK(!why == (rounded > exact));
    fixture_done(&f);
    (void)snprintf(test, sizeof test, MODEL ";min_score=%.7f", (exact + rounded) / 2);
    fixture_one(&f, "language", test);
    why = fixture_run(&f, glued);
    CHECK(!why == (rounded < exact));
    fixture_done(&f);
}

static void check_choice(void)
{
    struct fixture f;
    fixture_one(&f, "language", MODEL ";languages=de,fr");
    CHECK_KEPT(&f, german);
    CHECK_DROPPED(&f, english, "unwanted-language");
    fixture_done(&f);
    fixture_one(&f, "language", MODEL ";exclude=en");
    CHECK_KEPT(&f, german);
    CHECK_DROPPED(&f, english, "unwanted-language");
    fixture_done(&f);
    fixture_one(&f, "language", MODEL ";languages=en,de;exclude=de;min_score=1");
    CHECK_DROPPED(&f, german, "unwanted-language");
    CHECK_DROPPED(&f, english, "low-score");
    fixture_done(&f);
    fixture_one(&f, "language", MODEL ";first_bytes=70;languages=en");
    struct wm_buf both;
    wm_buf_init(&both, 4096);
    CHECK_OK(wm_buf_add(&both, english.ptr, english.len, &f.err), f.err);
    for (int i = 0; i < 4; i++)
        CHECK_OK(wm_buf_add(&both, german.ptr, german.len, &f.err), f.err);
    CHECK_KEPT(&f, wm_buf_str(&both));
    CHECK_KEPT(&f, english);
    fixture_done(&f);
    fixture_one(&f, "language", MODEL ";languages=en");
    CHECK_DROPPED(&f, wm_buf_str(&both), "unwanted-language");
    fixture_done(&f);
    wm_buf_done(&both);
    fixture_one(&f, "language", MODEL ";first_bytes=4;min_score=0"); /* cuts within the ä */
    CHECK_KEPT(&f, WM_STR("Am \u00E4"));
    fixture_done(&f);
}

static void check_errors(void)
{
    struct fixture f;
    fixture_init(&f);
    fixture_add(&f, "language", NULL);
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "no model");
    fixture_done(&f);
    fixture_init(&f);
    fixture_add(&f, "language", MODEL ";languages=en,dee");
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "no label \"dee\"");
    CHECK(strstr(f.err.hint, "did you mean de?"));
    fixture_done(&f);
    fixture_init(&f);
    fixture_add(&f, "language", MODEL ";exclude=klingon");
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "exclude");
    fixture_done(&f);
    fixture_init(&f);
    fixture_add(&f, "language", "model=/no/such/model.ftz");
    CHECK_FAILS(fixture_open(&f), WM_E_IO, f.err, "");
    fixture_done(&f);
    fixture_init(&f);
    fixture_add(&f, "language", "model=" WM_SOURCE_DIR "/samples/README.md");
    CHECK_FAILS(fixture_open(&f), WM_E_FORMAT, f.err, "not a fastText model");
    CHECK(strstr(f.err.where, "README.md"));
    fixture_done(&f);
}

int main(void)
{
    check_labels();
    check_ccnet();
    check_choice();
    check_errors();
    return test_summary();
}
