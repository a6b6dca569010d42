/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill tokenizer inspect: a vocabulary, and what it does with a corpus, beside another one. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "wetmill/json.h"
#include "wetmill/tokenizer_formats.h"
#include "wetmill/tokenizer_usage.h"

enum { SIDES = 2, LONGEST = 10, UNUSED_SHOWN = 20, SHOWN_TOKEN = 60, REPORT_MAX = 1 << 28 };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_PATHS(T, corpus, "encode this: anything `corpus build` reads"),
    WM_PATH(T, against, NULL, "another tokenizer, to show beside it"),
    WM_BOOL(T, json, 0, "print JSON; it names all tokens never used"),
    {0},
};
#undef T

/* One of the tokenizers. */
struct side {
    const char *path;
    struct wm_tokenizer *tok;
    struct wm_usage *usage; /* NULL: no corpus */
    uint32_t longest[LONGEST], n_longest;
    uint32_t n_tokens, n_specials, n_unused;
    uint64_t bytes;
};

struct report {
    struct wm_team *team; /* NULL: no corpus */
    struct side sides[SIDES];
    size_t n;
};

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    bindings[2] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    return 3;
}

/* ---- gathering ---- */

static void note_longest(struct side *side, uint32_t id)
{
    size_t len = wm_token_bytes(side->tok, id).len;
    uint32_t at = side->n_longest;
    while (at > 0 && wm_token_bytes(side->tok, side->longest[at - 1]).len < len)
        at--;
    if (at == LONGEST)
        return;
    if (side->n_longest < LONGEST)
        side->n_longest++;
    memmove(side->longest + at + 1, side->longest + at,
            (side->n_longest - at - 1) * sizeof *side->longest);
    side->longest[at] = id;
}

static bool is_unused(const struct side *side, uint32_t id)
{
    return side->usage && wm_token_bytes(side->tok, id).len &&
           !wm_token_is_special(side->tok, id) && !wm_usage_count(side->usage, id);
}

static void look_at(struct side *side)
{
    for (uint32_t id = 0; id < wm_tokenizer_size(side->tok); id++) {
        size_t len = wm_token_bytes(side->tok, id).len;
        if (!len)
            continue;
        if (wm_token_is_special(side->tok, id)) {
            side->n_specials++;
            continue;
        }
        side->n_tokens++;
        side->bytes += len;
        side->n_unused += is_unused(side, id);
        note_longest(side, id);
    }
}

/* The language that a corpus row names: its member "language" or "lang". */
static struct wm_str language_of(const struct wm_doc *doc, struct wm_arena *arena)
{
    struct wm_error ignored = {0};
    struct wm_str none = {NULL, 0}, key, value = none;
    struct wm_json r;
    char *object = doc->extra.len ? wm_arena_bytes(arena, doc->extra.len + 2) : NULL;
    if (!object)
        return none;
    object[0] = '{';
    memcpy(object + 1, doc->extra.ptr, doc->extra.len);
    object[doc->extra.len + 1] = '}';
    wm_json_open(&r, (struct wm_str){object, doc->extra.len + 2}, arena);
    int more = wm_json_object(&r, &ignored);
    while (!more && (more = wm_json_key(&r, &key, &ignored)) > 0) {
        bool named = wm_str_eq(key, WM_STR("language")) || wm_str_eq(key, WM_STR("lang"));
        more = named && wm_json_peek(&r) == WM_JSON_STRING ? wm_json_string(&r, &value, &ignored)
                                                           : wm_json_skip(&r, NULL, &ignored);
    }
    return more ? none : value;
}

static int take_batch(void *arg, const struct wm_batch *batch, struct wm_error *err)
{
    struct report *report = arg;
    struct wm_arena arena;
    int status = 0;
    wm_arena_init(&arena, (size_t)256 << 20);
    struct wm_usage_document *documents = wm_arena_alloc(&arena, batch->n_docs, sizeof *documents);
    if (!documents)
        status = wm_fail_nomem(err, batch->n_docs * sizeof *documents, "documents");
    for (size_t i = 0; documents && i < batch->n_docs; i++)
        documents[i] = (struct wm_usage_document){.text = batch->docs[i].text,
                                                  .language = language_of(&batch->docs[i], &arena),
                                                  .path = batch->docs[i].path};
    for (size_t i = 0; i < report->n && !status; i++)
        status = wm_usage_add(report->sides[i].usage, documents, batch->n_docs, err);
    wm_arena_done(&arena);
    return status;
}

static int gather(struct cli *cli, struct report *report, bool *ret_skipped, struct wm_error *err)
{
    const struct wm_option *paths = wm_option_find(wm_source_option_table, WM_STR("paths"));
    const struct wm_list *corpus = &cli->options.corpus;
    int status = 0;
    report->sides[0].path = cli->operands[0];
    report->sides[1].path = cli->options.against;
    report->n = cli->options.against ? SIDES : 1;
    if (corpus->n)
        status = wm_team_new((unsigned)cli->run.options.jobs, &report->team, err);
    for (size_t i = 0; i < report->n && !status; i++) {
        status = wm_tokenizer_load(report->sides[i].path, &report->sides[i].tok, err);
        if (!status && corpus->n)
            status = wm_usage_new(report->sides[i].tok, report->team, &report->sides[i].usage, err);
    }
    for (size_t i = 0; i < corpus->n && !status; i++)
        status = wm_option_append(paths, &cli->run.input, wm_str_of(corpus->items[i]),
                                  &cli->run.arena, err);
    if (!status && corpus->n)
        status = cli_each_batch(cli, take_batch, report, ret_skipped, err);
    for (size_t i = 0; i < report->n && !status; i++)
        look_at(&report->sides[i]);
    return status;
}

/* ---- for people ---- */

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

static int put_row(struct wm_buf *out, const struct report *r, const char *name,
                   uint64_t (*value)(const struct side *), struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "%-22s", name);
    for (size_t i = 0; i < r->n && !status; i++)
        status = wm_buf_printf(out, err, "%24" PRIu64, value(&r->sides[i]));
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

static uint64_t ids_of(const struct side *s)
{
    return wm_tokenizer_size(s->tok);
}
static uint64_t tokens_of(const struct side *s)
{
    return s->n_tokens;
}
static uint64_t specials_of(const struct side *s)
{
    return s->n_specials;
}
static uint64_t longest_of(const struct side *s)
{
    return s->n_longest ? wm_token_bytes(s->tok, s->longest[0]).len : 0;
}
static uint64_t unused_of(const struct side *s)
{
    return s->n_unused;
}

static int put_splits(struct wm_buf *out, const struct report *r, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "\n%-22s", "split");
    for (size_t i = 0; i < r->n && !status; i++)
        status = wm_buf_printf(out, err, "%24s", wm_tokenizer_split_name(r->sides[i].tok));
    status = status ? status : wm_buf_printf(out, err, "\n%-22s", "Unicode of the split");
    for (size_t i = 0; i < r->n && !status; i++) {
        char unicode[WM_UNICODE_NAME];
        wm_tokenizer_unicode(r->sides[i].tok, unicode);
        status = wm_buf_printf(out, err, "%24s", unicode[0] ? unicode : "-");
    }
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

static int put_sizes(struct wm_buf *out, const struct report *r, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "%-22s", "");
    for (size_t i = 0; i < r->n && !status; i++) {
        char path[96];
        size_t len = strlen(r->sides[i].path), from = len > 22 ? len - 22 : 0;
        wm_escape(path, sizeof path, r->sides[i].path + from, len - from);
        status = wm_buf_printf(out, err, "%24s", path);
    }
    if (!status)
        status = put_splits(out, r, err);
    if (!status)
        status = put_row(out, r, "ids", ids_of, err);
    if (!status)
        status = put_row(out, r, "tokens", tokens_of, err);
    if (!status)
        status = put_row(out, r, "special tokens", specials_of, err);
    status = status ? status : wm_buf_printf(out, err, "%-22s", "mean bytes of a token");
    for (size_t i = 0; i < r->n && !status; i++)
        status = wm_buf_printf(out, err, "%24.2f", ratio(r->sides[i].bytes, r->sides[i].n_tokens));
    status = status ? status : wm_buf_add(out, "\n", 1, err);
    if (!status)
        status = put_row(out, r, "longest token, bytes", longest_of, err);
    if (!status && r->sides[0].usage)
        status = put_row(out, r, "never used", unused_of, err);
    return status;
}

static int put_token(struct wm_buf *out, const struct side *side, uint32_t id, struct wm_error *err)
{
    char text[4 * SHOWN_TOKEN + 8];
    struct wm_str bytes = wm_token_bytes(side->tok, id);
    size_t shown = bytes.len < SHOWN_TOKEN ? bytes.len : SHOWN_TOKEN;
    wm_escape(text, sizeof text, bytes.ptr, shown);
    return wm_buf_printf(out, err, "  %8" PRIu32 " %6zu  \"%s\"%s\n", id, bytes.len, text,
                         shown < bytes.len ? " …" : "");
}

static int put_tokens(struct wm_buf *out, const struct side *side, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    wm_escape(path, sizeof path, side->path, strlen(side->path));
    int status = wm_buf_printf(out, err, "\n%s: longest tokens (id, bytes)\n", path);
    for (uint32_t i = 0; i < side->n_longest && !status; i++)
        status = put_token(out, side, side->longest[i], err);
    if (!status && side->n_unused)
        status = wm_buf_printf(out, err, "%s: never used, the last of %" PRIu32 "\n", path,
                               side->n_unused);
    uint32_t shown = 0;
    for (uint32_t id = wm_tokenizer_size(side->tok); id-- > 0 && shown < UNUSED_SHOWN && !status;)
        if (is_unused(side, id)) {
            shown++;
            status = put_token(out, side, id, err);
        }
    return status;
}

/* A row for each language, and one for all. Both tokenizers saw the same documents. */
static int put_languages(struct wm_buf *out, const struct report *r, struct wm_error *err)
{
    const struct wm_usage_language *l[SIDES] = {0};
    struct wm_usage_language all[SIDES] = {{"all", 0, 0, 0, 0}, {"all", 0, 0, 0, 0}};
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        l[i] = wm_usage_languages(r->sides[i].usage, &n);
    int status =
        wm_buf_printf(out, err, "\n%-12s%12s%16s%14s", "language", "documents", "bytes", "words");
    for (size_t i = 0; i < r->n && !status; i++)
        status = wm_buf_printf(out, err, "%14s%14s", i ? "bytes/token 2" : "bytes/token",
                               i ? "tokens/word 2" : "tokens/word");
    for (size_t k = 0; k <= n && !status; k++) {
        for (size_t i = 0; i < r->n && k < n; i++) {
            all[i].documents += l[i][k].documents;
            all[i].bytes += l[i][k].bytes;
            all[i].words += l[i][k].words;
            all[i].tokens += l[i][k].tokens;
        }
        const struct wm_usage_language *first = k < n ? &l[0][k] : &all[0];
        char name[4 * WM_USAGE_NAME + 8];
        wm_escape(name, sizeof name, first->name, strlen(first->name));
        status = wm_buf_printf(out, err, "\n%-12s%12" PRIu64 "%16" PRIu64 "%14" PRIu64, name,
                               first->documents, first->bytes, first->words);
        for (size_t i = 0; i < r->n && !status; i++) {
            const struct wm_usage_language *e = k < n ? &l[i][k] : &all[i];
            status = wm_buf_printf(out, err, "%14.3f%14.3f", ratio(e->bytes, e->tokens),
                                   ratio(e->tokens, e->words));
        }
    }
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

static int put_text(struct wm_buf *out, const struct report *r, struct wm_error *err)
{
    int status = put_sizes(out, r, err);
    if (!status && r->sides[0].usage)
        status = put_languages(out, r, err);
    for (size_t i = 0; i < r->n && !status; i++)
        status = put_tokens(out, &r->sides[i], err);
    return status;
}

/* ---- for machines ---- */

static void put_side(struct wm_json_out *w, const struct side *side)
{
    char identity[WM_HEX128], unicode[WM_UNICODE_NAME];
    wm_tokenizer_unicode(side->tok, unicode);
    wm_hex128(wm_tokenizer_identity(side->tok), identity);
    wm_json_put_open(w, '{');
    wm_json_member_str(w, "path", wm_str_of(side->path));
    wm_json_member_str(w, "identity", wm_str_of(identity));
    wm_json_member_str(w, "split", wm_str_of(wm_tokenizer_split_name(side->tok)));
    wm_json_member_text(w, "split_unicode_version", unicode[0] ? unicode : NULL);
    wm_json_member_u64(w, "ids", wm_tokenizer_size(side->tok));
    wm_json_member_u64(w, "tokens", side->n_tokens);
    wm_json_member_u64(w, "special_tokens", side->n_specials);
    wm_json_member_u64(w, "token_bytes", side->bytes);
    wm_json_put_key(w, "longest");
    wm_json_put_open(w, '[');
    for (uint32_t i = 0; i < side->n_longest; i++) {
        struct wm_str bytes = wm_token_bytes(side->tok, side->longest[i]);
        wm_json_put_open(w, '{');
        wm_json_member_u64(w, "id", side->longest[i]);
        wm_json_member_u64(w, "bytes", bytes.len);
        wm_json_member_str(w, "text", bytes);
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
    if (side->usage) {
        wm_json_put_key(w, "never_used");
        wm_json_put_open(w, '[');
        for (uint32_t id = 0; id < wm_tokenizer_size(side->tok); id++)
            if (is_unused(side, id))
                wm_json_put_u64(w, id);
        wm_json_put_close(w, ']');
    }
    wm_json_put_close(w, '}');
}

static void put_language(struct wm_json_out *w, const struct report *r, size_t k)
{
    size_t n;
    const struct wm_usage_language *first = &wm_usage_languages(r->sides[0].usage, &n)[k];
    wm_json_put_open(w, '{');
    wm_json_member_str(w, "language", wm_str_of(first->name));
    wm_json_member_u64(w, "documents", first->documents);
    wm_json_member_u64(w, "bytes", first->bytes);
    wm_json_member_u64(w, "words", first->words);
    wm_json_put_key(w, "tokens");
    wm_json_put_open(w, '[');
    for (size_t i = 0; i < r->n; i++)
        wm_json_put_u64(w, wm_usage_languages(r->sides[i].usage, &n)[k].tokens);
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

static int put_json(struct wm_buf *out, const struct report *r, struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "tokenizers");
    wm_json_put_open(&w, '[');
    for (size_t i = 0; i < r->n; i++)
        put_side(&w, &r->sides[i]);
    wm_json_put_close(&w, ']');
    if (r->sides[0].usage) {
        size_t n;
        (void)wm_usage_languages(r->sides[0].usage, &n);
        wm_json_put_key(&w, "languages");
        wm_json_put_open(&w, '[');
        for (size_t k = 0; k < n; k++)
            put_language(&w, r, k);
        wm_json_put_close(&w, ']');
    }
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct report report = {0};
    struct wm_buf out;
    bool skipped = false;
    wm_buf_init(&out, REPORT_MAX);
    int status = gather(cli, &report, &skipped, &err);
    if (!status)
        status = cli->options.json ? put_json(&out, &report, &err) : put_text(&out, &report, &err);
    if (!status)
        cli_write(cli, wm_buf_str(&out));
    wm_buf_done(&out);
    for (size_t i = 0; i < SIDES; i++) {
        wm_usage_free(report.sides[i].usage);
        wm_tokenizer_free(report.sides[i].tok);
    }
    wm_team_free(report.team);
    return status ? cli_fail(cli, &err) : skipped ? CLI_SKIPPED : CLI_OK;
}

const struct cli_command cli_command_tokenizer_inspect = {
    .name = "tokenizer inspect",
    .summary = "show a vocabulary and what it makes of a corpus",
    .operands = "TOKENIZER",
    .examples = "  wetmill tokenizer inspect out/tokenizer\n"
                "  wetmill tokenizer inspect out/tokenizer --corpus out/corpus "
                "--against cl100k_base.tiktoken",
    .notes =
        "With --corpus: tokens never used, and bytes a token and tokens a word by language, as\n"
        "the corpus's member \"language\" (or \"lang\") names it. Words are runs without white\n"
        "space. Special tokens' names in the text count as text.",
    .min_operands = 1,
    .max_operands = 1,
    .bind = bind,
    .run = run,
};
