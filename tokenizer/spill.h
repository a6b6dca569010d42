/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file spill.h
 * Tables of pieces that have become too large for memory, as sorted runs in a scratch file, and
 * the merging of the runs: every piece once, with the sum of its counts, in an order that depends
 * on the pieces alone. Any number of threads may spill at once; they write in turn.
 *
 * Memory: one eighth of `memory` while runs are merged, and 64 KiB while one is written. When there
 * are too many runs to merge at once within that, they become one run. Pieces longer than a run's
 * buffer are held beside it.
 */
#ifndef WETMILL_TOKENIZER_SPILL_H
#define WETMILL_TOKENIZER_SPILL_H

#include <pthread.h>

#include "tokenizer/piece_file.h"
#include "tokenizer/pieces.h"

struct bpe_spill {
    pthread_mutex_t lock;
    char *dir;
    int fd; /**< < 0: nothing was spilled. */
    uint64_t size, memory;
    struct bpe_stretch *runs;
    size_t n_runs, cap_runs;
    uint64_t unit;    /**< What counts are multiples of (weights.h); 0 counts as 1. */
    uint64_t spilled; /**< Bytes written, those of runs made from runs as well. */
};

/** `dir` must exist; NULL is $TMPDIR, else /tmp. It is touched by the first spill only. */
int bpe_spill_init(struct bpe_spill *spill, const char *dir, uint64_t memory, struct wm_error *err);
void bpe_spill_done(struct bpe_spill *spill); /**< Safe on a zeroed one. */

/** Write a table as a run and empty it; it may be used further. Nothing happens if it is empty. */
int bpe_spill_table(struct bpe_spill *spill, struct bpe_pieces *pieces, struct wm_error *err);

/** Call `each` for every piece of all runs, with its count rounded to units: those of 0 are left out.
 *  A status other than 0 ends it. */
int bpe_spill_merge(struct bpe_spill *spill,
                    int (*each)(void *arg, struct wm_str piece, uint64_t count,
                                struct wm_error *err),
                    void *arg, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SPILL_H */
