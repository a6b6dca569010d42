/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer: text into blocks, and the stages behind one another under one memory limit.
 *
 * What --memory is divided into: FIXED for buffers; the vocabulary, and tables over it; the rest is
 * first the block, then one half spools, one quarter each the two sorts that are open at a time. */
#include "wetmill/lm_train.h"

#include <stdlib.h>

#include "scorers/lm_train_settings.h"

enum {
    FIXED = 4 << 20,
    LEAST_WORK = 512 << 10,  /* for blocks, sorts and spools */
    REPLAN_TOKENS = 1 << 12, /* tokens between two looks at the memory */
    WORD_BYTES = 48,         /* tables of stages 4 and 5 for each word */
    FAN_MOST = 256,
};

struct wm_lm_train {
    struct wm_lm_train_options options;
    struct lm_settings settings;
    struct wm_cancel *cancel;
    struct wm_progress *progress;
    struct wm_team *team;
    struct wm_spool_pool *pool;
    struct lm_vocabulary vocabulary;
    /* text */
    bool in_sentence;
    struct wm_buf carry; /* the beginning of a word that goes on in the next call */
    struct wm_lm_train_summary summary;
    /* tokens */
    struct lm_block block;
    size_t cap, limit; /* of the block: allocated; where to look at the memory */
    struct wm_spool *runs;
    size_t n_runs, cap_runs;
    /* counts */
    struct lm_order orders[WM_LM_ORDER_MAX];
    struct wm_spool counts[WM_LM_ORDER_MAX];
    uint64_t *unigrams;
    bool *limited;
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

/* The block becomes a run; the next one begins with the words that n-grams look back on. */
static int store_block(struct wm_lm_train *t, struct wm_error *err)
{
    struct wm_spool *run;
    int status = add_run(t, &run, err);
    if (!status)
        status = sort_block(t, &(struct lm_sink){lm_run_take, run}, err);
    if (!status)
        status = wm_spool_rewind(run, err);
    size_t keep = t->settings.order - 1;
    if (!status && t->block.n > keep) {
        memmove(t->block.tokens, t->block.tokens + t->block.n - keep,
                keep * sizeof *t->block.tokens);
        t->block.n = t->block.start = keep;
    }
    return status;
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
    if (t->block.n >= most && (status = store_block(t, err)))
        return status;
    t->limit = t->block.n + REPLAN_TOKENS < most ? t->block.n + REPLAN_TOKENS : (size_t)most;
    if (t->limit > t->cap) {
        size_t cap = 2 * t->cap < t->limit ? 2 * t->limit : 2 * t->cap;
        if (cap > most)
            cap = t->limit > most ? t->limit : (size_t)most;
        uint32_t *grown = realloc(t->block.tokens, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "tokens");
        t->block.tokens = grown;
        t->cap = cap;
    }
    wm_progress_set(t->progress, t->summary.tokens, 0);
    return wm_cancel_check(t->cancel, err);
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

/* Stages 1 (the rest of it) and 2. `left` is the memory for blocks, sorts and spools. */
static int count(struct wm_lm_train *t, uint64_t left, struct wm_error *err)
{
    struct lm_adjust *adjust = NULL;
    uint64_t block = (uint64_t)t->block.n * LM_BLOCK_TOKEN;
    unsigned order = t->settings.order;
    int status = 0;
    if (t->n_runs) {
        status = store_block(t, err);
        drop_block(t);
        block = 0;
    }
    uint64_t free_bytes = left > block ? left - block : 0;
    wm_spool_pool_limit(t->pool, free_bytes < left / 2 ? free_bytes : left / 2);
    if (!status)
        status = lm_adjust_new(order, t->vocabulary.n, t->settings.thresholds, t->limited, t->pool,
                               &adjust, err);
    struct lm_sink sink = {lm_adjust_take, adjust};
    if (!status && t->n_runs) {
        uint64_t fan = left / 4 / WM_SPOOL_CHUNK;
        fan = fan < 4 ? 4 : fan > FAN_MOST ? FAN_MOST : fan;
        size_t n = t->n_runs;
        t->n_runs = 0; /* closed by the merge in any case */
        status = lm_merge_runs(t->runs, n, order, (size_t)fan, t->pool, t->cancel, &sink, err);
    } else if (!status) {
        status = sort_block(t, &sink, err);
    }
    drop_block(t);
    if (!status)
        status = lm_adjust_finish(adjust, t->orders, t->counts, t->unigrams, err);
    lm_adjust_free(adjust);
    return status;
}

static int estimate(struct wm_lm_train *t, const char *path, uint64_t left, struct wm_error *err)
{
    struct lm_arpa *arpa = NULL;
    uint64_t kept[WM_LM_ORDER_MAX] = {0}, total = 0;
    for (unsigned i = 0; i < t->settings.order; i++)
        total += kept[i] = t->orders[i].kept;
    struct lm_estimate e = {&t->vocabulary, t->settings.order, t->orders, t->counts,  t->unigrams,
                            left / 4,       t->pool,           t->cancel, t->progress};
    wm_spool_pool_limit(t->pool, left / 2);
    wm_progress_start(t->progress, "estimating", "n-grams", total);
    int status = lm_arpa_open(path, &t->vocabulary, t->settings.order, kept, t->team, &arpa, err);
    if (!status)
        status = lm_interpolate(&e, arpa, err);
    if (status)
        lm_arpa_abandon(arpa);
    else
        status = lm_arpa_commit(arpa, err);
    if (!status)
        wm_progress_finish(t->progress);
    return status;
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
    t->summary.spilled = wm_spool_pool_spilled(t->pool);
    *ret = t->summary;
}

int wm_lm_train_finish(struct wm_lm_train *train, const char *arpa, struct wm_lm_train_summary *ret,
                       struct wm_error *err)
{
    uint64_t left = 0;
    int status = wm_lm_train_end(train, err);
    if (!status && !train->summary.sentences)
        status = wm_fail(err, WM_E_FORMAT, "there is no text to train on");
    if (!status)
        status = left_memory(train, &left, err);
    if (!status)
        status = read_limit(train, left / 2, err);
    if (!status && !(train->unigrams = calloc(train->vocabulary.n, sizeof *train->unigrams)))
        status = wm_fail_nomem(err, train->vocabulary.n * sizeof *train->unigrams, "counts");
    train->summary.runs = train->n_runs + 1;
    if (!status)
        status = count(train, left, err);
    if (!status)
        status = lm_discounts(train->orders, train->settings.order,
                              train->settings.falls_back ? train->settings.fallback : NULL, err);
    if (!status)
        status = estimate(train, arpa, left, err);
    if (!status && ret)
        summarise(train, ret);
    return status;
}
