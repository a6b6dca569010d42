/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cutoffs.h
 * Where one bucket of perplexities ends and the next begins, for each language.
 *
 * As a file: CSV as CCNet has it. A heading line names the languages behind a first cell of any
 * name; each line below starts with a percentile (whole, 0 … 100) and gives the perplexity at it
 * for each language. An empty cell: no value.
 */
#ifndef WETMILL_STAGES_CUTOFFS_H
#define WETMILL_STAGES_CUTOFFS_H

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_CUTOFFS_BYTES = 16 << 20, /**< Largest file. */
    WM_CUTOFFS_LANGUAGES = 1 << 14,
};

struct wm_cutoff {
    struct wm_str language;
    double head, tail; /**< Below head: the head; from tail on: the tail. NaN: not known. */
};

struct wm_cutoffs {
    struct wm_cutoff *items; /**< [n], by language's bytes. */
    size_t n;
};

/** CCNet's own, for its published models. Memory: `arena`. */
int wm_cutoffs_ccnet(struct wm_arena *arena, struct wm_cutoffs *ret, struct wm_error *err);

/** The rows of two percentiles of a CSV. WM_E_FORMAT names line and what is wrong with it. */
int wm_cutoffs_parse(struct wm_str csv, unsigned head, unsigned tail, struct wm_arena *arena,
                     struct wm_cutoffs *ret, struct wm_error *err);

/** The same from a file; errors name it. */
int wm_cutoffs_read(const char *path, unsigned head, unsigned tail, struct wm_arena *arena,
                    struct wm_cutoffs *ret, struct wm_error *err);

/** The entry of a language, or NULL. */
const struct wm_cutoff *wm_cutoffs_find(const struct wm_cutoffs *cutoffs, struct wm_str language);

#endif /* WETMILL_STAGES_CUTOFFS_H */
