/* SPDX-License-Identifier: Apache-2.0 */
/* The validation text: the first windows of the validation shards, always the same ones, each token
 * but the first scored once, with at most `context` tokens before it. */
#include <math.h>

#include "trainer/training.h"

uint64_t wm_training_text_bytes(const struct wm_training *t, const uint32_t *ids, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (!wm_token_is_special(t->tokenizer, ids[i]))
            bytes += wm_token_bytes(t->tokenizer, ids[i]).len;
    return bytes;
}

/* Of the scored tokens. */
static uint64_t count_bytes(const struct wm_training *t)
{
    enum { BLOCK = 4096 };
    uint32_t ids[BLOCK];
    uint64_t bytes = 0;
    for (uint64_t at = 0; at < t->scored; at += BLOCK) {
        size_t n = t->scored - at < BLOCK ? (size_t)(t->scored - at) : BLOCK;
        wm_shard_set_read(&t->validation_set, at + 1, n, ids);
        bytes += wm_training_text_bytes(t, ids, n);
    }
    return bytes;
}

int wm_training_plan_validation(struct wm_training *t, struct wm_error *err)
{
    if (t->validation_set.n_tokens < 2)
        return 0;
    uint32_t context = (uint32_t)t->options->context;
    int status = wm_windows_init(&t->validation, &t->validation_set, context, err);
    if (status)
        return status;
    uint64_t all = t->validation_set.n_tokens - 1, most = t->options->validation_tokens;
    t->scored = all;
    if (most && most < all) {
        uint64_t windows = most / context ? most / context : 1;
        t->scored = windows * context < all ? windows * context : all;
    }
    uint64_t bytes = count_bytes(t);
    t->scale.tokens_per_byte = bytes ? (double)t->scored / (double)bytes : 0;
    return 0;
}

/* Loss of `n` windows from `window` on, `length` tokens each. */
static int score(struct wm_training *t, uint64_t window, uint32_t n, uint32_t length,
                 double *ret_nll, struct wm_error *err)
{
    int status = wm_cancel_check(t->job->cancel, err);
    for (uint32_t row = 0; row < n && !status; row++) {
        status = wm_training_load_row(t, &t->validation, window + row, length, (size_t)row * length,
                                      err);
    }
    if (status)
        return status;
    const struct wm_lm_batch rows = wm_training_rows(t, n, length);
    return wm_model_loss(t->model, &rows, ret_nll, err);
}

static int score_all(struct wm_training *t, double *ret_nats, struct wm_error *err)
{
    uint32_t context = t->validation.context, rest = (uint32_t)(t->scored % context);
    uint64_t windows = t->scored / context;
    double sum = 0, nll;
    for (uint64_t at = 0; at < windows; at += t->micro_batch) {
        uint32_t n = windows - at < t->micro_batch ? (uint32_t)(windows - at) : t->micro_batch;
        int status = score(t, at, n, context, &nll, err);
        if (status)
            return status;
        sum += nll;
    }
    if (rest) {
        int status = score(t, windows, 1, rest, &nll, err);
        if (status)
            return status;
        sum += nll;
    }
    *ret_nats = sum / (double)t->scored;
    if (isfinite(*ret_nats))
        return 0;
    const struct wm_bad_step bad = {t->history.n, t->history.steps[t->history.n - 1].grad_norm, 1};
    return wm_training_diverged(t, "validation loss", *ret_nats, &bad, err);
}

/* Of the averaged weights, where there are some: they are what the training will give. */
int wm_training_validate(struct wm_training *t, double *ret_nats, struct wm_error *err)
{
    wm_optimizer_swap_average(t->optimizer);
    int status = score_all(t, ret_nats, err);
    wm_optimizer_swap_average(t->optimizer);
    return status;
}
