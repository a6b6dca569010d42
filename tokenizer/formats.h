/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file formats.h
 * What the readers and writers of tokenizer formats share: splits and vocabularies by name, and
 * vocabulary entries and merges written in byte-mapped characters.
 */
#ifndef WETMILL_TOKENIZER_FORMATS_PARTS_H
#define WETMILL_TOKENIZER_FORMATS_PARTS_H

#include "tokenizer/bpe.h"
#include "tokenizer/ranks.h"
#include "wetmill/json.h"
#include "wetmill/tokenizer_formats.h"

/* ---- named.c ---- */

/** A split that others know by name. */
struct bpe_named_split {
    const char *name, *pattern;
    const char *gguf;   /**< llama.cpp's name of it ("tokenizer.ggml.pre"). */
    bool ignore_merges; /**< What llama.cpp does under that name. */
    bool nfc;           /**< Text is normalised first, where whoever names the split is silent. */
};
extern const struct bpe_named_split bpe_named_splits[]; /**< Ends with name NULL. */
const struct bpe_named_split *bpe_split_by_name(struct wm_str name);
const struct bpe_named_split *bpe_split_by_pattern(struct wm_str pattern);

/** A published file of ranks. */
struct bpe_published {
    const char *name, *split;
    const struct bpe_named_id *specials;
    size_t n_specials;
};
/** The published vocabulary that a file "cl100k_base.tiktoken" or the like holds, or NULL. */
const struct bpe_published *bpe_published_by_file(const char *path);

/* ---- mapped.c ---- */

enum { BPE_SHOWN = 48 }; /**< Bytes of a token in a message. */
static inline int bpe_shown(struct wm_str s)
{
    return (int)(s.len < BPE_SHOWN ? s.len : BPE_SHOWN);
}

/** Vocabulary entry `name` = `id`: a byte-mapped token, or an added token that is there already. */
int bpe_put_mapped(struct wm_tokenizer *tok, struct wm_str name, uint64_t id,
                   struct wm_arena *arena, struct wm_error *err);
enum { BPE_MERGES_AT_ONCE = 32 };

/** Merges of byte-mapped tokens on their way to `tok`: looked up many at a time. */
struct bpe_merges {
    struct wm_tokenizer *tok;
    struct bpe_mapped_merge {
        struct wm_str left, right; /**< names, which stay where they are until the flush */
        uint64_t number;
        size_t at, cut, end; /**< their bytes in `bytes` */
    } merges[BPE_MERGES_AT_ONCE];
    size_t n;
    struct wm_buf bytes;
    uint64_t failed; /**< The number of the merge that an error is about. */
};
void bpe_merges_init(struct bpe_merges *m, struct wm_tokenizer *tok);
void bpe_merges_done(struct bpe_merges *m);
/** The next merge; `number` is for naming it. The failure may be that of one before. */
int bpe_put_mapped_merge(struct bpe_merges *m, struct wm_str left, struct wm_str right,
                         uint64_t number, struct wm_error *err);
/** After the last. */
int bpe_flush_merges(struct bpe_merges *m, struct wm_error *err);
/** Cut "a b" at its space. WM_E_FORMAT if there is none. */
int bpe_cut_merge(struct wm_str both, struct wm_str *left, struct wm_str *right,
                  struct wm_error *err);
/** How tokenizer.json and its kin write token `id`: replaces `name`, with a NUL behind. */
int bpe_mapped_name(const struct wm_tokenizer *tok, uint32_t id, struct wm_buf *name,
                    struct wm_error *err);
void bpe_mapped_init(struct wm_buf *name);
/** Whether some token is not what its own bytes merge to, so that ignore_merges shows. */
int bpe_needs_ignore_merges(const struct wm_tokenizer *tok, bool *ret, struct wm_error *err);

/* ---- template.c: tokenizer.json's TemplateProcessing ---- */

/** Read the raw object into tok->template; the added tokens must have been put. */
int bpe_parse_template(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                       struct wm_error *err);
/** Member post_processor: the template, or null. */
void bpe_put_template(struct wm_json_out *w, const struct wm_tokenizer *tok);
static inline bool bpe_has_template(const struct wm_tokenizer *tok)
{
    return tok->template.n_before || tok->template.n_after;
}

/* ---- readers, from memory; path-like words in errors are left to the caller ---- */

/** `.tiktoken`. */
int bpe_parse_ranks(struct wm_str file, struct wm_str pattern, const struct bpe_named_id *specials,
                    size_t n_specials, struct wm_tokenizer **ret, struct wm_error *err);
/** vocab.json, merges.txt, special_tokens_map.json (may be empty). Where the latter does not say,
 *  entries like <|name|> that no merge makes are special. */
int bpe_parse_merges(struct wm_str vocab, struct wm_str merges, struct wm_str specials,
                     struct wm_str pattern, struct wm_tokenizer **ret, struct wm_error *err);
/** The vocabulary of a GGUF file, which may be cut behind its pairs. WM_E_MISMATCH if it carries
 *  the identity of another tokenizer. */
int bpe_parse_gguf(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err);

/* ---- writers, to a buffer ---- */

int bpe_format_ranks(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
/** Can vocab.json and merges.txt say all of it? WM_E_FORMAT. */
int bpe_check_gpt2(const struct wm_tokenizer *tok, struct wm_error *err);
int bpe_format_vocab(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
int bpe_format_merges(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
int bpe_format_specials(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);
int bpe_format_gguf(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_FORMATS_PARTS_H */
