/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill run: the whole job from one configuration. */
#include "cli/cli.h"
#include "run/step.h"

enum { TEXT_MAX = 16 << 20 /* bytes of a report, an explanation, a configuration */ };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_LIST(T, set, "override a setting: key=value, such as tokenizer.vocabulary=8000"),
    WM_BOOL(T, print_config, 0, "print the configuration with every default, and stop"),
    WM_TEXT(T, only, NULL, "stop after this step: corpus, tokenizer, shards, train or sample"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){cli_plan_table, &cli->options};
    bindings[2] = (struct cli_binding){wm_run_option_table, &cli->run.options};
    return 3;
}

static int explain(struct cli *cli, enum wm_step_id last)
{
    struct wm_error err = {0};
    struct wm_buf text;
    struct wm_run_hooks hooks = cli_hooks(cli);
    wm_buf_init(&text, TEXT_MAX);
    int status = wm_run_explain(&cli->run, last, cli->options.explain, &hooks, &text, &err);
    if (text.len) /* of what would be refused as well */
        cli_write(cli, wm_buf_str(&text));
    wm_buf_done(&text);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

int cli_execute(struct cli *cli, enum wm_step_id last)
{
    if (cli->options.explain || cli->options.dry_run)
        return explain(cli, last);
    struct wm_error err = {0};
    struct wm_run_result result;
    struct wm_buf text;
    struct wm_run_hooks hooks = cli_hooks(cli);
    wm_buf_init(&text, TEXT_MAX);
    cli_progress_begin(cli);
    int status = wm_run_execute(&cli->run, last, &hooks, &result, &err);
    cli_progress_end(cli);
    if (status == WM_E_CANCELLED && !cli->fleeting)
        (void)wm_error_hint(&err, "run the same command again to continue");
    int code = status ? cli_fail(cli, &err) : result.n_skipped ? CLI_SKIPPED : CLI_OK;
    if (!status && !wm_run_report(&cli->run, &result, &text, &err))
        cli_say(cli, "%.*s", (int)text.len, text.len ? text.ptr : "");
    wm_buf_done(&text);
    wm_run_result_done(&result);
    return code;
}

/* Other options have it as their default, so it must be known when the file is read. */
static int set_profile(struct cli *cli, int profile, struct wm_error *err)
{
    char text[32];
    int n = snprintf(text, sizeof text, "profile=%s", wm_profile_names[profile]);
    return wm_option_append(wm_option_find(options, WM_STR("set")), &cli->options,
                            (struct wm_str){text, (size_t)n}, &cli->run.arena, err);
}

/* What was given on the command line stands above the file. */
static int load(struct cli *cli, struct wm_error *err)
{
    struct wm_run_options given = cli->run.options;
    struct wm_run file;
    int status = cli_was_given(cli, "profile") ? set_profile(cli, given.profile, err) : 0;
    if (status)
        return status;
    status = wm_run_load(cli->operands[0], cli->options.set.items, cli->options.set.n, &file, err);
    if (status)
        return status;
    if (cli_was_given(cli, "output"))
        file.options.output = given.output;
    if (cli_was_given(cli, "rejects"))
        file.options.rejects = given.rejects;
    if (cli_was_given(cli, "jobs"))
        file.options.jobs = given.jobs;
    if (cli_was_given(cli, "memory"))
        file.options.memory = given.memory;
    if (cli_was_given(cli, "limit"))
        file.options.limit = given.limit;
    if (cli_was_given(cli, "max_bad_files"))
        file.options.max_bad_files = given.max_bad_files;
    if (cli_was_given(cli, "max_bad_records"))
        file.options.max_bad_records = given.max_bad_records;
    if (cli_was_given(cli, "verify"))
        file.options.verify = given.verify;
    cli->file = cli->run; /* its arena holds the command line's strings */
    cli->run = file;
    return 0;
}

static int find_last(const struct cli *cli, enum wm_step_id *ret, struct wm_error *err)
{
    const char *names[WM_STEPS], *only = cli->options.only;
    *ret = WM_STEPS - 1;
    if (!only)
        return 0;
    for (int id = 0; id < WM_STEPS; id++) {
        names[id] = wm_steps[id]->name;
        if (strcmp(names[id], only) == 0) {
            *ret = (enum wm_step_id)id;
            return 0;
        }
    }
    wm_fail(err, WM_E_CONFIG, "there is no step \"%s\"", only);
    const char *nearest = wm_nearest(wm_str_of(only), names, WM_STEPS);
    return nearest ? wm_error_hint(err, "did you mean \"%s\"?", nearest)
                   : wm_error_hint(err, "see wetmill run --help");
}

static int print_config(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_buf text;
    wm_buf_init(&text, TEXT_MAX);
    int status = wm_run_print(&cli->run, false, &text, &err);
    if (!status)
        cli_write(cli, wm_buf_str(&text));
    wm_buf_done(&text);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    enum wm_step_id last = WM_STEPS - 1;
    if (load(cli, &err) || find_last(cli, &last, &err))
        return cli_fail(cli, &err);
    if (cli->options.print_config)
        return print_config(cli);
    return cli_execute(cli, last);
}

const struct cli_command cli_command_run = {
    .name = "run",
    .summary = "do the whole job of a configuration, or what is missing of it",
    .operands = "CONFIG.yaml",
    .examples = "  wetmill run samples/quickstart.yaml\n"
                "  wetmill run crawl.yaml --set tokenizer.vocabulary=16000 -j 8\n"
                "  wetmill run crawl.yaml --explain\n"
                "  wetmill run crawl.yaml --verify      reads what is there, mends what is damaged",
    .notes = "The same command again does only what is missing or follows from a change; after an\n"
             "interruption it goes on. Results stand in the output directory, one folder a step.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
