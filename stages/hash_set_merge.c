/* SPDX-License-Identifier: Apache-2.0 */
/* Hash sets into one: stretch by stretch of the hashes' range, each sorted in the cache. */
#include <stdlib.h>

#include "base/records_file.h"
#include "stages/hash_set.h"

enum { STRETCH_HASHES = 32 << 10 }; /* of all sets together, on average */

struct merge {
    struct wm_hash_set *sets;
    size_t n_sets;
    const unsigned char **at; /* [n_sets] the next hash of each */
    struct wm_piece *pieces;  /* [n_sets] */
    struct wm_sorter sorter;
    struct wm_fold fold;
    struct wm_hash_set_out *out;
};

static const unsigned char *end_of(const struct wm_hash_set *set)
{
    return set->map.ptr + WM_HASH_SET_HEADER + set->n * 8;
}

/* How many hashes from `at` on are not above `last`: near the beginning, so by doubling steps. */
static size_t count_up_to(const unsigned char *at, const unsigned char *end, uint64_t last)
{
    size_t n = (size_t)(end - at) / 8, low = 0, high = 1;
    while (high <= n && wm_get_be64(at + (high - 1) * 8) <= last) {
        low = high;
        high *= 2;
    }
    high = high <= n ? high : n + 1;
    while (low + 1 < high) { /* hash low − 1 is not above, hash high − 1 is */
        size_t middle = low + (high - low) / 2;
        if (wm_get_be64(at + (middle - 1) * 8) <= last)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int merge_stretch(struct merge *m, uint64_t first, uint64_t last, struct wm_error *err)
{
    size_t n_pieces = 0, n = 0;
    for (size_t i = 0; i < m->n_sets; i++) {
        size_t some = count_up_to(m->at[i], end_of(&m->sets[i]), last);
        if (!some)
            continue;
        m->pieces[n_pieces++] = (struct wm_piece){m->at[i], some};
        m->at[i] += some * 8;
        n += some;
    }
    int status = wm_sorter_sort(&m->sorter, m->pieces, n_pieces, first, last, err);
    if (status)
        return status;
    ptrdiff_t left = wm_fold(&m->fold, m->sorter.sorted, n);
    if (left < 0)
        return wm_fail(err, WM_E_FORMAT, "a hash set is out of order");
    return wm_hash_set_out_add(m->out, m->sorter.sorted, (size_t)left, err);
}

static int merge_all(struct merge *m, struct wm_error *err)
{
    uint64_t total = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < m->n_sets; i++) {
        total += m->sets[i].n;
        m->at[i] = m->sets[i].map.ptr + WM_HASH_SET_HEADER;
    }
    while (bits < 48 && total >> bits > STRETCH_HASHES)
        bits++;
    uint64_t width = bits ? (UINT64_MAX >> bits) : UINT64_MAX; /* of a stretch, less one */
    int status = 0;
    for (uint64_t i = 0; !status && i < (uint64_t)1 << bits; i++) {
        uint64_t first = bits ? i << (64 - bits) : 0;
        status = merge_stretch(m, first, first + width, err);
    }
    return status;
}

static int open_all(struct merge *m, const char *const *paths, size_t n, struct wm_error *err)
{
    m->sets = calloc(n, sizeof *m->sets);
    m->at = calloc(n, sizeof *m->at);
    m->pieces = calloc(n, sizeof *m->pieces);
    if (!m->sets || !m->at || !m->pieces)
        return wm_fail_nomem(err, n * sizeof *m->sets, "merging hash sets");
    int status = 0;
    for (; !status && m->n_sets < n; m->n_sets += !status) {
        struct wm_hash_set *set = &m->sets[m->n_sets];
        status = wm_hash_set_open(paths[m->n_sets], set, err);
        if (!status && m->n_sets) {
            status = wm_hash_set_check(set, paths[m->n_sets], &m->sets[0].kind, err);
            if (status)
                wm_hash_set_close(set);
        }
    }
    return status;
}

int wm_hash_set_merge(const char *const *paths, size_t n, const char *path, uint64_t *ret_n,
                      struct wm_error *err)
{
    struct merge m = {.sorter = {.size = 8}, .fold = {.form = {8, 0}}};
    int status = open_all(&m, paths, n, err);
    if (!status)
        status = wm_hash_set_out_open(path, &m.sets[0].kind, &m.out, err);
    if (!status)
        status = merge_all(&m, err);
    if (!status)
        status = wm_hash_set_out_commit(m.out, ret_n, err);
    else
        wm_hash_set_out_abandon(m.out);
    for (size_t i = 0; i < m.n_sets; i++)
        wm_hash_set_close(&m.sets[i]);
    wm_sorter_done(&m.sorter);
    free(m.sets);
    free((void *)m.at);
    free(m.pieces);
    return status;
}
