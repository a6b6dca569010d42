/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill generate: one text as it is written, or many as JSON lines. */
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum {
    PROMPTS_MAX = 1 << 28, /* bytes of the file */
    LINE_MAX_BYTES = 1 << 28,
    TEXTS_MAX = 1 << 20,
};

static const char *const prompt_formats[] = {"lines", "jsonl", NULL};

#define T struct cli_options
static const struct wm_option options[] = {
    WM_PATH(T, prompts, NULL, "file of more prompts; - is standard input"),
    WM_CHOICE(T, prompt_format, prompt_formats, 0,
              "of that file: each line, or each JSON line's member \"prompt\""),
    WM_COUNT(T, count, 1, 1, TEXTS_MAX, "texts", "of each prompt"),
    {"at_once", WM_OPTION_COUNT, WM_OFFSET_(T, at_once, uint64_t), 8, 1, 64, 0, 0, "texts",
     "written side by side", WM_OPTION_SPEED},
    WM_BOOL(T, json, 0, "JSON lines for a single text, too"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){wm_generate_option_table, &cli->generate};
    bindings[2] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    return 3;
}

/* ---- prompts ---- */

struct texts {
    struct cli *cli;
    struct wm_buf file;
    struct wm_arena arena;
    struct wm_str *prompts; /* [n] each as often as wanted */
    size_t n, cap;
    struct wm_buf *lines; /* [n] finished before an earlier one */
    size_t shown;
};

static int add_prompt(struct texts *t, struct wm_str prompt, struct wm_error *err)
{
    for (uint64_t i = 0; i < t->cli->options.count; i++) {
        if (t->n == TEXTS_MAX)
            return wm_fail(err, WM_E_LIMIT, "more than %d texts", TEXTS_MAX);
        if (t->n == t->cap) {
            const size_t cap = t->cap ? 2 * t->cap : 64;
            struct wm_str *grown = realloc(t->prompts, cap * sizeof *grown);
            if (!grown)
                return wm_fail_nomem(err, cap * sizeof *grown, "prompts");
            t->prompts = grown;
            t->cap = cap;
        }
        t->prompts[t->n++] = prompt;
    }
    return 0;
}

static int read_json_prompt(struct texts *t, struct wm_str line, struct wm_str *ret,
                            struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    bool found = false;
    wm_json_open(&r, line, &t->arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        const bool named = wm_str_eq(key, WM_STR("prompt"));
        found |= named;
        more = named ? wm_json_string(&r, ret, err) : wm_json_skip(&r, NULL, err);
    }
    if (!more)
        more = wm_json_finish(&r, err);
    return more || found ? more : wm_fail(err, WM_E_FORMAT, "no \"prompt\"");
}

static int read_prompts(struct texts *t, const char *path, struct wm_error *err)
{
    const bool json = t->cli->options.prompt_format == 1;
    int status = wm_file_load(path, &t->file, err);
    struct wm_str rest = wm_buf_str(&t->file);
    for (uint64_t n = 1; !status && rest.len; n++) {
        struct wm_str line = wm_str_line(&rest);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (json && !wm_str_trim(line).len)
            continue;
        if (json)
            status = read_json_prompt(t, line, &line, err);
        if (!status)
            status = add_prompt(t, line, err);
        if (status)
            (void)wm_error_where(err, "%s:%llu", path, (unsigned long long)n);
    }
    return status;
}

static int gather(struct texts *t, struct wm_error *err)
{
    const struct cli *cli = t->cli;
    int status = 0;
    for (size_t i = 1; i < cli->n_operands && !status; i++)
        status = add_prompt(t, wm_str_of(cli->operands[i]), err);
    if (!status && cli->options.prompts)
        status = read_prompts(t, cli->options.prompts, err);
    else if (!status && cli->n_operands == 1)
        status = add_prompt(t, WM_STR(""), err);
    return status;
}

/* ---- one ---- */

static int on_text(void *arg, struct wm_str text)
{
    struct cli *cli = arg;
    struct wm_error err = {0};
    cli_write_text(cli, text);
    return wm_cancel_check(cli->cancel, &err);
}

static int generate_one(struct texts *t, struct wm_generator *model, struct wm_error *err)
{
    struct cli *cli = t->cli;
    cli_write_text(cli, t->prompts[0]);
    int status = wm_generate(model, t->prompts[0], &cli->generate, on_text, cli, NULL, err);
    cli_write(cli, WM_STR("\n"));
    return status ? status : wm_cancel_check(cli->cancel, err);
}

/* ---- many ---- */

static const char *const stop_names[] = {[WM_STOP_LENGTH] = "length",
                                         [WM_STOP_END] = "end",
                                         [WM_STOP_STRING] = "string",
                                         [WM_STOP_CALLER] = "caller"};

static int put_line(struct wm_buf *out, struct wm_str prompt, struct wm_str text,
                    enum wm_generate_stop stop, struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "prompt");
    wm_json_put_str(&w, prompt);
    wm_json_put_key(&w, "text");
    wm_json_put_str(&w, text);
    wm_json_put_key(&w, "stop");
    wm_json_put_str(&w, wm_str_of(stop_names[stop]));
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

/* Texts that end early wait for those before them. */
static int on_done(void *arg, size_t index, struct wm_str text,
                   const struct wm_generate_result *result, struct wm_error *err)
{
    struct texts *t = arg;
    wm_buf_init(&t->lines[index], LINE_MAX_BYTES);
    int status = put_line(&t->lines[index], t->prompts[index], text, result->stop, err);
    while (!status && t->shown < t->n && t->lines[t->shown].len) {
        struct wm_buf *line = &t->lines[t->shown++];
        cli_write_text(t->cli, wm_buf_str(line));
        wm_buf_done(line);
    }
    cli_flush(t->cli); /* who reads wants each as soon as it is there */
    return status;
}

static int generate_many(struct texts *t, struct wm_generator *model, struct wm_error *err)
{
    const struct cli *cli = t->cli;
    t->lines = calloc(t->n, sizeof *t->lines);
    if (!t->lines)
        return wm_fail_nomem(err, t->n * sizeof *t->lines, "texts");
    int status = wm_generate_all(model, t->prompts, t->n, &cli->generate,
                                 (uint32_t)cli->options.at_once, on_done, t, cli->cancel, err);
    for (size_t i = 0; i < t->n; i++)
        wm_buf_done(&t->lines[i]);
    free(t->lines);
    return status;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_generator *model = NULL;
    struct texts t = {.cli = cli};
    wm_buf_init(&t.file, PROMPTS_MAX);
    wm_arena_init(&t.arena, PROMPTS_MAX);
    int status = cli_need(cli->operands[0], "config.json", "model", &err);
    if (!status)
        status = gather(&t, &err);
    if (!status && t.n)
        status = wm_generator_open(cli->operands[0], (unsigned)cli->run.options.jobs, &model, &err);
    if (!status && t.n)
        status = t.n == 1 && !cli->options.json ? generate_one(&t, model, &err)
                                                : generate_many(&t, model, &err);
    wm_generator_close(model);
    free(t.prompts);
    wm_buf_done(&t.file);
    wm_arena_done(&t.arena);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_generate = {
    .name = "generate",
    .summary = "let a model go on from prompts",
    .operands = "MODEL [PROMPT…]",
    .examples =
        "  wetmill generate out/model \"The whale\" --temperature 0.7 --top-k 40\n"
        "  wetmill generate out/model \"The whale\" --count 20 --max-tokens 60 >texts.jsonl\n"
        "  wetmill generate out/model --prompts prompts.txt --stop . --at-once 16 >texts.jsonl",
    .notes =
        "MODEL is a directory with config.json, model.safetensors and tokenizer.json. A single\n"
        "text is printed behind its prompt as it is written. Several are JSON lines {\"prompt\",\n"
        "\"text\", \"stop\"} in the order of the prompts, each of a seed of its own: --seed plus "
        "its\n"
        "number from 0. \"stop\" is why the text ended: \"length\", \"end\" of document, or "
        "\"string\".\n"
        "--at-once and -j change no byte.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run,
};
