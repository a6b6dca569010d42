/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill lm score | convert. */
#include <math.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/ngram.h"

enum { READ_BYTES = 1 << 20, LINE_MAX_BYTES = 64 << 20, OUT_MAX = 1 << 20 };

#define T struct cli_options
static const struct wm_option score_options[] = {
    WM_BOOL(T, verify, 0, "read the whole model first and compare its checksums"),
    {0},
};
static const struct wm_option convert_options[] = {
    WM_SIZE(T, memory, 0, 0, 1e15, "give up if the tables take more; 0 = no limit"),
    {0},
};
#undef T

static size_t bind_score(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){score_options, &cli->options};
    return 1;
}

static size_t bind_convert(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){convert_options, &cli->options};
    return 1;
}

enum { TOGETHER = 32 /* lines: enough to hide how far memory is */ };

struct scoring {
    struct cli *cli;
    const struct wm_ngram *model;
    uint32_t *words; /* [n_words] of the lines that wait to be scored together */
    size_t n_words, room;
    size_t ends[TOGETHER], n_lines; /* where in words each line ends */
    struct wm_buf out;
    uint64_t sentences, tokens, oov;
    double log10;
};

static double perplexity(double log10, uint64_t tokens)
{
    return tokens ? pow(10, -log10 / (double)tokens) : 0;
}

static int flush(struct scoring *s)
{
    cli_write(s->cli, wm_buf_str(&s->out));
    s->out.len = 0;
    return 0;
}

static int score_waiting(struct scoring *s, struct wm_error *err)
{
    struct wm_ngram_score scores[TOGETHER];
    int status = 0;
    wm_ngram_score_many(s->model, s->words, s->ends, s->n_lines, scores);
    for (size_t i = 0; !status && i < s->n_lines; i++) {
        size_t tokens = s->ends[i] - (i ? s->ends[i - 1] : 0) + 1;
        s->sentences++;
        s->tokens += tokens;
        s->oov += scores[i].oov;
        s->log10 += scores[i].log10;
        if (s->out.len > OUT_MAX / 2)
            (void)flush(s);
        status =
            wm_buf_printf(&s->out, err, "%.6f\t%zu\t%llu\t%.1f\n", scores[i].log10, tokens,
                          (unsigned long long)scores[i].oov, perplexity(scores[i].log10, tokens));
    }
    s->n_words = s->n_lines = 0;
    return status;
}

static int make_room(struct scoring *s, size_t more, struct wm_error *err)
{
    size_t want = s->n_words + more;
    if (want <= s->room)
        return 0;
    uint32_t *grown = realloc(s->words, 2 * want * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, 2 * want * sizeof *grown, "words of a line");
    s->words = grown;
    s->room = 2 * want;
    return 0;
}

/* The line's words, between spaces, join those that wait. */
static int add_line(struct scoring *s, struct wm_str line, struct wm_error *err)
{
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    int status = make_room(s, line.len / 2 + 1, err);
    if (status)
        return status;
    while (line.len) {
        const char *space = memchr(line.ptr, ' ', line.len);
        struct wm_str word = {line.ptr, space ? (size_t)(space - line.ptr) : line.len};
        if (word.len)
            s->words[s->n_words++] = wm_ngram_word(s->model, word);
        line.ptr += word.len + (space != NULL);
        line.len -= word.len + (space != NULL);
    }
    s->ends[s->n_lines++] = s->n_words;
    return s->n_lines == TOGETHER ? score_waiting(s, err) : 0;
}

/* Lines as they come: what is left of the last one stays in the buffer. */
static int score_file(struct scoring *s, struct wm_file *file, struct wm_buf *buf,
                      struct wm_error *err)
{
    for (size_t len = 1; len > 0;) {
        int status = wm_buf_reserve(buf, READ_BYTES, err);
        if (!status)
            status = wm_file_read(file, buf->ptr + buf->len, READ_BYTES, &len, err);
        if (!status)
            status = wm_cancel_check(s->cli->cancel, err);
        if (status)
            return status;
        buf->len += len;
        struct wm_str rest = wm_buf_str(buf);
        while (rest.len && (len == 0 || memchr(rest.ptr, '\n', rest.len)))
            if ((status = add_line(s, wm_str_line(&rest), err)) != 0)
                return status;
        memmove(buf->ptr, rest.len ? rest.ptr : buf->ptr, rest.len);
        buf->len = rest.len;
    }
    return score_waiting(s, err);
}

static int score_path(struct scoring *s, const char *path, struct wm_error *err)
{
    struct wm_file *file = NULL;
    struct wm_buf buf;
    wm_buf_init(&buf, LINE_MAX_BYTES);
    int status = wm_file_open(path, &file, err);
    if (!status)
        status = score_file(s, file, &buf, err);
    wm_buf_done(&buf);
    wm_file_close(file);
    return status ? wm_error_where(err, "%s", path) : 0;
}

static void say_model(struct cli *cli, const struct wm_ngram *model)
{
    uint64_t n = 0;
    for (unsigned order = 1; order <= wm_ngram_order(model); order++)
        n += wm_ngram_count(model, order);
    cli_say(cli, "%s, order %u, %llu n-grams, %lu words", wm_ngram_format(model),
            wm_ngram_order(model), (unsigned long long)n, (unsigned long)wm_ngram_words(model));
}

static int run_score(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_ngram *model = NULL;
    struct scoring s = {.cli = cli};
    wm_buf_init(&s.out, OUT_MAX);
    int status = wm_ngram_open(cli->operands[0], &model, &err);
    if (!status && cli->options.verify)
        status = wm_ngram_verify(model, &err);
    if (status)
        (void)wm_error_where(&err, "%s", cli->operands[0]);
    else
        say_model(cli, model);
    s.model = model;
    for (size_t i = 1; !status && i < cli->n_operands; i++)
        status = score_path(&s, cli->operands[i], &err);
    if (!status && cli->n_operands == 1)
        status = score_path(&s, "-", &err);
    (void)flush(&s);
    if (!status)
        cli_say(
            cli, "%llu sentence%s, %llu token%s, %llu of them unknown; log10 %.6f, perplexity %.1f",
            (unsigned long long)s.sentences, wm_plural(s.sentences), (unsigned long long)s.tokens,
            wm_plural(s.tokens), (unsigned long long)s.oov, s.log10, perplexity(s.log10, s.tokens));
    wm_buf_done(&s.out);
    free(s.words);
    wm_ngram_free(model);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

static int run_convert(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_ngram *model = NULL;
    int status = cli_apart(cli, cli->operands[1], 1, &err);
    if (!status)
        status = wm_ngram_convert(cli->operands[0], cli->operands[1], cli->options.memory, &err);
    if (!status && strcmp(cli->operands[1], "-") != 0 &&
        (status = wm_ngram_open(cli->operands[1], &model, &err)) == 0)
        say_model(cli, model);
    wm_ngram_free(model);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_lm_score = {
    .name = "lm score",
    .summary = "score sentences by an n-gram model",
    .operands = "MODEL [FILE…]",
    .examples = "  wetmill lm score en.arpa.bin sentences.txt\n"
                "  echo 'a sentence' | wetmill lm score en.lm",
    .notes =
        "MODEL is ARPA text (also gzip), a binary file of KenLM, or what `lm convert` and\n"
        "`lm train` write. Each line is a sentence of words separated by spaces, as the model\n"
        "knows them. A line is written for each: log10 probability, tokens (words and </s>),\n"
        "unknown words, perplexity.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind_score,
    .run = run_score,
};

const struct cli_command cli_command_lm_convert = {
    .name = "lm convert",
    .summary = "ARPA text to a model that opens at once",
    .operands = "IN.arpa OUT",
    .examples = "  wetmill lm convert en.arpa.gz en.lm",
    .notes = "The tables are built in memory: about 20 bytes for each n-gram.",
    .min_operands = 2,
    .max_operands = 2,
    .bind = bind_convert,
    .run = run_convert,
};
