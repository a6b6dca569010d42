/* SPDX-License-Identifier: Apache-2.0 */
/* Operands and options that several commands give to the run. */
#include <stdlib.h>

#include "cli/cli.h"

const struct wm_option cli_jobs_table[] = {
    {"jobs", WM_OPTION_COUNT, WM_OFFSET_(struct wm_run_options, jobs, uint64_t), 0, 0, 1024, NULL,
     NULL, "threads", "worker threads; 0 = one for each processor", WM_OPTION_SPEED},
    {0},
};

const struct wm_option cli_effort_table[] = {
    {"jobs", WM_OPTION_COUNT, WM_OFFSET_(struct wm_run_options, jobs, uint64_t), 0, 0, 1024, NULL,
     NULL, "threads", "worker threads; 0 = one for each processor", WM_OPTION_SPEED},
    {"memory", WM_OPTION_SIZE, WM_OFFSET_(struct wm_run_options, memory, uint64_t), 0, 0, 1e15,
     NULL, NULL, "bytes", "most memory to use; 0 = 60 % of the machine's", WM_OPTION_SPEED},
    {0},
};

const struct wm_option cli_plan_table[] = {
    WM_BOOL(struct cli_options, dry_run, 0, "say what would run, and stop"),
    WM_BOOL(struct cli_options, explain, 0,
            "say what would be done, with memory and disk as a trial on a sample predicts them "
            "(mostly within 15 %), and stop"),
    {0},
};

int cli_need(const char *dir, const char *file, const char *what, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!wm_path_join(path, dir, file, err) && wm_exists(path))
        return 0;
    wm_fail(err, WM_E_CONFIG, "no %s here: there is no %s", what, file);
    return wm_error_where(err, "%s", dir);
}

int cli_apart(const struct cli *cli, const char *out, size_t n, struct wm_error *err)
{
    struct wm_error none = {0};
    struct wm_stat st;
    bool file = strcmp(out, "-") != 0 && !wm_stat(out, &st, &none) && st.is_regular;
    for (size_t i = 0; file && i < n; i++) {
        if (strcmp(cli->operands[i], "-") == 0 || !wm_same_path(cli->operands[i], out))
            continue;
        (void)wm_fail(err, WM_E_CONFIG, "it is read, and would be written over");
        (void)wm_error_where(err, "%s", out);
        return wm_error_hint(err, "name another file to write");
    }
    return 0;
}

/* Where `path` is or would be: really, as far as it is there. */
static bool resolve(const char *path, char ret[WM_PATH_MAX])
{
    char there[WM_PATH_MAX];
    size_t len = strlen(path), rest = len;
    if (len >= sizeof there)
        return false;
    memcpy(there, path, len + 1);
    char *real;
    while (!(real = realpath(len ? there : ".", NULL)) && len) {
        while (len && there[len - 1] == '/')
            len--;
        while (len && there[len - 1] != '/')
            len--;
        rest = len;
        while (len > 1 && there[len - 1] == '/')
            len--;
        there[len] = '\0';
    }
    int n = real ? snprintf(ret, WM_PATH_MAX, "%s/%s", real, path + rest) : -1;
    free(real);
    return n >= 0 && n < WM_PATH_MAX;
}

/* Below a directory that is read; names that begin with a dot are passed over. Both end with '/'. */
static bool is_read(const char *dir, const char *path)
{
    dir = strcmp(dir, "//") == 0 ? "/" : dir;
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] != '.' && !strstr(path + n, "/.");
}

int cli_outside(const struct cli *cli, const char *out, size_t n, struct wm_error *err)
{
    char path[WM_PATH_MAX], dir[WM_PATH_MAX];
    if (strcmp(out, "-") == 0 || !resolve(out, path))
        return 0;
    for (size_t i = 0; i < n; i++) {
        const char *operand = cli->operands[i];
        struct wm_error none = {0};
        struct wm_stat st;
        if (strcmp(operand, "-") == 0 || wm_stat(operand, &st, &none) || !st.is_dir ||
            !resolve(operand, dir) || !is_read(dir, path))
            continue;
        (void)wm_fail(err, WM_E_CONFIG, "it lies in %s, all of which is read", operand);
        (void)wm_error_where(err, "%s", out);
        return wm_error_hint(err, "choose an output outside of the input");
    }
    return 0;
}

int cli_take_paths(struct cli *cli, size_t first, struct wm_error *err)
{
    const struct wm_option *paths = wm_option_find(wm_source_option_table, WM_STR("paths"));
    int status = 0;
    for (size_t i = first; !status && i < cli->n_operands; i++)
        status = wm_option_append(paths, &cli->run.input, wm_str_of(cli->operands[i]),
                                  &cli->run.arena, err);
    return status;
}

int cli_take_output(struct cli *cli, enum wm_step_id id, struct wm_error *err)
{
    struct wm_run *run = &cli->run;
    if (!run->options.output) {
        wm_fail(err, WM_E_CONFIG, "%s wants an output directory", cli->command->name);
        return wm_error_hint(err, "add -o DIR");
    }
    const char *dir = run->options.output; /* "corpus/" is "corpus": DIR.work stands beside it */
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    dir = wm_arena_cstr(&run->arena, (struct wm_str){dir, len});
    if (!dir)
        return wm_fail_nomem(err, len, "path");
    run->has[id] = true;
    run->directory[id] = dir;
    run->options.output = NULL;
    return 0;
}
