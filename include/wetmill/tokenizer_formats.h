/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer_formats.h
 * Tokenizers in the formats of others, both ways. What a format cannot say is refused
 * (WM_E_CONFIG), never left out in silence, but for two that are ranks or merges alone:
 *
 *     format      written as                                  leaves out
 *     json        DIR/tokenizer.json, tokenizer_config.json,  nothing
 *                 or FILE.json
 *     tiktoken    FILE: "base64(bytes) rank" a line           split, special tokens
 *     gpt2        DIR/vocab.json, merges.txt,                 split (GPT-2's only)
 *                 special_tokens_map.json
 *     gguf        FILE: GGUF v3, vocabulary only              nothing; splits llama.cpp can name
 *     sentencepiece  FILE, or DIR/tokenizer.model,            nothing; what was read from such a
 *                 tokenizer_config.json                       file, byte for byte
 *
 * Of SentencePiece models, json and gguf express BPE that neither rewrites text by a character map
 * nor drops spaces; anything else is refused under its name.
 *
 * Reading tells them apart by content, then by name. A `.tiktoken` file called cl100k_base,
 * o200k_base, p50k_base, p50k_edit, r50k_base or gpt2 gets its published split and special tokens;
 * any other wants both said, and hints add special tokens. Limits as in tokenizer/bpe.h; errors
 * name file, and line or key. Threads: none of these shares state.
 */
#ifndef WETMILL_TOKENIZER_FORMATS_H
#define WETMILL_TOKENIZER_FORMATS_H

#include "wetmill/gguf.h"
#include "wetmill/tokenizer.h"
#include "wetmill/ucd.h"

enum wm_tokenizer_format {
    WM_TOKENIZER_AUTO, /**< Reading: whatever it is. Writing: by the name, see below. */
    WM_TOKENIZER_JSON,
    WM_TOKENIZER_TIKTOKEN,
    WM_TOKENIZER_GPT2,
    WM_TOKENIZER_GGUF,
    WM_TOKENIZER_SENTENCEPIECE,
    WM_TOKENIZER_FORMATS
};

/** "auto", "json", "tiktoken", "gpt2", "gguf", "sentencepiece", NULL: by enum wm_tokenizer_format. */
extern const char *const wm_tokenizer_format_names[WM_TOKENIZER_FORMATS + 1];

/** What a file of ranks or of merges does not say of itself. Zeroed = as the file's name has it. */
struct wm_tokenizer_hints {
    const char *split;              /**< r50k, cl100k, o200k, llama3, qwen2, or NULL. */
    const char *pattern;            /**< PCRE2, instead of a named split. */
    const struct wm_list *specials; /**< Further ones, with the ids behind the last. */
};

/** As wm_tokenizer_load, with hints. WM_E_CONFIG if `split` is unknown, or hints are given for a
 *  format that says these things itself. */
int wm_tokenizer_load_with(const char *path, const struct wm_tokenizer_hints *hints,
                           struct wm_tokenizer **ret, struct wm_error *err);

/** The format that a name to write to asks for: *.tiktoken, *.gguf, *.model, *vocab.json or
 *  *merges.txt (gpt2), anything else json. */
enum wm_tokenizer_format wm_tokenizer_format_of(const char *path);

/**
 * Write `tok` in `format`, each file all or nothing. For json and gpt2 `path` is a directory, or a
 * file called tokenizer.json, vocab.json, merges.txt or tokenizer.model in it; "gpt2-vocab.json" also
 * makes gpt2-merges.txt. Any other *.json that is no directory gets what tokenizer.json would, alone.
 * WM_E_CONFIG if the format cannot express this tokenizer: says what.
 */
int wm_tokenizer_write(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                       const char *path, struct wm_error *err);

/** The tokenizer.ggml.* pairs alone, for a model's GGUF file: with its identity; bos, eos and
 *  whether they are added as the template has them, without one, or not `framed` (the model's documents
 *  stood without it), the end of a document for both and add_bos_token false; with fewer than `n_ids`
 *  ids unused ones behind. Returns w->status; WM_E_FORMAT or WM_E_CONFIG if GGUF cannot express this
 *  tokenizer. */
int wm_tokenizer_put_gguf(const struct wm_tokenizer *tok, uint32_t n_ids, bool framed,
                          struct wm_gguf_out *w);

/** Name of the tokenizer's split: r50k, cl100k, …, or "pattern"; of a SentencePiece model
 *  "sentencepiece-bpe" or "sentencepiece-unigram". */
const char *wm_tokenizer_split_name(const struct wm_tokenizer *tok);

/** Version of Unicode that the split's classes of characters are of, "14.0"; "" where there is none to
 *  say (SentencePiece). Other versions may cut other pieces: it is part of the identity. */
void wm_tokenizer_unicode(const struct wm_tokenizer *tok, char ret[WM_UNICODE_NAME]);

#endif /* WETMILL_TOKENIZER_FORMATS_H */
