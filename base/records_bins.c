/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting of records with evenly spread hashes: one scatter into about half as many bins as there
 * are records, by the leading bits; insertion does the rest. */
#include <stdlib.h>

#include "base/records_file.h"

enum {
    BINS_MOST = 1 << 15,
    FARTHEST = 64, /* records that insertion may step over: beyond, hashes are not evenly spread */
};

/* Constant sizes let the compiler move a record in registers. */
#define FOR_SIZE(size, CALL) \
    switch (size) {          \
    case 8:                  \
        CALL(8);             \
        break;               \
    case 12:                 \
        CALL(12);            \
        break;               \
    case 16:                 \
        CALL(16);            \
        break;               \
    case 20:                 \
        CALL(20);            \
        break;               \
    case 24:                 \
        CALL(24);            \
        break;               \
    default:                 \
        CALL(size);          \
    }

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- the scatter ---- */

/* Bins that `n` hashes are spread over: hash − low, shifted by this. */
static unsigned find_shift(size_t n, uint64_t low, uint64_t high)
{
    uint64_t most = 2;
    unsigned shift = 0;
    while (most < BINS_MOST && most < n / 2)
        most *= 2;
    while ((high - low) >> shift >= most)
        shift++;
    return shift;
}

struct range {
    uint64_t low;
    uint64_t last_bin;
    unsigned shift;
};

/* A hash outside of what the caller promised is put at the end; insertion finds out. */
ALWAYS_INLINE size_t bin_of(const struct range *range, const unsigned char *record)
{
    uint64_t bin = (wm_get_be64(record) - range->low) >> range->shift;
    return (size_t)(bin < range->last_bin ? bin : range->last_bin);
}

/* bins[b + 1] = how many records of bin b. */
ALWAYS_INLINE void count_bins(const struct wm_piece *pieces, size_t n_pieces,
                              const struct range *range, size_t size, uint32_t *bins)
{
    for (size_t p = 0; p < n_pieces; p++) {
        const unsigned char *r = pieces[p].records, *end = r + pieces[p].n * size;
        for (; r < end; r += size)
            bins[bin_of(range, r) + 1]++;
    }
}

/* bins[b] = where the next record of bin b goes. */
ALWAYS_INLINE void scatter(const struct wm_piece *pieces, size_t n_pieces,
                           const struct range *range, size_t size, uint32_t *bins,
                           unsigned char *to)
{
    for (size_t p = 0; p < n_pieces; p++) {
        const unsigned char *r = pieces[p].records, *end = r + pieces[p].n * size;
        for (; r < end; r += size)
            memcpy(to + (size_t)bins[bin_of(range, r)]++ * size, r, size);
    }
}

/* ---- insertion ---- */

ALWAYS_INLINE bool less(const unsigned char *a, const unsigned char *b, size_t size)
{
    uint64_t x = wm_get_be64(a), y = wm_get_be64(b);
    return x != y ? x < y : memcmp(a + 8, b + 8, size - 8) < 0;
}

/* False if a record is far from its place: the rest is not done. */
ALWAYS_INLINE bool insert(unsigned char *records, size_t n, size_t size)
{
    for (size_t i = 1; i < n; i++) {
        unsigned char *r = records + i * size, keep[WM_RECORD_MAX];
        if (!less(r, r - size, size))
            continue;
        size_t to = i - 1, end = i > FARTHEST ? i - FARTHEST : 0;
        memcpy(keep, r, size);
        memcpy(r, r - size, size);
        while (to > end && less(keep, records + (to - 1) * size, size)) {
            memcpy(records + to * size, records + (to - 1) * size, size);
            to--;
        }
        memcpy(records + to * size, keep, size);
        if (to == end && to && less(keep, records + (to - 1) * size, size))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static int make_room(struct wm_sorter *s, size_t n, struct wm_error *err)
{
    if (!s->bins && !(s->bins = malloc((BINS_MOST + 1) * sizeof *s->bins)))
        return wm_fail_nomem(err, BINS_MOST * sizeof *s->bins, "sorting records");
    if (n <= s->cap)
        return 0;
    free(s->sorted);
    s->cap = 0;
    s->sorted = malloc(n * s->size);
    if (!s->sorted)
        return wm_fail_nomem(err, n * s->size, "sorting records");
    s->cap = n;
    return 0;
}

int wm_sorter_sort(struct wm_sorter *sorter, const struct wm_piece *pieces, size_t n_pieces,
                   uint64_t low, uint64_t high, struct wm_error *err)
{
    size_t n = 0, size = sorter->size;
    for (size_t p = 0; p < n_pieces; p++)
        n += pieces[p].n;
    if (n > INT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "%zu records to sort at once", n);
    int status = make_room(sorter, n, err);
    if (status || !n)
        return status;
    struct range range = {.low = low, .shift = find_shift(n, low, high)};
    range.last_bin = (high - low) >> range.shift;
    size_t n_bins = (size_t)range.last_bin + 1;
    uint32_t *bins = sorter->bins;
    unsigned char *sorted = sorter->sorted;
    bool done = false;
    memset(bins, 0, (n_bins + 1) * sizeof *bins);
#define COUNT(SIZE) count_bins(pieces, n_pieces, &range, SIZE, bins)
    FOR_SIZE(size, COUNT)
    for (size_t b = 1; b < n_bins; b++)
        bins[b] += bins[b - 1];
#define SCATTER(SIZE) scatter(pieces, n_pieces, &range, SIZE, bins, sorted)
    FOR_SIZE(size, SCATTER)
#define INSERT(SIZE) done = insert(sorted, n, SIZE)
    FOR_SIZE(size, INSERT)
    if (!done)
        wm_records_sort(sorted, n, size);
    return 0;
}

void wm_sorter_done(struct wm_sorter *sorter)
{
    free(sorter->sorted);
    free(sorter->bins);
    *sorter = (struct wm_sorter){.size = sorter->size};
}

/* ---- folding ---- */

/* As wm_fold; prefix and most are constants where it counts. */
ALWAYS_INLINE ptrdiff_t fold(struct wm_fold *f, unsigned char *records, size_t n, size_t size,
                             size_t prefix, unsigned most)
{
    const unsigned char *last = f->last;
    unsigned char *to = records;
    unsigned copies = f->copies;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *r = records + i * size;
        if (copies) {
            uint64_t x = wm_get_be64(last), y = wm_get_be64(r);
            int order = x != y ? (x < y ? -1 : 1) : memcmp(last + 8, r + 8, size - 8);
            if (order > 0)
                return WM_FOLD_DISORDER;
            bool same = x == y && memcmp(last + 8, r + 8, prefix - 8) == 0;
            copies = !same ? 0 : copies;
        }
        if (copies >= most)
            continue; /* `last` has the same prefix, and is no larger */
        copies++;
        if (to != r)
            memcpy(to, r, size);
        last = to;
        to += size;
    }
    if (last != f->last)
        memcpy(f->last, last, size);
    f->copies = copies;
    return (to - records) / (ptrdiff_t)size;
}

ptrdiff_t wm_fold(struct wm_fold *f, unsigned char *records, size_t n)
{
    struct wm_record_form form = f->form;
    size_t prefix = form.fold ? form.fold : form.size;
    unsigned most = form.fold ? 2 : 1;
    if (form.size == 8 && form.fold == 8)
        return fold(f, records, n, 8, 8, 2);
    if (form.size == 20 && form.fold == 8)
        return fold(f, records, n, 20, 8, 2);
    return fold(f, records, n, form.size, prefix, most);
}
