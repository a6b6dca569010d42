/* SPDX-License-Identifier: Apache-2.0 */
/* Profile ccnet, end to end: every stage's output on two shards is what cc_net itself wrote, every
 * field of every document, from .gz and from plain files; minified files join again. */
#include "run/ccnet_compare.h"
#include "wetmill/stage.h"

static char e2e[WM_PATH_MAX];

static const char *vector(const char *name)
{
    static char paths[4][WM_PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", e2e, name);
    return path;
}

static json_t *wanted(const char *const *names)
{
    json_t *docs = json_object();
    for (size_t i = 0; names[i]; i++)
        load_lines(vector(names[i]), docs);
    return docs;
}

/* "shard0.warc.wet" is the file the vectors know as shard0.warc.wet.gz. */
static void name_gz(json_t *docs)
{
    const char *url;
    json_t *doc;
    json_object_foreach(docs, url, doc)
    {
        char name[WM_PATH_MAX];
        (void)snprintf(name, sizeof name, "%s.gz",
                       json_string_value(json_object_get(doc, "cc_segment")));
        (void)json_object_set_new(doc, "cc_segment", json_string(name));
    }
}

/* Build from a list of `files` (lines), through `stages`, in `layout`. */
static json_t *build(const char *name, const char *files, const char *stages, const char *layout)
{
    static char yaml[4 * WM_PATH_MAX];
    char list[WM_PATH_MAX];
    int status;
    (void)snprintf(list, sizeof list, "%s/%s.paths", top, name);
    CHECK_OK(wm_file_store(list, wm_str_of(files), &err), err);
    (void)snprintf(yaml, sizeof yaml,
                   "version: 1\nprofile: ccnet\ninput: {paths: [%s.paths], prefix: %s/}\n"
                   "corpus:\n  stages:\n%s    - write-jsonl: {layout: %s, compression: none}\n",
                   name, e2e, stages, layout);
    json_t *docs = build_corpus(name, yaml, &status);
    CHECK_(status == 0, "%s: %s: %s", name, err.where, err.what);
    if (!docs)
        exit(test_summary());
    return docs;
}

struct test_case {
    const char *name, *files, *stages, *layout;
    const char *want[3];
};

#define MIN_LEN "    - length: {min_characters: 300}\n"
#define BOTH "shard0.warc.wet.gz\nshard1.warc.wet.gz\n"
#define DEDUP "    - paragraph-dedup: {shards: 2, group_shards: "

static const struct test_case parsed[] = {
    {"parsed0-all", "shard0.warc.wet.gz\n", "", "ccnet", {"parsed0.minlen0.jsonl"}},
    {"parsed1-all", "shard1.warc.wet.gz\n", "", "ccnet", {"parsed1.minlen0.jsonl"}},
    {"parsed0", "shard0.warc.wet.gz\n", MIN_LEN, "ccnet", {"parsed0.jsonl"}},
    {"parsed1", "shard1.warc.wet.gz\n", MIN_LEN, "ccnet", {"parsed1.jsonl"}},
    {"parsed", BOTH, MIN_LEN, "ccnet", {"parsed0.jsonl", "parsed1.jsonl"}},
};

static const struct test_case deduplicated[] = {
    {"group", BOTH, MIN_LEN DEDUP "2}\n", "ccnet", {"dedup0.group.jsonl", "dedup1.group.jsonl"}},
    {"single", BOTH, MIN_LEN DEDUP "1}\n", "ccnet", {"dedup0.single.jsonl", "dedup1.single.jsonl"}},
    {"single0", "shard0.warc.wet.gz\n", MIN_LEN DEDUP "1}\n", "ccnet", {"dedup0.single.jsonl"}},
    {"minified", BOTH, MIN_LEN DEDUP "2}\n", "minified", {"minified0.jsonl", "minified1.jsonl"}},
};

/* cc_net's own files, read back: nothing is lost, nothing is there twice. */
#define DEDUPED "dedup0.group.jsonl\ndedup1.group.jsonl\n"
static const struct test_case again[] = {
    {"parsed-again", "parsed0.jsonl\n", "", "ccnet", {"parsed0.jsonl"}},
    {"dedup-again", DEDUPED, "", "ccnet", {"dedup0.group.jsonl", "dedup1.group.jsonl"}},
    {"mined-again", "mined0.jsonl\n", "", "ccnet", {"mined0.jsonl"}},
    {"minified-again", DEDUPED, "", "minified", {"minified0.jsonl", "minified1.jsonl"}},
};

static void run_case(const struct test_case *c)
{
    json_t *got = build(c->name, c->files, c->stages, c->layout), *want = wanted(c->want);
    compare_docs(c->name, got, want, NULL);
    json_decref(got);
    json_decref(want);
}

static void test_plain(void)
{
    static const char *const want[] = {"parsed0.minlen0.jsonl", "parsed1.minlen0.jsonl", NULL};
    json_t *docs = wanted(want);
    json_t *got = build("plain", "shard0.warc.wet\nshard1.warc.wet\n", "", "ccnet");
    name_gz(got);
    compare_docs("plain files", got, docs, NULL);
    json_decref(got);
    json_decref(docs);
}

/* With provenance the same members, and those that say where a document is from. */
static void test_provenance(void)
{
    static const char *const want[] = {"parsed0.jsonl", NULL};
    static const char *const extra[] = {"record_id", "key",          "location",
                                        "lines",     "source_lines", NULL};
    json_t *docs = wanted(want);
    json_t *got =
        build("provenance", "shard0.warc.wet.gz\n", MIN_LEN, "ccnet, provenance: \"yes\"");
    const char *url;
    json_t *doc;
    compare_docs("with provenance", got, docs, extra);
    json_object_foreach(got, url, doc) for (size_t i = 0; extra[i]; i++)
        CHECK_(json_object_get(doc, extra[i]) != NULL, "%s has no %s", url, extra[i]);
    json_decref(got);
    json_decref(docs);
}

/* cc_net dies of invalid UTF-8; here it is U+FFFD. */
static void test_invalid(void)
{
    json_t *got = build("invalid", "invalid_utf8.warc.wet\n", "", "ccnet");
    const char *url;
    json_t *doc;
    CHECK_U64(json_object_size(got), 1);
    json_object_foreach(got, url, doc)
    {
        const char *text = json_string_value(json_object_get(doc, "raw_content"));
        CHECK(text && strncmp(text, "bad \xEF\xBF\xBD\xEF\xBF\xBD bytes", 16) == 0);
    }
    json_decref(got);
}

static bool has_dedup(void)
{
    const struct wm_stage *stage = wm_stage_find(WM_STR("paragraph-dedup"));
    return stage && wm_option_find(stage->options, WM_STR("group_shards"));
}

/* The rows of a minified file, ours or cc_net's, and the archives give the documents again. */
static void test_rejoin(const char *name, const char *rows)
{
    static const char *const want[] = {"dedup0.group.jsonl", "dedup1.group.jsonl", NULL};
    char stages[3 * WM_PATH_MAX];
    (void)snprintf(stages, sizeof stages, "    - rejoin: {minified: [%s]}\n", rows);
    json_t *got = build(name, BOTH, stages, "ccnet"), *docs = wanted(want);
    compare_docs(name, got, docs, NULL);
    json_decref(got);
    json_decref(docs);
}

static void test_mined(void)
{
    static const char *const want[] = {"mined0.jsonl", "mined1.jsonl", NULL};
    char stages[6 * WM_PATH_MAX], lm[WM_PATH_MAX];
    if (!wm_stage_find(WM_STR("perplexity")) || !wm_stage_find(WM_STR("bucket")))
        SKIP("there is no stage perplexity");
    (void)snprintf(lm, sizeof lm, "%s/lm", test_vectors());
    (void)snprintf(stages, sizeof stages,
                   MIN_LEN DEDUP
                   "2}\n"
                   "    - language: {model: %s/samples/lid.176.ftz}\n"
                   "    - perplexity: {sentencepiece: [%s/en.sp.model], lm: [%s/en.arpa.bin]}\n"
                   "    - bucket\n",
                   WM_SOURCE_DIR, lm, lm);
    json_t *got = build("mined", BOTH, stages, "ccnet"), *docs = wanted(want);
    compare_docs("mined", got, docs, NULL);
    json_decref(got);
    json_decref(docs);
}

int main(void)
{
    char rows[2 * WM_PATH_MAX + 128];
    (void)snprintf(e2e, sizeof e2e, "%s/ccnet/e2e", test_vectors());
    if (!wm_exists(vector("shard0.warc.wet.gz")))
        SKIP("no vectors at %s", e2e);
    char *whole = realpath(e2e, NULL);
    (void)snprintf(e2e, sizeof e2e, "%s", whole);
    free(whole);
    make_top("ccnet-vectors");
    for (size_t i = 0; i < sizeof parsed / sizeof *parsed; i++)
        run_case(&parsed[i]);
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        run_case(&again[i]);
    test_plain();
    test_provenance();
    test_invalid();
    (void)snprintf(rows, sizeof rows, "%s, %s", vector("minified0.jsonl"),
                   vector("minified1.jsonl"));
    test_rejoin("rejoin-theirs", rows);
    for (size_t i = 0; has_dedup() && i < sizeof deduplicated / sizeof *deduplicated; i++)
        run_case(&deduplicated[i]);
    if (has_dedup()) {
        test_rejoin("rejoin-ours", "minified/corpus/corpus_0000.jsonl");
        test_mined();
    }
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
