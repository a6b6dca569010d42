/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizer to tokenizer.json and tokenizer_config.json. */
#include "tokenizer/tokenizer_json.h"

#include "tokenizer/formats.h"
#include "wetmill/json.h"

static void put_name(struct wm_json_out *w, const struct wm_tokenizer *tok, uint32_t id,
                     struct wm_buf *name)
{
    if (!w->status)
        w->status = bpe_mapped_name(tok, id, name, w->err);
    if (!w->status)
        wm_json_put_str(w, (struct wm_str){name->ptr, name->len - 1});
}

static void put_added(struct wm_json_out *w, const struct wm_tokenizer *tok)
{
    wm_json_put_key(w, "added_tokens");
    wm_json_put_open(w, '[');
    for (uint32_t i = 0; i < tok->n_added; i++) {
        uint32_t id = tok->added[i].id;
        wm_json_put_open(w, '{');
        wm_json_member_u64(w, "id", id);
        wm_json_member_str(w, "content", wm_token_bytes(tok, id));
        wm_json_member_bool(w, "single_word", false);
        wm_json_member_bool(w, "lstrip", false);
        wm_json_member_bool(w, "rstrip", false);
        wm_json_member_bool(w, "normalized", tok->added[i].normalized);
        wm_json_member_bool(w, "special", wm_token_is_special(tok, id));
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

static void put_byte_level(struct wm_json_out *w, bool prefix_space, bool use_regex)
{
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "ByteLevel");
    wm_json_member_bool(w, "add_prefix_space", prefix_space);
    wm_json_member_bool(w, "trim_offsets", true);
    wm_json_member_bool(w, "use_regex", use_regex);
    wm_json_put_close(w, '}');
}

static void put_normalizer(struct wm_json_out *w, const struct wm_tokenizer *tok)
{
    if (!tok->nfc) {
        wm_json_member_text(w, "normalizer", NULL);
        return;
    }
    wm_json_put_key(w, "normalizer");
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "NFC");
    wm_json_put_close(w, '}');
}

/* GPT-2's split too is written as a pattern: transformers.js's own copy of it, for ByteLevel with
 * use_regex, takes U+FEFF for a space. */
static void put_pre_tokenizer(struct wm_json_out *w, struct wm_str pattern)
{
    wm_json_put_key(w, "pre_tokenizer");
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "Sequence");
    wm_json_put_key(w, "pretokenizers");
    wm_json_put_open(w, '[');
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "Split");
    wm_json_put_key(w, "pattern");
    wm_json_put_open(w, '{');
    wm_json_member_str(w, "Regex", pattern);
    wm_json_put_close(w, '}');
    wm_json_member_text(w, "behavior", "Isolated");
    wm_json_member_bool(w, "invert", false);
    wm_json_put_close(w, '}');
    put_byte_level(w, false, false);
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

static void put_model(struct wm_json_out *w, const struct wm_tokenizer *tok, struct wm_buf *name)
{
    wm_json_put_key(w, "model");
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "BPE");
    wm_json_member_text(w, "dropout", NULL);
    wm_json_member_text(w, "unk_token", NULL);
    wm_json_member_text(w, "continuing_subword_prefix", NULL);
    wm_json_member_text(w, "end_of_word_suffix", NULL);
    wm_json_member_bool(w, "fuse_unk", false);
    wm_json_member_bool(w, "byte_fallback", false);
    wm_json_member_bool(w, "ignore_merges", tok->ignore_merges);
    wm_json_put_key(w, "vocab");
    wm_json_put_open(w, '{');
    for (uint32_t id = 0; id < tok->n_ids && !w->status; id++) {
        if (tok->kinds[id] == BPE_HOLE)
            continue;
        w->status = bpe_mapped_name(tok, id, name, w->err);
        if (w->status)
            return;
        wm_json_put_key(w, name->ptr);
        wm_json_put_u64(w, id);
    }
    wm_json_put_close(w, '}');
    wm_json_put_key(w, "merges");
    wm_json_put_open(w, '[');
    for (uint32_t i = 0; i < tok->n_merges && !w->status; i++) {
        wm_json_put_open(w, '[');
        put_name(w, tok, tok->merges[i].left, name);
        put_name(w, tok, tok->merges[i].right, name);
        wm_json_put_close(w, ']');
    }
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

int bpe_format_json(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    struct wm_buf name;
    bpe_mapped_init(&name);
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_text(&w, "version", "1.0");
    wm_json_member_text(&w, "truncation", NULL);
    wm_json_member_text(&w, "padding", NULL);
    put_added(&w, tok);
    put_normalizer(&w, tok);
    put_pre_tokenizer(&w, bpe_pattern_text(tok->pattern));
    bpe_put_template(&w, tok);
    wm_json_put_key(&w, "decoder");
    put_byte_level(&w, true, true);
    put_model(&w, tok, &name);
    wm_json_put_close(&w, '}');
    wm_buf_done(&name);
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

int bpe_format_config(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    char unicode[WM_UNICODE_NAME];
    uint32_t eod;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_text(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    wm_json_member_bool(&w, "add_prefix_space", false);
    wm_json_member_bool(&w, "clean_up_tokenization_spaces", false);
    wm_tokenizer_unicode(tok, unicode);
    wm_json_member_text(&w, "split_unicode_version", unicode);
    if (wm_tokenizer_eod(tok, &eod)) {
        const struct bpe_template *t = &tok->template;
        wm_json_member_str(&w, "bos_token", wm_token_bytes(tok, t->n_before ? t->before[0] : eod));
        wm_json_member_str(&w, "eos_token", wm_token_bytes(tok, t->n_after ? t->after[0] : eod));
    }
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}
