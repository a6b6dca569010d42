/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill shards text. */
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum { TEXT_MAX = 1 << 30 /* bytes of a document */ };

/* A split's documents, one after the other. */
struct printing {
    struct cli *cli;
    const struct wm_tokenizer *tok;
    struct wm_ids ids;
    struct wm_buf text, line;
};

static const char *const splits[] = {"train", "validation", "both", NULL};

#define T struct cli_options
static const struct wm_option text_options[] = {
    WM_CHOICE(T, part, splits, 2, "which of the documents"),
    {0},
};
#undef T

static size_t bind_text(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){text_options, &cli->options};
    return 1;
}

static int reserve(struct wm_ids *ids, uint64_t n, struct wm_error *err)
{
    if (n <= ids->cap)
        return 0;
    uint32_t *grown = realloc(ids->ids, (size_t)n * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, (size_t)n * sizeof *grown, "ids of a document");
    ids->ids = grown;
    ids->cap = (size_t)n;
    return 0;
}

static int print_document(struct printing *p, const struct wm_shard *shard, uint64_t sequence,
                          struct wm_error *err)
{
    struct wm_json_out w;
    uint64_t first, length;
    wm_shard_sequence(shard, sequence, &first, &length);
    int status = reserve(&p->ids, length, err);
    if (status)
        return status;
    wm_shard_read(shard, first, (size_t)length, p->ids.ids);
    p->text.len = p->line.len = 0;
    status = wm_decode(p->tok, p->ids.ids, (size_t)length, true, &p->text, err);
    if (status)
        return status;
    wm_json_out_open(&w, &p->line, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "text");
    wm_json_put_str(&w, wm_buf_str(&p->text));
    wm_json_put_close(&w, '}');
    status = w.status ? w.status : wm_buf_add(&p->line, "\n", 1, err);
    if (!status)
        cli_write(p->cli, wm_buf_str(&p->line));
    return status;
}

static int print_split(struct printing *p, const char *dir, enum wm_shard_split split,
                       struct wm_error *err)
{
    struct wm_shard_set set;
    int status = wm_shard_set_open(dir, split, &set, err);
    if (status)
        return status;
    if (!XXH128_isEqual(set.tokenizer, wm_tokenizer_identity(p->tok))) {
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the tokenizer here is not what the shards were made with");
        status = wm_error_where(err, "%s", dir);
    }
    for (size_t i = 0; !status && i < set.n; i++)
        for (uint64_t k = 0; !status && k < set.shards[i].n_sequences; k++) {
            status = print_document(p, &set.shards[i], k, err);
            if (!status)
                status = wm_cancel_check(p->cli->cancel, err);
        }
    wm_shard_set_close(&set);
    return status;
}

static int run_text(struct cli *cli)
{
    enum { BOTH = WM_SHARD_SPLITS };
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    const char *dir = cli->operands[0];
    struct printing p = {.cli = cli};
    wm_buf_init(&p.text, TEXT_MAX);
    wm_buf_init(&p.line, (size_t)6 * TEXT_MAX + 64);
    int status = cli_need(dir, "shards.json", "shards", &err);
    if (!status)
        status = wm_tokenizer_load(dir, &tok, &err);
    p.tok = tok;
    for (int split = 0; !status && split < WM_SHARD_SPLITS; split++)
        if (cli->options.part == split || cli->options.part == BOTH)
            status = print_split(&p, dir, (enum wm_shard_split)split, &err);
    wm_ids_done(&p.ids);
    wm_buf_done(&p.text);
    wm_buf_done(&p.line);
    wm_tokenizer_free(tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_shards_text = {
    .name = "shards text",
    .summary = "the documents of shards as JSON lines",
    .operands = "DIR",
    .examples = "  wetmill shards text out/shards | wetmill tokenizer train -o other -",
    .notes =
        "Each line is {\"text\": …}, decoded with the tokenizer that stands beside the shards.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind_text,
    .run = run_text,
};
