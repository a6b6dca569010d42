/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas and buffers. */
#include "test.h"

#include "wetmill/arena.h"
#include "wetmill/buf.h"

static struct wm_error err;

static void test_arena(void)
{
    struct wm_arena arena = {0};
    wm_arena_done(&arena);
    CHECK(wm_arena_bytes(&arena, 1) == NULL); /* zeroed: limit 0 */

    wm_arena_init(&arena, 1 << 20);
    CHECK_U64(arena.held, 0);
    size_t wrong = 0;
    unsigned char *before = NULL;
    for (size_t i = 0; i < 1000; i++) {
        unsigned char *at = wm_arena_alloc(&arena, i % 50, 7);
        wrong += !at || (uintptr_t)at % sizeof(max_align_t) % 16 != 0;
        for (size_t k = 0; at && k < i % 50 * 7; k++)
            wrong += at[k] != 0;
        if (at && i % 50)
            memset(at, 0xAA, i % 50 * 7);
        wrong += before && before[0] != 0xAA; /* nobody wrote over the last one */
        before = i % 50 ? at : NULL;
    }
    CHECK_U64(wrong, 0);
    CHECK(arena.held <= 1 << 20);
    CHECK(wm_arena_alloc(&arena, SIZE_MAX / 2, 3) == NULL);
    CHECK(wm_arena_alloc(&arena, SIZE_MAX, SIZE_MAX) == NULL);
    CHECK(wm_arena_bytes(&arena, SIZE_MAX) == NULL);
    CHECK(wm_arena_bytes(&arena, 1 << 20) == NULL);
    CHECK(wm_arena_bytes(&arena, 0) != NULL);

    CHECK_STR(wm_arena_str(&arena, WM_STR("abc")), WM_STR("abc"));
    CHECK_STR(wm_arena_str(&arena, (struct wm_str){NULL, 0}), WM_STR(""));
    CHECK_STR(wm_str_of(wm_arena_cstr(&arena, WM_STR("abc"))), WM_STR("abc"));
    wm_arena_reset(&arena);
    size_t held = arena.held;
    CHECK(held > 0 && wm_arena_bytes(&arena, 1000) != NULL);
    CHECK_U64(arena.held, held); /* the kept chunk serves */
    wm_arena_done(&arena);
    CHECK_U64(arena.held, 0);

    wm_arena_init(&arena, 100000);
    size_t n = 0;
    while (n < 1000000 && wm_arena_bytes(&arena, 100))
        n++;
    CHECK(n * 100 > 80000 && n * 100 < 100000 && arena.held <= 100000);
    CHECK_STR(wm_arena_str(&arena, (struct wm_str){"x", 100000}), WM_STR(""));
    wm_arena_done(&arena);
}

static void test_buf(void)
{
    struct wm_buf buf = {0};
    wm_buf_done(&buf);
    wm_buf_init(&buf, 1000);
    CHECK_OK(wm_buf_add(&buf, "", 0, &err), err);
    CHECK_OK(wm_buf_printf(&buf, &err, "%s-%d", "a", 7), err);
    CHECK_STR(wm_buf_str(&buf), WM_STR("a-7"));
    for (int i = 0; i < 99; i++)
        CHECK_OK(wm_buf_add(&buf, "0123456789", 10, &err), err);
    CHECK_U64(buf.len, 993);
    CHECK_FAILS(wm_buf_add(&buf, "0123456789", 10, &err), WM_E_LIMIT, err, "limit of 1000");
    CHECK_U64(buf.len, 993);
    CHECK_OK(wm_buf_add(&buf, "0123456", 7, &err), err);
    CHECK_FAILS(wm_buf_printf(&buf, &err, "x"), WM_E_LIMIT, err, "limit");
    CHECK(wm_buf_reserve(&buf, SIZE_MAX, &err) == WM_E_LIMIT);
    wm_buf_done(&buf);
    CHECK(buf.len == 0 && buf.max == 1000);

    wm_buf_init(&buf, 3); /* below the first step of growth */
    CHECK_OK(wm_buf_add(&buf, "abc", 3, &err), err);
    CHECK(wm_buf_add(&buf, "d", 1, &err) == WM_E_LIMIT);
    wm_buf_done(&buf);

    /* as full as it may be: printf needs no room for its NUL */
    wm_buf_init(&buf, 4);
    CHECK_OK(wm_buf_printf(&buf, &err, "abcd"), err);
    CHECK_STR(wm_buf_str(&buf), WM_STR("abcd"));
    wm_buf_done(&buf);
}

static void test_str(void)
{
    struct wm_str rest = WM_STR("a\n\nb");
    CHECK_STR(wm_str_line(&rest), WM_STR("a"));
    CHECK_STR(wm_str_line(&rest), WM_STR(""));
    CHECK_STR(wm_str_line(&rest), WM_STR("b"));
    CHECK_U64(rest.len, 0);
    CHECK(wm_str_starts(WM_STR("abc"), WM_STR("ab")) && !wm_str_starts(WM_STR("a"), WM_STR("ab")));
    CHECK(wm_str_ends(WM_STR("abc"), WM_STR("bc")) && !wm_str_ends(WM_STR("c"), WM_STR("bc")));
    CHECK(wm_str_eq((struct wm_str){NULL, 0}, WM_STR("")));
    CHECK_U64(wm_str_count(WM_STR("a,b,,"), ','), 3);
    CHECK_STR(wm_str_trim(WM_STR(" \ta b\t ")), WM_STR("a b"));
    CHECK_STR(wm_str_trim(WM_STR("  ")), WM_STR(""));
}

int main(void)
{
    test_arena();
    test_buf();
    test_str();
    return test_summary();
}
