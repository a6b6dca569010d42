/* SPDX-License-Identifier: Apache-2.0 */
/* Operands and options that several commands give to the run. */
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
