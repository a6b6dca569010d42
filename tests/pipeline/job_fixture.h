/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file job_fixture.h
 * A made-up input for tests of the executor: documents that are a pure function of (task, number),
 * read through pipeline/reading.h; and stages and a sink to run them through.
 */
#ifndef WETMILL_TESTS_JOB_FIXTURE_H
#define WETMILL_TESTS_JOB_FIXTURE_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/reading.h"
#include "test.h"

enum { FAKE_TASKS_MAX = 64 };

/** What the made-up reader does; one test at a time. */
static struct {
    uint32_t n_docs[FAKE_TASKS_MAX]; /**< Documents of each task. */
    uint64_t salt;                   /**< Another corpus. */
    uint64_t hash_salt;              /**< Other bytes that happen to hold the same documents. */
    size_t large_every, large_bytes; /**< Every n-th document is this long; 0 = none. */
    uint32_t fail_task, fail_doc;    /**< Where reading fails; task UINT32_MAX = nowhere. */
    uint32_t cancel_task, cancel_doc;
    struct wm_cancel *cancel;
    uint32_t bad_tasks; /**< The first n tasks' files are damaged. */
    uint64_t unread;    /**< Times that the system did not give what there is of these. */
    uint64_t malformed; /**< Malformed records in each task. */
    uint64_t records;   /**< Records counted too many: breaks conservation. */
    atomic_uint opened; /**< Tasks opened. */
    char rows_path[FAKE_TASKS_MAX][32];
} fake;

struct wm_reader {
    const struct wm_inputs *inputs;
    const struct wm_task *task;
    uint32_t number, at;
    struct wm_read_tally tally;
    struct wm_damage damage;
    XXH128_hash_t hash;
};

static inline uint64_t fake_mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9u;
    return x ^ x >> 32;
}

/* Lines of words; a tenth of the documents are copies of one of 20, wherever they stand. */
static inline struct wm_str fake_text(uint32_t task, uint32_t at, struct wm_arena *arena)
{
    static const char *const words[] = {"grain", "wheel", "water",  "stone",    "flour", "sack",
                                        "bread", "xylem", "zürich", "мельница", "水車",  "miller"};
    uint64_t seed = fake_mix(fake.salt + ((uint64_t)task << 32 | at));
    if (seed % 10 == 0)
        seed = seed / 10 % 20;
    bool large = fake.large_every && at % fake.large_every == fake.large_every - 1;
    size_t want = large ? fake.large_bytes : 40 + fake_mix(seed) % 400, n = 0;
    char *text = wm_arena_bytes(arena, want + 64);
    while (n < want) {
        seed = fake_mix(seed + 1);
        const char *word = words[seed % 12];
        memcpy(text + n, word, strlen(word));
        n += strlen(word);
        text[n++] = seed >> 40 & 3 ? ' ' : '\n';
    }
    return (struct wm_str){text, n - 1};
}

static inline int fake_open(const struct wm_inputs *inputs, const struct wm_task *task,
                            struct wm_reader **ret, struct wm_error *err)
{
    struct wm_reader *r = calloc(1, sizeof *r);
    if (!r)
        return wm_fail_nomem(err, sizeof *r, "reader");
    r->inputs = inputs;
    r->task = task;
    r->number = (uint32_t)(task - inputs->tasks);
    r->tally.files = 1;
    r->tally.reasons[WM_READ_BAD_HEADER] = fake.malformed;
    r->tally.records = fake.malformed + fake.records;
    if (r->number < fake.bad_tasks) {
        r->tally.bad_files = r->tally.n_damage = 1;
        r->tally.unread = fake.unread;
        r->tally.bytes = r->tally.bytes_skipped = 17;
        r->damage = (struct wm_damage){
            .path = inputs->rows[task->first].path, .at = 5, .record = 1, .what = "made-up damage"};
    }
    r->hash = XXH3_128bits(&r->number, sizeof r->number);
    r->hash.low64 ^= fake.salt + fake.hash_salt;
    atomic_fetch_add(&fake.opened, 1);
    *ret = r;
    return 0;
}

static inline int fake_doc(struct wm_reader *r, struct wm_batch *batch, struct wm_doc *doc,
                           size_t n_values, struct wm_error *err)
{
    *doc = (struct wm_doc){.text = fake_text(r->number, r->at, &batch->arena)};
    doc->values = wm_arena_alloc(&batch->arena, n_values, sizeof *doc->values);
    doc->lines.runs = wm_arena_alloc(&batch->arena, 1, sizeof *doc->lines.runs);
    if (!doc->values || !doc->lines.runs)
        return wm_fail_nomem(err, 1, "document");
    doc->source_lines = (uint32_t)wm_line_count(doc->text);
    doc->lines.runs[0] = (struct wm_line_run){0, doc->source_lines};
    doc->lines.n_runs = 1;
    doc->key = (struct wm_key){r->task->first, r->at, 0};
    doc->location.offset = r->at;
    doc->path = wm_str_of(r->inputs->rows[r->task->first].path);
    return 0;
}

static inline int fake_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values,
                            size_t max_text, size_t max_docs, struct wm_error *err)
{
    uint32_t n_docs = fake.n_docs[r->number];
    batch->docs = wm_arena_alloc(&batch->arena, max_docs, sizeof *batch->docs);
    while (r->at < n_docs && batch->n_docs < max_docs) {
        if (r->number == fake.fail_task && r->at == fake.fail_doc)
            return wm_fail(err, WM_E_IO, "made-up trouble reading");
        if (r->number == fake.cancel_task && r->at == fake.cancel_doc && fake.cancel)
            wm_cancel_raise(fake.cancel, 2);
        struct wm_doc *doc = &batch->docs[batch->n_docs];
        int status = fake_doc(r, batch, doc, n_values, err);
        if (status)
            return status;
        if (batch->n_docs && batch->text_bytes + doc->text.len > max_text)
            break;
        batch->text_bytes += doc->text.len;
        batch->n_docs++;
        r->at++;
        r->tally.records++;
        r->tally.documents++;
        r->tally.bytes += doc->text.len;
        r->tally.bytes_in_records += doc->text.len;
    }
    return batch->n_docs > 0;
}

static inline const struct wm_read_tally *fake_tally(const struct wm_reader *r)
{
    return &r->tally;
}
static inline const struct wm_damage *fake_damage(const struct wm_reader *r)
{
    return &r->damage;
}
static inline const XXH128_hash_t *fake_hashes(const struct wm_reader *r)
{
    return &r->hash;
}
static inline uint64_t fake_position(const struct wm_reader *r)
{
    return r->at;
}
static inline void fake_close(struct wm_reader *r)
{
    free(r);
}
static inline int fake_save(struct wm_reader *r, struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, r->at);
    wm_state_put_str(state, (struct wm_str){(const char *)&r->tally, sizeof r->tally});
    int status = wm_state_out_status(state, err);
    return status ? status : r->at > 0 && r->at < fake.n_docs[r->number];
}
static inline int fake_load(struct wm_reader *r, struct wm_state_in *state, struct wm_error *err)
{
    r->at = (uint32_t)wm_state_get(state);
    struct wm_str tally = wm_state_get_str(state);
    if (tally.len == sizeof r->tally)
        memcpy(&r->tally, tally.ptr, sizeof r->tally);
    return wm_state_in_status(state, err);
}

static const struct wm_reading fake_reading __attribute__((unused)) = {
    .open = fake_open,
    .fill = fake_fill,
    .tally = fake_tally,
    .damage = fake_damage,
    .hashes = fake_hashes,
    .position = fake_position,
    .close = fake_close,
    .save = fake_save,
    .load = fake_load,
};

/** `n_tasks` files of `n_docs` documents each; fills `fake` anew. Nothing to free. */
static inline struct wm_inputs fake_inputs(uint32_t n_tasks, uint32_t n_docs)
{
    static struct wm_input rows[FAKE_TASKS_MAX];
    static struct wm_task tasks[FAKE_TASKS_MAX];
    memset(&fake, 0, sizeof fake);
    fake.fail_task = fake.cancel_task = UINT32_MAX;
    for (uint32_t i = 0; i < n_tasks; i++) {
        fake.n_docs[i] = n_docs;
        (void)snprintf(fake.rows_path[i], sizeof fake.rows_path[i], "crawl/%02u.wet", i);
        rows[i] = (struct wm_input){.path = fake.rows_path[i], .end = UINT64_MAX, .size = 1000 + i};
        tasks[i] = (struct wm_task){.first = i, .n = 1, .bytes = n_docs};
    }
    return (struct wm_inputs){.options = {.max_record = 1 << 20},
                              .rows = rows,
                              .n_rows = n_tasks,
                              .tasks = tasks,
                              .n_tasks = n_tasks,
                              .bytes = (uint64_t)n_tasks * n_docs};
}

/* ---- stages ---- */

/** "lucky": drops every 7th document by the hash of its text; fails at batch `fail_seq`. */
struct lucky {
    uint64_t fail_seq;
};

static inline int lucky_apply(const void *shared, void *local, struct wm_batch *batch,
                              struct wm_error *err)
{
    const struct lucky *cfg = shared;
    (void)local;
    if (cfg->fail_seq && batch->seq + 1 >= cfg->fail_seq)
        return wm_fail(err, WM_E_FORMAT, "made-up trouble in a stage");
    for (size_t i = 0; i < batch->n_docs; i++)
        if (XXH3_64bits(batch->docs[i].text.ptr, batch->docs[i].text.len) % 7 == 0)
            wm_drop(batch, &batch->docs[i], 1);
    return 0;
}

static const struct wm_stage lucky_stage __attribute__((unused)) = {
    .name = "lucky",
    .summary = "test",
    .version = 1,
    .options =
        (const struct wm_option[]){WM_COUNT(struct lucky, fail_seq, 0, 0, 1e9, "", "test"), {0}},
    .reasons = (const char *const[]){"never", "unlucky", NULL},
    .shared_size = sizeof(struct lucky),
    .apply = lucky_apply,
};

/** "pick-lines": drops lines that start with x, and documents without another. */
static inline int pick_lines_apply(const void *shared, void *local, struct wm_batch *batch,
                                   struct wm_error *err)
{
    (void)shared, (void)local;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        size_t n = wm_line_count(doc->text), kept = 0;
        wm_arena_reset(&batch->scratch);
        unsigned char *keep = wm_arena_alloc(&batch->scratch, n, 1);
        if (!keep)
            return wm_fail_nomem(err, n, "lines");
        struct wm_str rest = doc->text;
        for (size_t l = 0; l < n; l++)
            kept += keep[l] = !wm_str_starts(wm_str_line(&rest), WM_STR("x"));
        int status = wm_doc_keep_lines(batch, doc, keep, n, err);
        if (status)
            return status;
        if (!kept)
            wm_drop(batch, doc, 0);
    }
    return 0;
}

static const struct wm_stage pick_lines_stage __attribute__((unused)) = {
    .name = "pick-lines",
    .summary = "test",
    .version = 1,
    .reasons = (const char *const[]){"no-lines", NULL},
    .apply = pick_lines_apply,
};

/** "upper": ASCII letters to capitals, and their number as column `letters`. */
struct upper {
    int slot;
};

static inline int upper_open(void *shared, const struct wm_env *env, struct wm_error *err)
{
    (void)err;
    ((struct upper *)shared)->slot = wm_schema_slot(env->schema, "letters");
    return 0;
}

static inline int upper_apply(const void *shared, void *local, struct wm_batch *batch,
                              struct wm_error *err)
{
    int slot = ((const struct upper *)shared)->slot;
    (void)local;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        char *text = wm_arena_bytes(&batch->arena, doc->text.len);
        if (!text)
            return wm_fail_nomem(err, doc->text.len, "text");
        uint64_t n = 0;
        for (size_t b = 0; b < doc->text.len; b++) {
            char c = doc->text.ptr[b];
            n += c >= 'a' && c <= 'z';
            text[b] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        }
        doc->text.ptr = text;
        if (doc->values)
            doc->values[slot].count = n;
        doc->has |= (uint64_t)1 << slot;
    }
    return 0;
}

static const struct wm_stage upper_stage __attribute__((unused)) = {
    .name = "upper",
    .summary = "test",
    .version = 1,
    .rewrites = true,
    .writes = (const struct wm_column[]){{"letters", WM_COLUMN_COUNT, 0}, {0}},
    .shared_size = sizeof(struct upper),
    .open = upper_open,
    .apply = upper_apply,
};

/** "copies": a survey; of the documents with equal text (or first line) the first in the order of
 *  the input stays. */
struct copies {
    bool by_line;
    const struct wm_table *tables[WM_PARTITIONS];
};
enum { COPY_RECORD = 8 + 4 + 8 };

static inline struct wm_survey_form copies_form(const void *shared)
{
    (void)shared;
    return (struct wm_survey_form){{COPY_RECORD, 0}, COPY_RECORD};
}

static inline void copies_record(const struct copies *cfg, const struct wm_doc *doc,
                                 unsigned char *record)
{
    struct wm_str text = doc->text, rest = doc->text;
    if (cfg->by_line)
        text = wm_str_line(&rest);
    wm_put_be64(record, XXH3_64bits(text.ptr, text.len));
    wm_put_be32(record + 8, doc->key.file);
    wm_put_be64(record + 12, doc->key.record);
}

static inline int copies_survey(const void *shared, void *local, struct wm_batch *batch,
                                struct wm_records *records, struct wm_error *err)
{
    (void)local;
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        unsigned char record[COPY_RECORD];
        copies_record(shared, &batch->docs[i], record);
        status = wm_records_add(records, record, err);
    }
    return status;
}

static inline int copies_reduce(const void *shared, unsigned partition, struct wm_merge *sorted,
                                struct wm_table_out *out, struct wm_error *err)
{
    unsigned char last[COPY_RECORD] = {0};
    const unsigned char *record;
    bool any = false;
    int status;
    (void)shared;
    while ((status = wm_merge_next(sorted, &record, err)) > 0) {
        if (wm_partition(wm_get_be64(record)) != partition)
            return wm_fail(err, WM_E_FORMAT, "a record of another partition");
        if (any && memcmp(record, last, 8) == 0)
            continue;
        memcpy(last, record, COPY_RECORD);
        any = true;
        if ((status = wm_table_add(out, record, err)))
            return status;
    }
    return status;
}

static inline int copies_load(void *shared, unsigned partition, const struct wm_table *table,
                              struct wm_error *err)
{
    (void)err;
    ((struct copies *)shared)->tables[partition] = table;
    return 0;
}

static inline int copies_apply(const void *shared, void *local, struct wm_batch *batch,
                               struct wm_error *err)
{
    const struct copies *cfg = shared;
    (void)local;
    for (size_t i = 0; i < batch->n_docs; i++) {
        unsigned char record[COPY_RECORD];
        copies_record(cfg, &batch->docs[i], record);
        const struct wm_table *table = cfg->tables[wm_partition(wm_get_be64(record))];
        const unsigned char *first = wm_table_find(table, record, 8);
        if (!first)
            return wm_fail(err, WM_E_FORMAT, "a document that was not surveyed");
        if (memcmp(first, record, COPY_RECORD) != 0)
            wm_drop(batch, &batch->docs[i], 0);
    }
    return 0;
}

static inline void copies_close(void *shared)
{
    memset(((struct copies *)shared)->tables, 0xee, sizeof((struct copies *)shared)->tables);
}

static const struct wm_stage copies_stage __attribute__((unused)) = {
    .name = "copies",
    .summary = "test",
    .version = 1,
    .options = (const struct wm_option[]){WM_BOOL(struct copies, by_line, 0, "test"), {0}},
    .reasons = (const char *const[]){"copy", NULL},
    .shared_size = sizeof(struct copies),
    .survey_form = copies_form,
    .survey = copies_survey,
    .reduce = copies_reduce,
    .load = copies_load,
    .apply = copies_apply,
    .close = copies_close,
};

/* ---- a job ---- */

struct fixture {
    struct wm_inputs inputs;
    struct wm_chain chain;
    void *jsonl; /**< write-jsonl's options. */
    char dir[64];
    struct wm_job job;
};

static inline void *fixture_add(struct fixture *f, const struct wm_stage *stage)
{
    struct wm_error err;
    void *shared = NULL;
    CHECK_OK(wm_chain_add(&f->chain, stage, &shared, &err), err);
    return shared;
}

/** A job of one worker into write-jsonl, with no stages yet, in a fresh directory. */
static inline void fixture_open(struct fixture *f, uint32_t n_tasks, uint32_t n_docs)
{
    memset(f, 0, sizeof *f);
    f->inputs = fake_inputs(n_tasks, n_docs);
    wm_chain_init(&f->chain);
    /* in memory where there is such a place: hundreds of jobs wait for hundreds of thousands of
       fsyncs otherwise */
    (void)snprintf(f->dir, sizeof f->dir, "%sjob.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm/wetmill-" : "");
    if (!mkdtemp(f->dir))
        abort();
    f->jsonl = calloc(1, wm_sink_jsonl.shared_size);
    wm_options_default(wm_sink_jsonl.options, f->jsonl);
    f->job = (struct wm_job){.inputs = &f->inputs,
                             .chain = &f->chain,
                             .sink = &wm_sink_jsonl,
                             .sink_shared = f->jsonl,
                             .dir = f->dir,
                             .identity = "00000000000000000000000000000001",
                             .n_workers = 1,
                             .max_bad_files = 1,
                             .max_bad_records = 1};
}

static inline void fixture_clear(struct fixture *f)
{
    struct wm_error err;
    CHECK_OK(wm_remove_tree(f->dir, &err), err);
}

static inline void fixture_close(struct fixture *f)
{
    fixture_clear(f);
    wm_chain_close(&f->chain);
    free(f->jsonl);
}

/** Run it, and close the sink as the caller of a job does. */
static inline int fixture_run(struct fixture *f, struct wm_job_result *ret, struct wm_error *err)
{
    int status = wm_job_run_with(&f->job, &fake_reading, ret, err);
    if (f->job.sink && f->job.sink->close)
        f->job.sink->close(f->job.sink_shared);
    return status;
}

/** All stages: lucky ─▶ copies of the whole text ─▶ pick-lines ─▶ copies of the first line ─▶
 *  upper: three passes. */
static inline void fixture_add_all(struct fixture *f)
{
    fixture_add(f, &lucky_stage);
    fixture_add(f, &copies_stage);
    fixture_add(f, &pick_lines_stage);
    bool *by_line = &((struct copies *)fixture_add(f, &copies_stage))->by_line;
    *by_line = true;
    fixture_add(f, &upper_stage);
}

/** The bytes of dir/name, to be freed. */
static inline struct wm_buf fixture_load(const char *dir, const char *name)
{
    struct wm_error err;
    struct wm_buf buf;
    char path[WM_PATH_MAX];
    wm_buf_init(&buf, (size_t)1 << 30);
    CHECK_OK(wm_path_join(path, dir, name, &err), err);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    return buf;
}

static inline bool fixture_exists(const struct fixture *f, const char *name)
{
    char path[WM_PATH_MAX];
    struct wm_error err;
    return wm_path_join(path, f->dir, name, &err) == 0 && wm_exists(path);
}

/** One hash of all parts: names, sizes, bytes. */
static inline XXH128_hash_t fixture_hash(const struct wm_job_result *result)
{
    XXH128_hash_t hash = {0, 0};
    for (size_t i = 0; i < result->parts.n; i++) {
        const struct wm_part *part = &result->parts.items[i];
        XXH128_hash_t all[3] = {hash, part->digest.hash,
                                XXH3_128bits(part->name, strlen(part->name))};
        hash = XXH3_128bits(all, sizeof all);
    }
    return hash;
}

#endif /* WETMILL_TESTS_JOB_FIXTURE_H */
