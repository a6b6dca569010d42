/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kept_merges.h
 * Merges that have been learned, on the disk: a training that is stopped goes on behind them. They
 * are a beginning of the whole list whenever they are written, so they only have to be done again
 * in all pieces, which takes one pass over these (advance.h) and no counting of pairs merge by merge.
 *
 * The file is a state (state.h): "wetmill merges", version, identity, tallies of what was counted,
 * number of merges, left and right id of each.
 */
#ifndef WETMILL_TOKENIZER_KEPT_MERGES_H
#define WETMILL_TOKENIZER_KEPT_MERGES_H

#include "tokenizer/bpe.h"

enum { BPE_KEPT_VERSION = 1 };

/** Zeroed: nothing is kept. */
struct bpe_kept {
    char *path, *identity;
    double seconds, saved_at; /**< Between two times, and the last one. */
    uint64_t tallies[3];      /**< Documents, bytes, pieces: no other counts' merges. */
    struct bpe_merge *merges; /**< [n] that stood there; ids are not set. */
    uint32_t n, n_saved;
};

/** See wm_trainer_keep. */
int bpe_kept_open(struct bpe_kept *kept, const char *path, const char *identity, double seconds,
                  const struct wm_trainer_stats *counted, struct wm_error *err);
void bpe_kept_done(struct bpe_kept *kept);

/** Give `tok`, which has its bytes, the merges that stood there, if they are at most `most`. */
int bpe_kept_replay(const struct bpe_kept *kept, struct wm_tokenizer *tok, uint32_t most,
                    struct wm_error *err);
/** Whether it is time to write. */
bool bpe_kept_is_due(const struct bpe_kept *kept, const struct wm_tokenizer *tok);
int bpe_kept_save(struct bpe_kept *kept, const struct wm_tokenizer *tok, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_KEPT_MERGES_H */
