/* SPDX-License-Identifier: Apache-2.0 */
/* Loss, logits and every gradient against the models in double, at sizes that fit nothing: odd
 * lengths, odd head counts, heads that are no multiple of 16, GPT-2's vocabulary; with documents,
 * positions and prefixes; frozen tensors; in bfloat16. */
#include "model_fixture.h"
#include "reference_model.h"

/* Weights of a size at which everything matters and nothing saturates. */
static struct wm_model *random_model(const struct wm_model_config *config, uint32_t b)
{
    struct wm_model *model = new_model(config, b, 2, true);
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        const double size = p->group == WM_GROUP_VECTOR ? 0.3 : 0.7 / sqrt(p->shape[1]);
        const double middle = p->role == WM_PARAM_NORM ? 1 : 0;
        for (uint64_t j = 0; j < p->n; j++)
            model->params[p->offset + j] = (float)(middle + size * wm_gaussian(9, i, j));
    }
    return model;
}

/* |a − b| / |b| in L2 */
static double distance(const float *a, const double *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0 ? sqrt(difference / size) : difference;
}

static void check_logits(struct wm_model *model, struct ref_model *r, const struct sample *s)
{
    const size_t n = (size_t)s->batch.b * s->batch.t * model->config.vocabulary;
    float *logits = calloc(n, sizeof *logits);
    if (!logits)
        exit(1);
    CHECK_OK(wm_model_logits(model, &s->batch, logits, &err), err);
    const double want = ref_forward_backward(r, &s->batch, 0), d = distance(logits, r->logits, n);
    CHECK_(d <= 1e-6, "logits differ by %g", d);
    double nll = NAN;
    CHECK_OK(wm_model_loss(model, &s->batch, &nll, &err), err);
    CHECK_(fabs(nll - want) <= 1e-6 * want, "loss %.9g, want %.9g", nll, want);
    free(logits);
}

static void agree(const struct wm_model_config *config, uint32_t b, uint32_t t, bool places)
{
    struct wm_model *model = random_model(config, b);
    struct sample *s = new_sample(config, b, t, 1, places);
    struct ref_model r = ref_model_new(config);
    for (uint64_t i = 0; i < model->n_params; i++)
        r.w[i] = (double)model->params[i];
    check_logits(model, &r, s);
    double nll = NAN, worst = 0;
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 0.125f, &nll, &err), err);
    (void)ref_forward_backward(&r, &s->batch, 0.125);
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        const double d = distance(model->grads + p->offset, r.g + p->offset, p->n);
        /* softmax does not see a constant added to all scores: the keys' bias learns nothing */
        const bool keys = p->place == WM_P_QKV_BIAS;
        CHECK_(d <= 1e-5, "%s, %u × %u: gradient of %s differs by %g", wm_model_parts(config)->name,
               b, t, p->name, d);
        worst = keys ? worst : fmax(worst, d);
    }
    CHECK_(worst > 0, "nothing was rounded");
    ref_model_free(&r);
    free(s);
    free_model(model);
}

static void all_sizes(void)
{
    for (int i = 0; i < WM_N_ARCHITECTURES; i++) {
        const enum wm_architecture a = (enum wm_architecture)i;

        for (int places = 0; places < 2; places++) {
            struct wm_model_config c = family(a, 2, 3, 1, 10, 19, 101);
            agree(&c, 3, 19, places);
            c = family(a, 1, 5, 5, 22, 131, 67); /* several blocks of queries and of loss rows */
            agree(&c, 5, 131, places);
            c = family(a, 3, 6, 2, 16, 7, 257);
            agree(&c, 1, 1, places);
        }
        const struct wm_model_config large = family(a, 1, 2, 1, 8, 9, 50257);
        agree(&large, 2, 9, false);
    }
}

/* A frozen tensor's gradient stays 0; the others' are the same bits as before. */
static void frozen(enum wm_architecture a)
{
    const struct wm_model_config c = family(a, 2, 3, 3, 8, 11, 53);
    struct wm_model *model = random_model(&c, 2);
    struct sample *s = new_sample(&c, 2, 11, 1, false);
    float *all = calloc(model->n_params, sizeof *all);
    double nll = 0, again = 0;
    if (!all)
        exit(1);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 1, &nll, &err), err);
    memcpy(all, model->grads, model->n_params * sizeof *all);
    for (size_t from = 0; from <= model->layout.n; from++) {
        for (size_t i = 0; i < model->layout.n; i++)
            model->layout.table[i].trainable = i >= from || (from > 4 && i % 5 == 4);
        wm_model_zero_grads(model);
        CHECK_OK(wm_model_forward_backward(model, &s->batch, 1, &again, &err), err);
        CHECK(nll == again);
        for (size_t i = 0; i < model->layout.n; i++) {
            const struct wm_param *p = &model->layout.table[i];
            const float *g = model->grads + p->offset, *want = all + p->offset;
            for (uint64_t j = 0; j < p->n && !p->trainable; j++)
                CHECK_(g[j] == 0, "%s is frozen and has a gradient", p->name);
            CHECK_(!p->trainable || memcmp(g, want, p->n * sizeof *g) == 0,
                   "%s differs with tensors from %zu on", p->name, from);
        }
    }
    free(all);
    free(s);
    free_model(model);
}

int main(void)
{
    all_sizes();
    for (int a = 0; a < WM_N_ARCHITECTURES; a++)
        frozen((enum wm_architecture)a);
    return test_summary();
}
