/* SPDX-License-Identifier: Apache-2.0 */
/* Every format: what we write we read back as the same tokenizer; what it cannot say is refused;
 * files of others; hostile files. */
#include <unistd.h>

#include "bpe_helpers.h"
#include "tokenizer/formats.h"
#include "tokenizer/ranks.h"
#include "wetmill/file.h"

static char top[] = "formats-XXXXXX";

static const char *in_top(const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct wm_error err = {0};
    CHECK_OK(wm_file_store(in_top(name), wm_str_of(text), &err), err);
}

static struct wm_tokenizer *trained(int split, const char *pattern)
{
    static const char *names[] = {"<|endoftext|>", "<a \"b\"\\>", "<漢 字>"};
    struct wm_tokenizer_options options = small_options(split, 600);
    options.pattern = pattern;
    options.specials = (struct wm_list){names, 3};
    return random_tokenizer(77, &options);
}

/* Write, read; `same` = also the identity. */
static void check_round(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                        const char *name, const struct wm_tokenizer_hints *hints, bool same)
{
    struct wm_error err = {0};
    struct wm_tokenizer *back = NULL;
    CHECK_OK(wm_tokenizer_write(tok, format, in_top(name), &err), err);
    CHECK_OK(wm_tokenizer_load_with(in_top(name), hints, &back, &err), err);
    if (!back)
        return;
    CHECK_U64(wm_tokenizer_size(back), wm_tokenizer_size(tok));
    CHECK_(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(back)) == same,
           "%s: identity", name);
    check_same_ids(tok, back);
    wm_tokenizer_free(back);
}

static void check_rounds(void)
{
    const struct wm_tokenizer_hints none = {0};
    static const char *names[] = {"<|endoftext|>", "<a \"b\"\\>", "<漢 字>"};
    const struct wm_list specials = {names, 3};
    static const char *const splits[] = {"r50k", "cl100k", "o200k", "qwen2"};
    static const int by_enum[] = {WM_SPLIT_R50K, WM_SPLIT_CL100K, WM_SPLIT_O200K, WM_SPLIT_QWEN2};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        struct wm_tokenizer *tok = trained(by_enum[i], NULL);
        struct wm_tokenizer_hints hints = {.split = splits[i], .specials = &specials};
        CHECK(strcmp(wm_tokenizer_split_name(tok), splits[i]) == 0);
        (void)snprintf(name, sizeof name, "%s.gguf", splits[i]);
        check_round(tok, WM_TOKENIZER_AUTO, name, &none, true);
        (void)snprintf(name, sizeof name, "%s.tiktoken", splits[i]);
        check_round(tok, WM_TOKENIZER_AUTO, name, &hints, true);
        (void)snprintf(name, sizeof name, "%s.dir", splits[i]);
        check_round(tok, WM_TOKENIZER_JSON, name, &none, true);
        wm_tokenizer_free(tok);
    }
    struct wm_tokenizer *tok = trained(WM_SPLIT_R50K, NULL);
    check_round(tok, WM_TOKENIZER_GPT2, "gpt2", &none, true);
    check_round(tok, WM_TOKENIZER_AUTO, "gpt2b/merges.txt", &none, true);
    check_round(tok, WM_TOKENIZER_AUTO, "gpt2b/vocab.json", &none, true);
    wm_tokenizer_free(tok);
}

static void check_cannot(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                         const char *words)
{
    struct wm_error err = {0};
    CHECK_FAILS(wm_tokenizer_write(tok, format, in_top("refused"), &err), WM_E_CONFIG, err, words);
    CHECK(!wm_exists(in_top("refused")));
}

/* A tokenizer.json of all bytes, GPT-2's split, with more vocabulary, merges and added tokens. */
static struct wm_tokenizer *from_json(const char *vocab, const char *merges, const char *added,
                                      bool ignore_merges)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_buf json;
    wm_buf_init(&json, 1 << 16);
    CHECK_OK(wm_buf_printf(&json, &err,
                           "{\"added_tokens\":[%s],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                           "\"add_prefix_space\":false},\"model\":{\"ignore_merges\":%s,"
                           "\"merges\":[%s],\"vocab\":{%s",
                           added, ignore_merges ? "true" : "false", merges, vocab),
             err);
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)bpe_byte_order[i];
        struct wm_buf name;
        wm_buf_init(&name, 8);
        CHECK_OK(bpe_map_bytes((struct wm_str){&byte, 1}, &name, &err), err);
        bool quoted = byte == '"' || byte == '\\';
        CHECK_OK(wm_buf_printf(&json, &err, "%s\"%s%.*s\":%u", i || *vocab ? "," : "",
                               quoted ? "\\" : "", (int)name.len, name.ptr, i),
                 err);
        wm_buf_done(&name);
    }
    CHECK_OK(wm_buf_printf(&json, &err, "}}}"), err);
    CHECK_OK(wm_file_store(in_top("made.json"), wm_buf_str(&json), &err), err);
    CHECK_OK(wm_tokenizer_load(in_top("made.json"), &tok, &err), err);
    wm_buf_done(&json);
    return tok;
}

static void check_refused_to_write(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = trained(WM_SPLIT_PATTERN, "[a-z]+|.");
    check_cannot(tok, WM_TOKENIZER_GGUF, "no name for this tokenizer's split");
    check_cannot(tok, WM_TOKENIZER_GPT2, "splits by pattern");
    wm_tokenizer_free(tok);
    tok = trained(WM_SPLIT_R50K, NULL);
    CHECK_OK(bpe_set_nfc(tok, &err), err);
    check_cannot(tok, WM_TOKENIZER_GPT2, "normaliser NFC");
    check_cannot(tok, WM_TOKENIZER_TIKTOKEN, "normaliser NFC");
    wm_tokenizer_free(tok);
    /* the later id merges first */
    tok = from_json("\"ab\":256,\"bc\":257", "\"b c\",\"a b\"", "", false);
    check_cannot(tok, WM_TOKENIZER_TIKTOKEN, "ranks cannot express merge 1");
    check_round(tok, WM_TOKENIZER_GGUF, "order.gguf", &(struct wm_tokenizer_hints){0}, true);
    wm_tokenizer_free(tok);
    /* two ways to one token: the second never comes up, once the order of ids says so */
    tok = from_json("\"ab\":256,\"bc\":257,\"abc\":258", "\"a b\",\"b c\",\"ab c\",\"a bc\"", "",
                    false);
    check_round(tok, WM_TOKENIZER_TIKTOKEN, "ways.tiktoken",
                &(struct wm_tokenizer_hints){.split = "r50k"}, false);
    wm_tokenizer_free(tok);
    tok = from_json("\"ab\":256,\"bc\":257,\"abc\":258", "\"a b\",\"b c\",\"a bc\"", "", false);
    check_cannot(tok, WM_TOKENIZER_TIKTOKEN, "256 and 66 do not merge to 258");
    wm_tokenizer_free(tok);
    /* a token that no merge makes, once without effect, once with */
    tok = from_json("\"abc\":256", "", "", false);
    check_cannot(tok, WM_TOKENIZER_TIKTOKEN, "no merge makes");
    wm_tokenizer_free(tok);
    tok = from_json("\"abc\":256", "", "", true);
    check_cannot(tok, WM_TOKENIZER_GPT2, "no merge makes");
    check_cannot(tok, WM_TOKENIZER_GGUF, "tokens that no merge makes");
    check_round(tok, WM_TOKENIZER_TIKTOKEN, "orphan.tiktoken",
                &(struct wm_tokenizer_hints){.split = "r50k"}, true);
    wm_tokenizer_free(tok);
}

static void check_added(void)
{
    struct wm_tokenizer *tok =
        from_json("", "",
                  "{\"id\":300,\"content\":\"xyz\",\"special\":false,\"normalized\":true},"
                  "{\"id\":301,\"content\":\"x \\u00e9\",\"special\":false,\"normalized\":false},"
                  "{\"id\":305,\"content\":\"<s>\",\"special\":true,\"normalized\":true}",
                  false);
    check_cannot(tok, WM_TOKENIZER_TIKTOKEN, "added token 300");
    check_cannot(tok, WM_TOKENIZER_GPT2, "added token 300");
    check_round(tok, WM_TOKENIZER_GGUF, "added.gguf", &(struct wm_tokenizer_hints){0}, true);
    wm_tokenizer_free(tok);
}

/* ---- templates ---- */

#define SPECIALS                                         \
    "{\"id\":300,\"content\":\"<s>\",\"special\":true}," \
    "{\"id\":301,\"content\":\"</s>\",\"special\":true}"

/* A tokenizer.json of the bytes a and b with this post_processor. */
static int load_template(const char *post_processor, struct wm_tokenizer **ret,
                         struct wm_error *err)
{
    char json[2048];
    (void)snprintf(json, sizeof json,
                   "{\"added_tokens\":[" SPECIALS "],\"post_processor\":%s,\"pre_tokenizer\":"
                   "{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                   "\"model\":{\"merges\":[],\"vocab\":{\"a\":0,\"b\":1}}}",
                   post_processor);
    put("template.json", json);
    return wm_tokenizer_load(in_top("template.json"), ret, err);
}

#define PART(kind, id) "{\"" kind "\":{\"id\":\"" id "\",\"type_id\":0}}"
#define NAMED(name, id) \
    "\"" name "\":{\"id\":\"" name "\",\"ids\":[" id "],\"tokens\":[\"" name "\"]}"
#define TEMPLATE(single, named)                                             \
    "{\"type\":\"TemplateProcessing\",\"single\":[" single "],\"pair\":[]," \
    "\"special_tokens\":{" named "}}"

static void check_template_ids(const struct wm_tokenizer *tok, const char *text, uint32_t first,
                               uint32_t last, size_t n)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, wm_str_of(text), WM_ENCODE_TEMPLATE, &ids, &err), err);
    CHECK_U64(ids.n, n);
    CHECK(ids.n == n && ids.ids[0] == first && ids.ids[n - 1] == last);
    ids.n = 0;
    CHECK_OK(wm_encode(enc, wm_str_of(text), 0, &ids, &err), err);
    CHECK_U64(ids.n, strlen(text));
    wm_encoder_free(enc);
    wm_ids_done(&ids);
}

static void check_templates(void)
{
    const char *both = TEMPLATE(
        PART("SpecialToken", "<s>") "," PART("Sequence", "A") "," PART("SpecialToken", "</s>"),
        NAMED("<s>", "300") "," NAMED("</s>", "301"));
    const struct wm_tokenizer_hints none = {0};
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL, *without = NULL, *back = NULL;
    char sequence[1024];
    CHECK_OK(load_template(both, &tok, &err), err);
    CHECK_OK(load_template("null", &without, &err), err);
    CHECK(!XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(without)));
    wm_tokenizer_free(without);
    check_template_ids(tok, "ab", 300, 301, 4);
    check_template_ids(tok, "", 300, 301, 2);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "template.gguf" : "template.dir";
        CHECK_OK(wm_tokenizer_write(tok, WM_TOKENIZER_AUTO, in_top(name), &err), err);
        CHECK_OK(wm_tokenizer_load_with(in_top(name), &none, &back, &err), err);
        CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(back)));
        check_template_ids(back, "ba", 300, 301, 4);
        wm_tokenizer_free(back);
    }
    check_cannot(tok, WM_TOKENIZER_GPT2, "around a text");
    wm_tokenizer_free(tok);
    (void)snprintf(sequence, sizeof sequence,
                   "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},%s]}", both);
    CHECK_OK(load_template(sequence, &tok, &err), err);
    check_template_ids(tok, "a", 300, 301, 3);
    wm_tokenizer_free(tok);
    tok = NULL;
    CHECK_OK(load_template(TEMPLATE(PART("SpecialToken", "<s>") "," PART(
                                        "SpecialToken", "<s>") "," PART("Sequence", "A"),
                                    NAMED("<s>", "300")),
                           &tok, &err),
             err);
    check_cannot(tok, WM_TOKENIZER_GGUF, "several tokens");
    wm_tokenizer_free(tok);
}

static void refuse_template(const char *post_processor, const char *words)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    CHECK_FAILS(load_template(post_processor, &tok, &err), WM_E_FORMAT, err, words);
    CHECK(tok == NULL);
}

static void check_bad_templates(void)
{
    refuse_template("{\"type\":\"BertProcessing\"}", "\"BertProcessing\"");
    refuse_template(TEMPLATE(PART("Sequence", "B"), ""), "part \"Sequence\"");
    refuse_template(TEMPLATE(PART("SpecialToken", "<s>"), NAMED("<s>", "300")), "leaves the text");
    refuse_template(TEMPLATE(PART("Sequence", "A") "," PART("Sequence", "A"), ""), "text twice");
    refuse_template(
        TEMPLATE(PART("SpecialToken", "<s>") "," PART("Sequence", "A"), NAMED("<s>", "301")),
        "not the added token");
    refuse_template(TEMPLATE(PART("SpecialToken", "<s>") "," PART("Sequence", "A"), ""),
                    "not the added token");
    refuse_template(TEMPLATE(PART("SpecialToken", "a") "," PART("Sequence", "A"), NAMED("a", "0")),
                    "not the added token");
    refuse_template(TEMPLATE(PART("Sequence", "A"), "\"<s>\":{\"ids\":[300,301]}"), "2 ids");
    refuse_template("{\"type\":\"TemplateProcessing\",\"odd\":1}", "\"odd\"");
    refuse_template("{\"type\":\"Sequence\",\"processors\":[" TEMPLATE(
                        PART("Sequence", "A"), "") "," TEMPLATE(PART("Sequence", "A"), "") "]}",
                    "two templates");
}

/* ---- reading ---- */

static void check_load_fails(const char *name, const char *text, int status, const char *words,
                             const char *where)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    put(name, text);
    CHECK_FAILS(wm_tokenizer_load(in_top(name), &tok, &err), status, err, words);
    CHECK_(strstr(err.where, where) != NULL, "%s: where is \"%s\"", name, err.where);
    CHECK(tok == NULL);
}

static void check_bad_files(void)
{
    check_load_fails("noise", "neither fish nor fowl", WM_E_FORMAT, "this is no tokenizer",
                     "noise");
    check_load_fails("empty", "", WM_E_FORMAT, "this is no tokenizer", "empty");
    check_load_fails("mine.tiktoken", "YQ== 0\n", WM_E_CONFIG, "does not say how", "mine.tiktoken");
    check_load_fails("r50k_base.tiktoken", "YQ== 0\nYg==1\n", WM_E_FORMAT, "line 2 is not", "r50k");
    check_load_fails("r50k_base.tiktoken", "YQ== 0\nYg== 0\n", WM_E_FORMAT,
                     "two tokens have the id", "r50k");
    check_load_fails("r50k_base.tiktoken", "YQ== 0\nYQ== 1\n", WM_E_FORMAT, "the same bytes",
                     "r50k");
    check_load_fails("r50k_base.tiktoken", "YQ== 99999999999\n", WM_E_LIMIT, "over the limit",
                     "r50k");
    check_load_fails("x.gguf", "GGUF\1", WM_E_FORMAT, "no GGUF file", "x.gguf");
    check_load_fails("x-vocab.json", "{\"a\":0}", WM_E_IO, "cannot", "x-merges.txt");
    put("y-merges.txt", "#version: 0.2\na b\nab\n");
    check_load_fails("y-vocab.json", "{\"a\":0,\"b\":1,\"ab\":2}", WM_E_FORMAT, "is not two tokens",
                     "merges.txt line 3");
    put("y-merges.txt", "a b\r\n\n");
    check_load_fails("y-vocab.json", "{\"a\":0,\"b\":1,\"ac\":2}", WM_E_FORMAT, "make no token",
                     "merges.txt line 1");
    check_load_fails("y-vocab.json", "{\"a\":0,\"b\":\"1\"}", WM_E_FORMAT, "", "vocab.json");
    check_load_fails("y-vocab.json", "{\"a\":0,\"b c\":1}", WM_E_FORMAT, "byte-mapped",
                     "vocab.json");
}

static void check_hints(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_tokenizer_hints split = {.split = "cl100k"}, bad = {.split = "best"};
    put("h.tiktoken", "YQ== 0\nYg== 1\nYWI= 2\n");
    CHECK_FAILS(wm_tokenizer_load_with(in_top("h.tiktoken"), &bad, &tok, &err), WM_E_CONFIG, err,
                "no split is called \"best\"");
    CHECK_OK(wm_tokenizer_load_with(in_top("h.tiktoken"), &split, &tok, &err), err);
    CHECK_U64(wm_tokenizer_size(tok), 3);
    wm_tokenizer_free(tok);
    tok = trained(WM_SPLIT_R50K, NULL);
    CHECK_OK(wm_tokenizer_save(tok, in_top("hinted"), &err), err);
    wm_tokenizer_free(tok);
    tok = NULL;
    CHECK_FAILS(wm_tokenizer_load_with(in_top("hinted"), &split, &tok, &err), WM_E_CONFIG, err,
                "says itself");
}

/* GPT-2's files as published: no special_tokens_map.json, <|endoftext|> in the vocabulary. */
static void check_gpt2_published(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    uint32_t id = 0;
    put("pub/merges.txt", "#version: 0.2\na b\n< b\n<b >\n");
    put("pub/vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"<\":3,\">\":4,\"<b\":5,\"<b>\":6,"
                          "\"<|endoftext|>\":7}");
    CHECK_OK(wm_tokenizer_load(in_top("pub"), &tok, &err), err);
    CHECK(wm_tokenizer_special(tok, WM_STR("<|endoftext|>"), &id));
    CHECK_U64(id, 7);
    CHECK(!wm_token_is_special(tok, 6));
    wm_tokenizer_free(tok);
    put("pub/special_tokens_map.json", "{\"bos_token\":{\"content\":\"a\",\"lstrip\":false},"
                                       "\"additional_special_tokens\":[\"<|endoftext|>\"]}");
    CHECK_FAILS(wm_tokenizer_load(in_top("pub"), &tok, &err), WM_E_FORMAT, err, "not in vocab");
}

/* A GGUF file that names another tokenizer is refused, both named. */
static void check_gguf_identity(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = trained(WM_SPLIT_CL100K, NULL), *back = NULL;
    struct wm_buf file;
    char hex[WM_HEX128], other[WM_HEX128];
    wm_buf_init(&file, 1 << 20);
    CHECK_OK(bpe_format_gguf(tok, &file, &err), err);
    wm_hex128(wm_tokenizer_identity(tok), hex);
    memcpy(other, hex, sizeof other);
    other[0] = other[0] == '0' ? '1' : '0';
    for (size_t i = 0; i + 32 <= file.len; i++)
        if (memcmp(file.ptr + i, hex, 32) == 0)
            memcpy(file.ptr + i, other, 32);
    CHECK_FAILS(bpe_parse_gguf(wm_buf_str(&file), &back, &err), WM_E_MISMATCH, err, hex);
    CHECK(strstr(err.what, other) != NULL);
    CHECK(back == NULL);

    static const char key[] = "wetmill.tokenizer.unicode"; /* then type and length */
    for (size_t i = 0; i + sizeof key + 16 <= file.len; i++)
        if (memcmp(file.ptr + i, key, sizeof key - 1) == 0)
            memcpy(file.ptr + i + sizeof key - 1 + 12, "15.0", 4);
    CHECK_FAILS(bpe_parse_gguf(wm_buf_str(&file), &back, &err), WM_E_MISMATCH, err,
                "split is of Unicode 15.0, here it is of 14.0");
    CHECK(back == NULL);
    wm_buf_done(&file);
    wm_tokenizer_free(tok);
}

static void check_gguf_of(const char *model, const char *pre, uint64_t n_types, const char *merge,
                          const char *words)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_buf file;
    struct wm_gguf_out w;
    wm_buf_init(&file, 4096);
    wm_gguf_out_open(&w, &file, &err);
    if (model)
        wm_gguf_put_str(&w, "tokenizer.ggml.model", wm_str_of(model));
    if (pre)
        wm_gguf_put_str(&w, "tokenizer.ggml.pre", wm_str_of(pre));
    wm_gguf_put_array(&w, "tokenizer.ggml.tokens", WM_GGUF_STRING, 2);
    wm_gguf_item_str(&w, WM_STR("a"));
    wm_gguf_item_str(&w, WM_STR("aa"));
    wm_gguf_put_array(&w, "tokenizer.ggml.token_type", WM_GGUF_I32, n_types);
    for (uint64_t i = 0; i < n_types; i++)
        wm_gguf_item_u32(&w, i ? 1 : (uint32_t)n_types - 1);
    if (merge) {
        wm_gguf_put_array(&w, "tokenizer.ggml.merges", WM_GGUF_STRING, 1);
        wm_gguf_item_str(&w, wm_str_of(merge));
    }
    CHECK_OK(wm_gguf_out_close(&w, 0), err);
    if (words) {
        CHECK_FAILS(bpe_parse_gguf(wm_buf_str(&file), &tok, &err), WM_E_FORMAT, err, words);
    } else {
        CHECK_OK(bpe_parse_gguf(wm_buf_str(&file), &tok, &err), err);
        CHECK_U64(wm_tokenizer_size(tok), 2);
    }
    wm_tokenizer_free(tok);
    wm_buf_done(&file);
}

static void check_gguf_files(void)
{
    check_gguf_of("gpt2", "gpt-2", 2, "a a", NULL);
    check_gguf_of(NULL, "gpt-2", 2, "a a", "no tokenizer.ggml.model");
    check_gguf_of("bert", "gpt-2", 2, "a a", "\"bert\" is not supported");
    check_gguf_of("llama", "gpt-2", 2, "a a", "scores and token_type are not there");
    check_gguf_of("gpt2", NULL, 2, "a a", "no tokenizer.ggml.pre");
    check_gguf_of("gpt2", "default", 2, "a a", "\"default\" is not known");
    check_gguf_of("gpt2", "gpt-2", 1, "a a", "1 items for 2 tokens");
    check_gguf_of("gpt2", "gpt-2", 7, "a a", "7 items for 2 tokens");
    check_gguf_of("gpt2", "gpt-2", 2, "aa", "not two tokens");
    check_gguf_of("gpt2", "gpt-2", 2, "a b", "\"b\" is not in vocab");
    check_gguf_of("gpt2", "gpt-2", 2, NULL, "no tokenizer.ggml.merges");
}

/* Published ranks in all formats, where they are at hand. */
static void check_published(const char *name, bool gpt2)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_buf a, b;
    char path[4096], file[64];
    (void)snprintf(path, sizeof path, "%s/tokenizers/%s.tiktoken", test_data(), name);
    if (!wm_exists(path)) {
        (void)printf("skipped: no %s\n", path);
        return;
    }
    CHECK_OK(wm_tokenizer_load(path, &tok, &err), err);
    (void)snprintf(file, sizeof file, "%s.tiktoken", name);
    check_round(tok, WM_TOKENIZER_TIKTOKEN, file, &(struct wm_tokenizer_hints){0}, true);
    wm_buf_init(&a, 1 << 24);
    wm_buf_init(&b, 1 << 24);
    CHECK_OK(wm_file_load(path, &a, &err), err);
    CHECK_OK(wm_file_load(in_top(file), &b, &err), err);
    CHECK_(wm_str_eq(wm_buf_str(&a), wm_buf_str(&b)), "%s is written as other bytes", name);
    wm_buf_done(&a);
    wm_buf_done(&b);
    (void)snprintf(file, sizeof file, "%s.gguf", name);
    check_round(tok, WM_TOKENIZER_GGUF, file, &(struct wm_tokenizer_hints){0}, true);
    if (gpt2)
        check_round(tok, WM_TOKENIZER_GPT2, "published", &(struct wm_tokenizer_hints){0}, false);
    wm_tokenizer_free(tok);
}

int main(void)
{
    struct wm_error err = {0};
    if (!mkdtemp(top))
        return 1;
    check_rounds();
    check_refused_to_write();
    check_added();
    check_templates();
    check_bad_templates();
    check_bad_files();
    check_hints();
    check_gpt2_published();
    check_gguf_identity();
    check_gguf_files();
    check_published("r50k_base", true);
    check_published("cl100k_base", false);
    check_published("o200k_base", false);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
