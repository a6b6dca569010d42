/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: what we write we read back the same; what others write; what we refuse. */
#include <unistd.h>

#include "bpe_helpers.h"
#include "tokenizer/tokenizer_json.h"
#include "wetmill/file.h"

enum { JSON_MAX = 1 << 24 };

static void check_files_equal(const char *a, const char *b)
{
    struct wm_error err = {0};
    struct wm_buf x, y;
    wm_buf_init(&x, JSON_MAX);
    wm_buf_init(&y, JSON_MAX);
    CHECK_OK(wm_file_load(a, &x, &err), err);
    CHECK_OK(wm_file_load(b, &y, &err), err);
    CHECK(x.len > 0 && wm_str_eq(wm_buf_str(&x), wm_buf_str(&y)));
    wm_buf_done(&x);
    wm_buf_done(&y);
}

static void check_saved(int split, int digits, const char *pattern)
{
    struct wm_error err = {0};
    const char *names[] = {"<|endoftext|>", "<a \"b\"\\>", "漢 字"};
    char dir[] = "tokenizer-XXXXXX", one[64], two[64], file[96], again[96];
    struct wm_tokenizer_options options = small_options(split, 700);
    struct wm_tokenizer *back = NULL, *by_file = NULL;
    options.digits = digits;
    options.pattern = pattern;
    options.specials = (struct wm_list){names, 3};
    struct wm_tokenizer *tok = random_tokenizer(31, &options);
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(one, sizeof one, "%s/one/deeper", dir);
    (void)snprintf(two, sizeof two, "%s/two", dir);
    CHECK_OK(wm_tokenizer_save(tok, one, &err), err);
    CHECK_OK(wm_tokenizer_load(one, &back, &err), err);
    CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(back)));
    CHECK_U64(wm_tokenizer_size(back), wm_tokenizer_size(tok));
    check_same_ids(tok, back);
    CHECK_OK(wm_tokenizer_save(back, two, &err), err);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "tokenizer_config.json" : "tokenizer.json";
        (void)snprintf(file, sizeof file, "%s/%s", one, name);
        (void)snprintf(again, sizeof again, "%s/%s", two, name);
        check_files_equal(file, again);
    }
    (void)snprintf(file, sizeof file, "%s/tokenizer.json", one);
    CHECK_OK(wm_tokenizer_load(file, &by_file, &err), err);
    CHECK_FAILS(wm_tokenizer_load(dir, &by_file, &err), WM_E_IO, err, "cannot");
    CHECK(strstr(err.where, "tokenizer.json") != NULL);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    wm_tokenizer_free(tok);
    wm_tokenizer_free(back);
    wm_tokenizer_free(by_file);
}

/* Identity follows every part: without merges, two tokenizers differ in one thing alone. */
static void check_identity(void)
{
    XXH128_hash_t seen[6];
    const char *names[] = {"<eod>"};
    for (size_t i = 0; i < 6; i++) {
        struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, i == 1 ? 258 : 257);
        options.split = i == 2 ? WM_SPLIT_CL100K : WM_SPLIT_R50K;
        options.digits = i >= 4 ? (int)i - 3 : WM_DIGITS_PATTERN;
        if (i == 3)
            options.specials = (struct wm_list){names, 1};
        struct wm_tokenizer *tok = random_tokenizer(1, &options);
        CHECK_U64(tok->n_merges, i == 1);
        seen[i] = wm_tokenizer_identity(tok);
        for (size_t k = 0; k < i; k++)
            CHECK_(!XXH128_isEqual(seen[i], seen[k]), "identities %zu and %zu are equal", i, k);
        wm_tokenizer_free(tok);
    }
}

/* ---- files of others ---- */

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define MODEL "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"Ġ\":3},\"merges\":[\"a b\"]}"

/* A tokenizer.json with one part replaced. */
static struct wm_str file_with(char *out, size_t size, const char *part, const char *value)
{
    static const char *const parts[][2] = {
        {"version", "\"1.0\""}, {"truncation", "null"},     {"padding", "null"},
        {"added_tokens", "[]"}, {"normalizer", "null"},     {"pre_tokenizer", BYTE_LEVEL},
        {"decoder", "null"},    {"post_processor", "null"}, {"model", MODEL},
    };
    size_t n = 0;
    bool found = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool here = strcmp(parts[i][0], part) == 0;
        found = found || here;
        n += (size_t)snprintf(out + n, size - n, "%s\"%s\":%s", n ? "," : "{", parts[i][0],
                              here ? value : parts[i][1]);
    }
    if (!found && *part)
        n += (size_t)snprintf(out + n, size - n, ",\"%s\":%s", part, value);
    n += (size_t)snprintf(out + n, size - n, "}");
    return (struct wm_str){out, n};
}

static void refuse(const char *part, const char *value, const char *words)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    char json[2048];
    CHECK_FAILS(bpe_parse_json(file_with(json, sizeof json, part, value), &tok, &err), WM_E_FORMAT,
                err, words);
    CHECK(tok == NULL);
}

static void check_ids(const char *part, const char *value, const char *text, unsigned flags,
                      const uint32_t *want, size_t n)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    char json[2048];
    CHECK_OK(bpe_parse_json(file_with(json, sizeof json, part, value), &tok, &err), err);
    if (!tok)
        return;
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, wm_str_of(text), flags, &ids, &err), err);
    CHECK_(ids.n == n && memcmp(ids.ids, want, n * sizeof *want) == 0, "%s: other ids", value);
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_tokenizer_free(tok);
}

#define IDS(...) (uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / sizeof(uint32_t)

/* Hugging Face's Digits, with ByteLevel cutting what is between numbers or not. */
static void check_digits(void)
{
    static const struct {
        bool single, regex;
        const char *want;
    } cases[] = {{true, true, "|a|  |1|2| |½| b|'s|  |3|x| \n|٣|!!"},
                 {false, true, "|a|  |12| |½| b|'s|  |3|x| \n|٣|!!"},
                 {true, false, "|a  |1|2| |½| b's  |3|x \n|٣|!!"},
                 {false, false, "|a  |12| |½| b's  |3|x \n|٣|!!"}};
    struct wm_error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wm_tokenizer *tok = NULL;
        struct bpe_splitter *splitter = NULL;
        struct wm_str piece;
        char json[2048], value[512], got[128];
        size_t n = 0;
        (void)snprintf(value, sizeof value,
                       "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                       "\"individual_digits\":%s},{\"type\":\"ByteLevel\","
                       "\"add_prefix_space\":false,\"use_regex\":%s}]}",
                       cases[i].single ? "true" : "false", cases[i].regex ? "true" : "false");
        struct wm_str file = file_with(json, sizeof json, "pre_tokenizer", value);
        CHECK_OK(bpe_parse_json(file, &tok, &err), err);
        CHECK_OK(bpe_splitter_new(tok->pattern, &splitter, &err), err);
        bpe_split(splitter, WM_STR("a  12 ½ b's  3x \n٣!!"));
        while (bpe_next_piece(splitter, &piece, &err) > 0)
            n += (size_t)snprintf(got + n, sizeof got - n, "|%.*s", (int)piece.len, piece.ptr);
        CHECK_STR(wm_str_of(got), wm_str_of(cases[i].want));
        bpe_splitter_free(splitter);
        wm_tokenizer_free(tok);
    }
}

static void check_accepted(void)
{
    check_ids("", "", "ab ab", 0, IDS(2, 3, 2));
    check_ids("model", "{\"vocab\":{\"b\":1,\"a\":0,\"ab\":7},\"merges\":[[\"a\",\"b\"]]}", "aab",
              0, IDS(0, 7));
    /* a token without a merge is reached only with ignore_merges */
    check_ids("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[]}", "aa", 0,
              IDS(0, 0));
    check_ids(
        "model",
        "{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[]}",
        "aa", 0, IDS(1));
    check_ids(
        "pre_tokenizer",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
        "{\"Regex\":\"a\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}",
        "ab", 0, IDS(0, 1));
    check_digits();
    check_ids("decoder", "{\"type\":\"ByteLevel\"}", "b", 0, IDS(1));
    const char *added =
        "[{\"id\":4,\"content\":\"b\xC3\xA9\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":true,\"special\":false},"
        "{\"id\":9,\"content\":\"ba\",\"normalized\":false,\"special\":true}]";
    check_ids("added_tokens", added,
              "ab\xC3\xA9"
              "ba",
              0, IDS(0, 4, 1, 0));
    check_ids("added_tokens", added,
              "ab\xC3\xA9"
              "ba",
              WM_ENCODE_SPECIALS, IDS(0, 4, 9));
}

static void check_refused(void)
{
    refuse("normalizer", "{\"type\":\"NFKC\"}", "normalizer \"NFKC\"");
    refuse("normalizer", "{\"type\":\"NFC\",\"x\":1}", "\"x\"");
    refuse("truncation", "{\"max_length\":5}", "truncation");
    refuse("padding", "{\"strategy\":\"x\"}", "padding");
    refuse("version", "\"2.0\"", "version \"2.0\"");
    refuse("surprise", "1", "\"surprise\"");
    refuse("pre_tokenizer", "null", "no pre_tokenizer");
    refuse("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "\"Metaspace\"");
    refuse("pre_tokenizer", "{\"type\":\"ByteLevel\",\"use_regex\":true}", "add_prefix_space true");
    refuse("pre_tokenizer",
           "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}",
           "without a split");
    refuse("pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}]}",
           "of 1 parts");
    refuse("pre_tokenizer",
           "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}," BYTE_LEVEL "]}",
           "individual_digits");
    refuse("pre_tokenizer",
           "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whitespace\"}," BYTE_LEVEL "]}",
           "\"Whitespace\"");
    refuse("pre_tokenizer",
           "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":"
           "\"a\"},\"behavior\":\"Isolated\"}," BYTE_LEVEL "]}",
           "\"String\"");
    refuse("pre_tokenizer",
           "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
           "\"a\"},\"behavior\":\"Removed\"}," BYTE_LEVEL "]}",
           "\"Removed\"");
    refuse("pre_tokenizer",
           "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
           "\"(\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
           "\"use_regex\":false}]}",
           "split pattern");
    refuse("post_processor", "{\"type\":\"TemplateProcessing\"}",
           "TemplateProcessing leaves the text out");
    refuse("decoder", "{\"type\":\"WordPiece\"}", "decoder \"WordPiece\"");
    refuse("model", "null", "no model");
    refuse("model", "{\"type\":\"Unigram\",\"vocab\":[]}", "model \"Unigram\"");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{}}", "no merges");
    refuse("model", "{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{},\"merges\":[]}", "dropout");
    refuse("model", "{\"type\":\"BPE\",\"unk_token\":\"u\",\"vocab\":{},\"merges\":[]}",
           "unk_token");
    refuse("model", "{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{},\"merges\":[]}",
           "byte_fallback");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", "two tokens");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}", "same bytes");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\" \":0},\"merges\":[]}", "byte-mapped");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}", "not in vocab");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}",
           "no token of vocab");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}", "want 2");
    refuse("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}", "");
    refuse("added_tokens", "[{\"id\":9,\"content\":\"x\",\"lstrip\":true}]", "lstrip true");
    refuse("added_tokens", "[{\"id\":9,\"content\":\"\"}]", "0 bytes");
    refuse("added_tokens", "[{\"id\":9,\"content\":\"x\\u0000\"}]", "NUL");
    refuse("added_tokens", "[{\"id\":0,\"content\":\"x\"}]", "not so in added_tokens");
    refuse("added_tokens", "[{\"id\":9,\"content\":\"ab\",\"special\":true}]", "called \"ab\"");
    refuse("added_tokens", "[{\"id\":8,\"content\":\"x\"},{\"id\":9,\"content\":\"x\"}]",
           "called \"x\"");
}

/* Ids far apart are refused before memory is taken for what lies between. */
static void check_limits(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    char json[2048];
    CHECK_FAILS(bpe_parse_json(file_with(json, sizeof json, "model",
                                         "{\"vocab\":{\"a\":99999999},\"merges\":[]}"),
                               &tok, &err),
                WM_E_LIMIT, err, "99999999");
    CHECK_FAILS(bpe_parse_json(WM_STR("{"), &tok, &err), WM_E_FORMAT, err, "");
    CHECK_FAILS(bpe_parse_json(WM_STR(""), &tok, &err), WM_E_FORMAT, err, "");
}

int main(void)
{
    for (int split = 0; split < WM_SPLIT_PATTERN; split++)
        for (int digits = WM_DIGITS_PATTERN; digits <= WM_DIGITS_THREE; digits++)
            check_saved(split, digits, NULL);
    check_saved(WM_SPLIT_PATTERN, WM_DIGITS_PATTERN, "[a-z]+\\d|\"");
    check_identity();
    check_accepted();
    check_refused();
    check_limits();
    return test_summary();
}
