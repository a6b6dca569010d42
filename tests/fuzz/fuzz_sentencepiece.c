/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/protobuf.c scorers/sp_file.c scorers/sp_vocabulary.c scorers/sp_normalise.c
 * scorers/sp_encode.c scorers/sp_unigram.c scorers/sp_bpe.c scorers/sp_decode.c
 * tokenizer/sentencepiece.c */
/* A model's sizes, offsets and scores never lead outside, and what is read can be used: its pieces
 * cover the normalised text, and can be decoded. As a tokenizer it gives the same, in chunks and in
 * parts as at once. */
#include <stdint.h>
#include <stdlib.h>

#include "tokenizer/formats.h"
#include "tokenizer/sentencepiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text)
{
    struct wm_error err;
    struct wm_sp_pieces pieces;
    struct wm_buf out;
    if (wm_sp_encode(model, scratch, text, &pieces, &err))
        return;
    size_t end = 0;
    for (size_t i = 0; i < pieces.n; i++) {
        if (pieces.ids[i] >= wm_sp_count(model) || pieces.ends[i] <= end)
            abort();
        end = pieces.ends[i];
        if (wm_sp_surface(model, &pieces, i).len == 0)
            abort();
    }
    if (end != pieces.text.len)
        abort();
    wm_buf_init(&out, 1 << 20);
    (void)wm_sp_decode(model, pieces.ids, pieces.n, &out, &err);
    wm_buf_done(&out);
}

static bool same(const struct wm_ids *a, const struct wm_ids *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

static void check_stream(struct wm_encoder *enc, struct wm_str text, const struct wm_ids *want)
{
    struct wm_error err;
    struct wm_encode_stream *stream = NULL;
    struct wm_ids ids = {0};
    if (wm_encode_stream_new(enc, WM_ENCODE_SPECIALS, &stream, &err))
        abort();
    for (size_t n; text.len; text.ptr += n, text.len -= n) {
        n = text.len < 5 ? text.len : 5;
        if (wm_encode_stream_feed(stream, (struct wm_str){text.ptr, n}, &ids, &err))
            abort();
    }
    if (wm_encode_stream_finish(stream, &ids, &err) || !same(&ids, want))
        abort();
    wm_encode_stream_free(stream);
    wm_ids_done(&ids);
}

static void check_parts(const struct wm_tokenizer *tok, const struct wm_ids *ids)
{
    struct wm_error err;
    struct wm_decode_state state = {.n_held = 0};
    struct wm_buf whole, parts;
    wm_buf_init(&whole, 1 << 26);
    wm_buf_init(&parts, 1 << 26);
    int status = wm_decode(tok, ids->ids, ids->n, false, &whole, &err);
    for (size_t i = 0; i < ids->n && !status; i++)
        status = wm_decode_text(tok, &state, ids->ids + i, 1, false, &parts, &err);
    if (!status)
        status = wm_decode_end(&state, &parts, &err);
    if (!status && !wm_str_eq(wm_buf_str(&whole), wm_buf_str(&parts)))
        abort();
    if (status && wm_tokenizer_decodes_in_parts(tok))
        abort();
    wm_buf_done(&whole);
    wm_buf_done(&parts);
}

static void tokenize(const struct wm_tokenizer *tok, struct wm_encoder *enc, struct wm_str text)
{
    struct wm_error err;
    struct wm_ids ids = {0};
    struct wm_ids again = {0};
    struct wm_span *spans = NULL;
    if (wm_encode(enc, text, WM_ENCODE_SPECIALS, &ids, &err) == 0) {
        check_stream(enc, text, &ids);
        check_parts(tok, &ids);
        if (!wm_encode_spans(enc, text, WM_ENCODE_SPECIALS, &again, &spans, &err)) {
            uint32_t at = 0;
            for (size_t i = 0; i < again.n; i++) {
                if (spans[i].start != at || spans[i].end < at)
                    abort();
                at = spans[i].end;
            }
            if (at != text.len || !same(&ids, &again))
                abort();
        }
    }
    free(spans);
    wm_ids_done(&ids);
    wm_ids_done(&again);
}

static void use_tokenizer(struct wm_str bytes, struct wm_str text)
{
    struct wm_error err;
    struct wm_tokenizer *tok = NULL;
    struct wm_encoder *enc = NULL;
    struct wm_buf out;
    uint32_t eod;
    wm_buf_init(&out, 1 << 28);
    if (sp_parse(bytes, &tok, &err) || wm_encoder_new(tok, &enc, &err))
        goto done;
    tokenize(tok, enc, WM_STR("the</s> fox, \xC3\xA9 <s><sep>\xE2\x96\x81 the\xFF"));
    tokenize(tok, enc, WM_STR("the fox"));
    tokenize(tok, enc, text);
    if (wm_tokenizer_eod(tok, &eod) && eod >= wm_tokenizer_size(tok))
        abort();
    (void)sp_format_json(tok, &out, &err);
    (void)sp_format_config(tok, &out, &err);
    out.len = 0;
    (void)bpe_format_gguf(tok, &out, &err);
done:
    wm_buf_done(&out);
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    struct wm_str bytes = {(const char *)data, size};
    if (wm_sp_parse(bytes, &model, &err) || wm_sp_scratch_new(model, &scratch, &err))
        goto done;
    size_t start = size > 4096 ? size - 4096 : 0; /* any bytes do for a text */
    use(model, scratch, WM_STR("the fox, \xC3\xA9 </s>  <sep>\xE2\x96\x81 \xEF\xAC\x81 the\xFF"));
    use(model, scratch, (struct wm_str){bytes.ptr + start, size - start});
    use(model, scratch, WM_STR("the fox, the fox"));
    if (wm_sp_memory(model) == 0 || wm_sp_scratch_memory(scratch) == 0)
        abort();
    use_tokenizer(bytes, (struct wm_str){bytes.ptr + start, size - start});
done:
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    return 0;
}
