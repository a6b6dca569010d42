/* SPDX-License-Identifier: Apache-2.0 */
/* What a job's directory keeps, against the records of it. A record that cannot be read is damage as
 * well; whether it is of the job at hand does not matter here. */
#include "pipeline/kept.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/rejects.h"
#include "pipeline/sealed.h"
#include "wetmill/state.h"

void wm_job_say(const struct wm_job *job, const char *fmt, ...)
{
    char raw[2048], text[2200];
    if (!job->line)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    wm_escape(text, sizeof text, raw, n < 0 ? 0 : strlen(raw));
    job->line(job->line_arg, text);
}

/* ---- looking ---- */

enum { POINT_NAME = 256 /* of a file a point names, with NUL */ };

struct look {
    const char *dir, *rejects;
    struct wm_cancel *cancel;
    wm_job_damaged *found;
    void *arg;
    char record[WM_PATH_MAX]; /* name of the record that is gone through */
    char again[256];          /* what is done again without it */
};

static int tell(const struct look *l, const char *name, const char *path, const char *what,
                struct wm_error *err)
{
    const struct wm_job_damage damage = {
        .name = name, .path = path, .what = what, .record = l->record, .again = l->again};
    return l->found(l->arg, &damage, err);
}

/* `object` has the size that was written, and under `key` the hash. */
static int look_at_file(const struct look *l, const char *name, const char *path,
                        const json_t *object, const char *key, struct wm_error *err)
{
    char what[128];
    const char *hex = json_string_value(json_object_get(object, key));
    uint64_t size = (uint64_t)json_integer_value(json_object_get(object, "size"));
    XXH128_hash_t want;
    struct wm_digest got;
    bool there;
    int status = wm_cancel_check(l->cancel, err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (status)
        return status;
    if (!there)
        return tell(l, name, path, "it is missing", err);
    if ((status = wm_file_digest(path, &got, err)))
        return status;
    if (got.size != size) {
        (void)snprintf(what, sizeof what, "it has %llu bytes, was written with %llu",
                       (unsigned long long)got.size, (unsigned long long)size);
        return tell(l, name, path, what, err);
    }
    if (hex && wm_unhex128(hex, &want) && XXH128_isEqual(want, got.hash))
        return 0;
    return tell(l, name, path, "its bytes are not those that were written", err);
}

/* The record itself is what is wrong: no part is looked for where it says. */
static int tell_of_names(const struct look *l, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, l->dir, l->record, err);
    return status ? status : tell(l, l->record, path, "it names a file outside its directory", err);
}

static int look_below(const struct look *l, const char *name, const json_t *object, const char *key,
                      struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, l->dir, name, err);
    return status ? status : look_at_file(l, name, path, object, key, err);
}

/* "task 3 (crawl/03.wet)" */
static void name_task(struct look *l, const json_t *record, unsigned pass, unsigned task)
{
    const json_t *rows = json_object_get(record, "rows");
    const char *first = json_string_value(json_object_get(json_array_get(rows, 0), "path"));
    size_t n = json_array_size(rows);
    int len = json_object_get(record, "run")
                  ? snprintf(l->again, sizeof l->again, "task %u of survey %u", task, pass)
                  : snprintf(l->again, sizeof l->again, "task %u", task);
    if (first && len > 0)
        (void)snprintf(l->again + len, sizeof l->again - (size_t)len, " (%.160s%s)", first,
                       n > 1 ? " …" : "");
}

static int look_at_commit(struct look *l, const json_t *record, unsigned pass, unsigned task,
                          struct wm_error *err)
{
    const json_t *run = json_object_get(record, "run");
    const json_t *rejects = json_object_get(record, "rejects"), *part;
    char name[64], path[WM_PATH_MAX];
    size_t i;
    int status = 0;
    name_task(l, record, pass, task);
    json_array_foreach(json_object_get(record, "parts"), i, part)
    {
        const char *part_name = json_string_value(json_object_get(part, "name"));
        if (part_name && !wm_part_stays(part_name))
            return tell_of_names(l, err);
        if (!status && part_name)
            status = look_below(l, part_name, part, "xxh3", err);
    }
    (void)snprintf(name, sizeof name, "runs/pass%u/%06u.run", pass, task);
    if (!status && json_object_size(run))
        status = look_below(l, name, run, "xxh3", err);
    if (status || !l->rejects || !json_object_size(rejects))
        return status;
    status = wm_rejects_path(path, l->rejects, task, err);
    return status ? status : look_at_file(l, path, path, rejects, "xxh3", err);
}

static int look_at_table(struct look *l, const json_t *record, unsigned survey, unsigned partition,
                         struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "tables/%u/%02u.table", survey, partition);
    (void)snprintf(l->again, sizeof l->again, "partition %u of survey %u", partition, survey);
    return look_below(l, name, record, "table", err);
}

/* Runs of records that it names have checksums; what it says of other files is its owner's. */
static int look_at_point(struct look *l, const char *path, unsigned pass, unsigned task,
                         struct wm_error *err)
{
    struct wm_state_file point = {0};
    struct wm_error problem = {0};
    (void)snprintf(l->again, sizeof l->again, "task %u", task);
    int whole = wm_state_file_open(path, &point, err);
    int status = whole < 0 ? whole : 0;
    if (!whole)
        status = tell(l, l->record, path, "its bytes are not those that were written", err);
    while (!status && whole > 0 && point.names.rest.len && !point.names.bad) {
        struct wm_str file = wm_state_get_str(&point.names);
        char base[POINT_NAME], name[POINT_NAME + 32], run[WM_PATH_MAX];
        (void)snprintf(base, sizeof base, "%.*s", file.len < sizeof base ? (int)file.len : 0,
                       file.ptr);
        if (strchr(base, '/') || !wm_part_stays(base)) {
            status = tell_of_names(l, err);
            break;
        }
        (void)snprintf(name, sizeof name, "runs/pass%u/%s", pass, base);
        status = wm_path_join(run, l->dir, name, err);
        if (status || !wm_exists(run))
            continue;
        status = wm_records_check(run, &problem);
        if (status == WM_E_FORMAT)
            status = tell(l, name, run, problem.what, err);
        else if (status)
            *err = problem;
    }
    wm_state_file_close(&point);
    return status;
}

static int look_at_record(struct look *l, const char *kind, const char *name, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    json_t *record = NULL;
    struct wm_str ending = wm_str_of(name);
    bool reduced = strncmp(kind, "reduce", 6) == 0;
    unsigned pass = (unsigned)strtoul(kind + (reduced ? 6 : 4), NULL, 10);
    unsigned number = (unsigned)strtoul(name, NULL, 10);
    (void)snprintf(l->record, sizeof l->record, "commits/%s/%s", kind, name);
    int status = wm_path_join(path, l->dir, l->record, err);
    if (!status && wm_str_ends(ending, WM_STR(".point")))
        return look_at_point(l, path, pass, number, err);
    if (!status && wm_str_ends(ending, WM_STR(".json")))
        status = wm_sealed_read(path, &record, err);
    else
        return status;
    (void)snprintf(l->again, sizeof l->again, "%s %u", reduced ? "partition" : "task", number);
    if (!status && !record)
        status = tell(l, l->record, path, "its bytes are not those that were written", err);
    else if (!status && reduced)
        status = look_at_table(l, record, pass, number, err);
    else if (!status)
        status = look_at_commit(l, record, pass, number, err);
    json_decref(record);
    return status;
}

static int look_at_kind(struct look *l, const char *kind, struct wm_error *err)
{
    char name[WM_PATH_MAX], path[WM_PATH_MAX];
    const char **names;
    size_t n = 0;
    struct wm_arena arena;
    if (strncmp(kind, "pass", 4) != 0 && strncmp(kind, "reduce", 6) != 0)
        return 0;
    wm_arena_init(&arena, (size_t)1 << 36);
    int status = wm_path_join(name, "commits", kind, err);
    if (!status)
        status = wm_path_join(path, l->dir, name, err);
    if (!status)
        status = wm_list_dir(path, &arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        status = look_at_record(l, kind, names[i], err);
    wm_arena_done(&arena);
    return status;
}

int wm_job_look(const char *dir, const char *rejects, struct wm_cancel *cancel,
                wm_job_damaged *found, void *arg, struct wm_error *err)
{
    struct look *l = calloc(1, sizeof *l);
    char path[WM_PATH_MAX];
    const char **kinds;
    size_t n = 0;
    struct wm_arena arena;
    bool there = false;
    if (!l)
        return wm_fail_nomem(err, sizeof *l, "looking at what was kept");
    *l =
        (struct look){.dir = dir, .rejects = rejects, .cancel = cancel, .found = found, .arg = arg};
    wm_arena_init(&arena, 1 << 20);
    int status = wm_path_join(path, dir, "commits", err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_list_dir(path, &arena, &kinds, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        status = look_at_kind(l, kinds[i], err);
    wm_arena_done(&arena);
    free(l);
    return status;
}

/* ---- mending ---- */

struct mending {
    const struct wm_job *job;
    const struct wm_error *cause;
    size_t n;
    char first[WM_PATH_MAX]; /* path of the first damaged file */
};

static int mend(void *arg, const struct wm_job_damage *damage, struct wm_error *err)
{
    struct mending *m = arg;
    char record[WM_PATH_MAX];
    /* Who found the part damaged may have removed it. */
    bool is_cause = strcmp(m->cause->where, damage->path) == 0;
    int status = wm_path_join(record, m->job->dir, damage->record, err);
    if (!status)
        status = wm_remove(damage->path, err);
    if (!status)
        status = wm_remove(record, err);
    if (status)
        return status;
    wm_job_say(m->job, "%s is damaged (%s): %s is done again", damage->path,
               is_cause ? m->cause->what : damage->what, damage->again);
    if (!m->n++)
        (void)snprintf(m->first, sizeof m->first, "%s", damage->path);
    return 0;
}

/* What was made anew a moment ago is damaged again. */
static int fail_again(const char *where, struct wm_error *err)
{
    wm_fail(err, WM_E_FORMAT, "a kept file is damaged, and one was before in this very run");
    (void)wm_error_where(err, "%s", where);
    return wm_error_hint(err, "the disk or the memory of this machine fails: look into that first; "
                              "the same command then does again what was lost");
}

static int mend_all(const struct wm_job *job, bool always, struct wm_error *err)
{
    const struct wm_error cause = *err;
    bool doubtful =
        cause.status == WM_E_FORMAT || cause.status == WM_E_MISMATCH || cause.status == WM_E_LIMIT;
    struct mending m = {.job = job, .cause = &cause};
    if (!job->dir || !doubtful)
        return cause.status;
    int status = wm_job_look(job->dir, job->rejects, job->cancel, mend, &m, err);
    if (status)
        return status;
    *err = cause;
    if (!m.n && !always)
        return cause.status;
    if (job->mended && *job->mended)
        return fail_again(m.n ? m.first : cause.where, err);
    if (!m.n)
        wm_job_say(job, "%s is damaged (%s): it is made again", cause.where, cause.what);
    if (job->mended)
        ++*job->mended;
    return 1;
}

int wm_kept_mend(const struct wm_job *job, struct wm_error *err)
{
    return mend_all(job, true, err);
}

int wm_job_mend(const struct wm_job *job, struct wm_error *err)
{
    return mend_all(job, false, err);
}
