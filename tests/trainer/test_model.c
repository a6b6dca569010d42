/* SPDX-License-Identifier: Apache-2.0 */
/* The model by itself: gradients against finite differences, separate
 * rows and documents, learning, and what it refuses. */
#include "model_fixture.h"

/* Odd everywhere: depth 8, T 17, V 509. */
static struct wm_model_config odd; /* main sets it */

/* Along each tensor's own gradient g the loss must change by |g| per unit length. */
static void finite_differences(void)
{
    const struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 2, 2, 12, 9, 31);
    struct wm_model *model = new_model(&config, 3, 2, true);
    struct sample *s = new_sample(&config, 3, 9, 1, false);
    shake(model);
    double nll;
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 1.0f, &nll, &err), err);
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        float *x = model->params + p->offset, *kept = malloc(p->n * sizeof *kept);
        const float *g = model->grads + p->offset;
        double norm = 0, loss[2];
        for (uint64_t j = 0; j < p->n; j++)
            norm += (double)g[j] * (double)g[j];
        norm = sqrt(norm);
        CHECK_(norm > 1e-3, "%s has no gradient", p->name);
        if (!kept)
            exit(1);
        memcpy(kept, x, p->n * sizeof *kept);
        const double h = 1e-2;
        for (int side = 0; side < 2; side++) {
            for (uint64_t j = 0; j < p->n; j++)
                x[j] = (float)((double)kept[j] + (side ? -h : h) * (double)g[j] / norm);
            loss[side] = loss_of(model, &s->batch);
        }
        memcpy(x, kept, p->n * sizeof *kept);
        free(kept);
        double slope = (loss[0] - loss[1]) / (2 * h);
        CHECK_(fabs(slope - norm) <= 5e-3 * norm, "%s: slope %g, gradient %g", p->name, slope,
               norm);
    }
    free(s);
    free_model(model);
}

/* Rows of a batch must not see each other, nor positions the future. */
static void causal_and_separate(void)
{
    struct wm_model *model = new_model(&odd, 3, 2, false);
    struct sample *s = new_sample(&odd, 3, 17, 3, false);
    const size_t row = (size_t)17 * odd.vocabulary;
    float *one = calloc(3 * row, sizeof *one), *two = calloc(3 * row, sizeof *two);
    if (!one || !two)
        exit(1);
    shake(model);
    CHECK_OK(wm_model_logits(model, &s->batch, one, &err), err);
    s->ids[0][17 + 11] ^= 1; /* second sequence, position 11 */
    CHECK_OK(wm_model_logits(model, &s->batch, two, &err), err);
    CHECK(memcmp(one, two, (row + 11 * odd.vocabulary) * sizeof *one) == 0);
    CHECK(memcmp(one + row + 11 * odd.vocabulary, two + row + 11 * odd.vocabulary,
                 odd.vocabulary * sizeof *one) != 0);
    CHECK(memcmp(one + 2 * row, two + 2 * row, row * sizeof *one) == 0);
    free(one);
    free(two);
    free(s);
    free_model(model);
}

static void learns(const struct wm_model_config *config)
{
    struct wm_model *model = new_model(config, 4, 2, true);
    struct sample *s = new_sample(config, 4, 17, 5, false);
    s->batch.weights = NULL;
    const double n = 4 * 17, start = loss_of(model, &s->batch) / n;
    CHECK_(fabs(start - log(config->vocabulary)) < 0.1, "loss %g at first, want log V = %g", start,
           log(config->vocabulary));
    struct wm_optimizer *optimizer = new_optimizer(model);
    for (uint64_t i = 1; i <= 300; i++)
        (void)step(model, optimizer, &s->batch, i, i < 200 ? 1e-2 : 2e-3);
    wm_optimizer_free(optimizer);
    const double end = loss_of(model, &s->batch) / n;
    CHECK_(end < 0.01, "%s: one batch stays at %g nats", wm_model_parts(config)->name, end);
    free(s);
    free_model(model);
}

/* ---- dropout ---- */

static double loss_with(struct wm_model *model, const struct wm_lm_batch *batch)
{
    double nll = NAN;
    CHECK_OK(wm_model_forward_backward(model, batch, 1, &nll, &err), err);
    return nll;
}

/* The loss's slope along the gradient, as in finite_differences, while the same elements are left
 * out; other noise leaves out others; no noise without gradients; any memory, the same bits. */
static void drops(void)
{
    struct wm_model_options options = {.max_batch = 3, .training = true, .dropout = 0.3f};
    struct wm_model *model = open_model(&odd, &options, 2);
    struct sample *s = new_sample(&odd, 3, 17, 8, false);
    float *g = malloc(model->n_params * sizeof *g), *x = malloc(model->n_params * sizeof *x);
    double norm = 0, loss[2];
    if (!g || !x)
        exit(1);
    shake(model);
    const double all = loss_of(model, &s->batch), some = loss_with(model, &s->batch);
    CHECK_(all != some, "nothing was left out");
    CHECK(all == loss_of(model, &s->batch));
    memcpy(g, model->grads, model->n_params * sizeof *g);
    memcpy(x, model->params, model->n_params * sizeof *x);
    for (uint64_t i = 0; i < model->n_params; i++)
        norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    for (int side = 0; side < 2; side++) {
        for (uint64_t i = 0; i < model->n_params; i++)
            model->params[i] = (float)((double)x[i] + (side ? -1e-3 : 1e-3) * (double)g[i] / norm);
        loss[side] = loss_with(model, &s->batch);
    }
    const double slope = (loss[0] - loss[1]) / 2e-3;
    CHECK_(fabs(slope - norm) < 1e-2 * norm, "slope %g, gradient %g", slope, norm);
    memcpy(model->params, x, model->n_params * sizeof *x);
    s->batch.noise = 1;
    CHECK(loss_with(model, &s->batch) != some);
    free_model(model);
    options.memory = 1;
    model = open_model(&odd, &options, 3);
    shake(model);
    s->batch.noise = 0;
    CHECK(loss_with(model, &s->batch) == some);
    CHECK_(memcmp(g, model->grads, model->n_params * sizeof *g) == 0, "dropout made again differs");
    options.dropout = 1;
    struct wm_model *none = NULL;
    CHECK_FAILS(wm_model_open(&odd, &options, model->team, &none, &err), WM_E_CONFIG, err,
                "dropout");
    free(g);
    free(x);
    free(s);
    free_model(model);
}

/* Two micro-batches add up to the batch; unscored rows count for nothing. */
static void accumulates(void)
{
    struct wm_model *model = new_model(&odd, 4, 2, true);
    struct sample *s = new_sample(&odd, 4, 17, 6, false);
    float *whole = malloc(model->n_params * sizeof *whole);
    double nll, first, second, difference = 0, size = 0;
    if (!whole)
        exit(1);
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 0.125f, &nll, &err), err);
    memcpy(whole, model->grads, model->n_params * sizeof *whole);
    wm_model_zero_grads(model);
    struct wm_lm_batch half = s->batch;
    half.b = 2;
    CHECK_OK(wm_model_forward_backward(model, &half, 0.125f, &first, &err), err);
    half.inputs += 34;
    half.targets += 34;
    half.weights += 34;
    CHECK_OK(wm_model_forward_backward(model, &half, 0.125f, &second, &err), err);
    CHECK(fabs(first + second - nll) < 1e-9 * nll);
    for (uint64_t i = 0; i < model->n_params; i++) {
        double d = (double)whole[i] - (double)model->grads[i];
        difference += d * d;
        size += (double)whole[i] * (double)whole[i];
    }
    CHECK_(sqrt(difference / size) < 1e-5, "micro-batches differ by %g", sqrt(difference / size));
    memset(s->weights, 0, sizeof s->weights);
    s->ids[1][3] = UINT32_MAX; /* an ignored target may be anything */
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 1.0f, &nll, &err), err);
    CHECK(nll == 0 && wm_model_grad_norm(model) == 0);
    free(whole);
    free(s);
    free_model(model);
}

static uint64_t bytes_of(const struct wm_model_config *config, uint32_t max_batch, bool training)
{
    const struct wm_model_options options = {.max_batch = max_batch, .training = training};
    return wm_model_memory(config, &options, 2);
}

static void refuses(void)
{
    struct wm_model *model = new_model(&odd, 2, 1, false);
    struct sample *s = new_sample(&odd, 2, 17, 7, false);
    double nll;
    CHECK_FAILS(wm_model_forward_backward(model, &s->batch, 1, &nll, &err), WM_E_CONFIG, err,
                "inference");
    s->batch.b = 3;
    CHECK_FAILS(wm_model_loss(model, &s->batch, &nll, &err), WM_E_LIMIT, err, "batch");
    s->batch.b = 1;
    s->batch.t = 18;
    CHECK_FAILS(wm_model_loss(model, &s->batch, &nll, &err), WM_E_LIMIT, err, "batch");
    s->batch.t = 5;
    s->batch.weights = NULL;
    s->ids[1][4] = 509;
    CHECK_FAILS(wm_model_loss(model, &s->batch, &nll, &err), WM_E_FORMAT, err, "token 509");
    s->ids[0][0] = UINT32_MAX;
    CHECK_FAILS(wm_model_loss(model, &s->batch, &nll, &err), WM_E_FORMAT, err, "token 4294967295");
    CHECK_FAILS(wm_model_use_kernels(model, "abacus", &err), WM_E_CONFIG, err, "abacus");
    struct wm_model *none = NULL;
    struct wm_model_config bad = odd;
    bad.n_head = 5;
    CHECK_FAILS(wm_model_new(&bad, 1, true, model->team, &none, &err), WM_E_CONFIG, err, "heads");
    bad = odd;
    bad.n_layer = 0;
    CHECK_FAILS(wm_model_new(&bad, 1, true, model->team, &none, &err), WM_E_CONFIG, err, "layers");
    bad = odd;
    bad.vocabulary = UINT32_MAX;
    CHECK_FAILS(wm_model_new(&bad, 1, true, model->team, &none, &err), WM_E_CONFIG, err, "vocab");
    bad = odd;
    bad.norm_epsilon = NAN;
    CHECK_FAILS(wm_model_new(&bad, 1, true, model->team, &none, &err), WM_E_CONFIG, err, "epsilon");
    CHECK_FAILS(wm_model_new(&odd, 0, true, model->team, &none, &err), WM_E_CONFIG, err, "batch");
    CHECK_FAILS(wm_model_new(&odd, UINT32_MAX, true, model->team, &none, &err), WM_E_CONFIG, err,
                "batch");
    CHECK(none == NULL);
    CHECK_U64(bytes_of(&bad, 1, true), 0);
    CHECK(bytes_of(&odd, 2, true) > bytes_of(&odd, 1, true));
    CHECK(bytes_of(&odd, 2, true) > bytes_of(&odd, 2, false));
    wm_model_free(NULL);
    free(s);
    free_model(model);
}

/* A model no machine has memory for is an error, not a crash. */
static void too_large(void)
{
    const struct wm_model_config huge = wm_model_config_usual(
        WM_ARCH_GPT2, WM_MODEL_MAX_LAYERS, 1, WM_MODEL_MAX_WIDTH, 1 << 20, WM_MODEL_MAX_VOCABULARY);
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    CHECK(bytes_of(&huge, 16, true) > UINT64_C(1) << 49);
    CHECK_FAILS(wm_model_new(&huge, 16, true, team, &model, &err), WM_E_NOMEM, err, "memory");
    wm_team_free(team);
}

/* Hugging Face counts 124,439,808 for this configuration. */
static void counts(void)
{
    const struct wm_model_config gpt2 =
        wm_model_config_usual(WM_ARCH_GPT2, 12, 12, 768, 1024, 50257);
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    CHECK_OK(wm_model_new(&gpt2, 1, false, team, &model, &err), err);
    uint64_t n = 0;
    for (size_t i = 0; i < model->layout.n; i++) {
        n += model->layout.table[i].n;
        CHECK(model->layout.table[i].decay_multiplier ==
              (model->layout.table[i].shape[1] ? 1.0f : 0.0f));
        CHECK_U64(model->layout.table[i].offset % 16, 0);
    }
    CHECK_U64(n, 124439808);
    CHECK(model->grads == NULL);
    wm_model_free(model);
    wm_team_free(team);
}

int main(void)
{
    odd = wm_model_config_usual(WM_ARCH_GPT2, 2, 3, 24, 17, 509);
    finite_differences();
    causal_and_separate();
    for (int a = 0; a < WM_N_ARCHITECTURES; a++) {
        const struct wm_model_config config = family((enum wm_architecture)a, 2, 4, 2, 8, 17, 509);
        learns(&config);
    }
    drops();
    accumulates();
    refuses();
    too_large();
    counts();
    return test_summary();
}
