/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file counts_file.h
 * Files of counts: the pieces of a task of a job, written as the task gets on and read once all
 * tasks are done. docs/formats.md has the bytes.
 *
 *     "wmpieces", runs, list of runs and tallies, its length and checksum
 *
 * A run is a sequence of records of piece_file.h in no order; a piece may be in several of them.
 * What no entry of the list names is left from a task that was stopped, and skipped.
 */
#ifndef WETMILL_TOKENIZER_COUNTS_FILE_H
#define WETMILL_TOKENIZER_COUNTS_FILE_H

#include "tokenizer/piece_file.h"
#include "tokenizer/pieces.h"
#include "wetmill/file.h"
#include "wetmill/state.h"

enum {
    BPE_COUNTS_VERSION = 1,
    BPE_COUNTS_RUNS = 1 << 20, /**< Of a file. */
};

/** What a file holds, and what was counted for it. Zeroed: nothing. */
struct bpe_counts {
    struct bpe_stretch *runs;
    size_t n, cap;
    uint64_t documents, bytes, pieces; /**< As in struct wm_trainer_stats. */
    bool seen[256];                    /**< Bytes of the pieces. */
};
void bpe_counts_done(struct bpe_counts *counts);
/** Add what `from` has to `counts`, and empty it. */
int bpe_counts_take(struct bpe_counts *counts, struct bpe_counts *from, struct wm_error *err);

/** Open a file for writing. */
int bpe_counts_open(const char *path, struct wm_out **ret, struct wm_error *err);
/** Append a table as a run. */
int bpe_counts_write(struct bpe_counts *counts, struct wm_out *out, const struct bpe_pieces *pieces,
                     struct wm_error *err);
/** Append `piece` as a run of its own. */
int bpe_counts_write_one(struct bpe_counts *counts, struct wm_out *out, struct wm_str piece,
                         uint64_t count, struct wm_error *err);
/** Append list and tallies: the file is complete. */
int bpe_counts_close(const struct bpe_counts *counts, struct wm_out *out, struct wm_error *err);

/** List and tallies, in a state; and back into a zeroed `counts`, whose runs must lie before byte
 *  `end` (WM_E_MISMATCH). */
void bpe_counts_put(const struct bpe_counts *counts, struct wm_state_out *state);
int bpe_counts_get(struct bpe_counts *counts, uint64_t end, struct wm_state_in *state,
                   struct wm_error *err);

struct wm_bpe_trainer;
/** Add a complete file to the trainer's counts. WM_E_FORMAT if it is damaged. Memory: 1 MiB, or its
 *  longest piece, and 32 bytes for each run. */
int bpe_counts_load(struct wm_bpe_trainer *trainer, const char *path, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_COUNTS_FILE_H */
