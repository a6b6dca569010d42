/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill tokenizer decode: ids are read and text is written a step at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum {
    STEP = 4 << 10,    /* bytes read at a time, at most */
    IDS_MAX = 1 << 28, /* of one text, where it can be decoded as a whole only */
    TEXT_MAX = 1 << 30 /* bytes of such a text, or of a step's */
};

enum { UNIT_FILE, UNIT_LINES, UNIT_JSON };
static const char *const units[] = {"file", "lines", "json", NULL};

#define T struct cli_options
static const struct wm_option options[] = {
    WM_PATH(T, tokenizer, NULL, CLI_TOKENIZER_HELP),
    WM_CHOICE(T, unit, units, 0,
              "the whole input is one text, each line is, or each is and becomes a JSON string"),
    WM_BOOL(T, skip_special_tokens, 0, "leave special tokens out"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    return 1;
}

struct decoding {
    struct cli *cli;
    struct wm_tokenizer *tok;
    struct wm_decode_state state;
    struct wm_ids ids;    /* not decoded yet */
    struct wm_buf out;    /* decoded, not written yet */
    uint64_t at, started; /* bytes read; where the number began */
    uint64_t id;
    bool in_number, in_line, whole; /* whole: texts are decoded at their ends */
};

static int add_id(struct decoding *d, struct wm_error *err)
{
    struct wm_ids *ids = &d->ids;
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 1024;
        if (cap > IDS_MAX)
            return wm_fail(err, WM_E_LIMIT, "a text of more than %d ids", IDS_MAX);
        uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "ids");
        ids->ids = grown;
        ids->cap = cap;
    }
    ids->ids[ids->n++] = (uint32_t)d->id;
    d->in_number = false;
    return 0;
}

/* What can be decoded by now goes into `out`. */
static int decode_some(struct decoding *d, bool at_end, struct wm_error *err)
{
    int status = 0;
    const bool skip = d->cli->options.skip_special_tokens;
    if (d->whole && !at_end)
        return 0;
    if (wm_tokenizer_decodes_in_parts(d->tok))
        status = wm_decode_text(d->tok, &d->state, d->ids.ids, d->ids.n, skip, &d->out, err);
    else
        status = wm_decode(d->tok, d->ids.ids, d->ids.n, skip, &d->out, err);
    d->ids.n = 0;
    return status || !at_end ? status : wm_decode_end(&d->state, &d->out, err);
}

static int write_json(struct decoding *d, struct wm_error *err)
{
    struct wm_buf line;
    struct wm_json_out w;
    wm_buf_init(&line, (size_t)8 * TEXT_MAX);
    wm_json_out_open(&w, &line, err);
    wm_json_put_str(&w, wm_buf_str(&d->out));
    int status = w.status ? w.status : wm_buf_add(&line, "\n", 1, err);
    if (!status)
        cli_write(d->cli, wm_buf_str(&line));
    wm_buf_done(&line);
    return status;
}

static int write_out(struct decoding *d, bool at_end, struct wm_error *err)
{
    int status = 0;
    if (d->cli->options.unit == UNIT_JSON && at_end)
        status = write_json(d, err);
    else if (d->cli->options.unit == UNIT_LINES && at_end)
        status = wm_buf_add(&d->out, "\n", 1, err);
    if (d->cli->options.unit == UNIT_JSON && !at_end)
        return 0;
    if (!status && d->cli->options.unit != UNIT_JSON && d->out.len)
        cli_write(d->cli, wm_buf_str(&d->out));
    d->out.len = 0;
    return status;
}

static int end_text(struct decoding *d, struct wm_error *err)
{
    int status = d->in_number ? add_id(d, err) : 0;
    if (!status)
        status = decode_some(d, true, err);
    d->in_line = false;
    return status ? status : write_out(d, true, err);
}

static int take_byte(struct decoding *d, char c, struct wm_error *err)
{
    bool blank = memchr(" \t\r\n", c, 4) != NULL;
    int status = blank && d->in_number ? add_id(d, err) : 0;
    if (!blank) {
        if (!d->in_number) {
            d->in_number = true;
            d->started = d->at;
            d->id = 0;
        }
        d->id = d->id * 10 + (uint64_t)(c - '0');
        if (c < '0' || c > '9' || d->id > UINT32_MAX)
            return wm_fail(err, WM_E_FORMAT, "byte %llu is no token id",
                           (unsigned long long)d->started);
    }
    d->in_line = true;
    d->at++;
    return !status && c == '\n' && d->cli->options.unit ? end_text(d, err) : status;
}

static int decode_file(struct decoding *d, struct wm_file *file, struct wm_error *err)
{
    char bytes[STEP];
    size_t n = 1;
    int status = 0;
    while (!status && n) {
        status = wm_file_read_some(file, bytes, sizeof bytes, &n, err);
        for (size_t i = 0; i < n && !status; i++)
            status = take_byte(d, bytes[i], err);
        if (!status)
            status = decode_some(d, false, err);
        if (!status)
            status = write_out(d, false, err);
        cli_flush(d->cli); /* whoever waits for it may be what the next ids come from */
    }
    if (!status && (d->in_line || !d->cli->options.unit))
        status = end_text(d, err);
    return status;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_file *file = NULL;
    struct decoding d = {.cli = cli};
    wm_buf_init(&d.out, TEXT_MAX);
    int status = cli_open_tokenizer(cli, &d.tok, &err);
    if (!status)
        status = wm_file_open(cli->n_operands ? cli->operands[0] : "-", &file, &err);
    if (!status) {
        d.whole = !wm_tokenizer_decodes_in_parts(d.tok);
        status = decode_file(&d, file, &err);
        if (status)
            (void)wm_error_where(&err, "%s", cli->n_operands ? cli->operands[0] : "standard input");
    }
    wm_file_close(file);
    wm_ids_done(&d.ids);
    wm_buf_done(&d.out);
    wm_tokenizer_free(d.tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_tokenizer_decode = {
    .name = "tokenizer decode",
    .summary = "token ids to text",
    .operands = "[FILE]",
    .examples = "  echo 72 101 108 | wetmill tokenizer decode -t out/tokenizer\n"
                "  wetmill tokenizer decode -t m.model --unit lines ids.txt",
    .notes = "Text is written while ids are still coming, never with part of a character at its\n"
             "end. With --unit json bytes that are not UTF-8 become U+FFFD.",
    .min_operands = 0,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
