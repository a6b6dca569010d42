/* SPDX-License-Identifier: Apache-2.0 */
/* From the last point back to a trainer. */
#include <stdlib.h>

#include "scorers/lm_train_trainer.h"

static int load_file(struct lm_keep *k, struct lm_file *file, const char *name, unsigned n,
                     size_t record, struct wm_state_in *state, uint64_t *ret_n,
                     struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = lm_keep_path(k, name, n, "", path, err);
    if (!status)
        status = wm_out_load(path, state, &file->out, err);
    if (!status)
        *ret_n = wm_out_size(file->out) / record;
    return status;
}

/* `bytes` of numbers, as they stood in memory. */
static int get_raw(struct wm_state_in *state, void *to, size_t bytes, struct wm_error *err)
{
    struct wm_str raw = wm_state_get_str(state);
    if (raw.len != bytes)
        return wm_state_mismatch(err, "a table has another size");
    if (bytes)
        memcpy(to, raw.ptr, bytes);
    return 0;
}

static void get_orders(struct lm_order *orders, unsigned n, struct wm_state_in *state)
{
    for (unsigned i = 0; i < n; i++) {
        orders[i].n = wm_state_get(state);
        orders[i].kept = wm_state_get(state);
        for (unsigned k = 0; k < sizeof orders->n_of / sizeof *orders->n_of; k++)
            orders[i].n_of[k] = wm_state_get(state);
    }
}

static int take_words(struct wm_lm_train *t, struct wm_str file, uint64_t n, struct wm_error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        uint16_t len = 0;
        uint32_t id;
        if (file.len >= sizeof len)
            memcpy(&len, file.ptr, sizeof len);
        if (file.len < sizeof len || file.len - sizeof len < len)
            return wm_state_mismatch(err, "words are missing");
        struct wm_str word = {file.ptr + sizeof len, len};
        int status = lm_vocabulary_id(&t->vocabulary, word, &id, err);
        if (status)
            return status;
        if (id != i)
            return wm_state_mismatch(err, "a word stands there twice");
        file.ptr += sizeof len + len;
        file.len -= sizeof len + len;
    }
    t->keep.n_words = (size_t)n;
    return n == t->vocabulary.n ? 0 : wm_state_mismatch(err, "words are missing");
}

static int load_words(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    struct wm_map map = {0};
    char path[WM_PATH_MAX];
    uint64_t n = wm_state_get(state), bytes = 0;
    int status = load_file(k, &k->words, "words", 0, 1, state, &bytes, err);
    if (!status)
        status = lm_keep_path(k, "words", 0, WM_OUT_PART, path, err);
    if (!status)
        status = wm_map_open(path, &map, err);
    if (!status && map.len < bytes)
        status = wm_state_mismatch(err, "words are missing");
    if (!status)
        status = take_words(t, (struct wm_str){(const char *)map.ptr, (size_t)bytes}, n, err);
    wm_map_close(&map);
    return status;
}

static int load_runs(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    uint64_t n = wm_state_get(state), n_records = 0;
    const size_t record = t->settings.order * sizeof(uint32_t) + sizeof(uint64_t);
    if (n > state->rest.len / 16)
        return wm_state_mismatch(err, "it is cut short");
    k->parts = calloc((size_t)n + 1, sizeof *k->parts);
    if (!k->parts)
        return wm_fail_nomem(err, (size_t)n * sizeof *k->parts, "runs of n-grams");
    k->n_parts = (size_t)n;
    k->cap_parts = (size_t)n + 1;
    for (size_t i = 0; i < k->n_parts; i++) {
        k->parts[i].first = wm_state_get(state);
        k->parts[i].n = wm_state_get(state);
    }
    int status = n ? load_file(k, &k->runs, "runs", 0, record, state, &n_records, err) : 0;
    for (size_t i = 0; !status && i < k->n_parts; i++)
        if (k->parts[i].first > n_records || k->parts[i].n > n_records - k->parts[i].first)
            status = wm_state_mismatch(err, "runs are missing");
    return status;
}

static int load_counts(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    int status = 0;
    for (unsigned n = k->done < 2 ? 2 : k->done + 1; !status && n <= t->settings.order; n++)
        status =
            load_file(k, &k->counts[n - 1], "counts", n, n * sizeof(uint32_t) + sizeof(uint64_t),
                      state, &k->n_counts[n - 1], err);
    return status;
}

/* ---- phases ---- */

static int load_counting(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    t->in_sentence = wm_state_get(state) != 0;
    struct wm_str carry = wm_state_get_str(state), tail = wm_state_get_str(state);
    size_t n = tail.len / sizeof(uint32_t);
    if (carry.len > WM_LM_TOKEN_MAX || n >= WM_LM_ORDER_MAX)
        return wm_state_mismatch(err, "there are too many words");
    int status = wm_buf_add(&t->carry, carry.ptr, carry.len, err);
    if (!status)
        status = lm_reserve_block(t, WM_LM_ORDER_MAX, err);
    if (status)
        return status;
    memcpy(t->block.tokens, tail.ptr, n * sizeof *t->block.tokens);
    t->block.n = t->block.start = n;
    for (size_t i = 0; i < n; i++)
        if (t->block.tokens[i] >= t->vocabulary.n)
            return wm_state_mismatch(err, "a word is not in the vocabulary");
    return load_runs(t, state, err);
}

static int load_adjusting(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    const size_t n = t->vocabulary.n;
    k->orders = calloc(WM_LM_ORDER_MAX, sizeof *k->orders);
    k->counts_of_words = calloc(2 * n, sizeof *k->counts_of_words);
    if (!k->orders || !k->counts_of_words)
        return wm_fail_nomem(err, 2 * n * sizeof *k->counts_of_words, "counts of words");
    get_orders(k->orders, t->settings.order, state);
    int status = get_raw(state, k->counts_of_words, n * sizeof *k->counts_of_words, err);
    if (!status)
        status = get_raw(state, k->counts_of_words + n, n * sizeof *k->counts_of_words, err);
    if (!status)
        status = load_runs(t, state, err);
    return status ? status : load_counts(t, state, err);
}

static int load_done(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    uint64_t section = wm_state_get(state), bytes;
    k->put = wm_state_get(state);
    k->section = (unsigned)section;
    if (section != k->done || k->put != t->orders[k->done - 1].kept)
        return wm_state_mismatch(err, "an order is not complete");
    int status = load_file(k, &k->arpa, "arpa", 0, 1, state, &bytes, err);
    return status ? status
                  : load_file(k, &k->below, "below", k->done,
                              k->done * sizeof(uint32_t) + sizeof(float), state, &k->n_below, err);
}

static int load_estimating(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    const size_t bytes = t->vocabulary.n * sizeof *t->unigrams;
    t->unigrams = malloc(bytes);
    if (!t->unigrams)
        return wm_fail_nomem(err, bytes, "counts");
    get_orders(t->orders, t->settings.order, state);
    int status = get_raw(state, t->unigrams, bytes, err);
    uint64_t done = wm_state_get(state);
    if (!status && (done == 1 || (done && done >= t->settings.order)))
        status = wm_state_mismatch(err, "there are too many orders");
    if (status)
        return status;
    t->keep.done = (unsigned)done;
    status = load_counts(t, state, err);
    if (!status && done)
        status = load_done(t, state, err);
    return status ? status : lm_keep_reopen(t, err);
}

static int load_written(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    struct wm_digest want, is;
    struct wm_error why;
    char path[WM_PATH_MAX];
    get_orders(t->orders, t->settings.order, state);
    want.size = wm_state_get(state);
    want.hash = wm_state_get_hash(state);
    int status = lm_keep_path(&t->keep, "arpa", 0, "", path, err);
    if (status)
        return status;
    if (wm_file_digest(path, &is, &why) || is.size != want.size ||
        !XXH128_isEqual(is.hash, want.hash))
        return wm_state_mismatch(err, "the model is not there or has changed");
    t->keep.digest = is;
    return 0;
}

static int load_phase(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    if (t->keep.phase == LM_WRITTEN)
        return load_written(t, state, err);
    int status = load_words(t, state, err);
    if (status)
        return status;
    return t->keep.phase == LM_COUNTING    ? load_counting(t, state, err)
           : t->keep.phase == LM_ADJUSTING ? load_adjusting(t, state, err)
                                           : load_estimating(t, state, err);
}

static int load(struct wm_lm_train *t, struct wm_state_in *state, struct wm_error *err)
{
    if (!wm_str_eq(wm_state_get_str(state), wm_str_of(LM_KEEP_MAGIC)) ||
        wm_state_get(state) != LM_KEEP_VERSION || wm_state_get(state) != t->settings.order)
        return wm_state_mismatch(err, "it is of another version or order");
    uint64_t phase = wm_state_get(state);
    if (phase >= LM_PHASES)
        return wm_state_mismatch(err, "there is no such phase");
    t->keep.phase = (enum lm_phase)phase;
    struct wm_str position = wm_state_get_str(state);
    int status = wm_buf_add(&t->keep.position, position.ptr, position.len, err);
    t->summary.sentences = wm_state_get(state);
    t->summary.tokens = wm_state_get(state);
    t->summary.runs = wm_state_get(state);
    if (!status)
        status = load_phase(t, state, err);
    return status ? status : wm_state_in_status(state, err);
}

int lm_keep_load(struct wm_lm_train *t, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_state_file file = {0};
    bool there = false;
    int status = lm_keep_path(&t->keep, "point", 0, "", path, err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (status || !there)
        return status;
    status = wm_state_file_open(path, &file, err);
    status = status > 0 ? load(t, &file.body, err)
             : status   ? status
                        : wm_state_mismatch(err, "it is damaged");
    wm_state_file_close(&file);
    return status ? status : 1;
}
