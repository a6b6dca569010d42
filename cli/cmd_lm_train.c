/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill lm train. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/lm_text.h"
#include "run/step.h"
#include "wetmill/ngram.h"
#include "wetmill/ucd.h"

static const char *const normalizations[] = {"strict", "ccnet", "none", NULL};

static const char *const unicodes[] = {
    [WM_UNICODE_14_0] = "14.0", [WM_UNICODE_15_0] = "15.0", NULL};

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
    cli_say(cli, "%s sentences, %s tokens", wm_format_count(s->sentences, a, sizeof a),
            wm_format_count(s->tokens, b, sizeof b));
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

/* The own format is made of the ARPA file. */
static int finish_own(struct wm_lm_train **train, struct wm_lm_train_summary *summary,
                      struct wm_error *err)
{
    const char *scratch = options.train.scratch ? options.train.scratch : getenv("TMPDIR");
    char name[64], path[WM_PATH_MAX];
    (void)snprintf(name, sizeof name, "wetmill-lm.%ld.arpa", (long)getpid());
    int status = wm_path_join(path, scratch && *scratch ? scratch : "/tmp", name, err);
    if (status)
        return status;
    status = wm_lm_train_finish(*train, path, summary, err);
    wm_lm_train_free(*train); /* its memory is the converter's now */
    *train = NULL;
    if (!status)
        status = wm_ngram_convert(path, options.output, options.train.memory, err);
    struct wm_error ignored = {0};
    (void)wm_remove(path, &ignored);
    return status;
}

static int train_model(struct cli *cli, struct wm_lm_train_summary *summary, bool *ret_skipped,
                       struct wm_error *err)
{
    struct wm_lm_train *train = NULL;
    int status = wm_lm_train_new(&options.train, cli->cancel, cli->progress, &train, err);
    if (status)
        return status;
    cli_progress_begin(cli);
    wm_progress_start(cli->progress, "counting", "tokens", 0);
    status = lm_text_read(cli, &options.text, train, ret_skipped, err);
    if (!status)
        status = wm_str_ends(wm_str_of(options.output), WM_STR(".wmlm"))
                     ? finish_own(&train, summary, err)
                     : wm_lm_train_finish(train, options.output, summary, err);
    cli_progress_end(cli);
    wm_lm_train_free(train);
    return status;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_lm_train_summary summary = {0};
    bool skipped = false;
    if (!options.output) {
        wm_fail(&err, WM_E_CONFIG, "lm train wants a file for the model");
        (void)wm_error_hint(&err, "add -o MODEL.arpa");
        return cli_fail(cli, &err);
    }
    if (!options.train.memory)
        options.train.memory = wm_default_memory();
    options.text.memory = options.train.memory;
    if (train_model(cli, &summary, &skipped, &err))
        return cli_fail(cli, &err);
    say_summary(cli, &summary);
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
             "-j.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run,
};
