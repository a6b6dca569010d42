/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer_json.h
 * Hugging Face's tokenizer.json, read from memory and written to a buffer. Of that format we know
 * the byte-level family: BPE with byte-mapped tokens, one split by pattern or GPT-2's own, NFC or no
 * normalizer, no truncation, no template. Anything else is WM_E_FORMAT and named, never ignored.
 */
#ifndef WETMILL_TOKENIZER_JSON_H
#define WETMILL_TOKENIZER_JSON_H

#include "tokenizer/bpe.h"

enum { BPE_MAX_JSON = 256 << 20 }; /**< Bytes of a tokenizer.json. */

int bpe_parse_json(struct wm_str json, struct wm_tokenizer **ret, struct wm_error *err);
int bpe_format_json(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
/** tokenizer_config.json beside it. */
int bpe_format_config(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_JSON_H */
