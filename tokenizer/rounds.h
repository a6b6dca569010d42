/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rounds.h
 * The merging phase for more pieces than fit in memory: the same merges, found in rounds.
 *
 * A round reads all pieces, cuts them at every pair that occurs less often than a threshold T, adds
 * up the parts that are alike, and learns from these parts, in memory, until no pair of T or more
 * is left. The next round has a lower T. Parts are few: what makes pieces distinct is rare pairs.
 *
 * Why this is exact: let x y be next to each other in a piece, and at a later time x' y', where x'
 * ends with x and y' begins with y. A token is made by one merge only, so inside of it the same
 * merges were done wherever it stands, and whenever x' y' stand at a boundary, x y once did:
 * count(x' y') ≤ count(x y), overlaps included. So a boundary whose pair occurs less than T times
 * will never be inside a token that a pair of T or more makes; to cut there takes nothing from the
 * count of such a pair. And all places of a pair are cut or none, so the counts of the others are
 * exact. Ties are settled among pairs of the same count, all of which are there. Pairs longer than
 * max_token are cut as well, as whatever they grow to is longer.
 *
 * Whether a pair occurs T times is taken from a table of counts by hash without keys
 * (pair_sketch.h): it may say too much, never too little, and then cuts less than it could. T is the
 * smallest for which the parts fit in memory: they are collected with a low one, and when the table
 * is full it is raised, and what was collected is cut again.
 *
 * Between rounds pieces are on disk as ids (piece_blocks.h); each round reads and writes them once,
 * doing the merges of the round before (advance.h), and reads them once more to cut (cut.h). Both
 * passes go block by block with all threads; nothing is read at random. Merges do not depend on the
 * number of threads, while how often T is raised may, and with it the number of rounds.
 */
#ifndef WETMILL_TOKENIZER_ROUNDS_H
#define WETMILL_TOKENIZER_ROUNDS_H

#include "tokenizer/learn.h"
#include "tokenizer/spill.h"

enum { BPE_ROUNDS_BYTE = 64 }; /**< Memory for each byte of the longest piece, for each thread. */

struct bpe_rounds_stats {
    uint64_t pieces;  /**< Distinct ones. */
    uint64_t spilled; /**< Bytes written, those of `spill` not included. */
    uint64_t rounds;
};

/** Least memory for a vocabulary of `n_ids`, bytes. */
static inline uint64_t bpe_rounds_floor(uint64_t n_ids)
{
    return n_ids * 200 + (1 << 20);
}

/**
 * Learn from what was spilled, as bpe_learn does, behind the merges that `tok` has already
 * (options->memory is for all; options->n_merges and so on as there; options->n_threads at most).
 * WM_E_NOMEM with what is needed if not even the most frequent pair's parts fit.
 */
int bpe_learn_rounds(struct wm_tokenizer *tok, struct bpe_spill *spill,
                     const struct bpe_learn_options *options, struct bpe_rounds_stats *ret_stats,
                     struct wm_error *err);

#endif /* WETMILL_TOKENIZER_ROUNDS_H */
