/* SPDX-License-Identifier: Apache-2.0 */
/* Each method against the same written plainly in double; what is frozen stays; averages; the same
 * bits for any number of threads. */
#include "trainer/optimizer.h"

#include <math.h>

#include "test.h"
#include "trainer/kernels.h"
#include "trainer/scalar.h"

static struct wm_error err;

enum { MOST = 64 };

static struct wm_model *new_model(struct wm_team *team)
{
    const struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 1, 2, 12, 5, 21);
    struct wm_model *model = NULL;
    CHECK_OK(wm_model_new(&config, 1, true, team, &model, &err), err);
    if (!model)
        exit(1);
    wm_model_init(model, WM_MODEL_INIT_GPT2, false, 3);
    return model;
}

static void make_gradients(struct wm_model *model, uint64_t step)
{
    for (size_t i = 0; i < model->layout.n; i++)
        for (uint64_t j = 0; j < model->layout.table[i].n; j++)
            model->grads[model->layout.table[i].offset + j] =
                (float)(0.1 * wm_gaussian(step, i, j));
}

/* ---- plain references: weight, gradient and state of one tensor in double ---- */

struct plain {
    double *w, *m, *v;
};

static void plain_adamw(struct plain *p, const float *g, uint64_t n, const struct wm_optimizer *o,
                        const struct wm_optimizer_step *how, double decay)
{
    const struct wm_optimizer_config *c = &o->config;
    for (uint64_t i = 0; i < n; i++) {
        const double grad = g[i] * how->grad_scale;
        p->m[i] = c->beta1 * p->m[i] + (1 - c->beta1) * grad;
        p->v[i] = c->beta2 * p->v[i] + (1 - c->beta2) * grad * grad;
        const double m = p->m[i] / (1 - pow(c->beta1, (double)how->step));
        const double v = p->v[i] / (1 - pow(c->beta2, (double)how->step));
        p->w[i] = p->w[i] * (1 - how->lr * decay) - how->lr * m / (sqrt(v) + c->epsilon);
    }
}

static void plain_sgd(struct plain *p, const float *g, uint64_t n, const struct wm_optimizer *o,
                      const struct wm_optimizer_step *how, double decay)
{
    for (uint64_t i = 0; i < n; i++) {
        p->m[i] = o->config.momentum * p->m[i] + g[i] * how->grad_scale;
        p->w[i] = p->w[i] * (1 - how->lr * decay) - how->lr * p->m[i];
    }
}

/* x ← 3.4445 x − 4.775 (x xᵀ) x + 2.0315 (x xᵀ)² x, for [r, c]. */
static void plain_step(double *x, size_t r, size_t c)
{
    static double a[MOST * MOST], b[MOST * MOST], y[MOST * MOST];
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < r; j++) {
            a[i * r + j] = 0;
            for (size_t k = 0; k < c; k++)
                a[i * r + j] += x[i * c + k] * x[j * c + k];
        }
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < r; j++) {
            b[i * r + j] = -4.775 * a[i * r + j];
            for (size_t k = 0; k < r; k++)
                b[i * r + j] += 2.0315 * a[i * r + k] * a[k * r + j];
        }
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < c; j++) {
            y[i * c + j] = 3.4445 * x[i * c + j];
            for (size_t k = 0; k < r; k++)
                y[i * c + j] += b[i * r + k] * x[k * c + j];
        }
    memcpy(x, y, r * c * sizeof *x);
}

static void plain_muon(struct plain *p, const float *g, size_t rows, size_t columns,
                       const struct wm_optimizer *o, const struct wm_optimizer_step *how,
                       double decay)
{
    static double x[MOST * MOST];
    const double mu = o->config.momentum;
    double sum = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        const double grad = g[i] * how->grad_scale;
        p->m[i] = mu * p->m[i] + (1 - mu) * grad;
        x[i] = mu * p->m[i] + (1 - mu) * grad;
        sum += x[i] * x[i];
    }
    for (size_t i = 0; i < rows * columns; i++)
        x[i] /= sqrt(sum);
    for (int i = 0; i < 5; i++)
        plain_step(x, rows, columns); /* for tall ones the same by (x xᵀ) x = x (xᵀ x) */
    const double size = 0.2 * sqrt((double)(rows > columns ? rows : columns));
    for (size_t i = 0; i < rows * columns; i++)
        p->w[i] = p->w[i] * (1 - how->lr * decay) - how->lr * size * x[i];
}

static void plain_update(struct plain *p, const struct wm_optimizer *o, size_t tensor,
                         const struct wm_optimizer_step *how)
{
    const struct wm_param *t = &o->model->layout.table[tensor];
    const float *g = o->model->grads + t->offset;
    const double decay = o->config.weight_decay * t->decay_multiplier;
    const size_t rows = t->shape[0] / t->n_stacked, n = rows * t->shape[1];
    switch (wm_optimizer_method_of(&o->config, t)) {
    case WM_METHOD_ADAMW:
        plain_adamw(p, g, t->n, o, how, decay);
        break;
    case WM_METHOD_SGD:
        plain_sgd(p, g, t->n, o, how, decay);
        break;
    case WM_METHOD_MUON:
        for (size_t i = 0; i < t->n_stacked; i++) {
            struct plain part = {p->w + i * n, p->m + i * n, p->v + i * n};
            plain_muon(&part, g + i * n, rows, t->shape[1], o, how, decay);
        }
        break;
    case WM_METHOD_NONE:
        break;
    }
}

/* ---- the tests ---- */

static void against_plain(enum wm_optimizer_kind kind, double tolerance)
{
    const struct wm_optimizer_config config = {.kind = kind,
                                               .beta1 = 0.9,
                                               .beta2 = 0.95,
                                               .epsilon = 1e-8,
                                               .momentum = 0.9,
                                               .weight_decay = 0.1};
    struct wm_team *team = NULL;
    struct wm_optimizer *o = NULL;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    struct wm_model *model = new_model(team);
    model->layout.table[3].trainable = false;
    CHECK_OK(wm_optimizer_new(&config, model, &o, &err), err);
    double *memory = calloc(3 * model->n_params, sizeof *memory);
    double *w = memory, *m = w + model->n_params, *v = m + model->n_params;
    for (uint64_t i = 0; i < model->n_params; i++)
        w[i] = (double)model->params[i];
    for (uint64_t step = 1; step <= 4; step++) {
        const struct wm_optimizer_step how = {0.01 * (double)step, step, 0.7};
        make_gradients(model, step);
        wm_optimizer_update(o, &how);
        for (size_t i = 0; i < model->layout.n; i++) {
            const uint64_t at = model->layout.table[i].offset;
            struct plain p = {w + at, m + at, v + at};
            plain_update(&p, o, i, &how);
        }
    }
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        double most = 0;
        for (uint64_t j = 0; j < p->n; j++)
            most = fmax(most, fabs(model->params[p->offset + j] - w[p->offset + j]));
        CHECK_(most <= tolerance, "%s: off by %g", p->name, most);
        CHECK_(p->trainable || most == 0, "%s is frozen", p->name);
    }
    free(memory);
    wm_optimizer_free(o);
    wm_model_free(model);
    wm_team_free(team);
}

static float *weights_after(unsigned threads, const char *kernels, enum wm_compute compute,
                            uint64_t *ret_n)
{
    const struct wm_optimizer_config config = {.kind = WM_OPTIMIZER_MUON,
                                               .beta1 = 0.9,
                                               .beta2 = 0.95,
                                               .epsilon = 1e-8,
                                               .momentum = 0.95,
                                               .average = true};
    struct wm_team *team = NULL;
    struct wm_optimizer *o = NULL;
    struct wm_model *model = NULL;
    const struct wm_model_config sizes = wm_model_config_usual(WM_ARCH_LLAMA, 1, 4, 200, 5, 101);
    CHECK_OK(wm_team_new(threads, &team, &err), err);
    CHECK_OK(wm_model_new(&sizes, 1, true, team, &model, &err), err);
    CHECK_OK(wm_model_use_kernels(model, kernels, &err), err);
    model->compute = compute;
    wm_model_init(model, WM_MODEL_INIT_HE, true, 5);
    CHECK_OK(wm_optimizer_new(&config, model, &o, &err), err);
    for (uint64_t step = 1; step <= 2; step++) {
        const struct wm_optimizer_step how = {0.02, step, 1};
        make_gradients(model, step);
        wm_optimizer_update(o, &how);
        wm_optimizer_average(o);
    }
    wm_optimizer_swap_average(o);
    float *copy = malloc(model->n_params * sizeof *copy);
    if (!copy)
        exit(1);
    memcpy(copy, model->params, model->n_params * sizeof *copy);
    *ret_n = model->n_params;
    wm_optimizer_free(o);
    wm_model_free(model);
    wm_team_free(team);
    return copy;
}

static void same_bits(void)
{
    uint64_t n, m;
    const char *best = wm_kernels_available()[0]->name;
    float *want = weights_after(1, best, WM_COMPUTE_F32, &n);
    for (unsigned threads = 2; threads <= 7; threads += threads == 3 ? 4 : 1) {
        float *got = weights_after(threads, best, WM_COMPUTE_F32, &m);
        CHECK_(n == m && memcmp(want, got, n * sizeof *got) == 0, "%u threads", threads);
        free(got);
    }
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        float *got = weights_after(2, (*k)->name, WM_COMPUTE_F32, &m);
        CHECK_(n == m && memcmp(want, got, n * sizeof *got) == 0, "%s", (*k)->name);
        free(got);
    }
    free(want);
}

/* Muon's products in bfloat16: the same bits for any number of threads, and near float32's. */
static void rounded(void)
{
    uint64_t n, m;
    const char *best = wm_kernels_available()[0]->name;
    float *exact = weights_after(1, best, WM_COMPUTE_F32, &n);
    float *one = weights_after(1, best, WM_COMPUTE_BF16, &n);
    float *three = weights_after(3, best, WM_COMPUTE_BF16, &m);
    double difference = 0, size = 0;
    CHECK(n == m && memcmp(one, three, n * sizeof *one) == 0);
    for (uint64_t i = 0; i < n; i++) {
        difference += pow((double)one[i] - (double)exact[i], 2);
        size += pow((double)exact[i], 2);
    }
    CHECK(difference > 0);
    CHECK_(sqrt(difference / size) < 0.02, "bfloat16 is off by %g", sqrt(difference / size));
    free(exact);
    free(one);
    free(three);
}

static void averages(void)
{
    const struct wm_optimizer_config config = {.kind = WM_OPTIMIZER_SGD, .average = true};
    struct wm_team *team = NULL;
    struct wm_optimizer *o = NULL;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    struct wm_model *model = new_model(team);
    CHECK_OK(wm_optimizer_new(&config, model, &o, &err), err);
    const float *own = model->params;
    wm_optimizer_swap_average(o); /* nothing is averaged yet */
    CHECK(model->params == own);
    double sum = 0;
    for (uint64_t step = 1; step <= 3; step++) {
        const struct wm_optimizer_step how = {0.5, step, 1};
        make_gradients(model, step);
        wm_optimizer_update(o, &how);
        wm_optimizer_average(o);
        sum += (double)model->params[7];
    }
    wm_optimizer_swap_average(o);
    CHECK(model->params != own && fabs(model->params[7] - sum / 3) < 1e-7);
    wm_optimizer_free(o); /* gives the weights back */
    CHECK(model->params == own);
    wm_model_free(model);
    wm_team_free(team);
}

static void sizes(void)
{
    struct wm_team *team = NULL;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    struct wm_model *model = new_model(team);
    const uint64_t floats = model->n_params * sizeof(float);
    struct wm_optimizer_config config = {.kind = WM_OPTIMIZER_ADAMW};
    const uint64_t adamw = wm_optimizer_bytes(&config, &model->layout);
    config.kind = WM_OPTIMIZER_SGD;
    const uint64_t sgd = wm_optimizer_bytes(&config, &model->layout);
    CHECK(adamw - sgd == floats); /* one slot less */
    config.average = true;
    CHECK(wm_optimizer_bytes(&config, &model->layout) == adamw);
    for (size_t i = 0; i < model->layout.n; i++)
        model->layout.table[i].trainable = false;
    CHECK(wm_optimizer_bytes(&config, &model->layout) - floats < 3 << 20);
    wm_model_free(model);
    wm_team_free(team);
}

int main(void)
{
    against_plain(WM_OPTIMIZER_ADAMW, 2e-7);
    against_plain(WM_OPTIMIZER_SGD, 2e-7);
    against_plain(WM_OPTIMIZER_MUON, 2e-6);
    same_bits();
    rounded();
    averages();
    sizes();
    return test_summary();
}
