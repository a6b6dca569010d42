/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill tokenizer train | encode | decode. */
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum { TEXT_MAX = 1 << 30 }; /* bytes of one file to encode */

static const char *const units[] = {"file", "lines", "json", NULL};

#define T struct cli_options
static const struct wm_option encode_options[] = {
    WM_PATH(T, tokenizer, NULL, "tokenizer.json, or a directory that holds one"),
    WM_CHOICE(T, unit, units, 0, "encode the whole input, each line, or each JSON string a line"),
    WM_BOOL(T, specials, 0, "names of special tokens in the text become their ids"),
    WM_BOOL(T, template, 0, "put the tokenizer's template, <s> say, around each text"),
    WM_BOOL(T, count_only, 0, "print the number of tokens only"),
    {0},
};
static const struct wm_option decode_options[] = {
    WM_PATH(T, tokenizer, NULL, "tokenizer.json, or a directory that holds one"),
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
                "  wetmill tokenizer train -o tokenizer --split r50k --format text book.txt",
    .notes = "PATH is anything `corpus build` reads. DIR/tokenizer.json is Hugging Face's format.",
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

static size_t bind_decode(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){decode_options, &cli->options};
    return 1;
}

static int open_tokenizer(struct cli *cli, struct wm_tokenizer **ret, struct wm_error *err)
{
    if (!cli->options.tokenizer) {
        wm_fail(err, WM_E_CONFIG, "%s wants a tokenizer", cli->command->name);
        return wm_error_hint(err, "add -t DIR");
    }
    return wm_tokenizer_load(cli->options.tokenizer, ret, err);
}

static int encode_one(struct cli *cli, struct wm_encoder *encoder, struct wm_str text,
                      struct wm_ids *ids, struct wm_buf *out, struct wm_error *err)
{
    ids->n = 0;
    out->len = 0;
    unsigned flags = (cli->options.specials ? WM_ENCODE_SPECIALS : 0) |
                     (cli->options.template ? WM_ENCODE_TEMPLATE : 0);
    int status = wm_encode(encoder, text, flags, ids, err);
    if (!status && cli->options.count_only)
        status = wm_buf_printf(out, err, "%zu", ids->n);
    for (size_t i = 0; !status && !cli->options.count_only && i < ids->n; i++)
        status = wm_buf_printf(out, err, i ? " %u" : "%u", (unsigned)ids->ids[i]);
    if (!status)
        status = wm_buf_add(out, "\n", 1, err);
    if (!status)
        cli_write(cli, wm_buf_str(out));
    return status;
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
            if (status)
                (void)wm_error_where(err, "line %llu", (unsigned long long)n);
        }
        if (!status)
            status = encode_one(cli, encoder, line, ids, out, err);
    }
    wm_arena_done(&arena);
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
    int status = open_tokenizer(cli, &tok, &err);
    if (!status)
        status = wm_encoder_new(tok, &encoder, &err);
    if (!status)
        status = wm_file_load(cli->n_operands ? cli->operands[0] : "-", &text, &err);
    if (!status)
        status = cli->options.unit ? encode_lines(cli, encoder, wm_buf_str(&text), &ids, &out, &err)
                                   : encode_one(cli, encoder, wm_buf_str(&text), &ids, &out, &err);
    wm_ids_done(&ids);
    wm_buf_done(&text);
    wm_buf_done(&out);
    wm_encoder_free(encoder);
    wm_tokenizer_free(tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

/* Whole numbers between white space. */
static int parse_ids(struct wm_str text, struct wm_ids *ids, struct wm_error *err)
{
    for (size_t i = 0; i < text.len;) {
        uint64_t id = 0;
        size_t start = i;
        if (memchr(" \t\r\n", text.ptr[i], 4)) {
            i++;
            continue;
        }
        for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && id <= UINT32_MAX; i++)
            id = id * 10 + (uint64_t)(text.ptr[i] - '0');
        if (i == start || id > UINT32_MAX || (i < text.len && !memchr(" \t\r\n", text.ptr[i], 4)))
            return wm_fail(err, WM_E_FORMAT, "byte %zu is no token id", start);
        if (ids->n == ids->cap) {
            size_t cap = ids->cap ? ids->cap * 2 : 1024;
            uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
            if (!grown)
                return wm_fail_nomem(err, cap * sizeof *grown, "ids");
            ids->ids = grown;
            ids->cap = cap;
        }
        ids->ids[ids->n++] = (uint32_t)id;
    }
    return 0;
}

static int run_decode(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_ids ids = {0};
    struct wm_buf text, out;
    wm_buf_init(&text, TEXT_MAX);
    wm_buf_init(&out, (size_t)8 * TEXT_MAX);
    int status = open_tokenizer(cli, &tok, &err);
    if (!status)
        status = wm_file_load(cli->n_operands ? cli->operands[0] : "-", &text, &err);
    if (!status)
        status = parse_ids(wm_buf_str(&text), &ids, &err);
    if (!status)
        status = wm_decode(tok, ids.ids, ids.n, false, &out, &err);
    if (!status)
        cli_write(cli, wm_buf_str(&out));
    wm_ids_done(&ids);
    wm_buf_done(&text);
    wm_buf_done(&out);
    wm_tokenizer_free(tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_tokenizer_encode = {
    .name = "tokenizer encode",
    .summary = "text to token ids",
    .operands = "[FILE]",
    .examples = "  echo 'Call me Ishmael.' | wetmill tokenizer encode -t out/tokenizer\n"
                "  wetmill tokenizer encode -t out/tokenizer --unit lines book.txt",
    .notes = "Ids are written on one line for each input, separated by spaces.",
    .min_operands = 0,
    .max_operands = 1,
    .bind = bind_encode,
    .run = run_encode,
};

const struct cli_command cli_command_tokenizer_decode = {
    .name = "tokenizer decode",
    .summary = "token ids to text",
    .operands = "[FILE]",
    .examples = "  echo 72 101 108 | wetmill tokenizer decode -t out/tokenizer",
    .min_operands = 0,
    .max_operands = 1,
    .bind = bind_decode,
    .run = run_decode,
};
