/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shard_write.h
 * Writing one shard: .bin, .idx and sidecar together. Memory does not grow with the number of
 * sequences: their lengths go through a file `base`.lengths, removed at the end. One thread.
 */
#ifndef WETMILL_TOKENIZER_SHARD_WRITE_H
#define WETMILL_TOKENIZER_SHARD_WRITE_H

#include "wetmill/shards.h"
#include "wetmill/state.h"

/** One document as bytes of the shard: its tokens with the end, its row (wm_sidecar_row). */
struct wm_shard_doc {
    struct wm_str ids; /**< [n] uint16 or int32 LE */
    struct wm_str path, row;
};

/** Digests of a committed shard. */
struct wm_shard_digests {
    struct wm_digest bin, idx, sidecar;
};

struct wm_shard_out;
/** Start `base`.bin and its companions, with tokens of `width` (2 or 4) bytes. */
int wm_shard_out_open(const char *base, unsigned width, struct wm_str recipe,
                      struct wm_shard_out **ret, struct wm_error *err);
/** Append one document: one sequence of at most INT32_MAX tokens, and one row. */
int wm_shard_out_add(struct wm_shard_out *out, const struct wm_shard_doc *doc,
                     struct wm_error *err);
uint64_t wm_shard_out_tokens(const struct wm_shard_out *out);
uint64_t wm_shard_out_documents(const struct wm_shard_out *out);
/** All so far goes to the disk and into `state`; the files then stay. */
int wm_shard_out_save(struct wm_shard_out *out, struct wm_state_out *state, struct wm_error *err);
/** Go on from there. WM_E_MISMATCH if the files are not what they were. */
int wm_shard_out_load(const char *base, unsigned width, struct wm_state_in *state,
                      struct wm_shard_out **ret, struct wm_error *err);
/** Put the files in place, each whole. `out` must be freed with wm_shard_out_free in any case. */
int wm_shard_out_commit(struct wm_shard_out *out, struct wm_shard_digests *ret,
                        struct wm_error *err);
/** Free; `keep` false removes what was written, also what was committed, but nothing that was saved.
 *  NULL is fine. */
void wm_shard_out_free(struct wm_shard_out *out, bool keep);
/** Bytes of memory one writer holds, about. */
size_t wm_shard_out_memory(void);

#endif /* WETMILL_TOKENIZER_SHARD_WRITE_H */
