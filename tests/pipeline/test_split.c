/* SPDX-License-Identifier: Apache-2.0 */
/* write-jsonl with split: each document in its group's file, in the order of the input, the same bytes
 * whatever the width, the batches, the order of tasks and interruptions; many groups in few open
 * files and little memory. */
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include "pipeline/job_fixture.h"
#include "pipeline/sink_split.h"
#include "sanitized.h"

static struct wm_error err;

/* "label": language and bucket by the text's hash; some have none, some have values that want out of
 * the directory. */
struct label {
    uint64_t languages;
    int slots[2];
};

static int label_open(void *shared, const struct wm_env *env, struct wm_error *e)
{
    struct label *label = shared;
    (void)e;
    label->slots[0] = wm_schema_slot(env->schema, "language");
    label->slots[1] = wm_schema_slot(env->schema, "bucket");
    return 0;
}

static int label_apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *e)
{
    static const char *const buckets[] = {"head", "middle", "tail", "../../up", "a/b"};
    const struct label *label = shared;
    (void)local, (void)e;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        uint64_t hash = XXH3_64bits(doc->text.ptr, doc->text.len);
        /* a few languages are frequent, many are rare */
        uint64_t language = hash % 3 ? hash / 3 % 4 : hash / 12 % label->languages;
        char name[24];
        int n =
            snprintf(name, sizeof name, language % 7 == 3 ? "l/%ju" : "l%ju", (uintmax_t)language);
        doc->values[label->slots[0]].text =
            wm_arena_str(&batch->arena, (struct wm_str){name, (size_t)n});
        doc->values[label->slots[1]].text = wm_str_of(buckets[hash / 1000 % 5]);
        doc->has |= (uint64_t)(hash / 7777 % 50 != 0) << label->slots[0];
        doc->has |= (uint64_t)(hash / 1000 % 6 != 0) << label->slots[1];
    }
    return 0;
}

static const struct wm_stage label_stage = {
    .name = "label",
    .summary = "test",
    .version = 1,
    .options =
        (const struct wm_option[]){WM_COUNT(struct label, languages, 60, 1, 1e9, "", "test"), {0}},
    .writes = (const struct wm_column[]){{"language", WM_COLUMN_TEXT, 0},
                                         {"bucket", WM_COLUMN_TEXT, 0},
                                         {"size", WM_COLUMN_COUNT, 0},
                                         {0}},
    .shared_size = sizeof(struct label),
    .open = label_open,
    .apply = label_apply,
};

static struct wm_arena arena;

static void set(struct fixture *f, const char *name, const char *value)
{
    CHECK_OK(wm_option_set(wm_option_find(wm_sink_jsonl.options, wm_str_of(name)), f->jsonl,
                           wm_str_of(value), &arena, &err),
             err);
}

enum { TASKS = 5, DOCS = 1500 };

static struct label *open_job(struct fixture *f, const char *compression)
{
    fixture_open(f, TASKS, DOCS);
    fake.large_every = 400;
    fake.large_bytes = 90 << 10; /* longer than all that may wait */
    struct label *label = fixture_add(f, &label_stage);
    set(f, "split", "language,bucket");
    set(f, "split_memory", "64 KiB");
    set(f, "compression", compression);
    return label;
}

/* ---- reading files back ---- */

static struct wm_buf unpack(struct wm_str in, const char *name)
{
    struct wm_buf out;
    wm_buf_init(&out, 1 << 28);
    CHECK_OK(wm_buf_reserve(&out, 50 * in.len + 4096, &err), err);
    if (strstr(name, ".zst")) {
        size_t n = ZSTD_decompress(out.ptr, out.cap, in.ptr, in.len);
        CHECK_(!ZSTD_isError(n), "%s: %s", name, ZSTD_getErrorName(n));
        out.len = n;
    } else if (strstr(name, ".gz")) { /* as zcat does it: member after member */
        z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr,
                      .avail_in = (uInt)in.len,
                      .next_out = (Bytef *)out.ptr,
                      .avail_out = (uInt)out.cap};
        CHECK(inflateInit2(&z, 16 + 15) == Z_OK);
        int status = Z_OK;
        while (z.avail_in && status == Z_OK)
            if ((status = inflate(&z, Z_NO_FLUSH)) == Z_STREAM_END)
                status = inflateReset(&z);
        CHECK(status == Z_OK);
        out.len = out.cap - z.avail_out;
        (void)inflateEnd(&z);
    } else {
        CHECK_OK(wm_buf_add(&out, in.ptr, in.len, &err), err);
    }
    return out;
}

/* Behind the first `name` in the line, or NULL. */
static const char *behind(struct wm_str line, const char *name)
{
    struct wm_str want = wm_str_of(name);
    for (; line.len; line.ptr++, line.len--)
        if (wm_str_starts(line, want))
            return line.ptr + want.len;
    return NULL;
}

/* "key":[task,record,0] */
static uint64_t key_of(struct wm_str line)
{
    const char *at = behind(line, "\"key\":[");
    unsigned task = 0, record = 0;
    CHECK(at && sscanf(at, "%u,%u", &task, &record) == 2);
    return (uint64_t)task << 32 | record;
}

static struct wm_str member(struct wm_str line, const char *name)
{
    const char *at = behind(line, name);
    return !at ? (struct wm_str){0}
               : (struct wm_str){at, (size_t)((const char *)memchr(at, '"', 200) - at)};
}

/* Every line stands where its columns say, behind those that stood before it in the input. */
static uint64_t check_file(const struct wm_part *file, struct wm_str lines, uint64_t *last)
{
    static const int slots[] = {0, 1};
    uint64_t n = 0, text = 0;
    while (lines.len) {
        struct wm_str line = wm_str_line(&lines);
        union wm_value values[2] = {{.text = member(line, "\"language\":\"")},
                                    {.text = member(line, "\"bucket\":\"")}};
        struct wm_doc doc = {.values = values,
                             .has = (values[0].text.ptr != NULL) |
                                    (uint64_t)(values[1].text.ptr != NULL) << 1};
        char name[WM_SPLIT_NAME];
        size_t len = wm_split_name(&doc, slots, 2, name);
        CHECK_(strncmp(file->name, name, len) == 0 && file->name[len] == '_' &&
                   strspn(file->name + len + 1, "0123456789") == 4,
               "%s in %s", name, file->name);
        uint64_t key = key_of(line);
        CHECK(*last == UINT64_MAX || key > *last);
        *last = key;
        text += line.len;
        n++;
    }
    CHECK_U64(file->documents, n);
    CHECK(file->lines >= n && file->text_bytes < text);
    return n;
}

/* Make the files, look at them if `compression` is given, and return one hash of names and bytes. */
static XXH128_hash_t gather(struct fixture *f, const struct wm_job_result *result, size_t *ret_n)
{
    struct wm_arena memory;
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    wm_arena_init(&memory, 16 << 20);
    struct wm_parts files = {.arena = &memory};
    XXH128_hash_t hash = {0, 0};
    CHECK_OK(wm_path_join(dir, f->dir, "out", &err), err);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK_OK(wm_jsonl_gather(f->jsonl, f->dir, &result->parts, dir, &files, &err), err);
    const char **names;
    size_t n = 0;
    CHECK_OK(wm_list_dir(dir, &memory, &names, &n, &err), err);
    CHECK_U64(n, files.n);
    uint64_t documents = 0, last = UINT64_MAX;
    for (size_t i = 0; i < files.n; i++) {
        const struct wm_part *file = &files.items[i];
        CHECK(strcmp(file->name, names[i]) == 0); /* readers take them in this order */
        struct wm_buf packed = fixture_load(dir, file->name);
        CHECK_U64(packed.len, file->digest.size);
        CHECK(XXH128_isEqual(XXH3_128bits(packed.ptr, packed.len), file->digest.hash));
        struct wm_buf lines = unpack(wm_buf_str(&packed), file->name);
        if (strstr(file->name, "_0000."))
            last = UINT64_MAX;
        documents += check_file(file, wm_buf_str(&lines), &last);
        XXH128_hash_t all[3] = {hash, file->digest.hash,
                                XXH3_128bits(file->name, strlen(file->name))};
        hash = XXH3_128bits(all, sizeof all);
        wm_buf_done(&packed);
        wm_buf_done(&lines);
    }
    CHECK_U64(documents, TASKS * DOCS);
    CHECK_OK(wm_path_join(path, f->dir, "up", &err), err);
    CHECK(!wm_exists(path));
    wm_arena_done(&memory);
    *ret_n = files.n;
    return hash;
}

static XXH128_hash_t run(struct fixture *f, size_t *ret_n)
{
    struct wm_job_result result;
    CHECK_OK(fixture_run(f, &result, &err), err);
    XXH128_hash_t hash = gather(f, &result, ret_n);
    wm_job_result_done(&result);
    return hash;
}

/* ---- tests ---- */

static XXH128_hash_t want;

static void test_same_bytes(void)
{
    static const struct {
        unsigned n_workers;
        size_t docs, text;
        bool reverse;
    } how[] = {{1, 0, 0, false},     {1, 1, 0, false},       {2, 37, 5000, false},
               {7, 11, 3000, false}, {7, 4096, 70000, true}, {2, 300, 0, true}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct fixture f;
        size_t n = 0;
        open_job(&f, "zstd");
        f.job.n_workers = how[i].n_workers;
        f.job.batch_docs = how[i].docs;
        f.job.batch_text = how[i].text;
        f.job.reverse = how[i].reverse;
        XXH128_hash_t hash = run(&f, &n);
        CHECK_(n >= 300, "%zu files", n);
        if (i == 0)
            want = hash;
        CHECK_(XXH128_isEqual(hash, want), "run %zu", i);
        fixture_close(&f);
    }
}

static void test_compressions(void)
{
    static const char *const names[] = {"gzip", "none"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        size_t n;
        open_job(&f, names[i]);
        f.job.n_workers = 3;
        CHECK(!XXH128_isEqual(run(&f, &n), want));
        fixture_close(&f);
    }
}

/* Files are closed where they grow over the size; a document is in one of them, whatever it is. */
static void test_file_size(void)
{
    struct fixture f;
    struct wm_job_result result;
    open_job(&f, "none");
    ((struct label *)f.chain.links[0].shared)->languages = 4;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    for (uint64_t size = 0; size <= 200000; size = size * 3 + 20000) {
        struct wm_arena memory;
        char dir[WM_PATH_MAX];
        wm_arena_init(&memory, 16 << 20);
        struct wm_parts files = {.arena = &memory};
        CHECK_OK(wm_path_join(dir, f.dir, "out", &err), err);
        CHECK_OK(wm_remove_tree(dir, &err), err);
        CHECK_OK(wm_split_gather(f.dir, &result.parts, dir, ".jsonl", size, &files, &err), err);
        uint64_t documents = 0;
        for (size_t i = 0; i < files.n; i++) {
            const struct wm_part *file = &files.items[i];
            size_t stem = strlen(file->name) - strlen("0000.jsonl");
            bool more = i + 1 < files.n && !strncmp(file->name, files.items[i + 1].name, stem);
            CHECK(!more || file->digest.size > size);
            CHECK(file->digest.size <= size + (100 << 10));
            CHECK_U64(strtoull(file->name + stem, NULL, 10),
                      i && !strncmp(file->name, files.items[i - 1].name, stem)
                          ? strtoull(files.items[i - 1].name + stem, NULL, 10) + 1
                          : 0);
            documents += file->documents;
        }
        CHECK_U64(documents, TASKS * DOCS);
        wm_arena_done(&memory);
    }
    wm_job_result_done(&result);
    fixture_close(&f);
}

/* Reading fails or the user cancels in some task; the next run takes up the tasks that are done. */
static void test_resume(void)
{
    for (unsigned n_workers = THREADS_SANITIZED ? 4 : 1; n_workers <= 4; n_workers += 3) {
        for (uint32_t task = 0; task < TASKS; task += 2) {
            struct fixture f;
            struct wm_job_result result;
            size_t n;
            open_job(&f, "zstd");
            f.job.n_workers = n_workers;
            f.job.batch_docs = 50;
            fake.fail_task = task;
            fake.fail_doc = DOCS - 7;
            CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_IO, err, "made-up trouble");
            fake.fail_task = UINT32_MAX;
            CHECK(XXH128_isEqual(run(&f, &n), want));
            fixture_close(&f);
        }
    }
}

/* Parts that are not what was written: no files of them. */
static void test_damage(void)
{
    struct fixture f;
    struct wm_job_result result;
    struct wm_arena memory;
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    wm_arena_init(&memory, 16 << 20);
    open_job(&f, "zstd");
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_OK(wm_path_join(dir, f.dir, "out", &err), err);
    const char *name = result.parts.items[2].name;
    CHECK_OK(wm_path_join(path, f.dir, name, &err), err);
    struct wm_buf part = fixture_load(f.dir, name);
    size_t places[] = {0, part.len / 3, part.len - 1, part.len - 20, part.len - 100, part.len - 45};
    for (size_t i = 0; i <= sizeof places / sizeof *places; i++) {
        struct wm_parts files = {.arena = &memory};
        struct wm_str bytes = wm_buf_str(&part);
        if (i < sizeof places / sizeof *places)
            part.ptr[places[i]] ^= 0x10;
        else
            bytes.len--;
        CHECK_OK(wm_file_store(path, bytes, &err), err);
        CHECK_FAILS(wm_jsonl_gather(f.jsonl, f.dir, &result.parts, dir, &files, &err), WM_E_FORMAT,
                    err, "not what was written");
        CHECK(!wm_exists(path));
        if (i < sizeof places / sizeof *places)
            part.ptr[places[i]] ^= 0x10;
    }
    /* a whole bundle, but another one */
    struct wm_buf other = fixture_load(f.dir, result.parts.items[1].name);
    CHECK_OK(wm_file_store(path, wm_buf_str(&other), &err), err);
    struct wm_parts files = {.arena = &memory};
    result.parts.items[2].digest.size = other.len;
    CHECK_FAILS(wm_jsonl_gather(f.jsonl, f.dir, &result.parts, dir, &files, &err), WM_E_FORMAT, err,
                "not what was written");
    struct wm_parts none = {.arena = &memory};
    CHECK_OK(wm_jsonl_gather(f.jsonl, f.dir, &none, dir, &files, &err), err);
    CHECK_U64(files.n, 0);
    wm_buf_done(&part);
    wm_buf_done(&other);
    wm_job_result_done(&result);
    fixture_close(&f);
    wm_arena_done(&memory);
}

/* 300 groups and more under a limit of open files that is far below that. */
static void test_open_files(void)
{
    struct fixture f;
    struct rlimit limit, usual;
    size_t n;
    open_job(&f, "zstd");
    CHECK(getrlimit(RLIMIT_NOFILE, &usual) == 0);
    limit = usual;
    limit.rlim_cur = WM_SPLIT_AT_ONCE + 16;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(XXH128_isEqual(run(&f, &n), want));
    CHECK(setrlimit(RLIMIT_NOFILE, &usual) == 0);
    fixture_close(&f);
}

static void test_too_many(void)
{
    struct fixture f;
    struct wm_job_result result;
    struct label *label = open_job(&f, "none");
    label->languages = UINT32_MAX;
    set(&f, "split_memory", "32 MiB");
    fake.large_every = 0;
    fake.n_docs[1] = 70000;
    f.job.n_workers = 3;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_LIMIT, err, "more than 16384 different");
    fixture_close(&f);
}

static void test_options(void)
{
    static const char *const split[] = {"nothing", "size",
                                        "language,bucket,language,bucket,bucket"};
    static const char *const words[] = {"no stage writes the column nothing",
                                        "the column size is a number", "4 columns at most"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        struct wm_job_result result;
        open_job(&f, "none");
        set(&f, "split", split[i]);
        CHECK_FAILS(wm_jsonl_check(f.jsonl, &f.chain.schema, &err), WM_E_CONFIG, err, words[i]);
        CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CONFIG, err, words[i]);
        fixture_close(&f);
    }
}

int main(void)
{
    wm_arena_init(&arena, 1 << 20);
    test_same_bytes();
    test_compressions();
    test_file_size();
    test_resume();
    test_damage();
    test_open_files();
    if (!THREADS_SANITIZED)
        test_too_many();
    test_options();
    wm_arena_done(&arena);
    return test_summary();
}
