/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a trainer's working directory, and the point. */
#include "scorers/lm_train_keep.h"

#include <stdio.h>
#include <stdlib.h>

#include "scorers/lm_train_trainer.h"

/* ---- files ---- */

int lm_keep_path(const struct lm_keep *keep, const char *name, unsigned n, const char *end,
                 char ret[WM_PATH_MAX], struct wm_error *err)
{
    char file[64];
    if (n)
        (void)snprintf(file, sizeof file, "%s.%u%s", name, n, end);
    else
        (void)snprintf(file, sizeof file, "%s%s", name, end);
    return wm_path_join(ret, keep->dir, file, err);
}

int lm_keep_append(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                   struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = file->out ? 0 : lm_keep_path(keep, name, n, "", path, err);
    return status || file->out ? status : wm_out_open(path, &file->out, err);
}

int lm_keep_read(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                 struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = file->in ? 0 : lm_keep_path(keep, name, n, WM_OUT_PART, path, err);
    return status || file->in ? status : wm_file_open(path, &file->in, err);
}

void lm_keep_close(struct lm_file *file)
{
    wm_out_abandon(file->out);
    wm_file_close(file->in);
    *file = (struct lm_file){0};
}

int lm_keep_remove(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                   struct wm_error *err)
{
    char path[WM_PATH_MAX];
    lm_keep_close(file);
    int status = lm_keep_path(keep, name, n, WM_OUT_PART, path, err);
    return status ? status : wm_remove(path, err);
}

int lm_keep_drain(const struct lm_keep *keep, struct lm_file *file, const char *name, unsigned n,
                  struct wm_spool *spool, uint64_t *n_records, struct wm_error *err)
{
    uint64_t more = spool->n_records;
    int status = lm_keep_append(keep, file, name, n, err);
    if (!status)
        status = wm_spool_drain(spool, file->out, err);
    *n_records += more;
    return status;
}

void lm_keep_done(struct lm_keep *keep)
{
    lm_keep_close(&keep->words);
    lm_keep_close(&keep->runs);
    lm_keep_close(&keep->below);
    lm_keep_close(&keep->arpa);
    for (unsigned i = 0; i < WM_LM_ORDER_MAX; i++)
        lm_keep_close(&keep->counts[i]);
    wm_buf_done(&keep->position);
    free(keep->parts);
    free(keep->orders);
    free(keep->counts_of_words);
    *keep = (struct lm_keep){0};
}

/* ---- the point ---- */

bool lm_keep_due(const struct lm_keep *keep, struct wm_cancel *cancel)
{
    struct wm_error ignored;
    return keep->dir &&
           (wm_cancel_check(cancel, &ignored) || wm_seconds() - keep->saved_at >= keep->seconds);
}

static int save_words(struct wm_lm_train *t, struct wm_state_out *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    int status = lm_keep_append(k, &k->words, "words", 0, err);
    for (; !status && k->n_words < t->vocabulary.n; k->n_words++) {
        struct wm_str word = t->vocabulary.words[k->n_words];
        uint16_t len = (uint16_t)word.len; /* at most WM_LM_TOKEN_MAX */
        status = wm_out_write(k->words.out, &len, sizeof len, err);
        if (!status)
            status = wm_out_write(k->words.out, word.ptr, word.len, err);
    }
    return status ? status : wm_out_save(k->words.out, state, err);
}

static void put_raw(struct wm_state_out *state, const void *items, size_t bytes)
{
    wm_state_put_str(state, (struct wm_str){items, bytes});
}

static void put_orders(const struct lm_order *orders, unsigned n, struct wm_state_out *state)
{
    for (unsigned i = 0; i < n; i++) {
        wm_state_put(state, orders[i].n);
        wm_state_put(state, orders[i].kept);
        for (unsigned k = 0; k < sizeof orders->n_of / sizeof *orders->n_of; k++)
            wm_state_put(state, orders[i].n_of[k]);
    }
}

static int save_runs(struct lm_keep *k, struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, k->n_parts);
    for (size_t i = 0; i < k->n_parts; i++) {
        wm_state_put(state, k->parts[i].first);
        wm_state_put(state, k->parts[i].n);
    }
    return k->n_parts ? wm_out_save(k->runs.out, state, err) : 0;
}

static int save_counts(struct lm_keep *k, unsigned order, struct wm_state_out *state,
                       struct wm_error *err)
{
    int status = 0;
    for (unsigned i = k->done < 2 ? 1 : k->done; !status && i < order; i++)
        status = wm_out_save(k->counts[i].out, state, err);
    return status;
}

static int save_adjusting(struct wm_lm_train *t, struct wm_state_out *state, struct wm_error *err)
{
    struct lm_adjust_state a = lm_adjust_state(t->adjust);
    put_orders(a.orders, t->settings.order, state);
    put_raw(state, a.counts, t->vocabulary.n * sizeof *a.counts);
    put_raw(state, a.lefts, t->vocabulary.n * sizeof *a.lefts);
    int status = save_runs(&t->keep, state, err);
    return status ? status : save_counts(&t->keep, t->settings.order, state, err);
}

static int save_estimating(struct wm_lm_train *t, struct wm_state_out *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    put_orders(t->orders, t->settings.order, state);
    put_raw(state, t->unigrams, t->vocabulary.n * sizeof *t->unigrams);
    wm_state_put(state, k->done);
    int status = save_counts(k, t->settings.order, state, err);
    if (status || !k->done)
        return status;
    wm_state_put(state, k->section);
    wm_state_put(state, k->put);
    status = wm_out_save(k->arpa.out, state, err);
    return status ? status : wm_out_save(k->below.out, state, err);
}

static int save_written(struct wm_lm_train *t, struct wm_state_out *state)
{
    put_orders(t->orders, t->settings.order, state);
    wm_state_put(state, t->keep.digest.size);
    wm_state_put_hash(state, t->keep.digest.hash);
    return 0;
}

static int save_all(struct wm_lm_train *t, struct wm_state_out *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    wm_state_put_str(state, wm_str_of(LM_KEEP_MAGIC));
    wm_state_put(state, LM_KEEP_VERSION);
    wm_state_put(state, t->settings.order);
    wm_state_put(state, k->phase);
    wm_state_put_str(state, wm_buf_str(&k->position));
    wm_state_put(state, t->summary.sentences);
    wm_state_put(state, t->summary.tokens);
    wm_state_put(state, t->summary.runs);
    if (k->phase == LM_WRITTEN)
        return save_written(t, state);
    wm_state_put(state, t->vocabulary.n);
    int status = save_words(t, state, err);
    if (status || k->phase == LM_ESTIMATING)
        return status ? status : save_estimating(t, state, err);
    if (k->phase == LM_ADJUSTING)
        return save_adjusting(t, state, err);
    wm_state_put(state, t->in_sentence);
    wm_state_put_str(state, wm_buf_str(&t->carry));
    put_raw(state, t->block.tokens, t->block.n * sizeof *t->block.tokens);
    return save_runs(k, state, err);
}

int lm_keep_save(struct wm_lm_train *t, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_state_out state = {0};
    int status = lm_keep_path(&t->keep, "point", 0, "", path, err);
    if (!status)
        status = wm_state_out_file(&state, path, err);
    if (!status)
        status = save_all(t, &state, err);
    if (status)
        wm_state_out_done(&state);
    else
        status = wm_state_out_commit(&state, err);
    t->keep.made |= !status;
    t->keep.behind = false;
    t->keep.saved_at = wm_seconds();
    return status ? status : wm_cancel_check(t->cancel, err);
}

/* ---- the door ---- */

int wm_lm_train_keep(struct wm_lm_train *train, const char *dir, double seconds,
                     struct wm_str *ret_position, struct wm_error *err)
{
    train->keep.dir = dir;
    train->keep.seconds = seconds;
    int status = lm_keep_load(train, err);
    train->keep.saved_at = wm_seconds();
    if (status < 0)
        return status;
    train->keep.made = status > 0;
    *ret_position = status > 0 ? wm_buf_str(&train->keep.position) : (struct wm_str){0};
    wm_progress_skip(train->progress, train->summary.tokens);
    return 0;
}

bool wm_lm_train_is_due(const struct wm_lm_train *train)
{
    return lm_keep_due(&train->keep, train->cancel);
}

int wm_lm_train_point(struct wm_lm_train *train, struct wm_str position, struct wm_error *err)
{
    struct lm_keep *k = &train->keep;
    if (k->phase != LM_COUNTING) /* gone on with behind the text: its point says so, and holds */
        return wm_cancel_check(train->cancel, err);
    k->position.len = 0;
    int status = wm_buf_add(&k->position, position.ptr, position.len, err);
    if (status || !lm_keep_due(k, train->cancel))
        return status;
    status = lm_store_block(train, err);
    return status ? status : lm_keep_save(train, err);
}
