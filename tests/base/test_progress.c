/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <time.h>

#include "wetmill/progress.h"

static void check_bytes(uint64_t bytes, const char *want)
{
    char text[32];
    CHECK_STR(wm_str_of(wm_format_bytes(bytes, text, sizeof text)), wm_str_of(want));
}

/* As told of a need, and of a limit. */
static void check_both(uint64_t bytes, const char *up, const char *down)
{
    char text[32];
    CHECK_STR(wm_str_of(wm_format_bytes_up(bytes, text, sizeof text)), wm_str_of(up));
    CHECK_STR(wm_str_of(wm_format_bytes_down(bytes, text, sizeof text)), wm_str_of(down));
}

/* A need shown is enough, and is not shown as the limit that it is over. */
static void test_limits(void)
{
    check_both(0, "0 B", "0 B");
    check_both(999, "999 B", "999 B");
    check_both(1000, "1.00 kB", "1.00 kB");
    check_both(1001, "1.01 kB", "1.00 kB");
    check_both(9999, "10.0 kB", "9.99 kB");
    check_both(99999, "100 kB", "99.9 kB");
    check_both(999001, "1.00 MB", "999 kB");
    check_both(370000000, "370 MB", "370 MB");
    check_both(370000001, "371 MB", "370 MB");
    check_both(2010000000, "2.01 GB", "2.01 GB");
    check_both(UINT64_MAX, "18.5 EB", "18.4 EB");
}

static void check_duration(double seconds, const char *want)
{
    char text[32];
    CHECK_STR(wm_str_of(wm_format_duration(seconds, text, sizeof text)), wm_str_of(want));
}

static void check_count(uint64_t n, const char *want)
{
    char text[32];
    CHECK_STR(wm_str_of(wm_format_count(n, text, sizeof text)), wm_str_of(want));
}

static void test_figures(void)
{
    check_bytes(0, "0 B");
    check_bytes(999, "999 B");
    check_bytes(1000, "1.00 kB");
    check_bytes(43100000, "43.1 MB");
    check_bytes(999499, "999 kB");
    check_bytes(999500, "1.00 MB");
    check_bytes(9994999, "9.99 MB");
    check_bytes(9995000, "10.0 MB");
    check_bytes(99960000, "100 MB");
    check_bytes(UINT64_MAX, "18.4 EB");
    check_count(0, "0");
    check_count(999, "999");
    check_count(1000, "1,000");
    check_count(123456, "123,456");
    check_count(UINT64_MAX, "18,446,744,073,709,551,615");
    check_duration(0, "0:00");
    check_duration(-5, "0:00");
    check_duration(11.6, "0:12");
    check_duration(754, "12:34");
    check_duration(3723, "1:02:03");
    check_duration(183845, "2 d 03:04:05");
}

static bool has(struct wm_progress *p, const char *words)
{
    char text[WM_PROGRESS_TEXT];
    CHECK_U64(wm_progress_text(p, text, sizeof text), strlen(text));
    bool found = strstr(text, words) != NULL;
    if (!found)
        (void)fprintf(stderr, "\"%s\" lacks \"%s\"\n", text, words);
    return found;
}

static void rest(long milliseconds)
{
    struct timespec t = {0, milliseconds * 1000000};
    (void)nanosleep(&t, NULL);
}

/* What had been done, phase by phase. */
static void test_past(void)
{
    struct wm_progress progress;
    struct wm_phase phases[WM_PROGRESS_PHASES];
    char label[32];
    wm_progress_init(&progress);
    CHECK_U64(wm_progress_phases(NULL, phases), 0);
    CHECK_U64(wm_progress_phases(&progress, phases), 0);
    wm_progress_start(&progress, "one", "bytes", 100);
    wm_progress_skip(&progress, 30);
    wm_progress_add(&progress, 20);
    wm_progress_finish(&progress);
    wm_progress_start(&progress, "two", "tokens", 100);
    wm_progress_add(&progress, 7);
    CHECK_U64(wm_progress_phases(&progress, phases), 2);
    CHECK_STR(wm_str_of(phases[0].label), WM_STR("one"));
    CHECK_STR(wm_str_of(phases[1].unit), WM_STR("tokens"));
    CHECK(phases[0].done == 50 && phases[0].skipped == 30);
    CHECK(phases[1].done == 7 && phases[1].skipped == 0);
    wm_progress_start(&progress, "one", "bytes", 100); /* again: counts as it is now */
    CHECK_U64(wm_progress_phases(&progress, phases), 2);
    CHECK(phases[0].done == 0 && phases[1].done == 7);
    for (int i = 0; i < 2 * WM_PROGRESS_PHASES; i++) {
        (void)snprintf(label, sizeof label, "phase %d", i);
        wm_progress_start(&progress, label, "bytes", 1);
    }
    CHECK_U64(wm_progress_phases(&progress, phases), WM_PROGRESS_PHASES);
    wm_progress_forget(&progress);
    CHECK_U64(wm_progress_phases(&progress, phases), 0);
    wm_progress_done(&progress);
}

static void test_phases(void)
{
    struct wm_progress p;
    char text[WM_PROGRESS_TEXT];
    wm_progress_init(&p);
    CHECK_U64(wm_progress_text(&p, text, sizeof text), 0);
    wm_progress_start(&p, "corpus", "bytes", 1000);
    CHECK(has(&p, "corpus  ") && has(&p, "0 %"));
    wm_progress_add(&p, 610);
    rest(20);
    CHECK(has(&p, "B/s  61 %  ETA 0:00"));
    wm_progress_add(&p, 389);
    CHECK(has(&p, "  99 %"));
    wm_progress_add(&p, 1);
    CHECK(has(&p, "  99 %")); /* done, but not finished */
    wm_progress_add(&p, 1000);
    CHECK(has(&p, "  99 %"));
    wm_progress_finish(&p);
    CHECK(has(&p, "  100 %  0:00"));

    wm_progress_start(&p, "train", "tokens", 0);
    wm_progress_set(&p, 12345, 0);
    CHECK(has(&p, "tokens/s  12,345 tokens"));
    wm_progress_set(&p, 50, 200);
    CHECK(has(&p, "  25 %"));
    CHECK_U64(wm_progress_text(&p, text, 8), 7);

    /* What was there before does not count as speed: half is left, at this rate forever. */
    wm_progress_start(&p, "x", "bytes", 2000000000);
    wm_progress_skip(&p, 1000000000);
    rest(20);
    CHECK(has(&p, "x  0 B/s  50 %"));
    wm_progress_done(&p);

    wm_progress_start(NULL, "a", "b", 0);
    wm_progress_add(NULL, 1);
    wm_progress_set(NULL, 1, 1);
    wm_progress_skip(NULL, 1);
    wm_progress_finish(NULL);
    wm_progress_done(NULL);
    CHECK_U64(wm_progress_text(NULL, text, sizeof text), 0);
}

static void *add_many(void *arg)
{
    char text[WM_PROGRESS_TEXT];
    for (int i = 0; i < 10000; i++) {
        wm_progress_add(arg, 1);
        if (i % 100 == 0)
            (void)wm_progress_text(arg, text, sizeof text);
    }
    return NULL;
}

static void test_threads(void)
{
    struct wm_progress p;
    pthread_t threads[4];
    wm_progress_init(&p);
    wm_progress_start(&p, "many", "items", 40000);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, add_many, &p) == 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    CHECK_U64(atomic_load(&p.done), 40000);
    wm_progress_done(&p);
}

int main(void)
{
    test_figures();
    test_limits();
    test_phases();
    test_past();
    test_threads();
    return test_summary();
}
