/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer/sentencepiece.h
 * The other kind of tokenizer: a SentencePiece model. Its struct wm_tokenizer has `pieces`, ids
 * with their bytes, and the control symbols and the unknown piece as special tokens; what belongs
 * to byte-level BPE (merges, pattern, normaliser) is empty.
 *
 * What stands between two special tokens found in a text is a text of its own.
 */
#ifndef WETMILL_TOKENIZER_SENTENCEPIECE_H
#define WETMILL_TOKENIZER_SENTENCEPIECE_H

#include "tokenizer/encode.h"
#include "wetmill/gguf.h"
#include "wetmill/sentencepiece.h"

/** Where the pieces of a text stand, gathered while it is encoded. */
struct sp_spans {
    const char *base;     /**< The text. */
    struct wm_span *at;   /**< [cap]; those of special tokens are {0, 0}. */
    size_t first, n, cap; /**< The span of ids[first + i] is at[i]. */
};

/** A tokenizer from the bytes of a `.model` file, of which a copy is kept. */
int sp_parse(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err);

#define SP_GGUF_IDENTITY "wetmill.tokenizer.identity"
#define SP_GGUF_UNKNOWN "wetmill.tokenizer.unknown_surface"
/** From the pairs of a GGUF file whose tokenizer.ggml.model is "llama". WM_E_MISMATCH if it carries
 *  the identity of another tokenizer. */
int sp_parse_gguf(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err);

/** Append the ids of a text without special tokens. */
int sp_encode(struct wm_encoder *enc, struct wm_str text, struct wm_ids *ids, struct wm_error *err);

/** wm_encode_spans for such a tokenizer. */
int sp_encode_spans(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
                    struct wm_span **ret_spans, struct wm_error *err);

int sp_decode(const struct wm_tokenizer *tok, const uint32_t *ids, size_t n, bool skip_specials,
              struct wm_buf *out, struct wm_error *err);
int sp_decode_text(const struct wm_tokenizer *tok, struct wm_sp_decoding *state,
                   const uint32_t *ids, size_t n, bool skip_specials, struct wm_buf *out,
                   struct wm_error *err);

/** <s>, </s>, <pad> and the unknown piece, in this order; WM_SP_NONE for one the model lacks. */
void sp_roles(const struct wm_tokenizer *tok, uint32_t ret[4]);

/* ---- writers, to a buffer ---- */

int sp_format_model(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
/** What neither of the two below can express is WM_E_CONFIG: names the component. */
int sp_check_plain(const struct wm_tokenizer *tok, const char *format, struct wm_error *err);
/** WM_E_CONFIG if Hugging Face, or llama.cpp, would encode otherwise: names the component. */
int sp_format_json(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
/** As wm_tokenizer_put_gguf. */
int sp_put_gguf(const struct wm_tokenizer *tok, uint32_t n_ids, struct wm_gguf_out *w);
int sp_format_config(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SENTENCEPIECE_H */
