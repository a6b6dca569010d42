/* SPDX-License-Identifier: Apache-2.0 */
/* Text cut anywhere comes out in whole characters, and the same as cut nowhere. */
#include "trainer/generate_text.h"

#include "test.h"
#include "wetmill/buf.h"
#include "wetmill/utf8.h"

struct sink {
    struct wm_buf text;
    unsigned invalid, calls, stop_at;
};

static int take(void *arg, struct wm_str text)
{
    struct sink *sink = arg;
    struct wm_error err;
    sink->invalid += !wm_utf8_valid(text) || !text.len;
    CHECK_OK(wm_buf_add(&sink->text, text.ptr, text.len, &err), err);
    return ++sink->calls == sink->stop_at;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* In pieces of random length; piece 0: all at once. */
static void check_pieces(struct wm_str in, struct wm_str want, uint32_t piece, uint32_t *state)
{
    struct sink sink = {.stop_at = 0};
    struct wm_text_stream stream = {.on_text = take, .arg = &sink};
    wm_buf_init(&sink.text, 1 << 20);
    for (size_t at = 0; at < in.len;) {
        size_t n = piece ? 1 + next_random(state) % piece : in.len;
        n = n < in.len - at ? n : in.len - at;
        CHECK(wm_text_stream_add(&stream, (struct wm_str){in.ptr + at, n}) == 0);
        at += n;
    }
    CHECK(wm_text_stream_end(&stream) == 0);
    CHECK_STR(wm_buf_str(&sink.text), want);
    CHECK_U64(sink.invalid, 0);
    wm_buf_done(&sink.text);
}

static void check_random(uint32_t *state)
{
    static const unsigned char bytes[] = {'a',  'b',  0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x82, 0xAC,
                                          0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xFF, 0xF4, 0x90};
    struct wm_arena arena;
    struct wm_error err;
    wm_arena_init(&arena, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        char in[40];
        size_t n = next_random(state) % sizeof in;
        for (size_t i = 0; i < n; i++) /* often a real character's next byte */
            in[i] = (char)bytes[(next_random(state) % 3 && i) ? (i + (size_t)round) % sizeof bytes
                                                              : next_random(state) % sizeof bytes];
        struct wm_str text = {in, n}, want;
        CHECK_OK(wm_utf8_repair(text, &arena, &want, NULL, &err), err);
        check_pieces(text, want, 0, state);
        check_pieces(text, want, 1, state);
        check_pieces(text, want, 5, state);
        wm_arena_reset(&arena);
    }
    wm_arena_done(&arena);
}

static void check_stop(void)
{
    struct sink sink = {.stop_at = 2};
    struct wm_text_stream stream = {.on_text = take, .arg = &sink};
    wm_buf_init(&sink.text, 1 << 20);
    CHECK(wm_text_stream_add(&stream, WM_STR("one")) == 0);
    CHECK(wm_text_stream_add(&stream, WM_STR("\xE2")) == 0);
    CHECK_U64(sink.calls, 1);
    CHECK(wm_text_stream_add(&stream, WM_STR("\x82\xAC")) == 1);
    CHECK_STR(wm_buf_str(&sink.text), WM_STR("one\xE2\x82\xAC"));
    wm_buf_done(&sink.text);
}

int main(void)
{
    uint32_t state = 1;
    struct wm_str euro = WM_STR("x\xE2\x82\xAC\xF0\x9F\x98\x80y");
    check_pieces(euro, euro, 1, &state);
    check_pieces(WM_STR("a\xE2\x82"), WM_STR("a\xEF\xBF\xBD"), 1, &state);
    check_random(&state);
    check_stop();
    return test_summary();
}
