/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece model through everything a tokenizer can do: ids of spm_encode and text of
 * spm_decode at once, in chunks, by threads, with places; written, read again, and refused. */
#define _GNU_SOURCE /* memmem */
#include "scratch.h"
#include "tokenizer/formats.h"
#include "tokenizer/sentencepiece.h"
#include "wetmill/tokenizer_formats.h"

enum { MAX_BYTES = 64 << 20, MAX_LINES = 256 };

static uint32_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

static const char *model_path(const char *name, const char *ending)
{
    static char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/tests/vectors/sentencepiece/%s%s", WM_SOURCE_DIR, name,
                   ending);
    return path;
}

static void load(const char *name, const char *ending, struct wm_buf *ret)
{
    wm_buf_init(ret, MAX_BYTES);
    CHECK_OK(wm_file_load(model_path(name, ending), ret, &err), err);
}

static struct wm_tokenizer *open_model(const char *name)
{
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(wm_tokenizer_load(model_path(name, ".model"), &tok, &err), err);
    if (!tok)
        exit(1);
    return tok;
}

static void print_ids(const struct wm_ids *ids, struct wm_buf *ret)
{
    ret->len = 0;
    for (size_t i = 0; i < ids->n; i++)
        CHECK_OK(wm_buf_printf(ret, &err, i ? " %u" : "%u", ids->ids[i]), err);
}

static bool same_ids(const struct wm_ids *a, const struct wm_ids *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

/* ---- one text ---- */

/* Id by id; what has come so far never ends in the middle of a character. */
static void check_decoded(const struct wm_tokenizer *tok, const struct wm_ids *ids,
                          struct wm_str want)
{
    struct wm_decode_state state = {.n_held = 0};
    struct wm_buf out;
    wm_buf_init(&out, MAX_BYTES);
    CHECK_OK(wm_decode(tok, ids->ids, ids->n, false, &out, &err), err);
    CHECK_STR(wm_buf_str(&out), want);
    out.len = 0;
    for (unsigned pass = 0; pass < 2; pass++, out.len = 0) { /* the state can be used again */
        for (size_t i = 0; i < ids->n; i++) {
            CHECK_OK(wm_decode_text(tok, &state, ids->ids + i, 1, false, &out, &err), err);
            CHECK(out.len <= want.len && memcmp(out.ptr ? out.ptr : "", want.ptr, out.len) == 0);
            CHECK(out.len == want.len || ((unsigned char)want.ptr[out.len] & 0xC0) != 0x80);
        }
        CHECK_OK(wm_decode_end(&state, &out, &err), err);
        CHECK_STR(wm_buf_str(&out), want);
    }
    wm_buf_done(&out);
}

static void check_stream(struct wm_encoder *enc, struct wm_str text, const struct wm_ids *want)
{
    struct wm_encode_stream *stream = NULL;
    struct wm_ids ids = {0};
    CHECK_OK(wm_encode_stream_new(enc, 0, &stream, &err), err);
    for (size_t n; text.len; text.ptr += n, text.len -= n) {
        n = 1 + below(7);
        n = n < text.len ? n : text.len;
        CHECK_OK(wm_encode_stream_feed(stream, (struct wm_str){text.ptr, n}, &ids, &err), err);
    }
    CHECK_OK(wm_encode_stream_finish(stream, &ids, &err), err);
    CHECK(same_ids(&ids, want));
    wm_encode_stream_free(stream);
    wm_ids_done(&ids);
}

/* Places follow each other, cover the text, and hold what the pieces write. */
static bool check_spans(const struct wm_tokenizer *tok, struct wm_encoder *enc, struct wm_str text,
                        const struct wm_ids *want)
{
    struct wm_ids ids = {0};
    struct wm_span *spans = NULL;
    if (wm_encode_spans(enc, text, 0, &ids, &spans, &err)) {
        CHECK(err.status == WM_E_CONFIG && ids.n == 0);
        wm_ids_done(&ids);
        return false;
    }
    CHECK(same_ids(&ids, want));
    uint32_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        struct wm_str is = {text.ptr + at, spans[i].end - at};
        struct wm_str bytes = wm_token_bytes(tok, ids.ids[i]);
        CHECK_U64(spans[i].start, at);
        at = spans[i].end;
        if (ids.ids[i] == wm_sp_unknown(tok->pieces))
            continue;
        bool put_in = is.len + 1 == bytes.len && (i == 0 || i + 1 == ids.n);
        bool literal = is.len > bytes.len && memchr(is.ptr, 0xE2, is.len);
        CHECK(put_in || literal || wm_str_eq(is, bytes));
    }
    CHECK_U64(at, text.len);
    free(spans);
    wm_ids_done(&ids);
    return true;
}

static void check_model(const char *name, bool has_places)
{
    struct wm_tokenizer *tok = open_model(name);
    struct wm_encoder *enc = NULL;
    struct wm_buf texts, ids, decoded, line;
    struct wm_str lines[MAX_LINES];
    struct wm_ids want[MAX_LINES] = {{0}}, batch[MAX_LINES] = {{0}};
    size_t n = 0, n_placed = 0;
    load("texts", ".txt", &texts);
    load(name, ".ids", &ids);
    load(name, ".decoded", &decoded);
    wm_buf_init(&line, MAX_BYTES);
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    struct wm_str text = wm_buf_str(&texts), id = wm_buf_str(&ids), back = wm_buf_str(&decoded);
    for (; text.len && n < MAX_LINES; n++) {
        uint64_t count = 0;
        lines[n] = wm_str_line(&text);
        CHECK_OK(wm_encode(enc, lines[n], 0, &want[n], &err), err);
        print_ids(&want[n], &line);
        CHECK_STR(wm_buf_str(&line), wm_str_line(&id));
        check_decoded(tok, &want[n], wm_str_line(&back));
        check_stream(enc, lines[n], &want[n]);
        CHECK_OK(wm_encode_count(enc, lines[n], 0, &count, &err), err);
        CHECK_U64(count, want[n].n);
        n_placed += check_spans(tok, enc, lines[n], &want[n]);
    }
    CHECK(n > 50);
    CHECK_(has_places ? n_placed > n / 2 : n_placed < n, "%s: places in %zu of %zu texts", name,
           n_placed, n);
    CHECK_OK(wm_encode_batch(tok, lines, n, 0, NULL, 3, batch, &err), err);
    for (size_t i = 0; i < n; i++) {
        CHECK(same_ids(&batch[i], &want[i]));
        wm_ids_done(&batch[i]);
        wm_ids_done(&want[i]);
    }
    wm_buf_done(&texts);
    wm_buf_done(&ids);
    wm_buf_done(&decoded);
    wm_buf_done(&line);
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

/* ---- special tokens ---- */

static void check_ids(struct wm_encoder *enc, const char *text, unsigned flags, const char *want)
{
    struct wm_ids ids = {0};
    struct wm_buf line;
    wm_buf_init(&line, MAX_BYTES);
    CHECK_OK(wm_encode(enc, wm_str_of(text), flags, &ids, &err), err);
    print_ids(&ids, &line);
    CHECK_STR(wm_buf_str(&line), wm_str_of(want));
    wm_buf_done(&line);
    wm_ids_done(&ids);
}

static void check_specials(void)
{
    struct wm_tokenizer *tok = open_model("bpe");
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    struct wm_span *spans = NULL;
    struct wm_buf out;
    uint32_t id = 99;
    CHECK(wm_tokenizer_eod(tok, &id) && id == 2);
    CHECK(wm_tokenizer_special(tok, WM_STR("<s>"), &id) && id == 1);
    CHECK(wm_token_is_special(tok, 0) && !wm_token_is_special(tok, 3));
    CHECK_STR(wm_token_bytes(tok, 2), WM_STR("</s>"));
    CHECK_STR(wm_token_bytes(tok, 13), WM_STR("\n")); /* <0x0A> */
    CHECK_STR(wm_token_bytes(tok, 600), WM_STR(""));
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    const char *const text = "the</s>the";
    struct wm_ids one = {0};
    CHECK_OK(wm_encode(enc, WM_STR("the"), 0, &one, &err), err);
    CHECK_OK(wm_encode_spans(enc, wm_str_of(text), WM_ENCODE_SPECIALS, &ids, &spans, &err), err);
    CHECK_U64(ids.n, 2 * one.n + 1);
    CHECK(ids.n == 2 * one.n + 1 && ids.ids[one.n] == 2);
    CHECK(spans[one.n].start == 3 && spans[one.n].end == 7 && spans[ids.n - 1].end == 10);
    wm_buf_init(&out, MAX_BYTES);
    uint32_t unknown[] = {0, ids.ids[0], 2}; /* " ⁇ ", "the", nothing */
    CHECK_OK(wm_decode(tok, unknown, 3, false, &out, &err), err);
    CHECK_STR(wm_buf_str(&out), WM_STR(" \xE2\x81\x87  the"));
    out.len = 0;
    CHECK_OK(wm_decode(tok, unknown, 3, true, &out, &err), err);
    CHECK_STR(wm_buf_str(&out), WM_STR("the"));
    unknown[1] = 600;
    CHECK_FAILS(wm_decode(tok, unknown, 3, false, &out, &err), WM_E_FORMAT, err, "600");
    CHECK_STR(wm_buf_str(&out), WM_STR("the"));
    check_ids(enc, "", WM_ENCODE_TEMPLATE, "");
    const struct wm_special_choice refuse = {.refuse_others = true};
    CHECK_OK(wm_encoder_choose(enc, &refuse, &err), err);
    CHECK_FAILS(wm_encode(enc, wm_str_of(text), WM_ENCODE_CHOSEN, &ids, &err), WM_E_FORMAT, err,
                "</s>");
    wm_buf_done(&out);
    free(spans);
    wm_ids_done(&ids);
    wm_ids_done(&one);
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

/* ---- files ---- */

static void check_same_file(const char *path, struct wm_str want)
{
    struct wm_buf got;
    wm_buf_init(&got, MAX_BYTES);
    CHECK_OK(wm_file_load(path, &got, &err), err);
    CHECK(wm_str_eq(wm_buf_str(&got), want));
    wm_buf_done(&got);
}

static void check_files(const char *name)
{
    struct wm_tokenizer *tok = open_model(name), *again = NULL;
    struct wm_buf file;
    load(name, ".model", &file);
    CHECK_OK(wm_mkdirs(in_top("dir"), &err), err);
    CHECK_OK(wm_tokenizer_save(tok, in_top("dir"), &err), err);
    check_same_file(in_top("dir/tokenizer.model"), wm_buf_str(&file));
    CHECK_OK(wm_tokenizer_load(in_top("dir"), &again, &err), err);
    CHECK(again && XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(again)));
    CHECK_OK(wm_tokenizer_write(tok, WM_TOKENIZER_AUTO, in_top("x.model"), &err), err);
    check_same_file(in_top("x.model"), wm_buf_str(&file));
    CHECK_FAILS(wm_tokenizer_write(tok, WM_TOKENIZER_AUTO, in_top("x.tiktoken"), &err), WM_E_CONFIG,
                err, "not a SentencePiece model");
    CHECK_FAILS(wm_tokenizer_write(tok, WM_TOKENIZER_GPT2, in_top("dir"), &err), WM_E_CONFIG, err,
                "not a SentencePiece model");
    wm_buf_done(&file);
    wm_tokenizer_free(tok);
    wm_tokenizer_free(again);
}

static void check_refused(const char *name, const char *words)
{
    struct wm_tokenizer *tok = open_model(name);
    CHECK_FAILS(wm_tokenizer_write(tok, WM_TOKENIZER_JSON, in_top("none"), &err), WM_E_CONFIG, err,
                words);
    CHECK_FAILS(wm_tokenizer_write(tok, WM_TOKENIZER_GGUF, in_top("none.gguf"), &err), WM_E_CONFIG,
                err, words);
    CHECK(!wm_exists(in_top("none.gguf")) && !wm_exists(in_top("none/tokenizer.json")));
    wm_tokenizer_free(tok);
}

static const char *identity_of(struct wm_str file)
{
    static char hex[4][WM_HEX128];
    static unsigned next;
    struct wm_tokenizer *tok = NULL;
    char *ret = hex[next++ % 4];
    CHECK_OK(sp_parse(file, &tok, &err), err);
    wm_hex128(tok ? wm_tokenizer_identity(tok) : (XXH128_hash_t){0}, ret);
    wm_tokenizer_free(tok);
    return ret;
}

/* Fields that come again replace what was said: Protocol Buffers join such messages. */
static void check_identity(void)
{
    struct wm_buf file;
    load("bpe", ".model", &file);
    const char *is = identity_of(wm_buf_str(&file));
    size_t len = file.len;
    CHECK_OK(wm_buf_add(&file, "\x12\x03\x0A\x01x", 5, &err), err); /* trainer: input "x" */
    CHECK(strcmp(identity_of(wm_buf_str(&file)), is) == 0);
    file.len = len;
    CHECK_OK(wm_buf_add(&file, "\x1A\x02\x18\x00", 4, &err), err); /* normaliser: no prefix */
    CHECK(strcmp(identity_of(wm_buf_str(&file)), is) != 0);
    file.len = len;
    CHECK_OK(wm_buf_add(&file, "\x0A\x09\x0A\x02zz\x15\x00\x00\x80\xC7", 11, &err), err);
    CHECK(strcmp(identity_of(wm_buf_str(&file)), is) != 0);
    wm_buf_done(&file);
}

/* To GGUF, with ids that only the model has, and back. */
static void check_gguf(void)
{
    struct wm_tokenizer *tok = open_model("bpe"), *again = NULL;
    struct wm_gguf_out w;
    struct wm_buf file;
    wm_buf_init(&file, MAX_BYTES);
    wm_gguf_out_open(&w, &file, &err);
    CHECK_OK(wm_tokenizer_put_gguf(tok, 640, true, &w), err);
    CHECK_OK(wm_gguf_out_close(&w, 0), err);
    CHECK_OK(bpe_parse_gguf(wm_buf_str(&file), &again, &err), err);
    CHECK(again && XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(again)));
    CHECK_U64(again ? wm_tokenizer_size(again) : 0, 600);
    wm_tokenizer_free(again);
    char *key = memmem(file.ptr, file.len, "tokenizer.ggml.add_space_prefix", 31);
    key[31 + 4] = 0; /* the value, behind its type */
    CHECK_FAILS(bpe_parse_gguf(wm_buf_str(&file), &again, &err), WM_E_MISMATCH, err, "it holds");
    key = memmem(file.ptr, file.len, "tokenizer.ggml.scores", 21);
    key[0] = 'T';
    CHECK_FAILS(bpe_parse_gguf(wm_buf_str(&file), &again, &err), WM_E_FORMAT, err, "scores");
    wm_buf_done(&file);
    wm_tokenizer_free(tok);
}

int main(void)
{
    make_top("sentencepiece-tokenizer");
    check_model("unigram", false);
    check_model("bpe", true);
    check_model("suffix", false);
    check_model("across", false);
    check_specials();
    check_files("unigram");
    check_files("bpe");
    check_refused("unigram", "unigram");
    check_refused("across", "remove_extra_whitespaces");
    check_identity();
    check_gguf();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
