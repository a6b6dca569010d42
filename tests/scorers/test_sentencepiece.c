/* SPDX-License-Identifier: Apache-2.0 */
/* What a SentencePiece model file may hold, and what its settings do. */
#include "sentencepiece_model.h"

#include <math.h>

/* Normal pieces for "▁a", "b" and "bb". */
static void add_some(struct wm_buf *out)
{
    add_piece(out, WM_STR("\xE2\x96\x81"), -3, WM_SP_NORMAL);
    add_piece(out,
              WM_STR("\xE2\x96\x81"
                     "a"),
              -1, WM_SP_NORMAL);
    add_piece(out, WM_STR("b"), -2, WM_SP_NORMAL);
    add_piece(out, WM_STR("bb"), -2.5F, WM_SP_NORMAL);
}

static struct wm_sp *parse(struct wm_buf *bytes)
{
    struct wm_sp *model = NULL;
    CHECK_OK(wm_sp_parse(wm_buf_str(bytes), &model, &err), err);
    wm_buf_done(bytes);
    return model;
}

static void refused(struct wm_buf *bytes, int status, const char *words)
{
    struct wm_sp *model = NULL;
    CHECK_FAILS(wm_sp_parse(wm_buf_str(bytes), &model, &err), status, err, words);
    wm_buf_done(bytes);
}

/* The pieces of `text`, with a blank between them. */
static void check_pieces(const struct wm_sp *model, struct wm_str text, const char *want)
{
    struct wm_sp_scratch *scratch = NULL;
    struct wm_sp_pieces pieces = {0};
    struct wm_buf line;
    wm_buf_init(&line, MODEL_BYTES);
    CHECK_OK(wm_sp_scratch_new(model, &scratch, &err), err);
    for (int pass = 0; pass < 2 && scratch; pass++) {
        line.len = 0;
        CHECK_OK(wm_sp_encode(model, scratch, text, &pieces, &err), err);
        for (size_t i = 0; i < pieces.n; i++) {
            struct wm_str piece = wm_sp_surface(model, &pieces, i);
            CHECK_OK(wm_buf_add(&line, " ", i > 0, &err), err);
            CHECK_OK(wm_buf_add(&line, piece.ptr, piece.len, &err), err);
        }
        CHECK_STR(wm_buf_str(&line), wm_str_of(want));
    }
    wm_sp_scratch_free(scratch);
    wm_buf_done(&line);
}

static void test_accessors(void)
{
    struct wm_buf bytes;
    wm_buf_init(&bytes, MODEL_BYTES);
    add_specials(&bytes);
    add_some(&bytes);
    add_piece(&bytes, WM_STR("<pad>"), 0, WM_SP_NORMAL);
    struct wm_sp *model = parse(&bytes);
    if (!model)
        return;
    CHECK(wm_sp_kind(model) == WM_SP_UNIGRAM);
    CHECK_U64(wm_sp_count(model), 8);
    CHECK_U64(wm_sp_unknown(model), 0);
    CHECK_U64(wm_sp_begin(model), 1);
    CHECK_U64(wm_sp_end(model), 2);
    CHECK_U64(wm_sp_pad(model), WM_SP_NONE); /* it is no control symbol */
    CHECK_STR(wm_sp_piece(model, 6), WM_STR("bb"));
    CHECK(wm_sp_piece_score(model, 6) == -2.5F);
    CHECK(wm_sp_piece_type(model, 1) == WM_SP_CONTROL);
    CHECK_U64(wm_sp_find(model, WM_STR("bb")), 6);
    CHECK_U64(wm_sp_find(model, WM_STR("</s>")), 2);
    CHECK_U64(wm_sp_find(model, WM_STR("bbb")), 0);
    CHECK_U64(wm_sp_find(model, WM_STR("")), 0);
    check_pieces(model, WM_STR("a  bbb xyz"),
                 "\xE2\x96\x81"
                 "a \xE2\x96\x81 b bb \xE2\x96\x81 xyz");
    check_pieces(model, WM_STR(""), "");
    check_pieces(model, WM_STR(" \t"), "\xE2\x96\x81 \t");
    check_pieces(model, WM_STR("   "), "");
    check_pieces(model, WM_STR("\xC3"), "\xE2\x96\x81 \xEF\xBF\xBD");
    wm_sp_free(model);
}

static void test_refused(void)
{
    static const struct {
        enum wm_sp_type type;
        float score;
        struct wm_str text;
        const char *words;
    } pieces[] = {
        {WM_SP_NORMAL, NAN, {"x", 1}, "piece 7 has the score"},
        {WM_SP_CONTROL, INFINITY, {"x", 1}, "piece 7 has the score"},
        {WM_SP_NORMAL, 2e30F, {"x", 1}, "piece 7 has the score"},
        {WM_SP_NORMAL, 0, {"", 0}, "piece 7 has 0 bytes"},
        {WM_SP_NORMAL, 0, {"a\0b", 3}, "zero byte"},
        {WM_SP_NORMAL, 0, {"bb", 2}, "pieces 6 and 7 are the same"},
        {WM_SP_CONTROL, 0, {"<s>", 3}, "pieces 1 and 7 are the same"},
        {WM_SP_UNKNOWN, 0, {"x", 1}, "pieces 0 and 7 both"},
        {WM_SP_BYTE, 0, {"<0x00>", 6}, "byte_fallback is off"},
        {(enum wm_sp_type)7, 0, {"x", 1}, "type 7"},
    };
    struct wm_buf bytes;
    wm_buf_init(&bytes, MODEL_BYTES);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        add_specials(&bytes);
        add_some(&bytes);
        add_piece(&bytes, pieces[i].text, pieces[i].score, pieces[i].type);
        refused(&bytes, WM_E_FORMAT, pieces[i].words);
    }
    refused(&bytes, WM_E_FORMAT, "no pieces");
    add_some(&bytes);
    refused(&bytes, WM_E_FORMAT, "no piece stands for the unknown");
    for (unsigned kind = 3; kind < 6; kind++) {
        static const char *const words[] = {"a word model", "a character model", "model type 5"};
        add_specials(&bytes);
        add_trainer(&bytes, (enum wm_sp_kind)kind, false, false);
        refused(&bytes, WM_E_FORMAT, words[kind - 3]);
    }
    add_specials(&bytes);
    add_trainer(&bytes, WM_SP_BPE, true, false);
    refused(&bytes, WM_E_FORMAT, "no <0x00>");
    add_byte_pieces(&bytes);
    add_piece(&bytes, WM_STR("<0xfg>"), 0, WM_SP_BYTE);
    add_specials(&bytes);
    add_trainer(&bytes, WM_SP_BPE, true, false);
    refused(&bytes, WM_E_FORMAT, "byte piece 256 is \"<0xfg>\"");
    add_number(&bytes, 9, 1);
    CHECK_OK(wm_buf_add(&bytes,
                        "\x0A\x05"
                        "abc",
                        5, &err),
             err);
    refused(&bytes, WM_E_FORMAT, "wants 5 bytes, its message has 3");
    CHECK_OK(wm_buf_add(&bytes, "\x0B\x0C", 2, &err), err);
    refused(&bytes, WM_E_FORMAT, "wire type 3");
    CHECK_OK(wm_buf_add(&bytes, "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, &err), err);
    refused(&bytes, WM_E_FORMAT, "more than 64 bits");
}

static void test_limits(void)
{
    struct wm_buf bytes;
    static char longest[WM_SP_MAX_PIECE_BYTES + 1];
    memset(longest, 'b', sizeof longest);
    wm_buf_init(&bytes, MODEL_BYTES);
    add_specials(&bytes);
    add_piece(&bytes, (struct wm_str){longest, sizeof longest}, 0, WM_SP_NORMAL);
    refused(&bytes, WM_E_LIMIT, "1025 bytes, want 1 to 1024");
    add_specials(&bytes);
    add_some(&bytes);
    add_piece(&bytes, (struct wm_str){longest, sizeof longest - 1}, -0.5F, WM_SP_NORMAL);
    struct wm_sp *model = parse(&bytes);
    struct wm_buf text;
    wm_buf_init(&text, MODEL_BYTES);
    CHECK_OK(wm_buf_printf(&text, &err, "a%.1024s", longest), err);
    CHECK_OK(wm_buf_add(&bytes,
                        "\xE2\x96\x81"
                        "a ",
                        5, &err),
             err);
    CHECK_OK(wm_buf_printf(&bytes, &err, "%.1024s", longest), err);
    CHECK_OK(wm_buf_add(&bytes, "", 1, &err), err);
    if (model)
        check_pieces(model, wm_buf_str(&text), bytes.ptr);
    wm_sp_free(model);
    wm_buf_done(&text);
    wm_buf_done(&bytes);
}

/* A character map: a trie of `n_units` and replacements. */
static void add_charsmap(struct wm_buf *out, const uint32_t *units, uint32_t n_units,
                         struct wm_str replacements)
{
    struct wm_buf map;
    uint32_t trie_bytes = n_units * 4;
    wm_buf_init(&map, MODEL_BYTES);
    CHECK_OK(wm_buf_add(&map, &trie_bytes, 4, &err), err);
    CHECK_OK(wm_buf_add(&map, units, trie_bytes, &err), err);
    CHECK_OK(wm_buf_add(&map, replacements.ptr, replacements.len, &err), err);
    add_normaliser(out, 3, wm_buf_str(&map), false, true, true);
    wm_buf_done(&map);
}

static void test_charsmap(void)
{
    static char many[WM_SP_MAX_REPLACEMENT + 2];
    /* 'x' has the value at 256 ^ 'x' ^ 1, "xy" has none, 'z' leads outside, 'w' has a value outside */
    uint32_t units[512] = {[0] = 256 << 10};
    units[256 ^ 'x'] = 1U << 10 | 1U << 8 | 'x';
    units[256 ^ 'x' ^ 1] = 1U << 31 | 2;
    units[256 ^ 'z'] = 0x3FFFFFU << 10 | 1U << 9 | 1U << 8 | 'z';
    units[256 ^ 'w'] = 2U << 10 | 1U << 8 | 'w';
    units[256 ^ 'w' ^ 2] = 1U << 31 | 1000000;
    struct wm_buf bytes;
    wm_buf_init(&bytes, MODEL_BYTES);
    add_specials(&bytes);
    add_some(&bytes);
    add_charsmap(&bytes, units, 512, WM_STR("q\0bb b")); /* its last zero is missing */
    struct wm_sp *model = parse(&bytes);
    if (model)
        check_pieces(model, WM_STR("xzw a"),
                     "bb \xE2\x96\x81 b zw \xE2\x96\x81"
                     "a");
    wm_sp_free(model);
    memset(many, 'b', sizeof many - 1);
    add_specials(&bytes);
    add_charsmap(&bytes, units, 512, (struct wm_str){many, sizeof many});
    refused(&bytes, WM_E_LIMIT, "writes 1025 bytes, want at most 1024");
    add_specials(&bytes);
    add_normaliser(&bytes, 3, WM_STR("\xFF\xFF\xFF\xFF trie"), true, true, true);
    refused(&bytes, WM_E_FORMAT, "the character map has 9 bytes, its trie 4294967295");
}

static void test_unused_and_symbols(void)
{
    struct wm_buf bytes;
    wm_buf_init(&bytes, MODEL_BYTES);
    add_specials(&bytes);
    add_piece(&bytes, WM_STR("ab"), -1, WM_SP_NORMAL);
    add_piece(&bytes, WM_STR("abc"), -2, WM_SP_UNUSED); /* of "ab" and "c" */
    add_piece(&bytes, WM_STR("abcd"), -3, WM_SP_NORMAL);
    add_piece(&bytes, WM_STR("a b"), 0, WM_SP_USER_DEFINED);
    add_piece(&bytes, WM_STR("cd!"), 0, WM_SP_USER_DEFINED);
    add_piece(&bytes, WM_STR("!"), 0, WM_SP_CONTROL);
    add_trainer(&bytes, WM_SP_BPE, false, false);
    add_normaliser(&bytes, 3, (struct wm_str){0}, false, true, false);
    struct wm_sp *model = parse(&bytes);
    if (!model)
        return;
    check_pieces(model, WM_STR("abc"), "ab c");
    check_pieces(model, WM_STR("abcdabc"), "abcd ab c");
    check_pieces(model, WM_STR("abcd!"), "ab cd!"); /* symbols are found first */
    check_pieces(model, WM_STR("aa bb!"), "a a b b!");
    wm_sp_free(model);
}

static void check_decode(const struct wm_sp *model, const uint32_t *ids, size_t n, const char *want)
{
    struct wm_buf out;
    wm_buf_init(&out, MODEL_BYTES);
    CHECK_OK(wm_buf_add(&out, "> ", 2, &err), err);
    CHECK_OK(wm_sp_decode(model, ids, n, &out, &err), err);
    CHECK_STR(wm_buf_str(&out), wm_str_of(want));
    wm_buf_done(&out);
}

static void test_decode(void)
{
    struct wm_buf bytes;
    wm_buf_init(&bytes, MODEL_BYTES);
    add_specials(&bytes);
    add_some(&bytes); /* 3 "▁", 4 "▁a", 5 "b", 6 "bb" */
    add_byte_pieces(&bytes);
    add_trainer(&bytes, WM_SP_UNIGRAM, true, false);
    struct wm_sp *model = parse(&bytes);
    if (!model)
        return;
    enum { BYTE = 7 };
    check_decode(model, (uint32_t[]){1, 4, 5, 3, 6, 2}, 6, "> ab bb");
    check_decode(model, (uint32_t[]){3, 3, 4}, 3, "> a");
    check_decode(model, (uint32_t[]){4, 0}, 2, "> a \xE2\x81\x87 ");
    check_decode(model, (uint32_t[]){BYTE + 0xC3, BYTE + 0xA9, BYTE + 0xFF, 5, BYTE + 0xE2}, 5,
                 "> \xC3\xA9\xEF\xBF\xBD"
                 "b\xEF\xBF\xBD");
    CHECK_FAILS(wm_sp_decode(model, (uint32_t[]){BYTE + 256}, 1, &bytes, &err), WM_E_FORMAT, err,
                "id 263, the model has 263 pieces");
    check_pieces(model, WM_STR("a \xC3\xA9"),
                 "\xE2\x96\x81"
                 "a \xE2\x96\x81 <0xC3> <0xA9>");
    wm_sp_free(model);
    wm_buf_done(&bytes);
}

/* No word in sight: memory grows with the text, and only so much. */
static void test_long_text(void)
{
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    for (int kind = WM_SP_UNIGRAM; kind <= WM_SP_BPE && text; kind++) {
        struct wm_sp_scratch *scratch = NULL;
        struct wm_sp_pieces pieces = {0};
        struct wm_buf bytes;
        wm_buf_init(&bytes, MODEL_BYTES);
        add_specials(&bytes);
        add_some(&bytes);
        add_trainer(&bytes, (enum wm_sp_kind)kind, false, false);
        struct wm_sp *model = parse(&bytes);
        CHECK_OK(model ? wm_sp_scratch_new(model, &scratch, &err) : -1, err);
        memset(text, 'b', BYTES);
        if (scratch) {
            CHECK_OK(wm_sp_encode(model, scratch, (struct wm_str){text, BYTES}, &pieces, &err),
                     err);
            CHECK_U64(pieces.n, 1 + BYTES / 2);
            CHECK(wm_sp_scratch_memory(scratch) < 100U * BYTES);
            size_t memory = wm_sp_scratch_memory(scratch);
            CHECK_OK(wm_sp_encode(model, scratch, (struct wm_str){text, BYTES}, &pieces, &err),
                     err);
            CHECK_U64(wm_sp_scratch_memory(scratch), memory);
        }
        wm_sp_scratch_free(scratch);
        wm_sp_free(model);
    }
    free(text);
}

int main(void)
{
    struct wm_sp *model = NULL;
    test_accessors();
    test_refused();
    test_limits();
    test_charsmap();
    test_unused_and_symbols();
    test_decode();
    test_long_text();
    CHECK_FAILS(wm_sp_open("no such file", &model, &err), WM_E_IO, err, "cannot open");
    return test_summary();
}
