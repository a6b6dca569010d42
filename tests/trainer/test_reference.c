/* SPDX-License-Identifier: Apache-2.0 */
/* The reference in double itself: the traces that PyTorch made in float64, and finite differences
 * of everything a batch and a model can have. */
#include "reference.h"
#include "reference_model.h"
#include "trainer/scalar.h"

static double grad_norm(const struct ref_model *r)
{
    double sum = 0;
    for (uint64_t i = 0; i < r->layout.n_floats; i++)
        sum += r->g[i] * r->g[i];
    return sqrt(sum);
}

/* AdamW as the manifest tells it. */
static void ref_update(struct ref_model *r, const struct ref_set *set, double lr, double scale,
                       size_t step)
{
    const double b1 = ref_option(set, "beta1"), b2 = ref_option(set, "beta2");
    const double decay = ref_option(set, "weight_decay"), epsilon = ref_option(set, "eps");
    for (size_t i = 0; i < r->layout.n; i++) {
        const struct wm_param *p = &r->layout.table[i];
        for (uint64_t j = p->offset; j < p->offset + p->n; j++) {
            const double g = r->g[j] * scale;
            r->w[j] *= p->shape[1] ? 1 - lr * decay : 1;
            r->m[j] = b1 * r->m[j] + (1 - b1) * g;
            r->v[j] = b2 * r->v[j] + (1 - b2) * g * g;
            const double m = r->m[j] / (1 - pow(b1, (double)step));
            const double v = r->v[j] / (1 - pow(b2, (double)step));
            r->w[j] -= lr * m / (sqrt(v) + epsilon);
        }
    }
}

static void trace(const struct ref_set *set)
{
    struct ref_model r = ref_model_new(&set->config);
    struct ref_file want = ref_load(set, "train_trace_f64ref.npy");
    struct ref_batches batches = ref_batches_open(set);
    float *w = ref_tensors(set, "model.safetensors", &r.layout);
    for (uint64_t i = 0; i < r.layout.n_floats; i++)
        r.w[i] = (double)w[i];
    free(w);
    for (size_t step = 0; step < set->steps; step++) {
        const struct wm_lm_batch batch = ref_batch(set, &batches, step);
        double row[3];
        memcpy(row, want.data + step * sizeof row, sizeof row);
        memset(r.g, 0, r.layout.n_floats * sizeof *r.g);
        const double loss = ref_forward_backward(&r, &batch, 1 / batches.n) / batches.n;
        const double norm = grad_norm(&r), lr = ref_learning_rate(set, step);
        CHECK_(fabs(loss - row[0]) <= 1e-9, "%s, step %zu: loss %.15g, want %.15g", set->dir, step,
               loss, row[0]);
        CHECK_(fabs(norm - row[1]) <= 1e-9, "%s, step %zu: gradient norm %.15g, want %.15g",
               set->dir, step, norm, row[1]);
        CHECK_(fabs(lr - row[2]) <= 1e-9, "%s, step %zu: rate %.15g, want %.15g", set->dir, step,
               lr, row[2]);
        ref_update(&r, set, lr, fmin(1, ref_option(set, "clip") / (norm + 1e-6)), step + 1);
    }
    ref_batches_close(&batches);
    ref_free(&want);
    ref_model_free(&r);
}

/* ---- finite differences ---- */

enum { B = 2, T = 7 };

struct case_batch {
    struct wm_lm_batch batch;
    uint32_t ids[2][B * T], positions[B * T], first_key[B * T], prefix[B];
    float weights[B * T];
};

static void fill(struct case_batch *s, const struct wm_model_config *config, bool places)
{
    for (uint32_t i = 0; i < B * T; i++) {
        const uint32_t t = i % T;
        s->ids[0][i] = (uint32_t)(wm_random(1, 0, i) % config->vocabulary);
        s->ids[1][i] = (uint32_t)(wm_random(1, 1, i) % config->vocabulary);
        s->weights[i] = (float)(wm_random(1, 2, i) % 4) * 0.5f;
        s->positions[i] = (uint32_t)(wm_random(1, 3, i) % config->n_ctx);
        s->first_key[i] = t < 4 ? t / 2 : 4;
    }
    s->prefix[0] = 3;
    s->prefix[1] = 0;
    s->batch = (struct wm_lm_batch){
        .b = B, .t = T, .inputs = s->ids[0], .targets = s->ids[1], .weights = s->weights};
    if (places) {
        s->batch.positions = s->positions;
        s->batch.first_key = s->first_key;
        s->batch.prefix = s->prefix;
    }
}

static void differences(const struct wm_model_config *config, bool places)
{
    struct ref_model r = ref_model_new(config);
    struct case_batch s;
    fill(&s, config, places);
    for (uint64_t i = 0; i < r.layout.n_floats; i++)
        r.w[i] = 0.5 * wm_gaussian(7, 0, i);
    (void)ref_forward_backward(&r, &s.batch, 1);
    for (size_t i = 0; i < r.layout.n; i++) {
        const struct wm_param *p = &r.layout.table[i];
        double norm = 0, loss[2];
        for (uint64_t j = p->offset; j < p->offset + p->n; j++)
            norm += r.g[j] * r.g[j];
        norm = sqrt(norm);
        CHECK_(norm > 1e-6, "%s has no gradient", p->name);
        const double h = 1e-5;
        double *kept = ref_zeros(p->n);
        memcpy(kept, r.w + p->offset, p->n * sizeof *kept);
        for (int side = 0; side < 2; side++) {
            for (uint64_t j = 0; j < p->n; j++)
                r.w[p->offset + j] = kept[j] + (side ? -h : h) * r.g[p->offset + j] / norm;
            loss[side] = ref_forward_backward(&r, &s.batch, 0);
        }
        memcpy(r.w + p->offset, kept, p->n * sizeof *kept);
        free(kept);
        const double slope = (loss[0] - loss[1]) / (2 * h);
        CHECK_(fabs(slope - norm) <= 1e-6 * norm, "%s %s: slope %.9g, gradient %.9g",
               wm_model_parts(config)->name, p->name, slope, norm);
    }
    ref_model_free(&r);
}

int main(void)
{
    for (int places = 0; places < 2; places++) {
        for (int a = 0; a < WM_N_ARCHITECTURES; a++) {
            struct wm_model_config config =
                wm_model_config_usual((enum wm_architecture)a, 2, 4, 12, 9, 17);
            if (a != WM_ARCH_GPT2) {
                config.n_kv_head = 2;
                config.head_dim = 6;
                config.n_hidden = 13;
                config.rope_theta = 50;
                config.tied = places;
            }
            differences(&config, places);
        }
    }
    if (ref_each(trace) == 0)
        SKIP("no reference models below %s/transformer; finite differences passed", test_vectors());
    return test_summary();
}
