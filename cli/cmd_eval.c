/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill eval: how well a model predicts text, and which endings it chooses. */
#include <inttypes.h>
#include <math.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum { REPORT_MAX = 1 << 20 };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_PATH(T, shards, NULL, "score this directory of shards"),
    {"split", WM_OPTION_CHOICE, WM_OFFSET_(T, part, int), WM_VALIDATION, 0, 0, 0,
     wm_shard_split_names, "", "which of the shards", 0},
    WM_PATH(T, choices, NULL, "choose among the endings of this file's JSON lines"),
    WM_BOOL(T, json, 0, "print JSON; with --choices a line for each row, then the summary"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){wm_evaluate_option_table, &cli->evaluate};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    bindings[3] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    return 4;
}

static void put_real(struct wm_json_out *w, const char *key, double value)
{
    wm_json_put_key(w, key);
    wm_json_put_real(w, value, -1);
}

/* ---- text ---- */

static int take(void *arg, const struct wm_doc *doc, struct wm_error *err)
{
    return wm_evaluator_add(arg, doc->text, err);
}

static int put_evaluation(struct wm_buf *out, const struct wm_evaluation *e, struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_u64(&w, "documents", e->documents);
    wm_json_member_u64(&w, "bytes", e->bytes);
    wm_json_member_u64(&w, "tokens", e->tokens);
    wm_json_member_u64(&w, "windows", e->windows);
    wm_json_member_u64(&w, "context", e->context);
    wm_json_member_u64(&w, "stride", e->stride);
    put_real(&w, "nats", e->nats);
    put_real(&w, "nats_per_token", e->tokens ? e->nats / (double)e->tokens : (double)NAN);
    put_real(&w, "perplexity", wm_evaluation_perplexity(e));
    put_real(&w, "bits_per_byte", wm_evaluation_bits_per_byte(e));
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

static int show_evaluation(struct wm_buf *out, const struct wm_evaluation *e, struct wm_error *err)
{
    char documents[32], bytes[32], tokens[32];
    return wm_buf_printf(out, err,
                         "%14s  documents\n%14s  bytes\n%14s  tokens, in windows of %" PRIu32
                         " every %" PRIu32 "\n"
                         "%14.4f  nats per token\n%14.3f  perplexity\n%14.4f  bits per byte\n",
                         wm_format_count(e->documents, documents, sizeof documents),
                         wm_format_count(e->bytes, bytes, sizeof bytes),
                         wm_format_count(e->tokens, tokens, sizeof tokens), e->context, e->stride,
                         e->tokens ? e->nats / (double)e->tokens : (double)NAN,
                         wm_evaluation_perplexity(e), wm_evaluation_bits_per_byte(e));
}

static int eval_text(struct cli *cli, struct wm_evaluator *evaluator, bool *ret_skipped,
                     struct wm_error *err)
{
    struct wm_evaluation sum;
    struct wm_buf out;
    int status;
    if (cli->options.shards) {
        status = wm_evaluator_shards(evaluator, cli->options.shards,
                                     (enum wm_shard_split)cli->options.part, err);
    } else {
        wm_progress_start(cli->progress, "eval", "tokens", 0);
        status = cli_take_paths(cli, 1, err);
        if (!status)
            status = cli_each_document(cli, take, evaluator, ret_skipped, err);
    }
    if (!status)
        status = wm_evaluator_finish(evaluator, &sum, err);
    if (!status && !sum.tokens)
        status = wm_fail(err, WM_E_FORMAT, "there is no text to score");
    if (status)
        return status;
    wm_buf_init(&out, REPORT_MAX);
    status = cli->options.json ? put_evaluation(&out, &sum, err) : show_evaluation(&out, &sum, err);
    if (!status)
        cli_write(cli, wm_buf_str(&out));
    wm_buf_done(&out);
    return status;
}

/* ---- choices ---- */

static int put_row(void *arg, const struct wm_choice_result *row, struct wm_error *err)
{
    struct wm_json_out w;
    struct wm_buf out;
    wm_buf_init(&out, REPORT_MAX);
    wm_json_out_open(&w, &out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_u64(&w, "line", row->line);
    wm_json_member_u64(&w, "label", row->label);
    wm_json_member_u64(&w, "chosen", row->chosen);
    wm_json_member_u64(&w, "chosen_normalised", row->chosen_normalised);
    wm_json_put_key(&w, "log_p");
    wm_json_put_open(&w, '[');
    for (size_t i = 0; i < row->n; i++)
        wm_json_put_real(&w, row->log_p[i], -1);
    wm_json_put_close(&w, ']');
    wm_json_put_key(&w, "tokens");
    wm_json_put_open(&w, '[');
    for (size_t i = 0; i < row->n; i++)
        wm_json_put_u64(&w, row->tokens[i]);
    wm_json_put_close(&w, ']');
    wm_json_put_key(&w, "bytes");
    wm_json_put_open(&w, '[');
    for (size_t i = 0; i < row->n; i++)
        wm_json_put_u64(&w, row->bytes[i]);
    wm_json_put_close(&w, ']');
    wm_json_put_close(&w, '}');
    int status = w.status ? w.status : wm_buf_add(&out, "\n", 1, err);
    if (!status)
        cli_write(arg, wm_buf_str(&out));
    wm_buf_done(&out);
    return status;
}

/* Of a share of n, as that of a sample: √(p (1 − p) / (n − 1)). */
static double standard_error(double share, uint64_t n)
{
    return n > 1 ? sqrt(share * (1 - share) / (double)(n - 1)) : (double)NAN;
}

static int put_summary(struct wm_buf *out, const struct wm_choice_summary *s, struct wm_error *err)
{
    const double plain = (double)s->right / (double)s->rows;
    const double normalised = (double)s->right_normalised / (double)s->rows;
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_u64(&w, "rows", s->rows);
    wm_json_member_u64(&w, "right", s->right);
    wm_json_member_u64(&w, "right_normalised", s->right_normalised);
    put_real(&w, "accuracy", plain);
    put_real(&w, "accuracy_error", standard_error(plain, s->rows));
    put_real(&w, "accuracy_normalised", normalised);
    put_real(&w, "accuracy_normalised_error", standard_error(normalised, s->rows));
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

static int show_share(struct wm_buf *out, const char *name, uint64_t right, uint64_t rows,
                      struct wm_error *err)
{
    const double share = (double)right / (double)rows;
    int status = wm_buf_printf(out, err, "%13.2f%%  %s", 100 * share, name);
    if (!status && rows > 1)
        status =
            wm_buf_printf(out, err, " (standard error %.2f)", 100 * standard_error(share, rows));
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

static int show_summary(struct wm_buf *out, const struct wm_choice_summary *s, struct wm_error *err)
{
    char rows[32];
    int status =
        wm_buf_printf(out, err, "%14s  rows\n", wm_format_count(s->rows, rows, sizeof rows));
    if (!status)
        status = show_share(out, "right", s->right, s->rows, err);
    if (!status)
        status = show_share(out, "right, normalised by bytes", s->right_normalised, s->rows, err);
    return status;
}

static int eval_choices(struct cli *cli, struct wm_evaluator *evaluator, struct wm_error *err)
{
    struct wm_choice_summary sum;
    struct wm_buf out;
    wm_progress_start(cli->progress, "eval", "tokens", 0);
    int status = wm_evaluator_choices(evaluator, cli->options.choices,
                                      cli->options.json ? put_row : NULL, cli, &sum, err);
    if (status)
        return status;
    wm_buf_init(&out, REPORT_MAX);
    status = cli->options.json ? put_summary(&out, &sum, err) : show_summary(&out, &sum, err);
    if (!status)
        cli_write(cli, wm_buf_str(&out));
    wm_buf_done(&out);
    return status;
}

/* ---- both ---- */

static int check(const struct cli *cli, struct wm_error *err)
{
    const struct cli_options *o = &cli->options;
    const bool text = cli->n_operands > 1 || cli->run.input.paths.n;
    const int n = text + (o->shards != NULL) + (o->choices != NULL);
    if (n == 1)
        return cli_need(cli->operands[0], "config.json", "model", err);
    wm_fail(err, WM_E_CONFIG,
            n ? "INPUT, --shards and --choices do not go together"
              : "there is nothing to judge the model by");
    return wm_error_hint(err, "give one of: files of text, --shards DIR, --choices FILE");
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_evaluator *evaluator = NULL;
    bool skipped = false;
    int status = check(cli, &err);
    if (!status)
        status =
            wm_evaluator_open(cli->operands[0], &cli->evaluate, (unsigned)cli->run.options.jobs,
                              cli->progress, cli->cancel, &evaluator, &err);
    if (!status) {
        cli_progress_begin(cli);
        status = cli->options.choices ? eval_choices(cli, evaluator, &err)
                                      : eval_text(cli, evaluator, &skipped, &err);
        cli_progress_end(cli);
    }
    wm_evaluator_close(evaluator);
    return status ? cli_fail(cli, &err) : skipped ? CLI_SKIPPED : CLI_OK;
}

const struct cli_command cli_command_eval = {
    .name = "eval",
    .summary = "perplexity, bits per byte and multiple choice of a model",
    .operands = "MODEL [INPUT…]",
    .examples = "  wetmill eval out/model held-out.jsonl crawl/00000.warc.wet.gz\n"
                "  wetmill eval out/model --shards out/shards --stride 128 --json\n"
                "  wetmill eval out/model --choices hellaswag.jsonl",
    .notes =
        "INPUT is anything `corpus build` reads. Documents stand behind the end-of-document "
        "token,\n"
        "or --begin; each of their tokens is scored once. What is longer than the model's context\n"
        "is read in windows --stride apart; the smaller, the more context, and the slower. Shards\n"
        "are one stream; with --stride as large as the context that is what `train` validates on.\n"
        "Bits per byte compare models of different tokenizers, perplexity does not.\n"
        "\n"
        "A row of --choices is {\"context\": \"…\", \"endings\": [\"…\", …], \"label\": 0}; "
        "\"ctx\" and\n"
        "\"choices\" do as well. Each ending's log p behind the context is summed; the largest is\n"
        "the answer, and once more after division by the ending's bytes. The scheme is\n"
        "lm-evaluation-harness's for HellaSwag, but it divides by characters, and cleans the text\n"
        "of that data set before.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run,
};
