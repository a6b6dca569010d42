/* SPDX-License-Identifier: Apache-2.0 */
/* Models, batches and steps for the tests of the model. */
#ifndef WETMILL_TESTS_TRAINER_MODEL_FIXTURE_H
#define WETMILL_TESTS_TRAINER_MODEL_FIXTURE_H

#include <math.h>

#include "test.h"
#include "trainer/model.h"
#include "trainer/optimizer.h"
#include "trainer/scalar.h"

static struct wm_error err;

enum { SAMPLE_ROWS = 4096 };

struct sample {
    struct wm_lm_batch batch;
    uint32_t ids[2][SAMPLE_ROWS], positions[SAMPLE_ROWS], first_key[SAMPLE_ROWS];
    uint32_t prefix[SAMPLE_ROWS];
    float weights[SAMPLE_ROWS];
};

/* Random tokens, of which a quarter is not scored. `places`: two documents in each row, with
 * positions and keys of their own, and the first row has a prefix. */
static inline struct sample *new_sample(const struct wm_model_config *config, uint32_t b,
                                        uint32_t t, uint64_t seed, bool places)
{
    struct sample *s = calloc(1, sizeof *s);
    if (!s || (size_t)b * t > SAMPLE_ROWS)
        exit(1);
    for (uint32_t i = 0; i < b * t; i++) {
        const uint32_t at = i % t, document = at < t / 3 ? 0 : t / 3;
        s->ids[0][i] = (uint32_t)(wm_random(seed, 0, i) % config->vocabulary);
        s->ids[1][i] = (uint32_t)(wm_random(seed, 1, i) % config->vocabulary);
        s->weights[i] = (float)(wm_random(seed, 2, i) % 4) * 0.5f;
        s->positions[i] = at - document;
        s->first_key[i] = document;
    }
    s->prefix[0] = t / 2;
    s->batch = (struct wm_lm_batch){
        .b = b, .t = t, .inputs = s->ids[0], .targets = s->ids[1], .weights = s->weights};
    if (places) {
        s->batch.positions = s->positions;
        s->batch.first_key = s->first_key;
        s->batch.prefix = s->prefix;
    }
    return s;
}

static inline struct wm_model *open_model(const struct wm_model_config *config,
                                          const struct wm_model_options *options, unsigned threads)
{
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(threads, &team, &err), err);
    CHECK_OK(wm_model_open(config, options, team, &model, &err), err);
    if (!model)
        exit(1);
    wm_model_init(model, WM_MODEL_INIT_GPT2, false, 42);
    return model;
}

static inline struct wm_model *new_model(const struct wm_model_config *config, uint32_t b,
                                         unsigned threads, bool training)
{
    const struct wm_model_options options = {.max_batch = b, .training = training};
    return open_model(config, &options, threads);
}

static inline void free_model(struct wm_model *model)
{
    struct wm_team *team = model->team;
    wm_model_free(model);
    wm_team_free(team);
}

static inline double loss_of(struct wm_model *model, const struct wm_lm_batch *batch)
{
    double nll = NAN;
    CHECK_OK(wm_model_loss(model, batch, &nll, &err), err);
    return nll;
}

/* Make every parameter matter: biases and gains away from 0 and 1, weights large enough for
 * attention to choose. */
static inline void shake(struct wm_model *model)
{
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        for (uint64_t j = 0; j < p->n; j++)
            model->params[p->offset + j] += (float)(0.2 * wm_gaussian(9, i, j));
    }
}

static inline struct wm_optimizer *new_optimizer(struct wm_model *model)
{
    const struct wm_optimizer_config config = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
    struct wm_optimizer *optimizer = NULL;
    CHECK_OK(wm_optimizer_new(&config, model, &optimizer, &err), err);
    if (!optimizer)
        exit(1);
    return optimizer;
}

/* One step on the mean loss, which is returned; the gradient's norm is clipped to 1. */
static inline double step(struct wm_model *model, struct wm_optimizer *optimizer,
                          const struct wm_lm_batch *batch, uint64_t n, double lr)
{
    double nll = NAN, sum = 0;
    for (size_t i = 0; i < (size_t)batch->b * batch->t; i++)
        sum += batch->weights ? (double)batch->weights[i] : 1;
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, batch, (float)(1 / sum), &nll, &err), err);
    const double norm = wm_model_grad_norm(model);
    const struct wm_optimizer_step how = {
        .lr = lr, .step = n, .grad_scale = norm > 1 ? 1 / norm : 1};
    wm_optimizer_update(optimizer, &how);
    return nll / sum;
}

/* A configuration at odds with every block size. `n_kv_head` is for the families that have it. */
static inline struct wm_model_config family(enum wm_architecture a, uint32_t n_layer,
                                            uint32_t n_head, uint32_t n_kv_head, uint32_t head_dim,
                                            uint32_t n_ctx, uint32_t vocabulary)
{
    struct wm_model_config c =
        wm_model_config_usual(a, n_layer, n_head, n_head * head_dim, n_ctx, vocabulary);
    if (a != WM_ARCH_GPT2) {
        c.n_kv_head = n_kv_head;
        c.head_dim = head_dim;
        c.n_embd = n_head * head_dim + 3;
        c.n_hidden = 37;
        c.rope_theta = 500;
        c.tied = n_layer == 1;
    }
    return c;
}

#endif /* WETMILL_TESTS_TRAINER_MODEL_FIXTURE_H */
