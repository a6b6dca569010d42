/* SPDX-License-Identifier: Apache-2.0 */
/* What a trainer keeps in its working directory (wetmill/lm_train.h), so that another process goes on.
 *
 *   words       the vocabulary by id, each word as u16 length and bytes; it grows
 *   runs        runs of counted n-grams one behind the other, records as in spools; it grows
 *   counts.N    adjusted counts of order N, records as in spools
 *   below.N     probabilities of order N, for the order above
 *   arpa        the model
 *   point       a state (wetmill/state.h) that says how much of each of these counts, and the rest
 *
 * A point is made of files that only grow, each on the disk before the point takes its place. So the
 * last point holds whenever a process ends; what is behind it in a file is cut off. */
#ifndef SCORERS_LM_TRAIN_KEEP_H
#define SCORERS_LM_TRAIN_KEEP_H

#include "scorers/lm_train_settings.h"
#include "wetmill/state.h"

/* A file of the directory. */
struct lm_file {
    struct wm_out *out; /* NULL: there is none */
    struct wm_file *in;
};

/* A run, or what is left of it: records in the file of runs. */
struct lm_part {
    uint64_t first, n;
};

/* What the last point was made in. */
enum lm_phase {
    LM_COUNTING,   /* text is read, or runs are merged */
    LM_ADJUSTING,  /* runs are merged for the last time, and adjusted */
    LM_ESTIMATING, /* counts of all orders are there; `done` orders are written */
    LM_WRITTEN,    /* the model is there */
    LM_PHASES,
};

struct lm_keep {
    const char *dir; /* NULL: nothing is kept */
    double seconds, saved_at;
    enum lm_phase phase;
    struct wm_buf position;
    struct lm_file words, runs, counts[WM_LM_ORDER_MAX], below, arpa;
    size_t n_words; /* in their file */
    struct lm_part *parts;
    size_t n_parts, cap_parts;
    uint64_t most; /* bytes of runs */
    uint64_t n_counts[WM_LM_ORDER_MAX], n_below;
    struct lm_order *orders;   /* LM_ADJUSTING: [order] as far as they have come, and … */
    uint64_t *counts_of_words; /* … [2 × words] counts and words on the left */
    unsigned done, section;  /* LM_ESTIMATING: orders written; section that is open in `arpa` … */
    uint64_t put;            /* … and n-grams in it */
    struct wm_digest digest; /* LM_WRITTEN: of the model */
    bool made;               /* there is a point … */
    bool behind;             /* … but not of all runs */
};

struct wm_lm_train;

#define LM_KEEP_MAGIC "wetmill lm train"
enum { LM_KEEP_VERSION = 1 };

void lm_keep_done(struct lm_keep *keep);
/* Is it time for a point? Also if somebody asks to stop. */
bool lm_keep_due(const struct lm_keep *keep, struct wm_cancel *cancel);
/* Make a point of what the trainer has; then WM_E_CANCELLED if somebody asks to stop. */
int lm_keep_save(struct wm_lm_train *train, struct wm_error *err);
/* DIR/NAME, or DIR/NAME.n, and `end` behind it. */
int lm_keep_path(const struct lm_keep *keep, const char *name, unsigned n, const char *end,
                 char ret[WM_PATH_MAX], struct wm_error *err);
/* Open a file of the directory to write behind what is there, and to read; `n` for names of orders. */
int lm_keep_append(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                   struct wm_error *err);
int lm_keep_read(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                 struct wm_error *err);
/* What was saved stays. */
void lm_keep_close(struct lm_file *file);
/* It is of no more use. */
int lm_keep_remove(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                   struct wm_error *err);
/* What a spool holds goes behind what is in the file. */
int lm_keep_drain(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                  struct wm_spool *spool, uint64_t *n_records, struct wm_error *err);

#endif /* SCORERS_LM_TRAIN_KEEP_H */
