/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/reduce.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/kept.h"
#include "pipeline/sealed.h"
#include "pipeline/thread.h"
#include "wetmill/json.h"

/* What all partitions of one survey have in common. */
struct reduction {
    const struct wm_job *job;
    const struct wm_link *link;
    struct wm_crew *crew;
    size_t survey;
    const char **runs; /* [n_runs] */
    size_t n_runs;
    char source[WM_HEX128]; /* hash of the runs' digests */
    atomic_uint next;
};

static int path_of(char out[WM_PATH_MAX], const char *dir, const char *kind, size_t survey,
                   unsigned partition, const char *ending, struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s%zu/%02u%s", kind, survey, partition, ending);
    return wm_path_join(out, dir, name, err);
}

int wm_job_table_path(const struct wm_job *job, size_t survey, unsigned partition,
                      char ret[WM_PATH_MAX], struct wm_error *err)
{
    return path_of(ret, job->dir, "tables/", survey, partition, ".table", err);
}

static bool is_text(const json_t *object, const char *name, const char *want)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && strcmp(text, want) == 0;
}

/* Does the table stand that these runs give? */
static bool is_done(const struct reduction *r, const char *record_path, const char *path)
{
    struct wm_stat st;
    struct wm_error ignored;
    json_t *record;
    if (wm_sealed_read(record_path, &record, &ignored))
        return false;
    json_int_t size = json_integer_value(json_object_get(record, "size"));
    bool ours = record && is_text(record, "wetmill", "table") &&
                is_text(record, "identity", r->job->identity ? r->job->identity : "") &&
                is_text(record, "runs", r->source);
    bool done = ours && wm_stat(path, &st, &ignored) == 0 && st.is_regular && size >= 0 &&
                st.size == (uint64_t)size;
    if (!record && wm_exists(record_path))
        wm_job_say(r->job, "%s is damaged: its table is made again", record_path);
    else if (ours && !done)
        wm_job_say(r->job, "%s is damaged (missing, or of another size): it is made again", path);
    json_decref(record);
    return done;
}

static int write_record(const struct reduction *r, unsigned partition, const char *path,
                        const struct wm_digest *digest, struct wm_error *err)
{
    char hex[WM_HEX128];
    wm_hex128(digest->hash, hex);
    struct wm_buf body;
    wm_buf_init(&body, WM_SEALED_MAX);
    int status =
        wm_buf_printf(&body, err,
                      "\"wetmill\":\"table\",\"version\":1,\"identity\":\"%s\",\"survey\":%zu,"
                      "\"partition\":%u,\"runs\":\"%s\",\"size\":%ju,\"table\":\"%s\"",
                      r->job->identity ? r->job->identity : "", r->survey, partition, r->source,
                      (uintmax_t)digest->size, hex);
    if (!status)
        status = wm_sealed_write(path, wm_buf_str(&body), err);
    wm_buf_done(&body);
    return status;
}

static int merge_into(const struct reduction *r, unsigned partition, const char *scratch,
                      struct wm_table_out *out, struct wm_error *err)
{
    struct wm_merge *merge;
    int status = wm_merge_open(r->runs, r->n_runs, partition, scratch, &merge, err);
    if (status)
        return status;
    status = r->link->stage->reduce(r->link->shared, partition, merge, out, err);
    wm_merge_close(merge);
    return status ? wm_error_where(err, "stage %s", r->link->stage->name) : 0;
}

static int reduce_partition(const struct reduction *r, unsigned partition, struct wm_error *err)
{
    char path[WM_PATH_MAX], record[WM_PATH_MAX], scratch[WM_PATH_MAX];
    int status = wm_job_table_path(r->job, r->survey, partition, path, err);
    if (!status)
        status = path_of(record, r->job->dir, "commits/reduce", r->survey, partition, ".json", err);
    if (!status)
        status = path_of(scratch, r->job->dir, "scratch/", r->survey, partition, "", err);
    if (status || is_done(r, record, path))
        return status;
    status = wm_mkdirs(scratch, err);
    struct wm_table_out *out;
    if (!status)
        status = wm_table_out_open(path, r->link->stage->survey_form(r->link->shared).reduced, &out,
                                   err);
    if (status)
        return status;
    status = merge_into(r, partition, scratch, out, err);
    struct wm_digest digest;
    if (status)
        wm_table_abandon(out);
    else
        status = wm_table_commit(out, &digest, err);
    if (!status)
        status = write_record(r, partition, record, &digest, err);
    return status;
}

static void *reduce_some(void *reduction)
{
    struct reduction *r = reduction;
    unsigned partition;
    while (!wm_crew_stopped(r->crew) &&
           (partition = atomic_fetch_add(&r->next, 1)) < WM_PARTITIONS) {
        struct wm_error err;
        if (reduce_partition(r, partition, &err))
            wm_crew_fail(r->crew, &err);
    }
    return NULL;
}

/* Partitions are independent: as many at once as there are workers. */
static void reduce_all(struct reduction *r, unsigned n_workers)
{
    pthread_t threads[WM_PARTITIONS];
    size_t n = 0, most = n_workers < WM_PARTITIONS ? n_workers : WM_PARTITIONS;
    struct wm_error err;
    while (n + 1 < most && wm_thread_start(&threads[n], reduce_some, r, &err) == 0)
        n++;
    (void)reduce_some(r);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
}

static int list_runs(struct reduction *r, const struct wm_ledger *ledger, struct wm_arena *arena,
                     struct wm_error *err)
{
    uint32_t n_tasks = r->job->inputs->n_tasks;
    XXH128_hash_t hash = {0, 0};
    r->runs = wm_arena_alloc(arena, n_tasks, sizeof *r->runs);
    if (!r->runs)
        return wm_fail_nomem(err, n_tasks * sizeof *r->runs, "list of runs");
    for (uint32_t t = 0; t < n_tasks; t++) {
        char path[WM_PATH_MAX];
        unsigned char bytes[32];
        if (!ledger->done[t]) /* behind --limit */
            continue;
        int status = wm_run_path(path, r->job->dir, (unsigned)r->survey, t, err);
        if (status)
            return status;
        wm_put_be64(bytes, hash.high64);
        wm_put_be64(bytes + 8, hash.low64);
        wm_put_be64(bytes + 16, ledger->runs[t].hash.high64);
        wm_put_be64(bytes + 24, ledger->runs[t].hash.low64);
        hash = XXH3_128bits(bytes, sizeof bytes);
        r->runs[r->n_runs] = wm_arena_cstr(arena, wm_str_of(path));
        if (!r->runs[r->n_runs++])
            return wm_fail_nomem(err, strlen(path), "list of runs");
    }
    wm_hex128(hash, r->source);
    return 0;
}

int wm_reduce(const struct wm_job *job, const struct wm_ledger *ledger, const struct wm_plan *plan,
              struct wm_crew *crew, struct wm_error *err)
{
    struct reduction r = {.job = job,
                          .link = &job->chain->links[ledger->survey_link[ledger->survey]],
                          .crew = crew,
                          .survey = ledger->survey};
    struct wm_arena arena;
    wm_arena_init(&arena, (size_t)1 << 36);
    atomic_init(&r.next, 0);
    int status = list_runs(&r, ledger, &arena, err);
    if (!status)
        reduce_all(&r, plan->n_workers);
    wm_arena_done(&arena);
    if (!status && wm_crew_stopped(crew)) {
        *err = crew->error;
        return err->status;
    }
    char scratch[WM_PATH_MAX];
    if (!status)
        status = wm_path_join(scratch, job->dir, "scratch", err);
    return status ? status : wm_remove_tree(scratch, err);
}

int wm_tables_load(const struct wm_job *job, const struct wm_ledger *ledger, size_t survey,
                   struct wm_tables *tables, struct wm_error *err)
{
    const struct wm_link *link = &job->chain->links[ledger->survey_link[survey]];
    for (unsigned i = 0; i < WM_PARTITIONS; i++) {
        char path[WM_PATH_MAX];
        int status = wm_job_table_path(job, survey, i, path, err);
        if (!status)
            status = wm_table_open(path, link->stage->survey_form(link->shared).reduced,
                                   &tables->tables[i], err);
        if (!status)
            status = link->stage->load(link->shared, i, &tables->tables[i], err);
        if (status)
            return wm_error_where(err, "stage %s", link->stage->name);
    }
    tables->loaded = true;
    return 0;
}

void wm_tables_close(struct wm_tables *tables)
{
    for (unsigned i = 0; i < WM_PARTITIONS; i++)
        wm_table_close(&tables->tables[i]);
    *tables = (struct wm_tables){0};
}
