/* SPDX-License-Identifier: Apache-2.0 */
/* Multiple choice: the endings of a group of rows are scored together. */
#include <stdlib.h>
#include <string.h>

#include "trainer/evaluate.h"
#include "wetmill/ccnet.h"
#include "wetmill/progress.h"

enum {
    GROUP_ROWS = 64,
    GROUP_TEXT = 4 << 20, /* bytes of rows */
    ARENA_MAX = 1 << 28,  /* of a group */
    ENDING_MAX = 1 << 28, /* bytes of context and ending together */
};

struct row {
    struct wm_choice choice;
    uint64_t line;
    double *nats; /* [choice.n] */
    uint32_t *tokens;
};

struct choosing {
    struct wm_evaluator *e;
    const char *path;
    struct wm_arena arena;
    struct row rows[GROUP_ROWS];
    size_t n_rows, n_text;
    struct wm_buf text;
    struct wm_ids context, whole;
    wm_choice_fn *on_row;
    void *arg;
    struct wm_choice_summary summary;
};

static bool begins_with_space(struct wm_str s)
{
    /* of an ending: what strip would take from its front */
    const struct wm_str rest = wm_ccnet_strip(s);
    return s.len && (!rest.len || rest.ptr != s.ptr);
}

/* Context without its white space at the end | that, or the delimiter | ending. */
static int join(struct choosing *c, const struct wm_choice *choice, size_t i,
                struct wm_str *ret_context, struct wm_error *err)
{
    const struct wm_str all = choice->context, inner = wm_ccnet_strip(all);
    const size_t kept = inner.len ? (size_t)(inner.ptr - all.ptr) + inner.len : 0;
    const char *delimiter = c->e->options.delimiter;
    c->text.len = 0;
    int status = wm_buf_add(&c->text, all.ptr, all.len, err);
    if (!status && delimiter && kept == all.len && !begins_with_space(choice->endings[i]))
        status = wm_buf_add(&c->text, delimiter, strlen(delimiter), err);
    if (!status)
        status = wm_buf_add(&c->text, choice->endings[i].ptr, choice->endings[i].len, err);
    *ret_context = (struct wm_str){all.ptr, kept};
    return status;
}

static int push_begin(const struct wm_evaluator *e, struct wm_ids *ids, struct wm_error *err)
{
    if (!e->has_begin)
        return wm_fail(err, WM_E_CONFIG, "an empty context, and no special token to stand there");
    if (!ids->cap) {
        ids->ids = malloc(sizeof *ids->ids);
        if (!ids->ids)
            return wm_fail_nomem(err, sizeof *ids->ids, "tokens");
        ids->cap = 1;
    }
    ids->ids[ids->n++] = e->begin;
    return 0;
}

/* Both encoded: c->whole, of which the first `*ret_n` tokens are context. */
static int encode(struct choosing *c, struct wm_str context, size_t *ret_n, struct wm_error *err)
{
    struct wm_encoder *encoder = c->e->generator->encoder;
    c->context.n = c->whole.n = 0;
    int status = 0;
    if (context.len)
        status = wm_encode(encoder, context, 0, &c->context, err);
    else
        status = push_begin(c->e, &c->whole, err);
    if (!status)
        status = wm_encode(encoder, wm_buf_str(&c->text), 0, &c->whole, err);
    *ret_n = context.len ? c->context.n : 1;
    return status;
}

static int add_ending(struct choosing *c, struct row *row, size_t i, struct wm_error *err)
{
    const uint32_t most = c->e->sum.context;
    struct wm_str context;
    size_t n_context = 0;
    int status = join(c, &row->choice, i, &context, err);
    if (!status)
        status = encode(c, context, &n_context, err);
    if (status)
        return status;
    const size_t n = c->whole.n;
    if (n <= n_context)
        return wm_fail(err, WM_E_FORMAT, "ending %zu has no token of its own behind the context",
                       i);
    if (n - n_context > most)
        return wm_fail(err, WM_E_LIMIT, "ending %zu has %zu tokens; the context is %u", i,
                       n - n_context, (unsigned)most);
    const size_t cut = n - 1 > most ? n - 1 - most : 0; /* of the context's beginning */
    row->nats[i] = 0;
    row->tokens[i] = (uint32_t)(n - n_context);
    wm_progress_add(c->e->progress, row->tokens[i]);
    return wm_scorer_add(&c->e->scorer, c->whole.ids + cut, (uint32_t)(n - cut - 1),
                         (uint32_t)(n_context - cut), &row->nats[i], err);
}

static int add_row(struct choosing *c, struct wm_str line, uint64_t number, struct wm_error *err)
{
    struct row *row = &c->rows[c->n_rows];
    *row = (struct row){.line = number};
    int status = wm_choice_read(line, &c->arena, &row->choice, err);
    if (!status) {
        row->nats = wm_arena_alloc(&c->arena, row->choice.n, sizeof *row->nats);
        row->tokens = wm_arena_alloc(&c->arena, row->choice.n, sizeof *row->tokens);
        if (!row->nats || !row->tokens)
            status = wm_fail_nomem(err, row->choice.n * sizeof *row->nats, "endings");
    }
    for (size_t i = 0; !status && i < row->choice.n; i++)
        status = add_ending(c, row, i, err);
    if (status && status != WM_E_CANCELLED)
        return wm_error_where(err, "%s:%llu", c->path, (unsigned long long)number);
    c->n_rows++;
    c->n_text += line.len;
    return status;
}

/* Of log p the largest, as it is or by bytes. */
static size_t best(const double *log_p, const size_t *bytes, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (bytes ? log_p[i] / (double)bytes[i] > log_p[at] / (double)bytes[at]
                  : log_p[i] > log_p[at])
            at = i;
    return at;
}

static int judge(struct choosing *c, const struct row *row, struct wm_error *err)
{
    double log_p[WM_CHOICE_ENDINGS_MAX];
    size_t bytes[WM_CHOICE_ENDINGS_MAX];
    const size_t n = row->choice.n;
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        status = wm_check_nats(row->nats[i], err);
        log_p[i] = -row->nats[i];
        bytes[i] = row->choice.endings[i].len;
    }
    if (status)
        return wm_error_where(err, "%s:%llu", c->path, (unsigned long long)row->line);
    const struct wm_choice_result result = {.line = row->line,
                                            .n = n,
                                            .label = row->choice.label,
                                            .chosen = best(log_p, NULL, n),
                                            .chosen_normalised = best(log_p, bytes, n),
                                            .log_p = log_p,
                                            .tokens = row->tokens,
                                            .bytes = bytes};
    c->summary.rows++;
    c->summary.right += result.chosen == result.label;
    c->summary.right_normalised += result.chosen_normalised == result.label;
    return c->on_row ? c->on_row(c->arg, &result, err) : 0;
}

static int finish_group(struct choosing *c, struct wm_error *err)
{
    int status = wm_scorer_flush(&c->e->scorer, err);
    for (size_t i = 0; i < c->n_rows && !status; i++)
        status = judge(c, &c->rows[i], err);
    c->n_rows = c->n_text = 0;
    wm_arena_reset(&c->arena);
    return status;
}

static int choose_all(struct choosing *c, struct wm_str rest, struct wm_error *err)
{
    int status = 0;
    for (uint64_t number = 1; rest.len && !status; number++) {
        struct wm_str line = wm_str_line(&rest);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!wm_str_trim(line).len)
            continue;
        status = add_row(c, line, number, err);
        if (!status && (c->n_rows == GROUP_ROWS || c->n_text >= GROUP_TEXT))
            status = finish_group(c, err);
    }
    return status ? status : finish_group(c, err);
}

int wm_evaluator_choices(struct wm_evaluator *e, const char *path, wm_choice_fn *on_row, void *arg,
                         struct wm_choice_summary *ret, struct wm_error *err)
{
    struct wm_buf file;
    struct choosing *c = calloc(1, sizeof *c);
    if (!c)
        return wm_fail_nomem(err, sizeof *c, "choices");
    *c = (struct choosing){.e = e, .path = path, .on_row = on_row, .arg = arg};
    wm_arena_init(&c->arena, ARENA_MAX);
    wm_buf_init(&c->text, ENDING_MAX);
    wm_buf_init(&file, WM_CHOICE_FILE_MAX);
    int status = wm_file_load(path, &file, err);
    if (!status)
        status = choose_all(c, wm_buf_str(&file), err);
    if (!status && !c->summary.rows) {
        (void)wm_fail(err, WM_E_FORMAT, "there are no rows");
        status = wm_error_where(err, "%s", path);
    }
    if (!status)
        *ret = c->summary;
    e->scorer.n = 0; /* after an error: what waits points into the arena */
    wm_buf_done(&file);
    wm_buf_done(&c->text);
    wm_arena_done(&c->arena);
    wm_ids_done(&c->context);
    wm_ids_done(&c->whole);
    free(c);
    return status;
}
