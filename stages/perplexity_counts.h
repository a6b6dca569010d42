/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file perplexity_counts.h
 * How often each perplexity occurs in each language: percentiles of any number of documents, the same
 * in whatever order they come.
 *
 * A perplexity is counted in tenths, as CCNet writes it; from 100,000 on to six digits. So counts are exact
 * to that, and few: a language has a hundred thousand different ones below, and a factor of ten above
 * adds nine hundred thousand at most. One thread at a time.
 */
#ifndef WETMILL_STAGES_PERPLEXITY_COUNTS_H
#define WETMILL_STAGES_PERPLEXITY_COUNTS_H

#include <stdint.h>

#include "stages/cutoffs.h"
#include "wetmill/buf.h"

enum { WM_PERPLEXITY_VALUES = 1 << 24 /**< Most different ones of all languages: 512 MiB. */ };

struct wm_perplexity_counts {
    struct wm_arena arena;
    struct wm_str *languages; /**< [n_languages], in the order they were first seen */
    size_t n_languages;
    struct wm_perplexity_count *table; /**< [mask + 1], open addressing; count 0 = free */
    size_t mask, n;
    uint64_t documents; /**< Counted. */
    uint64_t unfit;     /**< Not counted: no perplexity ≥ 0, or a name that CSV cannot hold. */
};

void wm_perplexity_counts_init(struct wm_perplexity_counts *counts);
void wm_perplexity_counts_done(struct wm_perplexity_counts *counts);
/** WM_E_LIMIT over WM_PERPLEXITY_VALUES or WM_CUTOFFS_LANGUAGES. */
int wm_perplexity_counts_add(struct wm_perplexity_counts *counts, struct wm_str language,
                             double perplexity, struct wm_error *err);
/**
 * Append CSV as cutoffs.h has it: a column for each language, by bytes, a row for each of
 * `percentiles`[n] (0 … 100). Of N perplexities in rising order the one at percentile p is number
 * floor(N p / 100) from 0, or the last: p percent are below it, or as near to that as can be.
 */
int wm_perplexity_counts_csv(const struct wm_perplexity_counts *counts, const unsigned *percentiles,
                             size_t n, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_STAGES_PERPLEXITY_COUNTS_H */
