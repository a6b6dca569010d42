/* SPDX-License-Identifier: Apache-2.0 */
/* Splits and vocabularies that go by name. llama.cpp's names: gpt-2, dbrx (cl100k's split, merges
 * only), llama-bpe (the same split, whole tokens first), gpt-4o, qwen2. */
#include "tokenizer/formats.h"

/* A pattern that stands twice belongs to the first. */
const struct bpe_named_split bpe_named_splits[] = {
    {"r50k", BPE_R50K, "gpt-2", false, false},        {"cl100k", BPE_CL100K, "dbrx", false, false},
    {"llama3", BPE_CL100K, "llama-bpe", true, false}, {"o200k", BPE_O200K, "gpt-4o", false, false},
    {"qwen2", BPE_QWEN2, "qwen2", false, true},       {0},
};

static const struct bpe_named_id r50k[] = {{"<|endoftext|>", 50256}};
static const struct bpe_named_id p50k_edit[] = {{"<|endoftext|>", 50256},
                                                {"<|fim_prefix|>", 50281},
                                                {"<|fim_middle|>", 50282},
                                                {"<|fim_suffix|>", 50283}};
static const struct bpe_named_id cl100k[] = {{"<|endoftext|>", 100257},
                                             {"<|fim_prefix|>", 100258},
                                             {"<|fim_middle|>", 100259},
                                             {"<|fim_suffix|>", 100260},
                                             {"<|endofprompt|>", 100276}};
static const struct bpe_named_id o200k[] = {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}};

static const struct bpe_published published[] = {
    {"r50k_base", "r50k", r50k, 1},       {"gpt2", "r50k", r50k, 1},
    {"p50k_base", "r50k", r50k, 1},       {"p50k_edit", "r50k", p50k_edit, 4},
    {"cl100k_base", "cl100k", cl100k, 5}, {"o200k_base", "o200k", o200k, 2},
};

const struct bpe_named_split *bpe_split_by_name(struct wm_str name)
{
    const struct bpe_named_split *split = bpe_named_splits;
    while (split->name && !wm_str_eq(wm_str_of(split->name), name))
        split++;
    return split->name ? split : NULL;
}

const struct bpe_named_split *bpe_split_by_pattern(struct wm_str pattern)
{
    const struct bpe_named_split *split = bpe_named_splits;
    while (split->name && !wm_str_eq(wm_str_of(split->pattern), pattern))
        split++;
    return split->name ? split : NULL;
}

const struct bpe_published *bpe_published_by_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct wm_str file = wm_str_of(slash ? slash + 1 : path);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct wm_str name = wm_str_of(published[i].name);
        if (wm_str_starts(file, name) && (file.len == name.len || file.ptr[name.len] == '.'))
            return &published[i];
    }
    return NULL;
}

const char *wm_tokenizer_split_name(const struct wm_tokenizer *tok)
{
    if (tok->pieces)
        return wm_sp_kind(tok->pieces) == WM_SP_BPE ? "sentencepiece-bpe" : "sentencepiece-unigram";
    const struct bpe_named_split *split = bpe_split_by_pattern(bpe_pattern_text(tok->pattern));
    return split ? split->name : "pattern";
}

void wm_tokenizer_unicode(const struct wm_tokenizer *tok, char ret[WM_UNICODE_NAME])
{
    ret[0] = '\0';
    if (!tok->pieces)
        bpe_pattern_unicode(tok->pattern, ret);
}
