/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer: text into blocks, and the stages behind one another under one memory limit.
 *
 * What --memory is divided into: FIXED for buffers; the vocabulary, and tables over it; the rest is
 * first the block, then one half spools, one quarter each the two sorts that are open at a time. */
#include "wetmill/lm_train.h"

#include <stdlib.h>

#include "scorers/lm_train_trainer.h"

enum {
    FIXED = 4 << 20,
    LEAST_WORK = 512 << 10,  /* for blocks, sorts and spools */
    REPLAN_TOKENS = 1 << 12, /* tokens between two looks at the memory */
    WORD_BYTES = 48,         /* tables of stages 4 and 5 for each word */
    FAN_MOST = 256,
};

int wm_lm_train_new(const struct wm_lm_train_options *options, struct wm_cancel *cancel,
                    struct wm_progress *progress, struct wm_lm_train **ret, struct wm_error *err)
{
    const char *scratch = options->scratch ? options->scratch : getenv("TMPDIR");
    struct wm_lm_train *t = calloc(1, sizeof *t);
    if (!t)
        return wm_fail_nomem(err, sizeof *t, "n-gram trainer");
    t->options = *options;
    t->cancel = cancel;
    t->progress = progress;
    wm_buf_init(&t->carry, WM_LM_TOKEN_MAX + 1);
    wm_buf_init(&t->keep.position, WM_LM_POSITION_MAX);
    int status = lm_settings_read(options, &t->settings, err);
    if (!status)
        status = wm_team_new((unsigned)options->jobs, &t->team, err);
    if (!status)
        status = wm_spool_pool_new(scratch && *scratch ? scratch : "/tmp", 0, &t->pool, err);
    if (!status)
        status = lm_vocabulary_init(&t->vocabulary, err);
    if (status)
        wm_lm_train_free(t);
    else
        *ret = t;
    return status;
}

static void drop_block(struct wm_lm_train *t)
{
    free(t->block.tokens);
    t->block = (struct lm_block){0};
    t->cap = 0;
}

void wm_lm_train_free(struct wm_lm_train *train)
{
    if (!train)
        return;
    drop_block(train);
    for (size_t i = 0; i < train->n_runs; i++)
        wm_spool_close(&train->runs[i]);
    for (unsigned i = 0; i < WM_LM_ORDER_MAX; i++)
        wm_spool_close(&train->counts[i]);
    lm_adjust_free(train->adjust);
    lm_keep_done(&train->keep);
    free(train->runs);
    free(train->unigrams);
    free(train->limited);
    wm_buf_done(&train->carry);
    lm_vocabulary_done(&train->vocabulary);
    wm_spool_pool_free(train->pool);
    wm_team_free(train->team);
    free(train);
}

/* ---- blocks ---- */

/* Memory that is left beside the vocabulary and tables over it. */
static int left_memory(const struct wm_lm_train *t, uint64_t *ret, struct wm_error *err)
{
    uint64_t words = t->vocabulary.n;
    uint64_t need = FIXED + lm_vocabulary_bytes(&t->vocabulary) + WORD_BYTES * words +
                    lm_adjust_bytes(t->settings.order, t->vocabulary.n);
    *ret = t->settings.memory > need ? t->settings.memory - need : 0;
    if (*ret >= LEAST_WORK)
        return 0;
    wm_fail(err, WM_E_NOMEM,
            "%llu words so far, and tables over them, need %llu MiB; the memory limit is %llu MiB",
            (unsigned long long)words, (unsigned long long)(((need + LEAST_WORK) >> 20) + 1),
            (unsigned long long)(t->settings.memory >> 20));
    return wm_error_hint(err, "raise --memory");
}

static int add_run(struct wm_lm_train *t, struct wm_spool **ret, struct wm_error *err)
{
    if (t->n_runs == t->cap_runs) {
        size_t cap = t->cap_runs ? 2 * t->cap_runs : 16;
        struct wm_spool *grown = realloc(t->runs, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "runs of n-grams");
        t->runs = grown;
        t->cap_runs = cap;
    }
    *ret = &t->runs[t->n_runs];
    int status = lm_run_open(*ret, t->pool, t->settings.order, err);
    t->n_runs += !status;
    return status;
}

static int sort_block(struct wm_lm_train *t, const struct lm_sink *sink, struct wm_error *err)
{
    return lm_sort_block(&t->block, t->settings.order, t->vocabulary.n, t->cancel, sink, err);
}

static int spool_block(struct wm_lm_train *t, struct wm_error *err)
{
    struct wm_spool *run;
    int status = add_run(t, &run, err);
    if (!status)
        status = sort_block(t, &(struct lm_sink){lm_run_take, run}, err);
    return status ? status : wm_spool_rewind(run, err);
}

int lm_store_block(struct wm_lm_train *t, struct wm_error *err)
{
    if (t->block.n == t->block.start)
        return 0;
    int status = t->keep.dir ? lm_keep_block(t, err) : spool_block(t, err);
    size_t keep = t->settings.order - 1;
    t->summary.runs++;
    if (!status && t->block.n > keep) {
        memmove(t->block.tokens, t->block.tokens + t->block.n - keep,
                keep * sizeof *t->block.tokens);
        t->block.n = keep;
    }
    t->block.start = t->block.n;
    return status;
}

int lm_reserve_block(struct wm_lm_train *t, size_t n, struct wm_error *err)
{
    uint32_t *grown = realloc(t->block.tokens, n * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, n * sizeof *grown, "tokens");
    t->block.tokens = grown;
    t->cap = n;
    return 0;
}

/* Look at the memory: is the block full? When to look next? */
static int replan(struct wm_lm_train *t, struct wm_error *err)
{
    uint64_t left;
    int status = left_memory(t, &left, err);
    if (status)
        return status;
    uint64_t most = left / LM_BLOCK_TOKEN;
    if (most > UINT32_MAX - REPLAN_TOKENS)
        most = UINT32_MAX - REPLAN_TOKENS;
    if (t->block.n >= most && (status = lm_store_block(t, err)))
        return status;
    t->limit = t->block.n + REPLAN_TOKENS < most ? t->block.n + REPLAN_TOKENS : (size_t)most;
    if (t->limit > t->cap) {
        size_t cap = 2 * t->cap < t->limit ? 2 * t->limit : 2 * t->cap;
        if (cap > most)
            cap = t->limit > most ? t->limit : (size_t)most;
        if ((status = lm_reserve_block(t, cap, err)))
            return status;
    }
    wm_progress_set(t->progress, t->summary.tokens, 0);
    return t->keep.dir ? 0 : wm_cancel_check(t->cancel, err); /* else between two texts */
}

static int push(struct wm_lm_train *t, uint32_t id, struct wm_error *err)
{
    if (t->block.n >= t->limit) {
        int status = replan(t, err);
        if (status)
            return status;
    }
    t->block.tokens[t->block.n++] = id;
    return 0;
}

/* ---- text ---- */

static int begin_sentence(struct wm_lm_train *t, struct wm_error *err)
{
    int status = 0;
    for (unsigned i = 1; !status && i < t->settings.order; i++)
        status = push(t, LM_BOS, err);
    t->in_sentence = true;
    return status;
}

static int end_sentence(struct wm_lm_train *t, struct wm_error *err)
{
    int status = t->in_sentence ? 0 : begin_sentence(t, err);
    t->in_sentence = false;
    t->summary.sentences++;
    return status ? status : push(t, LM_EOS, err);
}

static int add_word(struct wm_lm_train *t, struct wm_str word, struct wm_error *err)
{
    uint32_t id;
    int status = lm_vocabulary_id(&t->vocabulary, word, &id, err);
    if (status)
        return wm_error_where(err, "sentence %llu", (unsigned long long)t->summary.sentences + 1);
    if (id < LM_FIRST_WORD) {
        if (t->settings.skip_symbols)
            return 0;
        wm_fail(err, WM_E_FORMAT, "the word %.*s cannot stand in the text", (int)word.len,
                word.ptr);
        (void)wm_error_where(err, "sentence %llu", (unsigned long long)t->summary.sentences + 1);
        return wm_error_hint(err, "--skip-symbols takes it for white space");
    }
    t->summary.tokens++;
    status = t->in_sentence ? 0 : begin_sentence(t, err);
    return status ? status : push(t, id, err);
}

static int end_carried(struct wm_lm_train *t, struct wm_error *err)
{
    int status = t->carry.len ? add_word(t, wm_buf_str(&t->carry), err) : 0;
    t->carry.len = 0;
    return status;
}

static int carry(struct wm_lm_train *t, struct wm_str part, struct wm_error *err)
{
    if (part.len > WM_LM_TOKEN_MAX - t->carry.len)
        return wm_fail(err, WM_E_LIMIT, "a word of more than %d bytes in sentence %llu",
                       WM_LM_TOKEN_MAX, (unsigned long long)t->summary.sentences + 1);
    return wm_buf_add(&t->carry, part.ptr, part.len, err);
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\0';
}

int wm_lm_train_text(struct wm_lm_train *train, struct wm_str text, struct wm_error *err)
{
    if (!text.len)
        return 0;
    const char *at = text.ptr, *end = text.ptr + text.len;
    int status = 0;
    if (train->carry.len) {
        const char *start = at;
        while (at < end && !is_space(*at))
            at++;
        status = carry(train, (struct wm_str){start, (size_t)(at - start)}, err);
        if (!status && at < end)
            status = end_carried(train, err);
    }
    while (!status && at < end) {
        if (*at == '\n')
            status = end_sentence(train, err);
        if (is_space(*at)) {
            at++;
            continue;
        }
        const char *start = at;
        while (at < end && !is_space(*at))
            at++;
        struct wm_str word = {start, (size_t)(at - start)};
        status = at < end ? add_word(train, word, err) : carry(train, word, err);
    }
    return status;
}

int wm_lm_train_end(struct wm_lm_train *train, struct wm_error *err)
{
    int status = end_carried(train, err);
    return status || !train->in_sentence ? status : end_sentence(train, err);
}

/* ---- stages ---- */

static void limit_word(struct wm_lm_train *t, struct wm_str word)
{
    uint32_t id;
    if (word.len && lm_vocabulary_find(&t->vocabulary, word, &id))
        t->limited[id] = true;
}

static int read_limit(struct wm_lm_train *t, uint64_t memory, struct wm_error *err)
{
    if (!t->options.limit_vocabulary)
        return 0;
    struct wm_buf file;
    wm_buf_init(&file, (size_t)memory);
    int status = wm_file_load(t->options.limit_vocabulary, &file, err);
    if (!status && !(t->limited = calloc(t->vocabulary.n, sizeof *t->limited)))
        status = wm_fail_nomem(err, t->vocabulary.n, "vocabulary");
    for (size_t i = 0, start = 0; !status && i <= file.len; i++)
        if (i == file.len || is_space(file.ptr[i])) {
            limit_word(t, (struct wm_str){file.ptr + start, i - start});
            start = i + 1;
        }
    for (size_t i = 0; !status && i < LM_FIRST_WORD; i++)
        t->limited[i] = true;
    wm_buf_done(&file);
    return status;
}

static size_t fan_of(uint64_t left)
{
    uint64_t fan = left / 4 / WM_SPOOL_CHUNK;
    return (size_t)(fan < 4 ? 4 : fan > FAN_MOST ? FAN_MOST : fan);
}

/* All n-grams of full order, in order, to `sink`. */
static int give_counts(struct wm_lm_train *t, size_t fan, const struct lm_sink *sink,
                       struct wm_error *err)
{
    if (t->keep.n_parts || t->keep.phase == LM_ADJUSTING)
        return lm_keep_merge(t, fan, sink, err);
    if (!t->n_runs)
        return sort_block(t, sink, err);
    size_t n = t->n_runs;
    t->n_runs = 0; /* closed by the merge in any case */
    return lm_merge_runs(t->runs, n, t->settings.order, fan, t->pool, t->cancel, sink, err);
}

/* The last block is no more than the others if there are some, or if now is the time to keep it. */
static int end_blocks(struct wm_lm_train *t, struct wm_error *err)
{
    int status = 0;
    if (t->n_runs || t->keep.n_parts || lm_keep_due(&t->keep, t->cancel)) {
        status = lm_store_block(t, err);
        drop_block(t);
    }
    return status || !t->keep.behind ? status : lm_keep_save(t, err); /* it is read from there */
}

/* Stages 1 (the rest of it) and 2. `left` is the memory for blocks, sorts and spools. */
static int count(struct wm_lm_train *t, uint64_t left, struct wm_error *err)
{
    unsigned order = t->settings.order;
    int status = t->keep.phase == LM_COUNTING ? end_blocks(t, err) : 0;
    uint64_t block = (uint64_t)t->block.n * LM_BLOCK_TOKEN;
    uint64_t free_bytes = left > block ? left - block : 0;
    wm_spool_pool_limit(t->pool, free_bytes < left / 2 ? free_bytes : left / 2);
    if (!status)
        status = lm_adjust_new(order, t->vocabulary.n, t->settings.thresholds, t->limited, t->pool,
                               &t->adjust, err);
    if (!status)
        status = give_counts(t, fan_of(left), &(struct lm_sink){lm_adjust_take, t->adjust}, err);
    drop_block(t);
    if (!status)
        status = lm_adjust_finish(t->adjust, t->orders, t->counts, t->unigrams, err);
    lm_adjust_free(t->adjust);
    t->adjust = NULL;
    return status ? status : lm_keep_counts(t, err);
}

static int open_model(struct wm_lm_train *t, const char *path, const uint64_t *kept,
                      struct wm_error *err)
{
    struct lm_arpa_start start = {t->keep.arpa.out, t->keep.section, t->keep.put};
    int status = start.out ? 0 : wm_out_open(path, &start.out, err);
    t->keep.arpa.out = t->keep.dir ? start.out : NULL;
    if (!status)
        status =
            lm_arpa_open(&start, &t->vocabulary, t->settings.order, kept, t->team, &t->arpa, err);
    if (status)
        t->keep.arpa.out = NULL;
    return status;
}

static int estimate(struct wm_lm_train *t, const char *path, uint64_t left, struct wm_error *err)
{
    uint64_t kept[WM_LM_ORDER_MAX] = {0}, total = 0, done = 0;
    for (unsigned i = 0; i < t->settings.order; i++) {
        total += kept[i] = t->orders[i].kept;
        done += i < t->keep.done ? kept[i] : 0;
    }
    struct lm_estimate e = {.vocabulary = &t->vocabulary,
                            .order = t->settings.order,
                            .orders = t->orders,
                            .counts = t->counts,
                            .unigrams = t->unigrams,
                            .memory = left / 4,
                            .pool = t->pool,
                            .cancel = t->cancel,
                            .progress = t->progress,
                            .done = t->keep.done,
                            .order_done = lm_keep_order,
                            .arg = t};
    wm_spool_pool_limit(t->pool, left / 2);
    wm_progress_start(t->progress, "estimating", "n-grams", total);
    wm_progress_skip(t->progress, done);
    int status = open_model(t, path, kept, err);
    if (!status)
        status = lm_keep_below(t, &e.below, err);
    if (!status)
        status = lm_interpolate(&e, t->arpa, err);
    struct lm_arpa *arpa = t->arpa;
    t->arpa = NULL;
    t->keep.arpa.out = NULL; /* the model's */
    if (status)
        lm_arpa_abandon(arpa);
    else
        status = lm_arpa_commit(arpa, &t->keep.digest, err);
    if (!status)
        wm_progress_finish(t->progress);
    return status ? status : lm_keep_model(t, err);
}

static void summarise(struct wm_lm_train *t, struct wm_lm_train_summary *ret)
{
    for (unsigned i = 0; i < t->settings.order; i++) {
        const struct lm_order *o = &t->orders[i];
        t->summary.n_grams[i] = o->n;
        t->summary.kept[i] = o->kept;
        t->summary.fell_back[i] = o->fell_back;
        memcpy(t->summary.discounts[i], &o->discount[1], sizeof t->summary.discounts[i]);
    }
    t->summary.spilled = wm_spool_pool_spilled(t->pool) + t->keep.most;
    *ret = t->summary;
}

static int count_all(struct wm_lm_train *t, uint64_t left, struct wm_error *err)
{
    int status = read_limit(t, left / 2, err);
    if (!status && !(t->unigrams = calloc(t->vocabulary.n, sizeof *t->unigrams)))
        status = wm_fail_nomem(err, t->vocabulary.n * sizeof *t->unigrams, "counts");
    return status ? status : count(t, left, err);
}

int wm_lm_train_finish(struct wm_lm_train *train, const char *arpa, struct wm_lm_train_summary *ret,
                       struct wm_error *err)
{
    uint64_t left = 0;
    int status = wm_lm_train_end(train, err);
    if (!status && !train->summary.sentences)
        status = wm_fail(err, WM_E_FORMAT, "there is no text to train on");
    if (!status && train->keep.phase < LM_WRITTEN)
        status = left_memory(train, &left, err);
    if (!status && train->keep.phase < LM_ESTIMATING)
        status = count_all(train, left, err);
    if (!status)
        status = lm_discounts(train->orders, train->settings.order,
                              train->settings.falls_back ? train->settings.fallback : NULL, err);
    if (!status && train->keep.phase < LM_WRITTEN)
        status = estimate(train, arpa, left, err);
    if (!train->summary.runs)
        train->summary.runs = 1;
    if (!status && ret)
        summarise(train, ret);
    return status;
}
