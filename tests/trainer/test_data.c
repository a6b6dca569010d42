/* SPDX-License-Identifier: Apache-2.0 */
/* The order of samples is a permutation, differs between epochs and seeds, and windows cover the
 * stream. */
#include "trainer/data.h"

#include "test.h"

static void check_permutation(uint64_t n, uint64_t seed, uint64_t epoch)
{
    struct wm_order order;
    wm_order_init(&order, n, seed, epoch);
    unsigned char *seen = calloc(n, 1);
    uint64_t distinct = 0, outside = 0;
    for (uint64_t i = 0; seen && i < n; i++) {
        uint64_t at = wm_order_at(&order, i);
        outside += at >= n;
        if (at < n && !seen[at]++)
            distinct++;
    }
    CHECK_U64(outside, 0);
    CHECK_U64(distinct, n);
    free(seen);
}

static uint64_t equal_places(uint64_t n, uint64_t seed1, uint64_t epoch1, uint64_t seed2,
                             uint64_t epoch2)
{
    struct wm_order a, b;
    uint64_t equal = 0;
    wm_order_init(&a, n, seed1, epoch1);
    wm_order_init(&b, n, seed2, epoch2);
    for (uint64_t i = 0; i < n; i++)
        equal += wm_order_at(&a, i) == wm_order_at(&b, i);
    return equal;
}

/* In a shuffle, the place of i is as good as uniform: count pairs (half of i, half of its place).
 */
static void check_spread(void)
{
    enum { N = 10000 };
    struct wm_order order;
    uint64_t quarter[4][4] = {{0}}, neighbours = 0;
    wm_order_init(&order, N, 5, 0);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t at = wm_order_at(&order, i);
        quarter[4 * i / N][4 * at / N]++;
        uint64_t next = wm_order_at(&order, (i + 1) % N);
        neighbours += next == at + 1;
    }
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) /* 625 expected, standard deviation about 19 */
            CHECK(quarter[i][j] > 525 && quarter[i][j] < 725);
    }
    CHECK(neighbours < 12);
}

static void check_orders(void)
{
    for (uint64_t n = 1; n <= 70; n++)
        check_permutation(n, n * 17, n % 3);
    check_permutation(4096, 1, 0);
    check_permutation(4097, 1, 1);
    check_permutation(100003, UINT64_MAX, UINT64_MAX);
    CHECK(equal_places(1000, 1, 0, 1, 1) < 20);
    CHECK(equal_places(1000, 1, 0, 2, 0) < 20);
    CHECK_U64(equal_places(1000, 7, 3, 7, 3), 1000);
    struct wm_order large;
    wm_order_init(&large, (uint64_t)1 << 62, 3, 4);
    CHECK(wm_order_at(&large, 12345) < (uint64_t)1 << 62);
    check_spread();
}

/* A shard of the tokens 0, 1, 2 … in memory. */
static struct wm_shard_set counting(uint16_t *tokens, uint64_t n, struct wm_shard *shard,
                                    uint64_t starts[2])
{
    for (uint64_t i = 0; i < n; i++)
        tokens[i] = (uint16_t)i;
    *shard = (struct wm_shard){.bin = {(unsigned char *)tokens, n * 2}, .width = 2, .n_tokens = n};
    starts[0] = 0;
    starts[1] = n;
    return (struct wm_shard_set){
        .shards = shard, .starts = starts, .n = 1, .n_tokens = n, .vocabulary = 1000};
}

static void check_windows(void)
{
    uint16_t tokens[103];
    uint64_t starts[2];
    struct wm_shard shard;
    struct wm_shard_set set = counting(tokens, 103, &shard, starts);
    struct wm_windows windows;
    struct wm_error err;
    uint32_t inputs[10], targets[10];
    CHECK_OK(wm_windows_init(&windows, &set, 10, &err), err);
    CHECK_U64(windows.n, 10);
    CHECK_U64(windows.rest, 2);
    CHECK_OK(wm_windows_read(&windows, 3, 10, inputs, targets, &err), err);
    CHECK_U64(inputs[0], 30);
    CHECK_U64(inputs[9], 39);
    CHECK_U64(targets[0], 31);
    CHECK_U64(targets[9], 40);
    CHECK_OK(wm_windows_read(&windows, 10, 2, inputs, targets, &err), err);
    CHECK_U64(targets[1], 102);

    uint64_t visits[10] = {0}, differ = 0;
    for (uint64_t sample = 0; sample < 30; sample++) {
        uint64_t window = wm_windows_sample(&windows, 42, sample);
        visits[window]++;
        differ += window != wm_windows_sample(&windows, 42, sample % 10);
    }
    for (int i = 0; i < 10; i++)
        CHECK_U64(visits[i], 3);
    CHECK(differ > 10);

    set.vocabulary = 40; /* the window holds id 40 as its last target */
    CHECK_FAILS(wm_windows_read(&windows, 3, 10, inputs, targets, &err), WM_E_FORMAT, err, "id 40");
    set.n_tokens = 1;
    CHECK_FAILS(wm_windows_init(&windows, &set, 10, &err), WM_E_FORMAT, err, "too few");
}

int main(void)
{
    check_orders();
    check_windows();
    return test_summary();
}
