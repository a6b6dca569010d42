/* SPDX-License-Identifier: Apache-2.0 */
/* Chosen specials, counts, spans, batches, streams of chunks, text decoded bit by bit. */
#include "bpe_helpers.h"
#include "wetmill/utf8.h"

static const char *const special_names[] = {"<|endoftext|>", "<|", "|><|x"};

static struct wm_tokenizer *tokenizer_with_specials(int split, uint64_t seed)
{
    struct wm_tokenizer_options options = small_options(split, 500);
    options.specials = (struct wm_list){(const char **)(uintptr_t)special_names, 3};
    options.pattern = split == WM_SPLIT_PATTERN ? "[a-z]+|\\s(?=\\d)" : NULL;
    return random_tokenizer(seed, &options);
}

static struct wm_encoder *encoder_of(const struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    return enc;
}

static void check_ids(const struct wm_ids *got, const struct wm_ids *want, const char *what)
{
    CHECK_(got->n == want->n && (got->n == 0 || memcmp(got->ids, want->ids, got->n * 4) == 0),
           "%s: %zu ids, want %zu", what, got->n, want->n);
}

/* ---- streams ---- */

static void stream_text(struct wm_encode_stream *stream, struct wm_str text, size_t most,
                        uint64_t *state, struct wm_ids *ids)
{
    struct wm_error err = {0};
    for (size_t n; text.len; text.ptr += n, text.len -= n) {
        n = 1 + random_below(state, most);
        n = n < text.len ? n : text.len;
        /* its own memory, so that reading past it is seen */
        char *chunk = malloc(n);
        memcpy(chunk, text.ptr, n);
        CHECK_OK(wm_encode_stream_feed(stream, (struct wm_str){chunk, n}, ids, &err), err);
        free(chunk);
    }
    CHECK_OK(wm_encode_stream_finish(stream, ids, &err), err);
}

static void test_streams(void)
{
    static char text[1500];
    uint64_t state = 17;
    struct wm_error err = {0};
    for (int split = 0; split <= WM_SPLIT_PATTERN; split++) {
        struct wm_tokenizer *tok = tokenizer_with_specials(split, 30);
        struct wm_encoder *enc = encoder_of(tok);
        struct wm_encode_stream *stream[2] = {NULL};
        struct wm_ids got = {0}, want = {0};
        CHECK_OK(wm_encode_stream_new(enc, 0, &stream[0], &err), err);
        CHECK_OK(wm_encode_stream_new(enc, WM_ENCODE_SPECIALS, &stream[1], &err), err);
        for (int round = 0; round < 500; round++) {
            bool wild = round % 4 == 3;
            struct wm_str all = {
                text, random_text(&state, wild, text, 1 + sizeof text / (1 + round % 9))};
            unsigned flags = round % 2 ? WM_ENCODE_SPECIALS : 0;
            got.n = want.n = 0;
            CHECK_OK(wm_encode(enc, all, flags, &want, &err), err);
            stream_text(stream[round % 2], all, round % 3 ? 5 : 200, &state, &got);
            check_ids(&got, &want, "stream");
        }
        wm_encode_stream_free(stream[0]);
        wm_encode_stream_free(stream[1]);
        wm_ids_done(&got);
        wm_ids_done(&want);
        wm_encoder_free(enc);
        wm_tokenizer_free(tok);
    }
}

/* Every short text over letters, blanks and signs that named splits look ahead at, cut everywhere. */
static void test_short_streams(void)
{
    static const char *const parts[] = {"a",  "B", "'", "r", "e",       " ",
                                        "\n", "1", "!", "/", "\xC2\xA0"};
    enum { PARTS = sizeof parts / sizeof *parts, DEPTH = 14, TEXTS = 4000 };
    uint64_t state = 23;
    struct wm_error err = {0};
    for (int split = 0; split < WM_SPLIT_PATTERN; split++) {
        struct wm_tokenizer *tok = tokenizer_with_specials(split, 31);
        struct wm_encoder *enc = encoder_of(tok);
        struct wm_encode_stream *stream = NULL;
        struct wm_ids got = {0}, want = {0};
        size_t early = 0;
        CHECK_OK(wm_encode_stream_new(enc, 0, &stream, &err), err);
        for (int round = 0; round < TEXTS; round++) {
            char text[4 * DEPTH + 1] = "";
            for (int i = 0; i < DEPTH; i++)
                (void)strcat(text, parts[random_below(&state, PARTS)]);
            struct wm_str all = wm_str_of(text);
            got.n = want.n = 0;
            CHECK_OK(wm_encode(enc, all, 0, &want, &err), err);
            for (size_t i = 0; i < all.len; i++)
                CHECK_OK(wm_encode_stream_feed(stream, (struct wm_str){text + i, 1}, &got, &err),
                         err);
            early += got.n;
            CHECK_OK(wm_encode_stream_finish(stream, &got, &err), err);
            check_ids(&got, &want, "short stream");
        }
        CHECK((early > 0) == !tok->nfc); /* some ids come before the end */
        wm_encode_stream_free(stream);
        wm_ids_done(&got);
        wm_ids_done(&want);
        wm_encoder_free(enc);
        wm_tokenizer_free(tok);
    }
}

/* ---- specials ---- */

static void check_chosen(const struct wm_tokenizer *tok, const struct wm_special_choice *choice,
                         const char *text, size_t want_specials)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = encoder_of(tok);
    struct wm_ids ids = {0};
    size_t n = 0;
    CHECK_OK(wm_encoder_choose(enc, choice, &err), err);
    CHECK_OK(wm_encode(enc, wm_str_of(text), WM_ENCODE_CHOSEN, &ids, &err), err);
    for (size_t i = 0; i < ids.n; i++)
        n += wm_token_is_special(tok, ids.ids[i]);
    CHECK_U64(n, want_specials);
    wm_ids_done(&ids);
    wm_encoder_free(enc);
}

static void test_chosen(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = tokenizer_with_specials(WM_SPLIT_CL100K, 30);
    struct wm_encoder *enc = encoder_of(tok);
    struct wm_ids ids = {0};
    const char *end[] = {"<|endoftext|>"}, *open[] = {"<|"}, *none[] = {"<|nothing|>"};
    struct wm_special_choice all = {.allow_all = true}, nothing = {0};
    struct wm_special_choice one = {.allowed = {end, 1}}, refuse = {.refuse_others = true};
    struct wm_special_choice both = {.allowed = {end, 1}, .refused = {open, 1}};
    check_chosen(tok, &all, "a<|endoftext|>b<|", 2);
    check_chosen(tok, &nothing, "a<|endoftext|>b<|", 0);
    check_chosen(tok, &one, "a<|endoftext|>b<|", 1);
    check_chosen(tok, &refuse, "a|>b", 0);
    CHECK_OK(wm_encoder_choose(enc, &refuse, &err), err);
    CHECK_FAILS(wm_encode(enc, WM_STR("ab <|endoftext|>"), WM_ENCODE_CHOSEN, &ids, &err),
                WM_E_FORMAT, err, "<|endoftext|> stands in the text, at byte 3");
    CHECK_OK(wm_encoder_choose(enc, &both, &err), err); /* inside an allowed name as well */
    CHECK_FAILS(wm_encode(enc, WM_STR("ab <|endoftext|>"), WM_ENCODE_CHOSEN, &ids, &err),
                WM_E_FORMAT, err, "<| stands in the text, at byte 3");
    CHECK_U64(ids.n, 0);
    struct wm_special_choice unknown = {.allowed = {none, 1}};
    CHECK_FAILS(wm_encoder_choose(enc, &unknown, &err), WM_E_CONFIG, err, "is no special token");
    /* in a stream, cut inside the name; the place is the text's */
    struct wm_encode_stream *stream = NULL;
    struct wm_str text = WM_STR("one two three four five six seven eight nine <|endoftext|>");
    CHECK_OK(wm_encoder_choose(enc, &refuse, &err), err);
    CHECK_OK(wm_encode_stream_new(enc, WM_ENCODE_CHOSEN, &stream, &err), err);
    int status = 0;
    for (size_t i = 0; i < text.len && !status; i++)
        status = wm_encode_stream_feed(stream, (struct wm_str){text.ptr + i, 1}, &ids, &err);
    CHECK_FAILS(status, WM_E_FORMAT, err, "<| stands in the text, at byte 45");
    wm_encode_stream_free(stream);
    wm_ids_done(&ids);
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

/* ---- counts, spans, batches ---- */

static void test_batches(void)
{
    enum { TEXTS = 300 };
    struct wm_error err = {0};
    struct wm_tokenizer *tok = tokenizer_with_specials(WM_SPLIT_R50K, 32);
    struct wm_encoder *enc = encoder_of(tok);
    static char bytes[TEXTS][300];
    struct wm_str texts[TEXTS];
    struct wm_ids want[TEXTS] = {{0}};
    uint64_t state = 5;
    for (size_t i = 0; i < TEXTS; i++) {
        struct wm_span *spans = NULL;
        uint64_t count = 0;
        texts[i] = (struct wm_str){bytes[i], random_text(&state, true, bytes[i], sizeof bytes[i])};
        CHECK_OK(wm_encode_spans(enc, texts[i], WM_ENCODE_SPECIALS, &want[i], &spans, &err), err);
        CHECK_OK(wm_encode_count(enc, texts[i], WM_ENCODE_SPECIALS, &count, &err), err);
        CHECK_U64(count, want[i].n);
        for (size_t k = 0; k < want[i].n; k++) {
            struct wm_str part = {texts[i].ptr + spans[k].start, spans[k].end - spans[k].start};
            CHECK(wm_str_eq(part, wm_token_bytes(tok, want[i].ids[k])));
            CHECK_U64(spans[k].start, k ? spans[k - 1].end : 0);
        }
        free(spans);
    }
    for (unsigned threads = 0; threads < 4; threads++) {
        struct wm_ids got[TEXTS] = {{0}};
        CHECK_OK(wm_encode_batch(tok, texts, TEXTS, WM_ENCODE_SPECIALS, NULL, threads, got, &err),
                 err);
        for (size_t i = 0; i < TEXTS; i++) {
            check_ids(&got[i], &want[i], "batch");
            wm_ids_done(&got[i]);
        }
    }
    struct wm_ids got[TEXTS] = {{0}};
    struct wm_special_choice refuse = {.refuse_others = true};
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = i == 100 || i == 200 ? WM_STR("<|") : WM_STR("a");
    CHECK_FAILS(wm_encode_batch(tok, texts, TEXTS, WM_ENCODE_CHOSEN, &refuse, 3, got, &err),
                WM_E_FORMAT, err, "<| stands in the text");
    CHECK_STR(wm_str_of(err.where), WM_STR("text 100"));
    for (size_t i = 0; i < TEXTS; i++) {
        CHECK(got[i].ids == NULL);
        wm_ids_done(&want[i]);
    }
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

/* The template stands around texts, streams and spans alike, also where there is no text. */
static void test_template(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = tokenizer_with_specials(WM_SPLIT_CL100K, 33);
    uint32_t end = 0;
    CHECK(wm_tokenizer_eod(tok, &end));
    tok->template.before[tok->template.n_before++] = end;
    tok->template.after[tok->template.n_after++] = end;
    struct wm_encoder *enc = encoder_of(tok);
    struct wm_encode_stream *stream = NULL;
    struct wm_str texts[] = {WM_STR(""), WM_STR("the first, and no other text of many words")};
    CHECK_OK(wm_encode_stream_new(enc, WM_ENCODE_TEMPLATE, &stream, &err), err);
    for (size_t i = 0; i < 2; i++) {
        struct wm_ids want = {0}, got = {0};
        struct wm_span *spans = NULL;
        uint64_t state = 1;
        CHECK_OK(wm_encode_spans(enc, texts[i], WM_ENCODE_TEMPLATE, &want, &spans, &err), err);
        CHECK(want.n >= 2 && want.ids[0] == end && want.ids[want.n - 1] == end);
        CHECK_U64(spans[0].end, 0);
        CHECK_U64(spans[want.n - 1].start, texts[i].len);
        CHECK_U64(spans[want.n - 1].end, texts[i].len);
        CHECK_U64(spans[want.n - 2].end, texts[i].len);
        stream_text(stream, texts[i], 4, &state, &got);
        check_ids(&got, &want, "stream with a template");
        free(spans);
        wm_ids_done(&want);
        wm_ids_done(&got);
    }
    wm_encode_stream_free(stream);
    wm_encoder_free(enc);
    wm_tokenizer_free(tok);
}

/* ---- decoding bit by bit ---- */

static void test_decode_text(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 257);
    struct wm_str nothing = WM_STR("");
    struct wm_tokenizer *tok = train_on(&options, &nothing, 1);
    uint64_t state = 40;
    static char text[400];
    struct wm_buf out;
    wm_buf_init(&out, 1 << 16);
    for (int round = 0; round < 300; round++) {
        struct wm_str all = {text, random_text(&state, round % 2, text, sizeof text)};
        struct wm_decode_state held = {0};
        out.len = 0;
        for (size_t i = 0; i < all.len; i++) {
            uint32_t id = tok->byte_ids[(unsigned char)text[i]];
            CHECK_OK(wm_decode_text(tok, &held, &id, 1, false, &out, &err), err);
            if (round % 2 == 0) /* never inside a character */
                CHECK_U64(wm_utf8_prefix(wm_buf_str(&out)), out.len);
        }
        if (round % 2 == 0)
            CHECK_U64(held.n_held, 0);
        CHECK_OK(wm_decode_end(&held, &out, &err), err);
        CHECK_STR(wm_buf_str(&out), all);
    }
    struct wm_decode_state held = {0};
    uint32_t bad = 9999;
    CHECK_FAILS(wm_decode_text(tok, &held, &bad, 1, false, &out, &err), WM_E_FORMAT, err,
                "no token");
    /* what cannot become a character is not held: 0xE0 wants 0xA0 or more behind it */
    uint32_t two[] = {tok->byte_ids[0xE0], tok->byte_ids[0x80]};
    out.len = 0;
    CHECK_OK(wm_decode_text(tok, &held, two, 2, false, &out, &err), err);
    CHECK_U64(out.len, 2);
    CHECK_OK(wm_decode_text(tok, &held, two, 1, false, &out, &err), err);
    CHECK_U64(out.len, 2);
    CHECK_OK(wm_decode_end(&held, &out, &err), err);
    CHECK_U64(out.len, 3);
    wm_buf_done(&out);
    wm_tokenizer_free(tok);
}

int main(void)
{
    test_streams();
    test_short_streams();
    test_chosen();
    test_batches();
    test_template();
    test_decode_text();
    return test_summary();
}
