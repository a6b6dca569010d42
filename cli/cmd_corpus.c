/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill corpus build: the corpus step alone, from the command line. */
#include <stdlib.h>

#include "cli/cli.h"

#define T struct cli_options
static const struct wm_option options[] = {
    WM_LIST(T, stage, "a stage, in order: name or name:option=value:option=value"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){wm_run_option_table, &cli->run.options};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    bindings[3] = (struct cli_binding){wm_sink_jsonl.options, cli->run.jsonl};
    bindings[4] = (struct cli_binding){cli_plan_table, &cli->options};
    return 5;
}

static int add_stages(struct cli *cli, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < cli->options.stage.n; i++) {
        struct wm_str spec = wm_str_of(cli->options.stage.items[i]);
        const char *colon = memchr(spec.ptr, ':', spec.len);
        struct wm_str name = {spec.ptr, colon ? (size_t)(colon - spec.ptr) : spec.len};
        struct wm_str rest = {colon ? colon + 1 : NULL, colon ? spec.len - name.len - 1 : 0};
        status = wm_run_add_stage(&cli->run, name, rest, err);
    }
    return status;
}

static int copy_stdin(struct wm_out *out, struct wm_cancel *cancel, struct wm_error *err)
{
    enum { BLOCK = 1 << 16 };
    struct wm_file *in = NULL;
    char block[BLOCK];
    size_t len = 1;
    int status = wm_file_open("-", &in, err);
    while (!status && len) {
        status = wm_file_read(in, block, sizeof block, &len, err);
        if (!status)
            status = wm_out_write(out, block, len, err);
        if (!status)
            status = wm_cancel_check(cancel, err);
    }
    if (in)
        wm_file_close(in);
    return status;
}

/* A survey reads its input twice, standard input can be read once: keep it beside the output. */
static int spool_stdin(struct cli *cli, char path[WM_PATH_MAX], struct wm_error *err)
{
    struct wm_list *paths = &cli->run.input.paths;
    struct wm_out *out = NULL;
    size_t at = 0;
    while (at < paths->n && strcmp(paths->items[at], "-") != 0)
        at++;
    path[0] = '\0';
    bool reads = !cli->options.explain && !cli->options.dry_run;
    if (at == paths->n || !reads || !wm_chain_surveys(&cli->run.chain))
        return 0;
    struct wm_run_hooks hooks = cli_hooks(cli);
    int status =
        wm_run_lock(&cli->run, &hooks, err); /* another one's spool is not ours to replace */
    if (status)
        return status;
    int n = snprintf(path, WM_PATH_MAX, "%s.stdin", cli->run.directory[WM_STEP_CORPUS]);
    if (n < 0 || n >= WM_PATH_MAX) {
        path[0] = '\0';
        return wm_fail(err, WM_E_LIMIT, "the output path is too long");
    }
    status = wm_out_open(path, &out, err);
    if (!status)
        status = copy_stdin(out, cli->cancel, err);
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    paths->items[at] = path;
    return wm_out_commit(out, NULL, err);
}

/* -o -: the corpus is built in a scratch directory, uncompressed, and written out when whole. */
static int to_stdout(struct cli *cli, char dir[WM_PATH_MAX], struct wm_error *err)
{
    const char *output = cli->run.options.output, *tmp = getenv("TMPDIR");
    dir[0] = '\0';
    if (!output || strcmp(output, "-") != 0)
        return 0;
    int n = snprintf(dir, WM_PATH_MAX, "%s/wetmill.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n < 0 || n >= WM_PATH_MAX || !mkdtemp(dir)) {
        dir[0] = '\0';
        return wm_fail_errno(err, "make a directory below", tmp && *tmp ? tmp : "/tmp");
    }
    cli->run.options.output = dir;
    cli->fleeting = true;
    return wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("compression")),
                         cli->run.jsonl, WM_STR("none"), &cli->run.arena, err);
}

/* The files are mapped, then their directory goes: a reader that leaves early (`| head`) ends the
 * program at the first write after that. */
static int print_corpus(struct cli *cli, const char *dir, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_error none = {0};
    const char **names;
    char path[WM_PATH_MAX];
    size_t n = 0, n_maps = 0;
    wm_arena_init(&arena, 64 << 20);
    int status = wm_list_dir(dir, &arena, &names, &n, err);
    struct wm_map *maps = status ? NULL : wm_arena_alloc(&arena, n + 1, sizeof *maps);
    if (!status && !maps)
        status = wm_fail_nomem(err, (n + 1) * sizeof *maps, "output files");
    for (size_t i = 0; !status && i < n; i++) {
        if (!wm_str_ends(wm_str_of(names[i]), WM_STR(".jsonl")))
            continue;
        status = wm_path_join(path, dir, names[i], err);
        if (!status)
            status = wm_map_open(path, &maps[n_maps++], err);
    }
    (void)wm_remove_tree(dir, &none);
    for (size_t i = 0; maps && i < n_maps; i++) {
        if (!status)
            cli_write(cli, (struct wm_str){(const char *)maps[i].ptr, maps[i].len});
        wm_map_close(&maps[i]);
    }
    wm_arena_done(&arena);
    return status;
}

static int run_build(struct cli *cli)
{
    struct wm_error err = {0}, none = {0};
    char spool[WM_PATH_MAX] = "", scratch[WM_PATH_MAX] = "";
    const char *output = cli->run.options.output;
    int status = output ? cli_outside(cli, output, cli->n_operands, &err) : 0;
    if (!status)
        status = to_stdout(cli, scratch, &err);
    if (!status)
        status = cli_take_paths(cli, 0, &err);
    if (!status)
        status = cli_take_output(cli, WM_STEP_CORPUS, &err);
    if (!status)
        status = wm_run_take_profile(&cli->run, &err);
    if (!status)
        status = add_stages(cli, &err);
    if (!status)
        status = spool_stdin(cli, spool, &err);
    int code = status ? cli_fail(cli, &err) : cli_execute(cli, WM_STEP_CORPUS);
    if (spool[0])
        (void)wm_remove(spool, &none);
    if (scratch[0] && (code == CLI_OK || code == CLI_SKIPPED) && print_corpus(cli, scratch, &err))
        code = cli_fail(cli, &err);
    if (scratch[0])
        (void)wm_remove_tree(scratch, &none);
    return code;
}

const struct cli_command cli_command_corpus_build = {
    .name = "corpus build",
    .summary = "read archives, put documents through stages, write JSONL",
    .operands = "PATH…",
    .examples = "  wetmill corpus build -o corpus -s normalize -s length:min_characters=300 "
                "crawl/*.wet.gz\n"
                "  wetmill corpus build -o corpus -s language:model=lid.176.ftz:languages=en,fr "
                "wet.paths.gz\n"
                "      --prefix /data/commoncrawl",
    .notes =
        "PATH is a WET or WARC archive (.gz, .zst, .xz, plain, or a tar of them), a JSONL or text\n"
        "file, a directory, a glob, a *.paths list, or - for standard input. `wetmill stages`\n"
        "lists the stages. The same command again goes on where it was interrupted. With -o - the\n"
        "lines go to standard output once all of them are there.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run_build,
};
