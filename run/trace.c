/* SPDX-License-Identifier: Apache-2.0 */
/* From a token back to its crawl record: the shard's index says which document, the sidecar where
 * it came from; the archive's record, rewritten by the recipe's stages and cut by the line map,
 * must be the text the tokens decode to. */
#include <stdio.h>
#include <stdlib.h>

#include "run/step.h"

enum { TEXT_MAX = 1 << 30 /* bytes of one document, decoded */ };

struct wm_tracer {
    struct wm_shard shard;
    struct wm_sidecar *sidecar;
    struct wm_tokenizer *tokenizer;
    struct wm_encoder *encoder;
    struct wm_ids ids; /* of the text rederived */
    struct wm_source_options input;
    struct wm_chain chain;
    struct wm_batch batch;
    struct wm_arena arena;     /* recipe's strings */
    struct wm_arena row_arena; /* one document's provenance and texts */
    struct wm_buf decoded;
    char root[WM_PATH_MAX];
};

/* SHARDS/../log/root says where relative paths of the run's input start on this machine. */
static void find_root(struct wm_tracer *t, const char *base, const char *given)
{
    struct wm_error err = {0};
    struct wm_buf buf;
    char path[WM_PATH_MAX];
    if (given) {
        (void)snprintf(t->root, sizeof t->root, "%s", given);
        return;
    }
    wm_buf_init(&buf, WM_PATH_MAX - 1);
    const char *slash = strrchr(base, '/');
    (void)snprintf(path, sizeof path, "%.*s/../log/root", slash ? (int)(slash - base) : 1,
                   slash ? base : ".");
    if (wm_exists(path) && !wm_file_load(path, &buf, &err))
        (void)snprintf(t->root, sizeof t->root, "%.*s", (int)buf.len, buf.len ? buf.ptr : "");
    wm_buf_done(&buf);
}

/* The tokenizer beside the shards; where shards.json is there too, that it is the right one. */
static int open_tokenizer(struct wm_tracer *t, const char *dir, struct wm_error *err)
{
    struct wm_shards_info info = {0};
    char path[WM_PATH_MAX];
    int status = wm_tokenizer_load(dir, &t->tokenizer, err);
    if (!status)
        status = wm_path_join(path, dir, "shards.json", err);
    if (!status && wm_exists(path)) {
        status = wm_shards_info_read(dir, &info, err);
        if (!status && (status = wm_shards_check_tokenizer(&info, t->tokenizer, err)))
            (void)wm_error_where(err, "%s", dir);
        wm_shards_info_done(&info);
    }
    return status ? status : wm_encoder_new(t->tokenizer, &t->encoder, err);
}

static int open_all(struct wm_tracer *t, const char *base, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    const char *slash = strrchr(base, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - base) : 1, slash ? base : ".");
    int status = wm_shard_open(base, &t->shard, err);
    if (!status)
        status = wm_sidecar_open(base, &t->sidecar, err);
    if (!status)
        status = open_tokenizer(t, dir, err);
    if (!status)
        status =
            wm_recipe_read(wm_sidecar_recipe(t->sidecar), &t->input, &t->chain, &t->arena, err);
    if (!status)
        status = wm_chain_open(&t->chain, 1, NULL, err);
    t->input.root = t->root[0] ? t->root : NULL;
    return status;
}

int wm_tracer_open(const char *base, const char *root, struct wm_tracer **ret, struct wm_error *err)
{
    struct wm_tracer *t = calloc(1, sizeof *t);
    if (!t)
        return wm_fail_nomem(err, sizeof *t, "tracer");
    wm_arena_init(&t->arena, 64 << 20);
    wm_arena_init(&t->row_arena, (size_t)4 * TEXT_MAX);
    wm_arena_init(&t->batch.arena, (size_t)4 * TEXT_MAX);
    wm_arena_init(&t->batch.scratch, (size_t)4 * TEXT_MAX);
    wm_buf_init(&t->decoded, TEXT_MAX);
    wm_chain_init(&t->chain);
    find_root(t, base, root);
    int status = open_all(t, base, err);
    if (status)
        wm_tracer_close(t);
    else
        *ret = t;
    return status;
}

uint64_t wm_tracer_tokens(const struct wm_tracer *tracer)
{
    return tracer->shard.n_tokens;
}

/* The tokens of the document's text, without what stands around it, and as text. */
static int decode(struct wm_tracer *t, const struct wm_trace *trace, const uint32_t **ret_ids,
                  size_t *ret_n, struct wm_error *err)
{
    uint32_t *ids =
        wm_arena_alloc(&t->row_arena, trace->n_tokens ? trace->n_tokens : 1, sizeof *ids);
    if (!ids)
        return wm_fail_nomem(err, trace->n_tokens * sizeof *ids, "tokens");
    t->decoded.len = 0;
    wm_shard_read(&t->shard, trace->first_token, trace->n_tokens, ids);
    *ret_ids = ids;
    *ret_n = trace->n_tokens;
    wm_shard_unframe(t->tokenizer, ret_ids, ret_n);
    return wm_decode(t->tokenizer, *ret_ids, *ret_n, false, &t->decoded, err);
}

/* Whether the text is the one the tokens came from: theirs, or, where a normaliser lets it decode to
 * another one, a text with the same tokens. */
static int compare(struct wm_tracer *t, struct wm_trace *trace, const uint32_t *ids, size_t n,
                   struct wm_error *err)
{
    trace->decoded = wm_buf_str(&t->decoded);
    trace->equal = wm_str_eq(trace->decoded, trace->rederived);
    if (trace->equal)
        return 0;
    t->ids.n = 0;
    int status = wm_encode(t->encoder, trace->rederived, 0, &t->ids, err);
    trace->equal = !status && t->ids.n == n && (!n || !memcmp(t->ids.ids, ids, n * sizeof *ids));
    return status == WM_E_LIMIT || status == WM_E_FORMAT ? 0 : status;
}

static int rederive(struct wm_tracer *t, struct wm_trace *trace, struct wm_error *err)
{
    const struct wm_provenance *from = &trace->from;
    char *path = wm_arena_cstr(&t->row_arena, from->path);
    if (!path)
        return wm_fail_nomem(err, from->path.len + 1, "path");
    wm_arena_reset(&t->batch.arena);
    t->batch.n_docs = 0;
    int status = wm_reader_at(&t->input, path, &from->location, &t->batch, err);
    if (!status)
        status = wm_chain_rewrite(&t->chain, &t->batch, err);
    return status ? status
                  : wm_lines_pick(t->batch.docs[0].text, &from->lines, &t->row_arena,
                                  &trace->rederived, err);
}

int wm_tracer_at(struct wm_tracer *t, uint64_t at, struct wm_trace *ret, struct wm_error *err)
{
    struct wm_trace trace = {0};
    const uint32_t *ids = NULL;
    size_t n = 0;
    if (at >= t->shard.n_tokens)
        return wm_fail(err, WM_E_CONFIG, "token %llu is beyond the shard's %llu tokens",
                       (unsigned long long)at, (unsigned long long)t->shard.n_tokens);
    wm_arena_reset(&t->row_arena);
    wm_shard_find(&t->shard, at, &trace.sequence, &trace.first_token, &trace.n_tokens);
    int status = wm_sidecar_read(t->sidecar, trace.sequence, &t->row_arena, &trace.from, err);
    if (!status)
        status = decode(t, &trace, &ids, &n, err);
    if (!status)
        status = rederive(t, &trace, err);
    if (!status)
        status = compare(t, &trace, ids, n, err);
    if (status)
        return status;
    *ret = trace;
    return 0;
}

void wm_tracer_close(struct wm_tracer *t)
{
    if (!t)
        return;
    wm_chain_close(&t->chain);
    wm_encoder_free(t->encoder);
    wm_ids_done(&t->ids);
    wm_tokenizer_free(t->tokenizer);
    wm_sidecar_close(t->sidecar);
    wm_shard_close(&t->shard);
    wm_buf_done(&t->decoded);
    wm_arena_done(&t->batch.arena);
    wm_arena_done(&t->batch.scratch);
    wm_arena_done(&t->row_arena);
    wm_arena_done(&t->arena);
    free(t);
}
