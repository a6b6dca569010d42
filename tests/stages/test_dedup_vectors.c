/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup in profile ccnet against what cc_net made of two shards: every kept line, every
 * dropped document, every hash. */
#include "stages/hash_set.h"
#include "survey.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { FILE_BYTES = 256 << 20, SHARDS = 2 };

struct page {
    struct wm_str url, text;
    uint32_t *ids; /* line_ids, if the file has them */
    size_t n_ids;
    uint64_t hash;
    bool dup; /* of hashesK */
};

struct pages {
    struct wm_arena arena;
    struct page *items;
    size_t n;
};

static int read_ids(struct wm_json *r, struct page *page, struct wm_error *err)
{
    page->ids = wm_arena_alloc(r->arena, (size_t)(r->end - r->at), sizeof *page->ids);
    int more = page->ids ? wm_json_array(r, err) : WM_E_NOMEM;
    while (!more && (more = wm_json_item(r, err)) > 0) {
        uint64_t id;
        more = wm_json_u64(r, &id, err);
        if (!more)
            page->ids[page->n_ids++] = (uint32_t)id;
    }
    return more;
}

static int read_field(struct wm_json *r, struct wm_str key, struct page *page, struct wm_error *err)
{
    uint64_t number;
    if (wm_str_eq(key, WM_STR("url")))
        return wm_json_string(r, &page->url, err);
    if (wm_str_eq(key, WM_STR("raw_content")))
        return wm_json_string(r, &page->text, err);
    if (wm_str_eq(key, WM_STR("line_ids")))
        return read_ids(r, page, err);
    if (wm_str_eq(key, WM_STR("hash_u64_le")))
        return wm_json_u64(r, &page->hash, err);
    if (!wm_str_eq(key, WM_STR("dup")))
        return wm_json_skip(r, NULL, err);
    int status = wm_json_u64(r, &number, err);
    page->dup = number != 0;
    return status;
}

/* Lines of ccnet/e2e/NAME; none if there is no such file. */
static struct pages read_pages(const char *name)
{
    struct pages pages = {0};
    struct wm_error err;
    struct wm_buf file;
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/ccnet/e2e/%s", test_vectors(), name);
    if (!wm_exists(path))
        return pages;
    wm_buf_init(&file, FILE_BYTES);
    wm_arena_init(&pages.arena, (size_t)16 * FILE_BYTES);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    struct wm_str all = wm_buf_str(&file);
    pages.items = wm_arena_alloc(&pages.arena, wm_line_count(all), sizeof *pages.items);
    for (struct wm_str rest = all; rest.len && pages.items; pages.n++) {
        struct wm_json r;
        struct wm_str key;
        wm_json_open(&r, wm_arena_str(&pages.arena, wm_str_line(&rest)), &pages.arena);
        int more = wm_json_object(&r, &err);
        while (!more && (more = wm_json_key(&r, &key, &err)) > 0)
            more = read_field(&r, key, &pages.items[pages.n], &err);
        CHECK_OK(more, err);
    }
    wm_buf_done(&file);
    return pages;
}

static const struct page *find(const struct pages *pages, struct wm_str url)
{
    for (size_t i = 0; i < pages->n; i++)
        if (wm_str_eq(pages->items[i].url, url))
            return &pages->items[i];
    return NULL;
}

/* ---- the stage on both shards ---- */

struct world {
    struct pages parsed[SHARDS];
    struct wm_input rows[SHARDS];
    struct wm_inputs inputs;
};

static bool world_open(struct world *w)
{
    *w = (struct world){
        .rows = {{.path = "shard0", .end = UINT64_MAX}, {.path = "shard1", .end = UINT64_MAX}}};
    w->inputs = (struct wm_inputs){.rows = w->rows, .n_rows = SHARDS};
    w->parsed[0] = read_pages("parsed0.jsonl");
    w->parsed[1] = read_pages("parsed1.jsonl");
    return w->parsed[0].n && w->parsed[1].n;
}

static void fill(struct fixture *f, const struct world *w)
{
    size_t n = w->parsed[0].n + w->parsed[1].n;
    struct wm_str *texts = malloc(n * sizeof *texts);
    for (size_t i = 0; texts && i < n; i++) {
        size_t first = w->parsed[0].n;
        texts[i] = i < first ? w->parsed[0].items[i].text : w->parsed[1].items[i - first].text;
    }
    fixture_fill(f, texts, n);
    free(texts);
    for (size_t i = 0; i < n; i++) {
        size_t shard = i >= w->parsed[0].n, at = shard ? i - w->parsed[0].n : i;
        f->batch.docs[i].url = w->parsed[shard].items[at].url;
        f->batch.docs[i].key = (struct wm_key){(uint32_t)shard, at, 0};
    }
}

static void start(struct fixture *f, struct survey *s, const struct world *w, const char *settings)
{
    survey_init(s);
    fixture_init(f);
    f->inputs = &w->inputs;
    fixture_add(f, "paragraph-dedup", settings);
    CHECK_OK(fixture_open(f), f->err);
    fill(f, w);
    survey_batch(s, f, 0);
    survey_reduce(s, f, 0);
}

static void check_doc(const struct wm_doc *doc, const struct page *want)
{
    CHECK_(want != NULL, "%.*s should be dropped", (int)doc->url.len, doc->url.ptr);
    if (!want)
        return;
    CHECK_STR(doc->text, want->text);
    size_t n = 0, wrong = 0;
    for (size_t r = 0; want->ids && r < doc->lines.n_runs; r++)
        for (uint32_t i = 0; i < doc->lines.runs[r].count; i++, n++)
            wrong += n >= want->n_ids || doc->lines.runs[r].first + i != want->ids[n];
    CHECK_U64(wrong, 0);
    if (want->ids)
        CHECK_U64(n, want->n_ids);
}

/* `names`: one file for each shard, or one for both. */
static void check_kept(const struct world *w, const char *settings, const char *const *names)
{
    struct fixture f;
    struct survey s;
    struct pages want[SHARDS] = {read_pages(names[0])};
    if (names[1])
        want[1] = read_pages(names[1]);
    if (!want[0].n || (names[1] && !want[1].n)) {
        (void)printf("%s: not there\n", names[0]);
    } else {
        start(&f, &s, w, settings);
        fixture_apply(&f);
        CHECK_U64(f.batch.n_docs, want[0].n + want[1].n);
        for (size_t i = 0; i < f.batch.n_docs; i++) {
            const struct wm_doc *doc = &f.batch.docs[i];
            check_doc(doc, find(&want[names[1] ? doc->key.file : 0], doc->url));
        }
        (void)printf("%s: %zu documents kept, %zu dropped\n", names[0], f.batch.n_docs,
                     f.dropped.n);
        fixture_done(&f);
        survey_done(&s);
    }
    for (size_t i = 0; i < SHARDS; i++)
        wm_arena_done(&want[i].arena);
}

/* cc_net's map of a shard: all hashes, and which of them two documents have. */
static void check_hashes(const struct world *w)
{
    static const char *const names[SHARDS] = {"hashes0.jsonl", "hashes1.jsonl"};
    struct fixture f;
    struct survey s;
    start(&f, &s, w, "profile=ccnet;shards=2;group_shards=1");
    uint64_t n_twice = 0, n_found = 0;
    for (unsigned p = 0; p < WM_PARTITIONS; p++)
        n_found += s.tables[p].n;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct pages hashes = read_pages(names[shard]);
        size_t wrong = 0;
        for (size_t i = 0; i < hashes.n; i++) {
            unsigned char key[12];
            wm_put_be64(key, hashes.items[i].hash);
            wm_put_be32(key + 8, shard);
            const struct wm_table *t = &s.tables[wm_partition(hashes.items[i].hash)];
            wrong += (wm_table_find(t, key, sizeof key) != NULL) != hashes.items[i].dup;
            n_twice += hashes.items[i].dup;
        }
        CHECK_U64(wrong, 0);
        (void)printf("%s: %zu hashes\n", names[shard], hashes.n);
        if (!hashes.n)
            n_twice = n_found;
        wm_arena_done(&hashes.arena);
    }
    CHECK_U64(n_found, n_twice);
    fixture_done(&f);
    survey_done(&s);
}

int main(void)
{
    struct world w;
    if (!world_open(&w))
        SKIP("no ccnet/e2e/parsed0.jsonl in %s", test_vectors());
    check_kept(&w, "profile=ccnet;shards=2",
               (const char *const[]){"dedup0.group.jsonl", "dedup1.group.jsonl"});
    check_kept(&w, "profile=ccnet;shards=2;group_shards=1",
               (const char *const[]){"dedup0.single.jsonl", "dedup1.single.jsonl"});
    check_kept(&w, "profile=ccnet;scope=all;keep=first",
               (const char *const[]){"dedup.keepfirst.jsonl", NULL});
    check_hashes(&w);
    wm_arena_done(&w.parsed[0].arena);
    wm_arena_done(&w.parsed[1].arena);
    return test_summary();
}
