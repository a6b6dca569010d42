/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill lm train. */
#include "cli/lm_text.h"
#include "cli/lm_work.h"
#include "run/step.h"
#include "wetmill/lock.h"
#include "wetmill/ngram.h"
#include "wetmill/ucd.h"
#include "wetmill/version.h"

static const char *const normalizations[] = {"strict", "ccnet", "none", NULL};

static const char *const unicodes[] = {
    [WM_UNICODE_14_0] = "14.0", [WM_UNICODE_15_0] = "15.0", NULL};

/* Between two points: what is kept costs one more pass over it. */
static const double KEEP_SECONDS = 8;

/* One command a process. */
static struct options {
    const char *output;
    struct lm_text_options text;
    struct wm_lm_train_options train;
} options;

static const struct wm_option option_table[] = {
    WM_PATH(struct options, output, NULL,
            "the model: ARPA, wetmill's own format if it ends in .wmlm; - is standard output"),
    {"sentencepiece", WM_OPTION_PATH, WM_OFFSET_(struct options, text.sentencepiece, const char *),
     0, 0, 0, NULL, NULL, "", "cut documents into the pieces of this model", 0},
    {"normalize", WM_OPTION_CHOICE, WM_OFFSET_(struct options, text.normalize, int), 0, 0, 0, NULL,
     normalizations, "",
     "before that, bring them to CCNet's form, a newline being a space (strict) or deleted (ccnet)",
     0},
    {"unicode", WM_OPTION_CHOICE, WM_OFFSET_(struct options, text.unicode, int), WM_UNICODE_14_0, 0,
     0, NULL, unicodes, "", "version of Unicode for that form; as option unicode of perplexity", 0},
    {0},
};

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){option_table, &options};
    bindings[1] = (struct cli_binding){wm_lm_train_option_table, &options.train};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    return 3;
}

static void say_summary(struct cli *cli, const struct wm_lm_train_summary *s)
{
    char a[32], b[32];
    cli_say(cli, "%s sentence%s, %s tokens", wm_format_count(s->sentences, a, sizeof a),
            wm_plural(s->sentences), wm_format_count(s->tokens, b, sizeof b));
    for (unsigned i = 0; i < options.train.order; i++) {
        char kept[64] = "";
        if (s->kept[i] != s->n_grams[i])
            (void)snprintf(kept, sizeof kept, " (%s kept)",
                           wm_format_count(s->kept[i], b, sizeof b));
        cli_say(cli, "%u-grams: %s%s, discounts %.6g %.6g %.6g%s", i + 1,
                wm_format_count(s->n_grams[i], a, sizeof a), kept, s->discounts[i][0],
                s->discounts[i][1], s->discounts[i][2], s->fell_back[i] ? " (fallback)" : "");
    }
    if (s->spilled)
        cli_say(cli, "%llu runs, %s of scratch data at most", (unsigned long long)s->runs,
                wm_format_bytes(s->spilled, a, sizeof a));
}

static bool is_own(void)
{
    return wm_str_ends(wm_str_of(options.output), WM_STR(".wmlm"));
}

/* ---- one training ---- */

/* Where work is kept it is gone on with. `dir` may be NULL. */
static int train_once(struct cli *cli, const char *dir, const char *arpa,
                      struct wm_lm_train_summary *summary, bool *ret_skipped, struct wm_error *err)
{
    struct wm_lm_train *train = NULL;
    struct wm_str position = {0};
    int status = wm_lm_train_new(&options.train, cli->cancel, cli->progress, &train, err);
    if (status)
        return status;
    wm_progress_start(cli->progress, "counting", "tokens", 0);
    if (dir)
        status = wm_lm_train_keep(train, dir, KEEP_SECONDS, &position, err);
    if (!status)
        status = lm_text_read(cli, &options.text, position, train, ret_skipped, err);
    if (!status)
        status = wm_lm_train_finish(train, arpa, summary, err);
    wm_lm_train_free(train); /* its memory is the converter's from now on */
    return status;
}

/* What options and input are, as far as bytes depend on them; and the program, whose next version may
 * do otherwise. */
static int identify(struct cli *cli, XXH128_hash_t *ret_options, XXH128_hash_t *ret_input,
                    bool *ret_pipe, struct wm_error *err)
{
    struct wm_buf text;
    wm_buf_init(&text, 1 << 20);
    int status = wm_buf_printf(&text, err, "lm train %s icu %s ", wm_version_text(),
                               wm_library_version("icu"));
    if (!status)
        status = wm_options_describe(option_table, &options, &text, err);
    if (!status)
        status = wm_options_describe(wm_lm_train_option_table, &options.train, &text, err);
    if (!status)
        status = wm_options_describe(wm_source_option_table, &cli->run.input, &text, err);
    if (!status)
        *ret_options = XXH3_128bits(text.ptr, text.len);
    wm_buf_done(&text);
    return status ? status
                  : lm_text_fingerprint(cli, &options.text, options.train.limit_vocabulary,
                                        ret_input, ret_pipe, err);
}

/* What was kept may be of no use; then once more without it. */
static int train_kept(struct cli *cli, struct lm_work *work, struct wm_lm_train_summary *summary,
                      bool *ret_skipped, struct wm_error *err)
{
    const char *dir = work->keeps ? work->dir : NULL;
    int status = train_once(cli, dir, work->arpa, summary, ret_skipped, err);
    if (status != WM_E_MISMATCH || !work->had_point)
        return status;
    cli_say(cli, "%s: %s; training starts anew", dir, err->what);
    *err = (struct wm_error){0};
    status = lm_work_clear(work, err);
    return status ? status : train_once(cli, dir, work->arpa, summary, ret_skipped, err);
}

static int is_unchanged(struct cli *cli, XXH128_hash_t input, struct wm_error *err)
{
    XXH128_hash_t one, two;
    bool pipe;
    int status = identify(cli, &one, &two, &pipe, err);
    if (status || XXH128_isEqual(two, input))
        return status;
    wm_fail(err, WM_E_CHANGED, "the input has changed while it was read");
    return wm_error_hint(err, "run the same command again");
}

static int train_beside(struct cli *cli, struct lm_work *work, struct wm_lm_train_summary *summary,
                        bool *ret_skipped, struct wm_error *err)
{
    XXH128_hash_t ours, input;
    bool pipe = false;
    int status = identify(cli, &ours, &input, &pipe, err);
    if (!status)
        status = lm_work_open(work, cli, options.output, !pipe, ours, input, err);
    if (!status)
        status = train_kept(cli, work, summary, ret_skipped, err);
    if (!status && !pipe)
        status = is_unchanged(cli, input, err);
    if (!status)
        status = wm_lock_check(work->lock, err);
    if (!status)
        status = is_own() ? wm_ngram_convert(work->arpa, work->target, options.train.memory, err)
                          : wm_move(work->arpa, work->target, err);
    return lm_work_close(work, status, err);
}

/* Only a file has a place beside it. */
static bool is_file(const char *path)
{
    struct wm_error ignored;
    struct wm_stat st;
    return strcmp(path, "-") != 0 && (wm_stat(path, &st, &ignored) || st.is_regular);
}

static int train_model(struct cli *cli, struct lm_work *work, struct wm_lm_train_summary *summary,
                       bool *ret_skipped, struct wm_error *err)
{
    cli_progress_begin(cli);
    int status = is_file(options.output) || is_own()
                     ? train_beside(cli, work, summary, ret_skipped, err)
                     : train_once(cli, NULL, options.output, summary, ret_skipped, err);
    cli_progress_end(cli);
    return status;
}

static void say_redone(struct cli *cli, const struct wm_redone *redone)
{
    char a[32], b[32];
    for (size_t i = 0; redone->resumed && i < redone->n; i++) {
        const struct wm_phase *was = &redone->phases[i].was;
        cli_say(cli, "Went on after a stop: %s: %s %s had been done, %s %s of it again", was->label,
                wm_format_count(was->done, a, sizeof a), was->unit,
                wm_format_count(redone->phases[i].again, b, sizeof b), was->unit);
    }
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_lm_train_summary summary = {0};
    struct lm_work work = {0};
    bool skipped = false;
    if (!options.output) {
        wm_fail(&err, WM_E_CONFIG, "lm train wants a file for the model");
        (void)wm_error_hint(&err, "add -o MODEL.arpa");
        return cli_fail(cli, &err);
    }
    if (cli_apart(cli, options.output, cli->n_operands, &err) ||
        cli_outside(cli, options.output, cli->n_operands, &err))
        return cli_fail(cli, &err);
    if (!options.train.memory)
        options.train.memory = wm_default_memory();
    options.text.memory = options.train.memory;
    if (train_model(cli, &work, &summary, &skipped, &err))
        return cli_fail(cli, &err);
    say_summary(cli, &summary);
    say_redone(cli, &work.redone);
    return skipped ? CLI_SKIPPED : CLI_OK;
}

const struct cli_command cli_command_lm_train = {
    .name = "lm train",
    .summary = "estimate an n-gram language model",
    .operands = "PATH…",
    .examples =
        "  wetmill lm train -o en.arpa corpus.txt\n"
        "  wetmill lm train -o en.wmlm --sentencepiece en.sp.model --discount-fallback out/corpus",
    .notes = "Modified Kneser-Ney smoothing, interpolated. Plain text: each line is a sentence of "
             "words between white space; - is standard input. Anything else `corpus build` reads: "
             "the lines of each document or, with a SentencePiece model, each document as one "
             "sentence of pieces. The file depends on text and options alone, not on --memory or "
             "-j.\n"
             "\n"
             "A training that was stopped goes on with the same command: MODEL.work holds what is "
             "done, beside the model, until that is there. Counted n-grams go there, too, and not "
             "to --scratch. An n-gram takes 4 bytes a word and 8 for its count: have room for those "
             "of full order, counted anew in each --memory's worth of text, twice; then for the "
             "different ones of all orders, and the model. Other options or a changed input start "
             "anew; standard input cannot be gone on with.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run,
};
