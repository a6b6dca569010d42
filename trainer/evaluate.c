/* SPDX-License-Identifier: Apache-2.0 */
/* Perplexity and bits per byte of documents and of shards. */
#include "trainer/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "wetmill/cancel.h"
#include "wetmill/progress.h"

enum { BATCH = 8, BATCH_TOKENS = 8192 /* at once, if nothing is said */ };

#define O struct wm_evaluate_options
const struct wm_option wm_evaluate_option_table[] = {
    WM_COUNT(O, context, WM_USUAL_CONTEXT, 0, WM_MODEL_MAX_CONTEXT, "tokens",
             "of a window at most; 0 = all that the model can see"),
    WM_COUNT(O, stride, 0, 0, 1 << 30, "tokens",
             "between windows of what is longer than the context; 0 = half the context"),
    {"batch", WM_OPTION_COUNT, WM_OFFSET_(O, batch, uint64_t), 0, 0, 1024, 0, 0, "windows",
     "computed at once; 0 = 8, fewer of long ones", WM_OPTION_SPEED},
    WM_COUNT(O, tokens, 0, 0, 1e15, "tokens", "score only the first of --shards; 0 = all"),
    WM_TEXT(O, begin, NULL,
            "special token before each document; default: the tokenizer's own, else the end"),
    WM_BOOL(O, score_end, 0, "score the end-of-document token behind each document, too"),
    WM_TEXT(O, delimiter, " ", "between context and ending where neither has white space"),
    {0},
};
#undef O

double wm_evaluation_perplexity(const struct wm_evaluation *e)
{
    return e->tokens ? exp(e->nats / (double)e->tokens) : (double)NAN;
}

double wm_evaluation_bits_per_byte(const struct wm_evaluation *e)
{
    return e->bytes ? e->nats / ((double)e->bytes * log(2)) : (double)NAN;
}

int wm_check_nats(double nats, struct wm_error *err)
{
    if (isfinite(nats))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "the model's loss is not finite");
}

/* ---- opening ---- */

static int resolve(struct wm_evaluator *e, struct wm_error *err)
{
    const uint32_t context = e->sum.context;
    const struct wm_tokenizer *tok = e->generator->tokenizer;
    uint64_t stride = e->options.stride;
    if (stride > context)
        return wm_fail(err, WM_E_CONFIG, "a stride of %" PRIu64 " tokens; the context is %" PRIu32,
                       stride, context);
    if (!stride)
        stride = context > 1 ? context / 2 : 1;
    e->sum.stride = (uint32_t)stride;
    e->has_begin = e->has_eod = wm_tokenizer_eod(tok, &e->eod);
    e->begin = e->eod;
    uint32_t before[WM_SHARD_FRAME];
    const size_t n = e->generator->framed ? wm_shard_frame(tok, false, before) : 0;
    if (n) {
        e->begin = before[n - 1];
        e->has_begin = true;
    }
    if (e->options.begin && *e->options.begin) {
        e->has_begin = wm_tokenizer_special(tok, wm_str_of(e->options.begin), &e->begin);
        if (!e->has_begin)
            return wm_fail(err, WM_E_CONFIG, "the tokenizer has no special token \"%s\"",
                           e->options.begin);
    }
    if (e->options.score_end && !e->has_eod)
        return wm_fail(err, WM_E_CONFIG, "the tokenizer has no end-of-document token to score");
    return 0;
}

/* How long windows are, and how many are computed at once. */
static int size_windows(struct wm_evaluator *e, const char *dir, struct wm_error *err)
{
    struct wm_hf_config hf;
    int status = wm_hf_config_read(dir, &hf, err);
    if (status)
        return status;
    const uint64_t n_ctx = hf.model.n_ctx, most = e->options.context;
    e->sum.context = (uint32_t)(most && most < n_ctx ? most : n_ctx);
    if (!e->options.batch) {
        const uint64_t fit = BATCH_TOKENS / e->sum.context;
        e->options.batch = fit < 1 ? 1 : fit < BATCH ? fit : BATCH;
    }
    return 0;
}

static int open_evaluator(struct wm_evaluator *e, const char *dir, unsigned threads,
                          struct wm_error *err)
{
    int status = size_windows(e, dir, err);
    if (!status)
        status = wm_generator_load(dir, threads, (uint32_t)e->options.batch,
                                   e->options.batch * e->sum.context, &e->generator, err);
    if (!status)
        status = resolve(e, err);
    if (!status)
        status = wm_scorer_init(&e->scorer, e->generator->model, e->sum.context, e->cancel, err);
    if (status)
        return status;
    e->window = calloc(e->sum.context + (size_t)1, sizeof *e->window);
    return e->window ? 0 : wm_fail_nomem(err, e->sum.context * sizeof *e->window, "window");
}

int wm_evaluator_open(const char *dir, const struct wm_evaluate_options *options, unsigned threads,
                      struct wm_progress *progress, struct wm_cancel *cancel,
                      struct wm_evaluator **ret, struct wm_error *err)
{
    struct wm_evaluator *e = calloc(1, sizeof *e);
    if (!e)
        return wm_fail_nomem(err, sizeof *e, "evaluator");
    e->options = *options;
    e->progress = progress;
    e->cancel = cancel;
    int status = open_evaluator(e, dir, threads, err);
    if (status)
        wm_evaluator_close(e);
    else
        *ret = e;
    return status;
}

void wm_evaluator_close(struct wm_evaluator *evaluator)
{
    if (!evaluator)
        return;
    wm_scorer_done(&evaluator->scorer);
    wm_generator_close(evaluator->generator);
    wm_ids_done(&evaluator->ids);
    free(evaluator->window);
    free(evaluator);
}

/* ---- windows ---- */

/* The window that scores the targets behind the first `done` of a text; token 0 is not a target. */
struct reach {
    uint64_t begin, end; /* inputs begin … end − 1; targets done + 1 … end are scored */
};

static struct reach next_window(const struct wm_evaluator *e, uint64_t done, uint64_t n_targets)
{
    const uint64_t context = e->sum.context, more = done ? e->sum.stride : context;
    const uint64_t end = n_targets - done < more ? n_targets : done + more;
    const bool apart = e->sum.stride == context; /* as training has them */
    return (struct reach){apart ? done : end > context ? end - context : 0, end};
}

/* ids[0 … n] of a window whose last `n_scored` are scored. */
static int add_window(struct wm_evaluator *e, const uint32_t *ids, uint32_t n, uint32_t n_scored,
                      struct wm_error *err)
{
    const struct wm_tokenizer *tok = e->generator->tokenizer;
    const uint32_t first = n - n_scored + 1;
    for (uint32_t i = first; i <= n; i++)
        if (!wm_token_is_special(tok, ids[i]))
            e->sum.bytes += wm_token_bytes(tok, ids[i]).len;
    e->sum.tokens += n_scored;
    e->sum.windows++;
    wm_progress_add(e->progress, n_scored);
    return wm_scorer_add(&e->scorer, ids, n, first, &e->sum.nats, err);
}

static int push(struct wm_ids *ids, uint32_t id, struct wm_error *err)
{
    if (ids->n == ids->cap) {
        const size_t cap = ids->cap ? 2 * ids->cap : 64;
        uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "tokens of a document");
        ids->ids = grown;
        ids->cap = cap;
    }
    ids->ids[ids->n++] = id;
    return 0;
}

int wm_evaluator_add(struct wm_evaluator *e, struct wm_str text, struct wm_error *err)
{
    if (!e->has_begin) {
        wm_fail(err, WM_E_CONFIG, "the tokenizer has no end-of-document token to begin behind");
        return wm_error_hint(err, "name a special token by --begin");
    }
    e->ids.n = 0;
    int status = push(&e->ids, e->begin, err);
    if (!status)
        status = wm_encode(e->generator->encoder, text, 0, &e->ids, err);
    if (!status && e->options.score_end)
        status = push(&e->ids, e->eod, err);
    const uint64_t n_targets = e->ids.n - 1;
    for (uint64_t done = 0; done < n_targets && !status;) {
        const struct reach w = next_window(e, done, n_targets);
        status = add_window(e, e->ids.ids + w.begin, (uint32_t)(w.end - w.begin),
                            (uint32_t)(w.end - done), err);
        done = w.end;
    }
    e->sum.documents++;
    return status;
}

/* ---- shards ---- */

static int check_set(const struct wm_evaluator *e, const struct wm_shard_set *set, const char *dir,
                     enum wm_shard_split split, struct wm_error *err)
{
    const XXH128_hash_t is = wm_tokenizer_identity(e->generator->tokenizer);
    char want[WM_HEX128], got[WM_HEX128];
    if (!XXH128_isEqual(is, set->tokenizer)) {
        wm_hex128(is, want);
        wm_hex128(set->tokenizer, got);
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model has tokenizer %s, the shards were made with %s", want, got);
    } else if (set->n_tokens < 2) {
        (void)wm_fail(err, WM_E_FORMAT,
                      "the %s shards hold %" PRIu64 " tokens, too few to predict one",
                      wm_shard_split_names[split], set->n_tokens);
    } else {
        return 0;
    }
    return wm_error_where(err, "%s", dir);
}

/* Targets of whole windows that reach no further than `most`. */
static uint64_t limit(const struct wm_evaluator *e, uint64_t n_targets, uint64_t most)
{
    uint64_t end = e->sum.context;
    if (!most || most >= n_targets)
        return n_targets;
    if (most > end)
        end += (most - end) / e->sum.stride * e->sum.stride;
    return end < n_targets ? end : n_targets;
}

int wm_evaluator_shards(struct wm_evaluator *e, const char *dir, enum wm_shard_split split,
                        struct wm_error *err)
{
    struct wm_shard_set set = {0};
    int status = wm_shard_set_open(dir, split, &set, err);
    if (!status)
        status = check_set(e, &set, dir, split, err);
    const uint64_t n_targets = status ? 0 : limit(e, set.n_tokens - 1, e->options.tokens);
    if (!status)
        wm_progress_start(e->progress, "eval", "tokens", n_targets);
    for (uint64_t done = 0; done < n_targets && !status;) {
        const struct reach w = next_window(e, done, n_targets);
        const uint32_t n = (uint32_t)(w.end - w.begin);
        wm_shard_set_read(&set, w.begin, (size_t)n + 1, e->window);
        for (uint64_t at = done + 1; at <= w.end; at++)
            e->sum.documents += e->window[at - w.begin] == set.eod;
        status = add_window(e, e->window, n, (uint32_t)(w.end - done), err);
        done = w.end;
    }
    if (!status)
        status = wm_scorer_flush(&e->scorer, err);
    wm_shard_set_close(&set);
    return status;
}

int wm_evaluator_finish(struct wm_evaluator *e, struct wm_evaluation *ret, struct wm_error *err)
{
    int status = wm_scorer_flush(&e->scorer, err);
    if (!status)
        status = wm_check_nats(e->sum.nats, err);
    if (!status)
        *ret = e->sum;
    return status;
}
