/* SPDX-License-Identifier: Apache-2.0 */
/* However a text comes in parts and however stop strings overlap, what comes out ends where the first
 * of them begins that is in the text. */
#include "trainer/generate_stop.h"

#include "test.h"

enum { TEXT = 14, STOPS = 4, STOP = 4, ROUNDS = 200000 };

static struct wm_error err;

struct sink {
    char text[64];
    size_t n;
};

static int on_text(void *arg, struct wm_str text)
{
    struct sink *sink = arg;
    CHECK(text.len > 0 && sink->n + text.len < sizeof sink->text);
    memcpy(sink->text + sink->n, text.ptr, text.len);
    sink->n += text.len;
    return 0;
}

/* Feed `text` in parts of up to `most` bytes. */
static bool filter(const char *text, size_t most, const struct wm_list *stops, struct sink *sink)
{
    struct wm_stop_filter f;
    *sink = (struct sink){.n = 0};
    CHECK_OK(wm_stop_filter_init(&f, stops, on_text, sink, &err), err);
    const size_t n = strlen(text);
    int stop = 0;
    for (size_t at = 0; at < n && !stop;) {
        const size_t some = n - at < most ? n - at : most;
        stop = wm_stop_filter_add(&f, (struct wm_str){text + at, some});
        at += some;
    }
    CHECK(stop == 0 || f.found);
    if (!stop)
        CHECK(wm_stop_filter_end(&f) == 0);
    const bool found = f.found;
    wm_stop_filter_done(&f);
    return found;
}

static void check(const char *text, size_t most, const struct wm_list *stops)
{
    struct sink sink;
    const char *first = NULL;
    for (size_t i = 0; i < stops->n; i++) {
        const char *at = strstr(text, stops->items[i]);
        first = at && (!first || at < first) ? at : first;
    }
    const size_t want = first ? (size_t)(first - text) : strlen(text);
    const bool found = filter(text, most, stops, &sink);
    CHECK_(found == (first != NULL) && sink.n == want && !memcmp(sink.text, text, want),
           "\"%s\" by %zu gave \"%.*s\"", text, most, (int)sink.n, sink.text);
}

static uint32_t draw(uint32_t n)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

static void check_random(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        char text[TEXT + 1], strings[STOPS][STOP + 1];
        const char *items[STOPS];
        const size_t n_text = draw(TEXT + 1), n_stops = 1 + draw(STOPS);
        for (size_t i = 0; i < n_text; i++)
            text[i] = (char)('a' + draw(2));
        text[n_text] = 0;
        for (size_t s = 0; s < n_stops; s++) {
            const size_t n = 1 + draw(STOP);
            for (size_t i = 0; i < n; i++)
                strings[s][i] = (char)('a' + draw(3) / 2);
            strings[s][n] = 0;
            items[s] = strings[s];
        }
        const struct wm_list stops = {items, n_stops};
        check(text, 1 + draw(TEXT), &stops);
    }
}

int main(void)
{
    const char *inside[] = {"abX", "b"}, *begins[] = {"abc", "ab"};
    const struct wm_list within = {inside, 2}, longer = {begins, 2};
    struct sink sink;
    for (size_t most = 1; most < 8; most++) {
        check("to ab", most, &within); /* the text ends where the longer one might go on */
        check("to abX", most, &within);
        check("to aab", most, &within);
        check("to ab", most, &longer);
        check("to aba", most, &longer);
        check("to a", most, &longer);
    }
    CHECK(filter("to ab", 5, &within, &sink) && sink.n == 4);
    check_random();
    return test_summary();
}
