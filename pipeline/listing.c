/* SPDX-License-Identifier: Apache-2.0 */
/* Files, directories and globs. */
#include "pipeline/listing.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/detect.h"
#include "wetmill/file.h"

enum { PATTERN_BYTES = 1 << 30 /* of names looked at for one pattern */ };

int wm_list_row(struct wm_rows *rows, const char *path, bool pipe_allowed, struct wm_error *err)
{
    struct wm_input row = {.end = UINT64_MAX, .codec = -1, .framing = -1};
    struct wm_stat st = {0};
    struct wm_error trouble;
    const char *problem = NULL;
    row.path = wm_arena_cstr(rows->arena, wm_str_of(path));
    if (!row.path)
        return wm_fail_nomem(err, strlen(path), "input table");
    row.is_pipe = strcmp(path, "-") == 0;
    if (!row.is_pipe && strstr(path, "://"))
        problem = "a URL: only local files are read";
    else if (!row.is_pipe && wm_stat(path, &st, &trouble))
        problem = trouble.what;
    else if (st.is_dir)
        problem = "a directory, not a file";
    else if (!st.is_regular && !pipe_allowed)
        problem = "neither a file nor a directory";
    else if (!st.is_regular)
        row.is_pipe = true;
    else
        row.size = st.size;
    row.mtime_ns = st.mtime_ns;
    if (problem) {
        row.passing = problem == trouble.what;
        row.problem = wm_arena_cstr(rows->arena, wm_str_of(problem));
        if (!row.problem)
            return wm_fail_nomem(err, strlen(problem), "input table");
    }
    return wm_rows_add(rows, &row, err);
}

static int add_problem(struct wm_rows *rows, const char *path, const char *problem, bool passing,
                       struct wm_error *err)
{
    struct wm_input row = {.end = UINT64_MAX, .passing = passing, .codec = -1, .framing = -1};
    row.path = wm_arena_cstr(rows->arena, wm_str_of(path));
    row.problem = wm_arena_cstr(rows->arena, wm_str_of(problem));
    if (!row.path || !row.problem)
        return wm_fail_nomem(err, strlen(path) + strlen(problem), "input table");
    return wm_rows_add(rows, &row, err);
}

/* ---- directories ---- */

/** A directory being walked, and those it lies in. */
struct level {
    const struct level *above;
    char *real; /* where it really is: a link back to one of these is a circle */
    unsigned depth;
};

static bool is_circle(const struct level *level, const char *real)
{
    for (; level; level = level->above)
        if (strcmp(level->real, real) == 0)
            return true;
    return false;
}

static int walk(struct wm_rows *rows, const char *path, const struct level *above,
                struct wm_error *err);

static int walk_entry(struct wm_rows *rows, const char *dir, const char *name,
                      const struct level *level, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_stat st;
    struct wm_error trouble;
    if (name[0] == '.')
        return 0;
    if (wm_path_join(path, dir, name, &trouble))
        return add_problem(rows, dir, trouble.what, false, err);
    if (wm_stat(path, &st, &trouble) == 0 && st.is_dir)
        return walk(rows, path, level, err);
    return wm_list_row(rows, path, false, err);
}

/* A directory that a step made: its record and recipe stand beside the documents. */
static bool is_result(const char *const *names, size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= strcmp(names[i], "step.json") == 0;
    return found;
}

static int walk(struct wm_rows *rows, const char *path, const struct level *above,
                struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_error trouble;
    const char **names = NULL;
    size_t n = 0;
    errno = 0;
    struct level level = {above, realpath(path, NULL), above ? above->depth + 1 : 0};
    wm_arena_init(&arena, (size_t)1 << 32);
    int status = 0;
    const char *problem = NULL;
    if (level.depth >= WM_TREE_DEPTH)
        problem = "directories are nested too deeply";
    else if (level.real && is_circle(above, level.real))
        problem = "a link back to a directory it lies in";
    else if (level.real ? wm_list_dir(path, &arena, &names, &n, &trouble)
                        : wm_fail_errno(&trouble, "list", path))
        problem = trouble.what;
    if (problem == trouble.what && trouble.status == WM_E_NOMEM) {
        *err = trouble; /* that says nothing about the directory */
        status = trouble.status;
    } else if (problem)
        status = add_problem(rows, path, problem, problem == trouble.what, err);
    bool result = !problem && is_result(names, n);
    for (size_t i = 0; !status && !problem && i < n; i++)
        if (!result || !wm_str_ends(wm_str_of(names[i]), WM_STR(".json")))
            status = walk_entry(rows, path, names[i], &level, err);
    wm_arena_done(&arena);
    free(level.real);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct wm_input *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* A directory's files, sorted by the bytes of their whole path. */
static int add_directory(struct wm_rows *rows, const char *path, struct wm_error *err)
{
    size_t first = rows->n;
    size_t len = strlen(path);
    char dir[WM_PATH_MAX];
    if (len >= sizeof dir)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    while (len > 1 && path[len - 1] == '/')
        len--;
    memcpy(dir, path, len);
    dir[len] = '\0';
    int status = walk(rows, dir, NULL, err);
    if (!status && rows->n > first)
        qsort(rows->items + first, rows->n - first, sizeof *rows->items, by_path);
    return status;
}

/* ---- globs ---- */

static int no_match(const char *path, struct wm_error *err)
{
    wm_fail(err, WM_E_CONFIG, "no file matches the pattern");
    return wm_error_where(err, "%s", path);
}

/* What is being expanded: the C library's glob frees twice when its memory ends. */
struct pattern {
    struct wm_arena arena; /* of what directories hold, and the paths that match */
    const char **found;
    size_t n, cap;
};

static int add_match(struct pattern *p, const char *path, struct wm_error *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        const char **found = realloc(p->found, cap * sizeof *found);
        if (!found)
            return wm_fail_nomem(err, cap * sizeof *found, "expanding a pattern");
        p->found = found;
        p->cap = cap;
    }
    const char *copy = wm_arena_cstr(&p->arena, wm_str_of(path));
    if (!copy)
        return wm_fail_nomem(err, strlen(path), "expanding a pattern");
    p->found[p->n++] = copy;
    return 0;
}

static int expand(struct pattern *p, const char *dir, const char *rest, struct wm_error *err);

/* `dir` is "" or ends with '/'. */
static int expand_name(struct pattern *p, const char *dir, const char *name, const char *rest,
                       struct wm_error *err)
{
    char path[WM_PATH_MAX];
    bool there;
    int n = snprintf(path, sizeof path, "%s%s%s", dir, name, *rest ? "/" : "");
    if (n < 0 || (size_t)n >= sizeof path)
        return 0; /* no file has such a path */
    int status = wm_is_there(path, &there, err);
    if (status || !there)
        return status;
    return *rest ? expand(p, path, rest, err) : add_match(p, path, err);
}

/* `rest`: names, some of them patterns. */
static int expand(struct pattern *p, const char *dir, const char *rest, struct wm_error *err)
{
    char first[WM_PATH_MAX];
    const char **names = NULL;
    struct wm_stat st;
    size_t n = 0, len = strcspn(rest, "/");
    (void)snprintf(first, sizeof first, "%.*s", (int)len, rest);
    rest += len;
    rest += strspn(rest, "/");
    if (!strpbrk(first, "*?["))
        return expand_name(p, dir, first, rest, err);
    int status = wm_stat(*dir ? dir : ".", &st, err);
    if (!status && !st.is_dir)
        return 0;
    if (!status)
        status = wm_list_dir(*dir ? dir : ".", &p->arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        if (fnmatch(first, names[i], FNM_PERIOD) == 0)
            status = expand_name(p, dir, names[i], rest, err);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_glob(struct wm_rows *rows, const char *path, const struct wm_source_options *options,
                    struct wm_error *err)
{
    struct pattern p = {0};
    if (strlen(path) >= WM_PATH_MAX)
        return no_match(path, err);
    wm_arena_init(&p.arena, PATTERN_BYTES);
    size_t slashes = strspn(path, "/");
    int status = expand(&p, slashes ? "/" : "", path + slashes, err);
    if (!status && !p.n)
        status = no_match(path, err);
    if (!status)
        qsort(p.found, p.n, sizeof *p.found, compare_names);
    for (size_t i = 0; !status && i < p.n; i++)
        status = wm_list_path(rows, p.found[i], options, err);
    free(p.found);
    wm_arena_done(&p.arena);
    return status;
}

/* ---- one path as given ---- */

static bool is_list(const char *path)
{
    return wm_str_ends(wm_name_unpacked(path), WM_STR(".paths"));
}

int wm_list_path(struct wm_rows *rows, const char *path, const struct wm_source_options *options,
                 struct wm_error *err)
{
    struct wm_stat st;
    struct wm_error trouble;
    if (strcmp(path, "-") == 0)
        return wm_list_row(rows, path, true, err);
    if (strstr(path, "://")) {
        wm_fail(err, WM_E_CONFIG, "only local files are read");
        wm_error_where(err, "%s", path);
        return wm_error_hint(err, "download it first");
    }
    if (wm_stat(path, &st, &trouble)) {
        struct wm_error ignored;
        bool there;
        if (strpbrk(path, "*?["))
            return add_glob(rows, path, options, err);
        *err = trouble;
        if (!wm_is_there(path, &there, &ignored) && !there)
            err->status = WM_E_CONFIG; /* it was never there; else the system fails */
        return err->status;
    }
    if (st.is_dir)
        return add_directory(rows, path, err);
    if (!is_list(path))
        return wm_list_row(rows, path, true, err);
    if (st.is_regular)
        return wm_list_file(rows, path, options, err);
    wm_fail(err, WM_E_CONFIG, "a list of files is read more than once: it cannot be a pipe");
    return wm_error_where(err, "%s", path);
}
