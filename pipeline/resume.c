/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/resume.h"

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/point.h"

static int read_records(const struct wm_job *job, struct wm_ledger *ledger, struct wm_error *err)
{
    int status = 0;
    for (uint32_t t = 0; status >= 0 && t < job->inputs->n_tasks; t++) {
        struct wm_outcome outcome = {0};
        status = wm_commit_read(job, (unsigned)ledger->survey, t, ledger->is_last, &outcome, err);
        if (status > 0) {
            wm_progress_skip(job->progress, job->inputs->tasks[t].bytes);
            status = wm_ledger_add(ledger, &outcome, true, err);
        }
        wm_outcome_done(&outcome);
    }
    return status;
}

/* The task a file is named after: "000003" and `ending`. */
static bool is_task_file(const char *name, const char *ending, uint64_t *ret_task)
{
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 10 || !wm_str_starts(wm_str_of(name + digits), wm_str_of(ending)))
        return false;
    *ret_task = strtoull(name, NULL, 10);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- what points name ---- */

/** Names of files that tasks under way go on with, sorted. */
struct kept {
    struct wm_arena arena;
    const char **names;
    size_t n, cap;
};

static int keep_name(struct kept *kept, struct wm_str name, struct wm_error *err)
{
    if (kept->n == kept->cap) {
        size_t cap = kept->cap ? 2 * kept->cap : 64;
        const char **names = realloc(kept->names, cap * sizeof *names);
        if (!names)
            return wm_fail_nomem(err, cap * sizeof *names, "list of files");
        kept->names = names;
        kept->cap = cap;
    }
    const char *copy = wm_arena_cstr(&kept->arena, name);
    if (!copy)
        return wm_fail_nomem(err, name.len, "list of files");
    kept->names[kept->n++] = copy;
    return 0;
}

/* A point of a task that is done, or that is none of ours, goes. */
static int keep_point(const struct wm_job *job, const struct wm_ledger *ledger, uint64_t task,
                      struct kept *kept, bool *ret_good, struct wm_error *err)
{
    struct wm_state_file point = {0};
    int found = 0;
    if (task < job->inputs->n_tasks && !ledger->done[task])
        found = wm_point_open(job, (unsigned)ledger->survey, (uint32_t)task, &point, err);
    int status = found < 0 ? found : 0;
    while (!status && found && point.names.rest.len && !point.names.bad)
        status = keep_name(kept, wm_state_get_str(&point.names), err);
    wm_state_file_close(&point);
    *ret_good = found > 0;
    return status;
}

static bool is_kept(const struct kept *kept, const char *name)
{
    char plain[WM_PATH_MAX];
    size_t len = strlen(name), part = sizeof WM_OUT_PART - 1;
    if (len >= sizeof plain)
        return false;
    memcpy(plain, name, len + 1);
    if (wm_str_ends(wm_str_of(name), WM_STR(WM_OUT_PART)))
        plain[len - part] = '\0';
    const char *key = plain;
    return kept->n && bsearch(&key, kept->names, kept->n, sizeof *kept->names, by_name);
}

static int keep_points(const struct wm_job *job, const struct wm_ledger *ledger, const char *dir,
                       struct kept *kept, struct wm_error *err)
{
    const char **names;
    size_t n = 0;
    wm_arena_init(&kept->arena, (size_t)1 << 36);
    int status = wm_exists(dir) ? wm_list_dir(dir, &kept->arena, &names, &n, err) : 0;
    for (size_t i = 0; !status && i < n; i++) {
        uint64_t task;
        char path[WM_PATH_MAX];
        bool good;
        if (!is_task_file(names[i], ".point", &task))
            continue;
        status = keep_point(job, ledger, task, kept, &good, err);
        if (status || good)
            continue;
        status = wm_path_join(path, dir, names[i], err);
        if (!status)
            status = wm_remove(path, err);
    }
    if (kept->n)
        qsort(kept->names, kept->n, sizeof *kept->names, by_name);
    return status;
}

static void kept_done(struct kept *kept)
{
    wm_arena_done(&kept->arena);
    free(kept->names);
}

/* ---- what goes ---- */

/* Remove files of `dir` that are named after a task that is not done. The ending may be followed
 * by more: spilled runs, temporary files. */
static int remove_undone(const struct wm_ledger *ledger, const struct kept *kept, const char *dir,
                         const char *ending, struct wm_error *err)
{
    if (!wm_exists(dir))
        return 0;
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, (size_t)1 << 36);
    int status = wm_remove_leftovers(dir, err);
    if (!status)
        status = wm_list_dir(dir, &arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        uint64_t task;
        char path[WM_PATH_MAX];
        if (!is_task_file(names[i], ending, &task) || is_kept(kept, names[i]))
            continue;
        bool whole = strlen(names[i]) == strspn(names[i], "0123456789") + strlen(ending);
        if (whole && task < ledger->job->inputs->n_tasks && ledger->done[task])
            continue;
        status = wm_path_join(path, dir, names[i], err);
        if (!status)
            status = wm_remove(path, err);
    }
    wm_arena_done(&arena);
    return status;
}

/* Sorted names of all parts that a finished task lists. */
static int known_parts(const struct wm_ledger *ledger, struct wm_arena *arena, const char ***ret,
                       size_t *ret_n, struct wm_error *err)
{
    size_t n = 0;
    for (uint32_t t = 0; t < ledger->job->inputs->n_tasks; t++)
        n += ledger->parts[t].n;
    const char **names = wm_arena_alloc(arena, n, sizeof *names);
    if (!names)
        return wm_fail_nomem(err, n * sizeof *names, "list of parts");
    n = 0;
    for (uint32_t t = 0; t < ledger->job->inputs->n_tasks; t++)
        for (size_t i = 0; i < ledger->parts[t].n; i++)
            names[n++] = ledger->parts[t].items[i].name;
    qsort(names, n, sizeof *names, by_name);
    *ret = names;
    *ret_n = n;
    return 0;
}

static int remove_unknown(const char *dir, const char **known, size_t n_known,
                          const struct kept *kept, struct wm_arena *arena, struct wm_error *err)
{
    char parts[WM_PATH_MAX], path[WM_PATH_MAX];
    const char **names;
    size_t n = 0;
    int status = wm_path_join(parts, dir, "parts", err);
    if (status || !wm_exists(parts))
        return status;
    status = wm_list_dir(parts, arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        char name[WM_PATH_MAX];
        const char *key = name;
        status = wm_path_join(name, "parts", names[i], err);
        if (status || bsearch(&key, known, n_known, sizeof *known, by_name) ||
            is_kept(kept, names[i]))
            continue;
        status = wm_path_join(path, dir, name, err);
        if (!status)
            status = wm_remove(path, err);
    }
    return status;
}

static int remove_parts(const struct wm_job *job, const struct wm_ledger *ledger,
                        const struct kept *kept, struct wm_error *err)
{
    struct wm_arena arena;
    const char **known = NULL;
    size_t n = 0;
    wm_arena_init(&arena, (size_t)1 << 36);
    int status = known_parts(ledger, &arena, &known, &n, err);
    if (!status)
        status = remove_unknown(job->dir, known, n, kept, &arena, err);
    wm_arena_done(&arena);
    return status;
}

static int pass_dir(char out[WM_PATH_MAX], const struct wm_job *job, const char *kind, size_t pass,
                    struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s/pass%zu", kind, pass);
    return wm_path_join(out, job->dir, name, err);
}

static int clear(const struct wm_job *job, struct wm_ledger *ledger, struct kept *kept,
                 struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    int status = pass_dir(dir, job, "commits", ledger->survey, err);
    if (!status)
        status = keep_points(job, ledger, dir, kept, err);
    if (!status)
        status = remove_undone(ledger, kept, dir, ".json", err);
    if (!status && !ledger->is_last) {
        status = pass_dir(dir, job, "runs", ledger->survey, err);
        if (!status)
            status = wm_mkdirs(dir, err);
        return status ? status : remove_undone(ledger, kept, dir, ".run", err);
    }
    if (!status)
        status = remove_parts(job, ledger, kept, err);
    if (!status && job->rejects)
        status = remove_undone(ledger, kept, job->rejects, ".jsonl.zst", err);
    return status;
}

int wm_resume(const struct wm_job *job, struct wm_ledger *ledger, struct wm_error *err)
{
    struct kept kept = {0};
    if (!job->dir)
        return 0;
    int status = read_records(job, ledger, err);
    if (!status)
        status = clear(job, ledger, &kept, err);
    kept_done(&kept);
    return status;
}

static int forget_task(const struct wm_job *job, unsigned pass, uint32_t task, bool done,
                       struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!done)
        return wm_point_remove(job, pass, task, err);
    int status = wm_commit_path(path, job->dir, pass, task, err);
    return status ? status : wm_remove(path, err);
}

int wm_resume_forget(const struct wm_job *job, const struct wm_ledger *ledger, struct wm_error *err)
{
    int status = 0;
    for (uint32_t t = 0; !status && job->dir && t < job->inputs->n_tasks; t++)
        if (!ledger->done[t] || ledger->unread[t])
            status = forget_task(job, (unsigned)ledger->survey, t, ledger->done[t], err);
    return status;
}
