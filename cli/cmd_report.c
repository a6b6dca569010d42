/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill report: the summary of a run, from what stands in its directory. */
#include "cli/cli.h"

enum { TEXT_MAX = 256 << 20 /* bytes of a report */ };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_BOOL(T, json, 0, "print the steps' records as one JSON object"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    return 1;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_buf text;
    wm_buf_init(&text, TEXT_MAX);
    int status = wm_run_report_dir(cli->operands[0], cli->options.json, &text, &err);
    if (!status)
        cli_write(cli, wm_buf_str(&text));
    wm_buf_done(&text);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_report = {
    .name = "report",
    .summary = "print the summary of a run again, and what is not finished",
    .operands = "DIR",
    .examples = "  wetmill report out/quickstart\n"
                "  wetmill report out/quickstart/corpus     one step alone\n"
                "  wetmill report out/quickstart --json",
    .notes =
        "DIR is the output directory of a run, also of one that was stopped or is at work, or of\n"
        "a single step. Nothing is read but the steps' records.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
