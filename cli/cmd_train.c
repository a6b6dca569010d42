/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill train. */
#include "cli/cli.h"

static size_t bind_train(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){wm_train_option_table, &cli->run.train};
    bindings[1] = (struct cli_binding){wm_step_option_table, &cli->run.options};
    bindings[2] = (struct cli_binding){cli_plan_table, &cli->options};
    return 3;
}

static int run_train(struct cli *cli)
{
    struct wm_error err = {0};
    if (cli_take_output(cli, WM_STEP_TRAIN, &err) ||
        cli_need(cli->operands[0], "shards.json", "shards", &err))
        return cli_fail(cli, &err);
    cli->run.given[WM_STEP_SHARDS] = cli->operands[0];
    return cli_execute(cli, WM_STEP_TRAIN);
}

const struct cli_command cli_command_train = {
    .name = "train",
    .summary = "train a model on token shards",
    .operands = "SHARDS",
    .examples = "  wetmill train out/shards -o model --layers 6 --width 384 --steps 2000\n"
                "  wetmill train out/shards -o model --steps 2000     again: resumes",
    .notes =
        "SHARDS is a directory made by `shards build` or `run`. Checkpoints stand in MODEL.work\n"
        "until the model is finished; those of other options are moved to MODEL.work.old, and\n"
        "taken up again by the options they are of. Weights are the same for any number of\n"
        "threads.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind_train,
    .run = run_train,
};
