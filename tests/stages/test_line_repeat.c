/* SPDX-License-Identifier: Apache-2.0 */
#include <xxhash.h>

#include "fixture.h"
#include "wetmill/hashset.h"

static void check_hashset(void)
{
    struct wm_arena arena;
    struct wm_hashset set;
    wm_arena_init(&arena, 1 << 20);
    CHECK(wm_hashset_init(&set, 3000, &arena));
    for (uint64_t i = 0; i < 3000; i++)
        CHECK(wm_hashset_add(&set, XXH3_64bits(&i, sizeof i)));
    for (uint64_t i = 0; i < 3000; i++)
        CHECK(!wm_hashset_add(&set, XXH3_64bits(&i, sizeof i)));
    CHECK(wm_hashset_add(&set, 0) && !wm_hashset_add(&set, 0));
    CHECK(wm_hashset_init(&set, 0, &arena));
    CHECK(wm_hashset_add(&set, 7) && !wm_hashset_add(&set, 7));
    CHECK(!wm_hashset_init(&set, 1 << 20, &arena));
    CHECK(!wm_hashset_init(&set, SIZE_MAX, &arena));
    for (size_t n = 0; n < 100; n++)
        CHECK(wm_hashset_bytes(n) / 8 > n);
    wm_arena_done(&arena);
}

int main(void)
{
    struct fixture f;
    check_hashset();
    fixture_one(&f, "line-repeat", "min_line=3;max_lines=1000");
    CHECK_KEPT(&f, WM_STR(""));
    CHECK_KEPT(&f, WM_STR("abc"));
    CHECK_KEPT(&f, WM_STR("abc\ndef\nghi\n"));
    CHECK_KEPT(&f, WM_STR("\n\n\n\n\n"));
    CHECK_KEPT(&f, WM_STR("ab\nab\nab\nab")); /* too short to count */
    CHECK_DROPPED(&f, WM_STR("abc\nabc\nabc\n"), "repetitive");
    struct wm_str newlines = repeated("\n", 999), more = repeated("\n", 1000);
    CHECK_KEPT(&f, newlines); /* 1000 lines */
    CHECK_DROPPED(&f, more, "too-many-lines");
    forget(newlines);
    forget(more);
    struct wm_str one_line = repeated("0123456789", 1 << 20);
    CHECK_KEPT(&f, one_line);
    forget(one_line);
    fixture_done(&f);

    fixture_one(&f, "line-repeat", "min_line=3;max_share=0.43");
    CHECK_KEPT(&f, WM_STR("abc\nabc")); /* 3 of 7 bytes = 0.4286 */
    fixture_done(&f);
    fixture_one(&f, "line-repeat", "min_line=3;max_share=0.42");
    CHECK_DROPPED(&f, WM_STR("abc\nabc"), "repetitive");
    fixture_done(&f);
    fixture_one(&f, "line-repeat", "max_share=0;min_line=1");
    CHECK_KEPT(&f, WM_STR("a\nb\n\n\nc"));
    CHECK_DROPPED(&f, WM_STR("a\nb\na"), "repetitive");
    fixture_done(&f);
    return test_summary();
}
