/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill tokenizer train | encode. */
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum {
    TEXT_MAX = 1 << 30,   /* bytes of one file to encode */
    STREAM_STEP = 4 << 10 /* bytes read at a time with --stream */
};

static const char *const units[] = {"file", "lines", "json", NULL};

#define T struct cli_options
static const struct wm_option encode_options[] = {
    WM_PATH(T, tokenizer, NULL, CLI_TOKENIZER_HELP),
    WM_CHOICE(T, unit, units, 0, "encode the whole input, each line, or each JSON string a line"),
    WM_BOOL(T, specials, 0, "names of special tokens in the text become their ids"),
    WM_LIST(T, allowed_special, "this special token's name becomes its id (may be repeated)"),
    WM_BOOL(T, refuse_specials, 0, "names of special tokens that are not allowed are an error"),
    WM_BOOL(T, template, 0, "put the tokenizer's template, <s> say, around each text"),
    WM_BOOL(T, count_only, 0, "print the number of tokens only"),
    WM_BOOL(T, offsets, 0, "print each id as id:start-end, in bytes of the text"),
    WM_BOOL(T, stream, 0, "print ids while the input is still coming, a line for each step"),
    {0},
};
#undef T

static size_t bind_train(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){wm_tokenizer_option_table, &cli->run.tokenizer};
    bindings[1] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    bindings[2] = (struct cli_binding){wm_run_option_table, &cli->run.options};
    bindings[3] = (struct cli_binding){cli_plan_table, &cli->options};
    return 4;
}

static int run_train(struct cli *cli)
{
    struct wm_error err = {0};
    if (cli_take_paths(cli, 0, &err) || cli_take_output(cli, WM_STEP_TOKENIZER, &err))
        return cli_fail(cli, &err);
    return cli_execute(cli, WM_STEP_TOKENIZER);
}

const struct cli_command cli_command_tokenizer_train = {
    .name = "tokenizer train",
    .summary = "train a byte-level BPE tokenizer",
    .operands = "PATH…",
    .examples = "  wetmill tokenizer train -o tokenizer --vocabulary 16000 out/corpus\n"
                "  wetmill tokenizer train -o tokenizer --weights 'wiki/*=2.5' wiki rest\n"
                "  wetmill tokenizer train -o tokenizer --split r50k --format text book.txt",
    .notes =
        "PATH is anything `corpus build` reads: JSON lines, WET, plain text, our own corpora; shards\n"
        "through `wetmill shards text DIR | wetmill tokenizer train -o OUT -`. The order of files\n"
        "and the number of threads change nothing. DIR/tokenizer.json is Hugging Face's format.\n"
        "\n"
        "--weights 'wiki/*=2.5' lets the documents of such files count 2.5 times, 0 not at all; a\n"
        "glob is for a whole path or for what is behind any slash of it. Counts are rounded once.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind_train,
    .run = run_train,
};

static size_t bind_encode(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){encode_options, &cli->options};
    return 1;
}

int cli_open_tokenizer(struct cli *cli, struct wm_tokenizer **ret, struct wm_error *err)
{
    if (!cli->options.tokenizer) {
        wm_fail(err, WM_E_CONFIG, "%s wants a tokenizer", cli->command->name);
        return wm_error_hint(err, "add -t DIR");
    }
    return wm_tokenizer_load(cli->options.tokenizer, ret, err);
}

static unsigned encode_flags(const struct cli *cli)
{
    const struct cli_options *o = &cli->options;
    bool chosen = o->allowed_special.n || o->refuse_specials;
    return (chosen ? WM_ENCODE_CHOSEN : 0u) | (o->specials ? WM_ENCODE_SPECIALS : 0u) |
           (o->template ? WM_ENCODE_TEMPLATE : 0u);
}

static int open_encoder(struct cli *cli, const struct wm_tokenizer *tok, struct wm_encoder **ret,
                        struct wm_error *err)
{
    const struct cli_options *o = &cli->options;
    if (o->stream && (o->unit || o->offsets))
        return wm_fail(err, WM_E_CONFIG, "--stream goes with neither --unit nor --offsets");
    if (o->count_only && o->offsets)
        return wm_fail(err, WM_E_CONFIG, "--count-only does not go with --offsets");
    int status = wm_encoder_new(tok, ret, err);
    if (status)
        return status;
    struct wm_special_choice choice = {o->specials, o->allowed_special, o->refuse_specials, {0}};
    return wm_encoder_choose(*ret, &choice, err);
}

/* ids, as they are or with their places */
static int print_ids(const struct wm_ids *ids, const struct wm_span *spans, struct wm_buf *out,
                     struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < ids->n; i++) {
        status = wm_buf_printf(out, err, i ? " %u" : "%u", (unsigned)ids->ids[i]);
        if (!status && spans)
            status =
                wm_buf_printf(out, err, ":%u-%u", (unsigned)spans[i].start, (unsigned)spans[i].end);
    }
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

static int encode_one(struct cli *cli, struct wm_encoder *encoder, struct wm_str text,
                      struct wm_ids *ids, struct wm_buf *out, struct wm_error *err)
{
    ids->n = 0;
    out->len = 0;
    struct wm_span *spans = NULL;
    uint64_t count = 0;
    unsigned flags = encode_flags(cli);
    int status;
    if (cli->options.count_only) {
        status = wm_encode_count(encoder, text, flags, &count, err);
        if (!status)
            status = wm_buf_printf(out, err, "%llu\n", (unsigned long long)count);
    } else {
        status = cli->options.offsets ? wm_encode_spans(encoder, text, flags, ids, &spans, err)
                                      : wm_encode(encoder, text, flags, ids, err);
        if (!status)
            status = print_ids(ids, spans, out, err);
        free(spans);
    }
    if (!status)
        cli_write(cli, wm_buf_str(out));
    return status;
}

static const char *input_path(const struct cli *cli)
{
    return cli->n_operands ? cli->operands[0] : "-";
}

/* For messages. */
static const char *input_name(const struct cli *cli)
{
    const char *path = input_path(cli);
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Each line by itself: as it is, or the JSON string it holds. */
static int encode_lines(struct cli *cli, struct wm_encoder *encoder, struct wm_str text,
                        struct wm_ids *ids, struct wm_buf *out, struct wm_error *err)
{
    struct wm_arena arena;
    wm_arena_init(&arena, TEXT_MAX);
    int status = 0;
    for (uint64_t n = 1; !status && text.len; n++) {
        struct wm_str line = wm_str_line(&text);
        if (cli->options.unit == 2) {
            struct wm_json json;
            wm_arena_reset(&arena);
            wm_json_open(&json, line, &arena);
            status = wm_json_string(&json, &line, err);
            if (!status)
                status = wm_json_finish(&json, err);
        }
        if (!status)
            status = encode_one(cli, encoder, line, ids, out, err);
        if (status)
            (void)wm_error_where(err, "%s: line %llu", input_name(cli), (unsigned long long)n);
    }
    wm_arena_done(&arena);
    return status;
}

/* What one step of a stream gave: ids, or their number once all are there. */
static int print_step(struct cli *cli, struct wm_ids *ids, uint64_t *count, bool last,
                      struct wm_buf *out, struct wm_error *err)
{
    int status = 0;
    out->len = 0;
    *count += ids->n;
    if (cli->options.count_only)
        status = last ? wm_buf_printf(out, err, "%llu\n", (unsigned long long)*count) : 0;
    else if (ids->n)
        status = print_ids(ids, NULL, out, err);
    ids->n = 0;
    if (!status && out->len) {
        cli_write(cli, wm_buf_str(out));
        cli_flush(cli); /* who reads wants them as soon as they are there */
    }
    return status;
}

static int encode_stream(struct cli *cli, struct wm_encoder *encoder, struct wm_ids *ids,
                         struct wm_buf *out, struct wm_error *err)
{
    struct wm_encode_stream *stream = NULL;
    struct wm_file *file = NULL;
    char bytes[STREAM_STEP];
    uint64_t count = 0;
    size_t n = 1;
    int status = wm_encode_stream_new(encoder, encode_flags(cli), &stream, err);
    if (!status)
        status = wm_file_open(input_path(cli), &file, err);
    while (!status && n) {
        status = wm_file_read_some(file, bytes, sizeof bytes, &n, err);
        if (!status && n)
            status = wm_encode_stream_feed(stream, (struct wm_str){bytes, n}, ids, err);
        else if (!status)
            status = wm_encode_stream_finish(stream, ids, err);
        if (!status)
            status = print_step(cli, ids, &count, n == 0, out, err);
    }
    wm_file_close(file);
    wm_encode_stream_free(stream);
    return status;
}

static int run_encode(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_encoder *encoder = NULL;
    struct wm_ids ids = {0};
    struct wm_buf text, out;
    wm_buf_init(&text, TEXT_MAX);
    wm_buf_init(&out, (size_t)8 * TEXT_MAX);
    int status = cli_open_tokenizer(cli, &tok, &err);
    if (!status)
        status = open_encoder(cli, tok, &encoder, &err);
    if (!status && !cli->options.stream)
        status = wm_file_load(input_path(cli), &text, &err);
    if (!status) {
        status = cli->options.stream ? encode_stream(cli, encoder, &ids, &out, &err)
                 : cli->options.unit
                     ? encode_lines(cli, encoder, wm_buf_str(&text), &ids, &out, &err)
                     : encode_one(cli, encoder, wm_buf_str(&text), &ids, &out, &err);
        if (status)
            (void)wm_error_where(&err, "%s", input_name(cli));
    }
    wm_ids_done(&ids);
    wm_buf_done(&text);
    wm_buf_done(&out);
    wm_encoder_free(encoder);
    wm_tokenizer_free(tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_tokenizer_encode = {
    .name = "tokenizer encode",
    .summary = "text to token ids",
    .operands = "[FILE]",
    .examples = "  echo 'Call me Ishmael.' | wetmill tokenizer encode -t out/tokenizer\n"
                "  wetmill tokenizer encode -t out/tokenizer --unit lines book.txt",
    .notes =
        "Ids are written on one line for each input, separated by spaces. With --stream a line\n"
        "ends wherever the ids so far are certain; all together are those of the whole input.",
    .min_operands = 0,
    .max_operands = 1,
    .bind = bind_encode,
    .run = run_encode,
};
