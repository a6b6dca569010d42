/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill corpus hashes: sets of line hashes, so that a new crawl is deduplicated against old ones. */
#include "cli/cli.h"
#include "run/hashes.h"
#include "stages/hash_set.h"

#define T struct cli_options
static const struct wm_option build_options[] = {
    WM_LIST(T, stage,
            "a stage, in order: name or name:option=value; paragraph-dedup, if it is named, last"),
    {0},
};
#undef T

/* ---- build ---- */

static size_t bind_build(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){build_options, &cli->options};
    bindings[1] = (struct cli_binding){wm_run_option_table, &cli->run.options};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    return 3;
}

/* The stages as given, then paragraph-dedup unless it is there. */
static int add_stages(struct cli *cli, struct wm_error *err)
{
    bool has_dedup = false;
    int status = 0;
    for (size_t i = 0; !status && i < cli->options.stage.n; i++) {
        struct wm_str spec = wm_str_of(cli->options.stage.items[i]);
        const char *colon = memchr(spec.ptr, ':', spec.len);
        struct wm_str name = {spec.ptr, colon ? (size_t)(colon - spec.ptr) : spec.len};
        struct wm_str rest = {colon ? colon + 1 : NULL, colon ? spec.len - name.len - 1 : 0};
        if (has_dedup) {
            wm_fail(err, WM_E_CONFIG, "stage %.*s comes after paragraph-dedup", (int)name.len,
                    name.ptr);
            return wm_error_hint(err, "name only the stages before it, which shape its lines");
        }
        has_dedup = wm_str_eq(name, WM_STR("paragraph-dedup"));
        status = wm_run_add_stage(&cli->run, name, rest, err);
    }
    if (!status && !has_dedup)
        status = wm_run_add_stage(&cli->run, WM_STR("paragraph-dedup"), WM_STR(""), err);
    return status;
}

static int check_output(const struct cli *cli, struct wm_error *err)
{
    const char *output = cli->run.options.output;
    if (!output)
        wm_fail(err, WM_E_CONFIG, "%s wants an output file", cli->command->name);
    else if (strcmp(output, "-") == 0)
        wm_fail(err, WM_E_CONFIG, "a hash set cannot go to standard output");
    else
        return 0;
    return wm_error_hint(err, "add -o FILE");
}

static int run_build(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_hashes_result result = {0};
    struct wm_run_hooks hooks = cli_hooks(cli);
    int status = check_output(cli, &err);
    if (!status)
        status = cli_apart(cli, cli->run.options.output, cli->n_operands, &err);
    if (!status)
        status = cli_outside(cli, cli->run.options.output, cli->n_operands, &err);
    if (!status && cli_was_given(cli, "rejects"))
        status = wm_fail(&err, WM_E_CONFIG, "--rejects is of a corpus: here nothing is kept");
    if (!status)
        status = cli_take_paths(cli, 0, &err);
    if (!status)
        status = wm_run_take_profile(&cli->run, &err);
    if (!status)
        status = add_stages(cli, &err);
    if (!status) {
        cli_progress_begin(cli);
        status = wm_hashes_build(&cli->run, cli->run.options.output, &hooks, &result, &err);
        cli_progress_end(cli);
    }
    int code = status ? cli_fail(cli, &err) : CLI_OK;
    if (!status)
        cli_say(cli, "%ju hash%s of the lines of %ju document%s", (uintmax_t)result.n_hashes,
                result.n_hashes == 1 ? "" : "es", (uintmax_t)result.n_documents,
                wm_plural(result.n_documents));
    if (!status && cli_say_damage(cli, result.job.damage, result.job.n_damage))
        code = CLI_SKIPPED;
    wm_job_result_done(&result.job);
    return code;
}

/* ---- merge ---- */

static const struct wm_option merge_options[] = {
    {"output", WM_OPTION_PATH, WM_OFFSET_(struct wm_run_options, output, const char *), 0, 0, 0,
     NULL, NULL, "", "the set to write", WM_OPTION_SPEED},
    {0},
};

static size_t bind_merge(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){merge_options, &cli->run.options};
    return 1;
}

static int run_merge(struct cli *cli)
{
    struct wm_error err = {0};
    uint64_t n = 0;
    int status = check_output(cli, &err);
    if (!status)
        status =
            wm_hash_set_merge(cli->operands, cli->n_operands, cli->run.options.output, &n, &err);
    if (status)
        return cli_fail(cli, &err);
    cli_say(cli, "%ju hashes", (uintmax_t)n);
    return CLI_OK;
}

/* ---- info ---- */

static int run_info(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_hash_set set;
    struct wm_buf text;
    int status = wm_hash_set_open(cli->operands[0], &set, &err);
    if (status)
        return cli_fail(cli, &err);
    wm_buf_init(&text, 4096);
    status = wm_buf_printf(&text, &err,
                           "hashes       %ju\nnormal form  %s\nhash         %s\nprofile      %s\n"
                           "unicode      %s\n",
                           (uintmax_t)set.n, set.kind.form, set.kind.hash, set.kind.profile,
                           set.kind.unicode);
    if (!status)
        cli_write(cli, wm_buf_str(&text));
    wm_buf_done(&text);
    wm_hash_set_close(&set);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_corpus_hashes_build = {
    .name = "corpus hashes build",
    .summary = "save the hashes of all lines of archives",
    .operands = "PATH…",
    .examples =
        "  wetmill corpus hashes build -o 2024-10.hashes -s normalize crawl-2024-10/*.wet.gz\n"
        "  wetmill corpus build -o new -s normalize "
        "-s paragraph-dedup:keep=first:known=2024-10.hashes crawl-2024-18/*.wet.gz",
    .notes = "Name the stages that stand before paragraph-dedup when the corpus is built: they\n"
             "shape its lines. Options of paragraph-dedup itself (profile, unicode, min_line) are\n"
             "given as -s paragraph-dedup:profile=ccnet. Only a stage with the same profile and\n"
             "Unicode version takes the set as `known`.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind_build,
    .run = run_build,
};

const struct cli_command cli_command_corpus_hashes_merge = {
    .name = "corpus hashes merge",
    .summary = "make one hash set of several",
    .operands = "FILE…",
    .examples = "  wetmill corpus hashes merge -o all.hashes 2024-10.hashes 2024-18.hashes",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind_merge,
    .run = run_merge,
};

const struct cli_command cli_command_corpus_hashes_info = {
    .name = "corpus hashes info",
    .summary = "say what a hash set holds",
    .operands = "FILE",
    .examples = "  wetmill corpus hashes info all.hashes",
    .min_operands = 1,
    .max_operands = 1,
    .run = run_info,
};
