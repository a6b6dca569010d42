/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/perplexity_counts.h"

#include <math.h>
#include <stdlib.h>

#include "wetmill/number.h"

enum { FIRST_SLOTS = 1 << 12 };

/* Tenths up to which all are told apart, and beyond which nothing is taken. */
static const double fine = 1e6, most = 1e15;

struct wm_perplexity_count {
    uint64_t key; /* language << 50 | tenths */
    uint64_t count;
};

enum { LANGUAGE_SHIFT = 50 };

static uint64_t tenths_of(uint64_t key)
{
    return key & (((uint64_t)1 << LANGUAGE_SHIFT) - 1);
}

void wm_perplexity_counts_init(struct wm_perplexity_counts *counts)
{
    *counts = (struct wm_perplexity_counts){0};
    wm_arena_init(&counts->arena, (size_t)64 << 20);
}

void wm_perplexity_counts_done(struct wm_perplexity_counts *counts)
{
    wm_arena_done(&counts->arena);
    free(counts->languages);
    free(counts->table);
    *counts = (struct wm_perplexity_counts){0};
}

/* Tenths, to six digits above `fine`. */
static uint64_t tenths(double perplexity)
{
    double value = round(perplexity * 10), step = 1;
    while (value >= fine * step)
        step *= 10;
    return (uint64_t)(step > 1 ? round(value / step) * step : value);
}

/* ---- languages: some hundred, so looked for from the front ---- */

/* What CSV without quotes can hold, and what reads back as it is. */
static bool fits(struct wm_str language)
{
    for (size_t i = 0; i < language.len; i++)
        if ((unsigned char)language.ptr[i] < 0x20 || language.ptr[i] == ',' ||
            language.ptr[i] == '"')
            return false;
    return language.len > 0 && wm_str_eq(wm_str_trim(language), language);
}

static int find_language(struct wm_perplexity_counts *counts, struct wm_str language, size_t *ret,
                         struct wm_error *err)
{
    for (*ret = 0; *ret < counts->n_languages; ++*ret)
        if (wm_str_eq(counts->languages[*ret], language))
            return 0;
    if (counts->n_languages == WM_CUTOFFS_LANGUAGES - 1)
        return wm_fail(err, WM_E_LIMIT, "there are more than %d languages",
                       WM_CUTOFFS_LANGUAGES - 1);
    if (!counts->languages)
        counts->languages = calloc(WM_CUTOFFS_LANGUAGES, sizeof *counts->languages);
    struct wm_str copy = wm_arena_str(&counts->arena, language);
    if (!counts->languages || !copy.ptr)
        return wm_fail_nomem(err, language.len, "languages");
    counts->languages[counts->n_languages++] = copy;
    return 0;
}

/* ---- counts ---- */

static struct wm_perplexity_count *find(struct wm_perplexity_count *table, size_t mask,
                                        uint64_t key)
{
    size_t slot = (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (table[slot].count && table[slot].key != key)
        slot = (slot + 1) & mask;
    return &table[slot];
}

static int grow(struct wm_perplexity_counts *counts, struct wm_error *err)
{
    size_t n = counts->table ? 2 * (counts->mask + 1) : FIRST_SLOTS;
    if (counts->table && counts->n * 2 <= counts->mask)
        return 0;
    if (counts->n >= WM_PERPLEXITY_VALUES)
        return wm_fail(err, WM_E_LIMIT, "there are more than %d different perplexities",
                       WM_PERPLEXITY_VALUES);
    struct wm_perplexity_count *table = calloc(n, sizeof *table);
    if (!table)
        return wm_fail_nomem(err, n * sizeof *table, "counts of perplexities");
    for (size_t i = 0; counts->table && i <= counts->mask; i++)
        if (counts->table[i].count)
            *find(table, n - 1, counts->table[i].key) = counts->table[i];
    free(counts->table);
    counts->table = table;
    counts->mask = n - 1;
    return 0;
}

int wm_perplexity_counts_add(struct wm_perplexity_counts *counts, struct wm_str language,
                             double perplexity, struct wm_error *err)
{
    size_t number;
    if (!(perplexity >= 0 && perplexity * 10 <= most) || !fits(language)) {
        counts->unfit++;
        return 0;
    }
    int status = find_language(counts, language, &number, err);
    if (!status)
        status = grow(counts, err);
    if (status)
        return status;
    uint64_t key = (uint64_t)number << LANGUAGE_SHIFT | tenths(perplexity);
    struct wm_perplexity_count *count = find(counts->table, counts->mask, key);
    counts->n += count->count == 0;
    count->key = key;
    count->count++;
    counts->documents++;
    return 0;
}

/* ---- percentiles ---- */

struct language {
    struct wm_str name;
    const struct wm_perplexity_count *counts; /* [n], rising */
    size_t n;
    uint64_t total;
};

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct wm_perplexity_count *)a)->key;
    uint64_t y = ((const struct wm_perplexity_count *)b)->key;
    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
    struct wm_str x = ((const struct language *)a)->name, y = ((const struct language *)b)->name;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* floor(total × percentile / 100) without overflow. */
static double value_at(const struct language *language, unsigned percentile)
{
    uint64_t total = language->total, i = 0;
    uint64_t at = total / 100 * percentile + total % 100 * percentile / 100;
    for (uint64_t before = 0; i + 1 < language->n; i++) {
        before += language->counts[i].count;
        if (before > at)
            break;
    }
    return (double)tenths_of(language->counts[i].key) / 10;
}

/* `sorted` has room for counts->n, `languages` for counts->n_languages. */
static void sort_counts(const struct wm_perplexity_counts *counts,
                        struct wm_perplexity_count *sorted, struct language *languages)
{
    size_t n = 0;
    for (size_t i = 0; counts->table && i <= counts->mask; i++)
        if (counts->table[i].count)
            sorted[n++] = counts->table[i];
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 0; i < n; i++) {
        struct language *language = &languages[sorted[i].key >> LANGUAGE_SHIFT];
        if (!language->n++)
            language->counts = &sorted[i];
        language->total += sorted[i].count;
    }
    for (size_t i = 0; i < counts->n_languages; i++)
        languages[i].name = counts->languages[i];
    qsort(languages, counts->n_languages, sizeof *languages, by_name);
}

static int put_row(const struct language *languages, size_t n, unsigned percentile,
                   struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "%u", percentile);
    for (size_t i = 0; !status && i < n; i++) {
        char text[WM_REAL_TEXT];
        size_t len = wm_format_real(text, value_at(&languages[i], percentile), 1);
        status = wm_buf_printf(out, err, ",%.*s", (int)len, text);
    }
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

int wm_perplexity_counts_csv(const struct wm_perplexity_counts *counts, const unsigned *percentiles,
                             size_t n, struct wm_buf *out, struct wm_error *err)
{
    struct wm_perplexity_count *sorted = malloc((counts->n + 1) * sizeof *sorted);
    struct language *languages = calloc(counts->n_languages + 1, sizeof *languages);
    int status = sorted && languages
                     ? wm_buf_printf(out, err, "percentile")
                     : wm_fail_nomem(err, counts->n * sizeof *sorted, "counts of perplexities");
    if (!status)
        sort_counts(counts, sorted, languages);
    for (size_t i = 0; !status && i < counts->n_languages; i++)
        status =
            wm_buf_printf(out, err, ",%.*s", (int)languages[i].name.len, languages[i].name.ptr);
    if (!status)
        status = wm_buf_add(out, "\n", 1, err);
    for (size_t i = 0; !status && i < n; i++)
        status = put_row(languages, counts->n_languages, percentiles[i], out, err);
    free(sorted);
    free(languages);
    return status;
}
