/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill verify: are the results of a run what they were when they were written? */
#include "cli/cli.h"
#include "wetmill/json.h"

enum { TEXT_MAX = 256 << 20 /* bytes of all findings as JSON */ };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_BOOL(T, json, 0, "print what was found as one JSON object on standard output"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){cli_effort_table, &cli->run.options};
    return 2;
}

struct findings {
    struct cli *cli;
    struct wm_buf text;
    struct wm_json_out json;
    struct wm_error err;
};

static void on_finding(void *arg, const struct wm_finding *finding)
{
    struct findings *f = arg;
    if (!f->cli->options.json) {
        char at[WM_PATH_MAX];
        const char *dir = f->cli->operands[0];
        wm_escape(at, sizeof at, dir, strlen(dir));
        cli_say(f->cli, "%s%s%s: %s", at, *finding->file ? "/" : "", finding->file, finding->what);
        return;
    }
    wm_json_put_open(&f->json, '{');
    wm_json_member_text(&f->json, "step", finding->step);
    wm_json_member_text(&f->json, "file", finding->file);
    wm_json_member_text(&f->json, "what", finding->what);
    wm_json_put_close(&f->json, '}');
}

static void begin_json(struct findings *f)
{
    wm_json_put_open(&f->json, '{');
    wm_json_member_text(&f->json, "directory", f->cli->operands[0]);
    wm_json_put_key(&f->json, "findings");
    wm_json_put_open(&f->json, '[');
}

static int end_json(struct findings *f, const struct wm_verify_result *result)
{
    wm_json_put_close(&f->json, ']');
    wm_json_member_u64(&f->json, "steps", result->n_steps);
    wm_json_member_u64(&f->json, "files", result->n_files);
    wm_json_member_u64(&f->json, "bytes", result->n_bytes);
    wm_json_put_key(&f->json, "repair");
    if (*result->repair)
        wm_json_put_str(&f->json, wm_str_of(result->repair));
    else
        wm_json_put_null(&f->json);
    wm_json_put_close(&f->json, '}');
    if (f->json.status)
        return cli_fail(f->cli, &f->err);
    cli_write(f->cli, wm_buf_str(&f->text));
    cli_write(f->cli, WM_STR("\n"));
    return result->n_findings ? CLI_FAILED : CLI_OK;
}

static int say_result(struct cli *cli, const struct wm_verify_result *result)
{
    char bytes[32];
    wm_format_bytes(result->n_bytes, bytes, sizeof bytes);
    if (!result->n_findings) {
        cli_say(cli, "no damage found: %llu step%s, %llu file%s, %s read",
                (unsigned long long)result->n_steps, wm_plural(result->n_steps),
                (unsigned long long)result->n_files, wm_plural(result->n_files), bytes);
        return CLI_OK;
    }
    struct wm_error err = {0};
    wm_fail(&err, WM_E_FORMAT, "%llu problem%s found: %llu file%s, %s read",
            (unsigned long long)result->n_findings, wm_plural(result->n_findings),
            (unsigned long long)result->n_files, wm_plural(result->n_files), bytes);
    (void)wm_error_where(&err, "%s", cli->operands[0]);
    (void)wm_error_hint(&err,
                        "what is damaged, and that alone, is done again by the command below");
    int code = cli_fail(cli, &err);
    cli_say(cli, "%s", result->repair);
    return code;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_verify_result result;
    struct findings f = {.cli = cli};
    const struct wm_verify_job job = {
        .dir = cli->operands[0],
        .n_workers = (unsigned)cli->run.options.jobs,
        .memory = cli->run.options.memory,
        .on_finding = on_finding,
        .arg = &f,
        .progress = cli->progress,
        .cancel = cli->cancel,
    };
    wm_buf_init(&f.text, TEXT_MAX);
    wm_json_out_open(&f.json, &f.text, &f.err);
    if (cli->options.json)
        begin_json(&f);
    cli_progress_begin(cli);
    int status = wm_run_verify(&job, &result, &err);
    cli_progress_end(cli);
    int code = status              ? cli_fail(cli, &err)
               : cli->options.json ? end_json(&f, &result)
                                   : say_result(cli, &result);
    wm_buf_done(&f.text);
    return code;
}

const struct cli_command cli_command_verify = {
    .name = "verify",
    .summary = "read the results of a run again and say what is damaged",
    .operands = "DIR",
    .examples = "  wetmill verify out/quickstart\n"
                "  wetmill verify out/quickstart/shards      one step alone\n"
                "  wetmill run samples/quickstart.yaml --verify      check, and do again what is "
                "damaged",
    .notes =
        "Checks every file against size and XXH3-128 of its step's record; the corpus against its\n"
        "tally; the tokenizer against its identity; shards' indices, tokens and sidecars; the\n"
        "model's tensors against its configuration; documents, lines and tokens from step to "
        "step;\n"
        "that each step was made from what stands there; and what a stopped step has kept.\n"
        "Changes nothing. Exit code 1 if something is damaged, and then the command that\n"
        "repairs it; and, with nothing looked at, beside a run that goes on: \"another run is at\n"
        "work here\".",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
