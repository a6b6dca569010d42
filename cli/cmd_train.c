/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill train and wetmill generate. */
#include "cli/cli.h"

static size_t bind_train(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){wm_train_option_table, &cli->run.train};
    bindings[1] = (struct cli_binding){wm_run_option_table, &cli->run.options};
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
        "until the model is finished. Weights are the same for any number of threads.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind_train,
    .run = run_train,
};

static size_t bind_generate(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){wm_generate_option_table, &cli->generate};
    bindings[1] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    return 2;
}

static int on_text(void *arg, struct wm_str text)
{
    struct cli *cli = arg;
    struct wm_error err = {0};
    cli_write_text(cli, text);
    return wm_cancel_check(cli->cancel, &err);
}

static int run_generate(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_generator *model = NULL;
    struct wm_str prompt = wm_str_of(cli->n_operands > 1 ? cli->operands[1] : "");
    int status = cli_need(cli->operands[0], "config.json", "model", &err);
    if (status)
        return cli_fail(cli, &err);
    status = wm_generator_open(cli->operands[0], (unsigned)cli->run.options.jobs, &model, &err);
    if (!status) {
        cli_write_text(cli, prompt);
        status = wm_generate(model, prompt, &cli->generate, on_text, cli, NULL, &err);
        cli_write(cli, WM_STR("\n"));
    }
    if (!status)
        status = wm_cancel_check(cli->cancel, &err);
    wm_generator_close(model);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_generate = {
    .name = "generate",
    .summary = "let a model go on from a prompt",
    .operands = "MODEL [PROMPT]",
    .examples = "  wetmill generate out/model \"The whale\" --temperature 0.7 --top-k 40",
    .notes = "MODEL is a directory with config.json, model.safetensors and tokenizer.json.",
    .min_operands = 1,
    .max_operands = 2,
    .bind = bind_generate,
    .run = run_generate,
};
