/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/resume.h"

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/commit.h"

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

/* Remove files of `dir` that are named after a task that is not done. The ending may be followed
 * by more: spilled runs, temporary files. */
static int remove_undone(const struct wm_ledger *ledger, const char *dir, const char *ending,
                         struct wm_error *err)
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
        if (!is_task_file(names[i], ending, &task))
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

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
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
                          struct wm_arena *arena, struct wm_error *err)
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
        if (status || bsearch(&key, known, n_known, sizeof *known, by_name))
            continue;
        status = wm_path_join(path, dir, name, err);
        if (!status)
            status = wm_remove(path, err);
    }
    return status;
}

static int remove_parts(const struct wm_job *job, const struct wm_ledger *ledger,
                        struct wm_error *err)
{
    struct wm_arena arena;
    const char **known = NULL;
    size_t n = 0;
    wm_arena_init(&arena, (size_t)1 << 36);
    int status = known_parts(ledger, &arena, &known, &n, err);
    if (!status)
        status = remove_unknown(job->dir, known, n, &arena, err);
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

int wm_resume(const struct wm_job *job, struct wm_ledger *ledger, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    if (!job->dir)
        return 0;
    int status = read_records(job, ledger, err);
    if (!status)
        status = pass_dir(dir, job, "commits", ledger->survey, err);
    if (!status)
        status = remove_undone(ledger, dir, ".json", err);
    if (!status && !ledger->is_last) {
        status = pass_dir(dir, job, "runs", ledger->survey, err);
        if (!status)
            status = wm_mkdirs(dir, err);
        return status ? status : remove_undone(ledger, dir, ".run", err);
    }
    if (!status)
        status = remove_parts(job, ledger, err);
    if (!status && job->rejects)
        status = remove_undone(ledger, job->rejects, ".jsonl.zst", err);
    return status;
}
