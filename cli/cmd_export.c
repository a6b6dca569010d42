/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill export: a model directory in the formats of other programs. */
#include "cli/cli.h"
#include "wetmill/export.h"

/* One command a process. */
static struct options {
    const char *output;
    int format, type; /* enum wm_export_format, enum wm_weight_type */
} options;

static const struct wm_option option_table[] = {
    WM_PATH(struct options, output, NULL, "the file, for safetensors the directory, to write"),
    WM_CHOICE(struct options, format, wm_export_format_names, WM_EXPORT_GGUF, "format to write"),
    WM_CHOICE(struct options, type, wm_weight_type_names, WM_WEIGHT_F32,
              "how matrices are kept; gguf takes all, safetensors f32, f16, bf16, llama2.c f32"),
    {0},
};

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){option_table, &options};
    bindings[1] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    return 2;
}

static void say_result(struct cli *cli, const struct wm_export_result *r)
{
    char params[32], bytes[32];
    cli_say(cli, "%s, %s: %s parameters in %llu tensors, %s",
            wm_export_format_names[options.format], wm_weight_type_names[options.type],
            wm_format_count(r->n_params, params, sizeof params), (unsigned long long)r->n_tensors,
            wm_format_bytes(r->bytes, bytes, sizeof bytes));
    if (r->n_fallbacks)
        cli_say(cli, "%llu %s f16: rows are no multiple of 32", (unsigned long long)r->n_fallbacks,
                r->n_fallbacks == 1 ? "matrix is" : "matrices are");
    if (!r->tokenizer)
        cli_say(cli, "the directory has no tokenizer, so none was written");
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_export_result result;
    if (!options.output) {
        wm_fail(&err, WM_E_CONFIG, "export wants somewhere to write to");
        (void)wm_error_hint(&err, "add -o MODEL.gguf");
        return cli_fail(cli, &err);
    }
    if (cli_need(cli->operands[0], "config.json", "model", &err))
        return cli_fail(cli, &err);
    const struct wm_export_job job = {.dir = cli->operands[0],
                                      .out = options.output,
                                      .format = (enum wm_export_format)options.format,
                                      .type = (enum wm_weight_type)options.type,
                                      .check = wm_run_check_copy,
                                      .threads = (unsigned)cli->run.options.jobs,
                                      .progress = cli->progress,
                                      .cancel = cli->cancel};
    cli_progress_begin(cli);
    int status = wm_export(&job, &result, &err);
    cli_progress_end(cli);
    if (status)
        return cli_fail(cli, &err);
    say_result(cli, &result);
    return CLI_OK;
}

const struct cli_command cli_command_export = {
    .name = "export",
    .summary = "write a model for llama.cpp, transformers or llama2.c",
    .operands = "MODEL",
    .examples = "  wetmill export out/model -o model.gguf\n"
                "  wetmill export out/model --type q8_0 -o model-q8_0.gguf\n"
                "  wetmill export out/model --format safetensors --type bf16 -o model-bf16\n"
                "  wetmill export out/model --format llama2.c -o model.bin",
    .notes =
        "MODEL is a directory in Hugging Face's form (gpt2, llama, qwen3): config.json,\n"
        "model.safetensors and, for gguf, tokenizer.json. In a GGUF file norms, biases and "
        "learned\n"
        "positions stay f32; with q8_0 and q4_0, matrices whose rows are no multiple of 32 are "
        "f16.\n"
        "llama2.c: tokenizer.bin is written beside OUT; models it cannot describe are refused\n"
        "(another theta, epsilon or head size). Its run.c begins with id 1 and takes ids 3 to 258\n"
        "for bytes, which byte-level tokenizers have elsewhere: it decodes them, but does not\n"
        "encode a prompt as they do.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
