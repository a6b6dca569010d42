/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ranks.h
 * Tokenizers from a `.tiktoken` file: lines "base64(bytes) SP rank LF". It says nothing of pattern
 * and special tokens, so the caller does.
 */
#ifndef WETMILL_TOKENIZER_RANKS_H
#define WETMILL_TOKENIZER_RANKS_H

#include "tokenizer/bpe.h"

struct bpe_named_id {
    const char *name;
    uint32_t id; /**< BPE_NONE: behind the last. */
};

/**
 * The tokenizer that encodes as tiktoken does: a piece that is a token is that token, else any two
 * neighbours whose joined bytes are a token merge, lowest rank first. Every token is given the one
 * merge by which its bytes come together under that rule; other splits of it never meet in a text,
 * since what is inside a token merges the same whatever stands around it. WM_E_FORMAT, WM_E_IO.
 */
int bpe_load_ranks(const char *path, struct wm_str pattern, const struct bpe_named_id *specials,
                   size_t n_specials, struct wm_tokenizer **ret, struct wm_error *err);

/** Give `tok`, of BPE_TOKEN alone and indexed, those merges, and ignore_merges; bpe_finish may
 *  follow. Finds most in time ∝ the token's bytes. WM_E_LIMIT for tokens of over 1,024 bytes. */
int bpe_merge_ranks(struct wm_tokenizer *tok, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_RANKS_H */
