/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shard_sidecar.h
 * Writing sidecars, and what fuzzers and tests need of reading them. One thread for each object.
 */
#ifndef WETMILL_TOKENIZER_SHARD_SIDECAR_H
#define WETMILL_TOKENIZER_SHARD_SIDECAR_H

#include "tokenizer/shard_format.h"
#include "wetmill/state.h"

/** Append the row of `doc` without its path: dear, so workers do it. WM_E_LIMIT if the row is too
 *  long for `row`. */
int wm_sidecar_row(const struct wm_doc *doc, struct wm_buf *row, struct wm_error *err);

struct wm_sidecar_out;
/** Start a sidecar at `path` (the whole file name). The recipe is copied into it now. */
int wm_sidecar_out_open(const char *path, struct wm_str recipe, struct wm_sidecar_out **ret,
                        struct wm_error *err);
/** Append a row that wm_sidecar_row made, of a document that came from the file `path`. */
int wm_sidecar_out_add(struct wm_sidecar_out *out, struct wm_str path, struct wm_str row,
                       struct wm_error *err);
/** All so far goes to the disk and into `state`; and back. */
int wm_sidecar_out_save(struct wm_sidecar_out *out, struct wm_state_out *state,
                        struct wm_error *err);
int wm_sidecar_out_load(const char *path, struct wm_state_in *state, struct wm_sidecar_out **ret,
                        struct wm_error *err);
/** Finish it, all or nothing. Frees `out` in any case. */
int wm_sidecar_out_commit(struct wm_sidecar_out *out, struct wm_digest *ret, struct wm_error *err);
void wm_sidecar_out_abandon(struct wm_sidecar_out *out); /**< NULL is fine. */
/** Bytes of memory one writer holds, about. */
size_t wm_sidecar_out_memory(void);

/** Where the rows of one decoded frame are. */
struct wm_sidecar_frame {
    struct wm_str bytes;
    size_t n_rows;
    struct {
        struct wm_str path;
        size_t at, end; /**< The row's fields behind the path. */
    } rows[WM_SIDECAR_FRAME_ROWS];
};
/** Find and check the `n_rows` rows of `bytes`, which must be just that. Borrows `bytes`. */
int wm_sidecar_frame_parse(struct wm_str bytes, size_t n_rows, struct wm_sidecar_frame *ret,
                           struct wm_error *err);
/** Row `i` of a parsed frame, strings copied to `arena`. */
int wm_sidecar_frame_row(const struct wm_sidecar_frame *frame, size_t i, struct wm_arena *arena,
                         struct wm_provenance *ret, struct wm_error *err);

/** As wm_sidecar_open, of bytes in memory, which are borrowed. */
int wm_sidecar_open_bytes(struct wm_str bytes, struct wm_sidecar **ret, struct wm_error *err);

/** Decode every frame and row. */
int wm_sidecar_check(struct wm_sidecar *sidecar, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SHARD_SIDECAR_H */
