/* SPDX-License-Identifier: Apache-2.0 */
/* shards.json that lies, and files that are not what it lists. */
#include "shard_fixture.h"
#include "tokenizer/shard_format.h"

static struct wm_error last_problem;

static void remember(void *arg, const struct wm_error *problem)
{
    (void)arg;
    last_problem = *problem;
}

/* Where `what` first stands in the text; the test is wrong if it does not. */
static char *find(const struct wm_buf *text, const char *what)
{
    size_t len = strlen(what);
    for (size_t i = 0; i + len <= text->len; i++)
        if (memcmp(text->ptr + i, what, len) == 0)
            return text->ptr + i;
    (void)fprintf(stderr, "shards.json has no %s\n", what);
    exit(1);
}

/* shards.json with one thing put in the place of another, read again. */
static int edited(const struct wm_buf *text, const char *what, const char *instead)
{
    struct wm_buf copy;
    struct wm_shards_info info;
    wm_buf_init(&copy, 1 << 20);
    char *at = find(text, what);
    CHECK_OK(wm_buf_add(&copy, text->ptr, (size_t)(at - text->ptr), &err), err);
    CHECK_OK(wm_buf_add(&copy, instead, strlen(instead), &err), err);
    at += strlen(what);
    CHECK_OK(wm_buf_add(&copy, at, text->len - (size_t)(at - text->ptr), &err), err);
    CHECK_OK(wm_file_store(in_top("edited/shards.json"), wm_buf_str(&copy), &err), err);
    wm_buf_done(&copy);
    int status = wm_shards_info_read(in_top("edited"), &info, &err);
    if (!status)
        wm_shards_info_done(&info);
    return status;
}

static void test_edits(void)
{
    struct wm_buf text;
    load_file(in_top("good/shards.json"), &text);
    CHECK_OK(edited(&text, "\"uint16\"", "\"uint16\""), err);
    static const char *const edits[][3] = {
        {"\"wetmill-shards\"", "\"megatron\"", "format"},
        {"\"version\": 1", "\"version\": 2", "version is 2"},
        {"\"version\": 1", "\"version\": \"1\"", "version"},
        {"\"eod\": 257", "\"eod\": 258", "outside the vocabulary"},
        {"\"eod\": 257", "\"eod\": -1", "eod"},
        {"\"vocabulary\": 258", "\"vocabulary\": 4000000000", "vocabulary"},
        {"\"vocabulary\": 258", "\"vocabulary\": 65537", "token_type"},
        {"\"vocabulary\": 258", "\"vocabulary\": 0", "outside the vocabulary"},
        {"\"uint16\"", "\"int32\"", "token_type"},
        {"\"tokenizer\": \"", "\"tokenizer\": \"0", "tokenizer"},
        {"\"train_00000\"", "\"../x_00000\"", "not called train_00000"},
        {"\"train_00001\"", "\"train_00000\"", "not called train_00001"},
        {"\"documents\": ", "\"documents\": 1", "totals"},
        {"\"size\": ", "\"size\": 1", "but its counts say"},
        {"\"text_bytes\": ", "\"text_bytes\": 1", "totals"},
        {"\"tokens\": ", "\"tokens\": 9", "counts say"},
        {"\"tokens\": ", "\"tokens\": 9999999999999", "tokens"},
        {"\"documents\": ", "\"documents\": 0.", "whole number"},
        {"\"xxh3\": \"", "\"xxh3\": \"g", "xxh3"},
        {"\"unigram_nats\": ", "\"unigram_nats\": -", "unigram_nats"},
        {"\"unigram_nats\": ", "\"unigram_nats\": 100", "unigram_nats"},
        {"\"unigram_nats\": ", "\"unigram_nats\": null, \"x\": ", "unigram_nats"},
        {"\"validation\": {", "\"test\": {", "validation"},
        {"\"shards\": [", "\"shards\": 1, \"x\": [", "list of shards"},
        {"\"seed\": 0", "\"seed\": 0, \"seed\": 1", "duplicate"},
        {"{", "[", "line 2"},
        {"\"sidecar\": {", "\"provenance\": {", "size"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        memset(&err, 0, sizeof err);
        CHECK_FAILS(edited(&text, edits[i][0], edits[i][1]), WM_E_FORMAT, err, edits[i][2]);
        CHECK(strstr(err.where, "shards.json") != NULL);
    }
    struct wm_shards_info info;
    for (size_t cut = 0; cut + 2 < text.len; cut += 13) {
        CHECK_OK(wm_file_store(in_top("edited/shards.json"), (struct wm_str){text.ptr, cut}, &err),
                 err);
        CHECK(wm_shards_info_read(in_top("edited"), &info, &err) == WM_E_FORMAT);
    }
    CHECK_FAILS(wm_shards_info_read(in_top("absent"), &info, &err), WM_E_IO, err, "No such file");
    wm_buf_done(&text);
}

static void store(const char *name, const struct wm_buf *bytes)
{
    CHECK_OK(wm_file_store(in_top(name), wm_buf_str(bytes), &err), err);
}

/* What verify finds after one byte of a file has changed. */
static uint64_t problems_with(const char *name, size_t at, char flip)
{
    struct wm_buf bytes;
    uint64_t n = 0;
    load_file(in_top(name), &bytes);
    bytes.ptr[at] ^= flip;
    store(name, &bytes);
    memset(&last_problem, 0, sizeof last_problem);
    CHECK_OK(wm_shards_verify(in_top("good"), remember, NULL, &n, &err), err);
    bytes.ptr[at] ^= flip;
    store(name, &bytes);
    wm_buf_done(&bytes);
    return n;
}

static void test_verify(void)
{
    uint64_t n;
    struct wm_shard_set set;
    CHECK_OK(wm_shards_verify(in_top("good"), remember, NULL, &n, &err), err);
    CHECK_U64(n, 0);
    /* Another token: its digest, and the entropy. */
    CHECK_U64(problems_with("good/train_00001.bin", 10, 1), 2);
    CHECK(strstr(last_problem.what, "entropy") != NULL);
    /* A token outside the vocabulary: digest, id, entropy. */
    CHECK_U64(problems_with("good/train_00001.bin", 11, 0x40), 3);
    CHECK_U64(problems_with("good/train_00000.idx", 40, 1), 3);
    CHECK_U64(problems_with("good/validation_00000.prov.zst", 60, 1), 2);
    CHECK(strstr(last_problem.where, "validation_00000.prov.zst") != NULL);

    /* A whole shard in the place of another: all in itself, but not the one listed. */
    struct wm_buf kept[3], other;
    static const char *const endings[] = {".bin", ".idx", ".prov.zst"};
    char name[64];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "good/train_00000%s", endings[i]);
        load_file(in_top(name), &kept[i]);
        (void)snprintf(name, sizeof name, "good/train_00001%s", endings[i]);
        load_file(in_top(name), &other);
        (void)snprintf(name, sizeof name, "good/train_00000%s", endings[i]);
        store(name, &other);
        wm_buf_done(&other);
    }
    CHECK_FAILS(wm_shard_set_open(in_top("good"), WM_TRAIN, &set, &err), WM_E_MISMATCH, err,
                "shards.json says");
    CHECK_OK(wm_shards_verify(in_top("good"), NULL, NULL, &n, &err), err);
    CHECK_U64(n, 6); /* three digests, counts, rows, entropy */
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "good/train_00000%s", endings[i]);
        store(name, &kept[i]);
        wm_buf_done(&kept[i]);
    }
    CHECK_OK(wm_remove(in_top("good/validation_00000.idx"), &err), err);
    CHECK_OK(wm_shards_verify(in_top("good"), remember, NULL, &n, &err), err);
    CHECK_U64(n, 3);
    CHECK_FAILS(wm_shard_set_open(in_top("good"), WM_VALIDATION, &set, &err), WM_E_IO, err,
                "No such file");
    CHECK_OK(wm_shard_set_open(in_top("good"), WM_TRAIN, &set, &err), err);
    wm_shard_set_close(&set);
}

static void test_tokenizer_exchanged(void)
{
    struct wm_tokenizer *other = make_tokenizer(5);
    uint64_t n;
    CHECK_OK(wm_tokenizer_save(other, in_top("good"), &err), err);
    CHECK_OK(wm_shards_verify(in_top("good"), remember, NULL, &n, &err), err);
    CHECK_U64(n, 1);
    CHECK(strstr(last_problem.what, "tokenizer.json") != NULL);
    CHECK_OK(wm_remove(in_top("good/tokenizer.json"), &err), err);
    CHECK_OK(wm_shards_verify(in_top("good"), remember, NULL, &n, &err), err);
    CHECK_U64(n, 1);
    wm_tokenizer_free(other);
}

int main(void)
{
    make_top("test_shard_json");
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct job job = {
        .n_docs = 500, .docs_per_task = 300, .docs_per_batch = 50, .options = default_options(tok)};
    CHECK_OK(build(&job, in_top("good"), NULL), err);
    test_edits();
    test_tokenizer_exchanged();
    CHECK_OK(wm_tokenizer_save(tok, in_top("good"), &err), err);
    test_verify();
    wm_tokenizer_free(tok);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
