/* SPDX-License-Identifier: Apache-2.0 */
/* Products in bfloat16 beside those in float32: gradients, learning, the same bits for any number
 * of threads and limit of memory. */
#include "model_fixture.h"

#include "trainer/kernels.h"

static struct wm_model *model_of(const struct wm_model_config *config, uint32_t b, unsigned threads,
                                 enum wm_compute compute, uint64_t memory)
{
    const struct wm_model_options options = {
        .max_batch = b, .training = true, .compute = compute, .memory = memory};
    return open_model(config, &options, threads);
}

static double distance(const float *a, const float *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / size);
}

/* Of the first step, within 2 % of float32's; not equal, or nothing was rounded. */
static void gradients(enum wm_architecture a)
{
    struct wm_model_config config = wm_model_config_usual(a, 4, 4, 128, 64, 1024);
    if (a != WM_ARCH_GPT2)
        config.n_kv_head = 2;
    struct wm_model *exact = model_of(&config, 4, 2, WM_COMPUTE_F32, 0);
    struct wm_model *rough = model_of(&config, 4, 2, WM_COMPUTE_BF16, 0);
    struct sample *s = new_sample(&config, 4, 64, 3, false);
    double nll[2], worst = 0;
    CHECK_OK(wm_model_forward_backward(exact, &s->batch, 0.01f, &nll[0], &err), err);
    CHECK_OK(wm_model_forward_backward(rough, &s->batch, 0.01f, &nll[1], &err), err);
    CHECK_(fabs(nll[0] - nll[1]) < 1e-3 * nll[0], "losses %g and %g", nll[0], nll[1]);
    for (size_t i = 0; i < exact->layout.n; i++) {
        const struct wm_param *p = &exact->layout.table[i];
        const float *want = exact->grads + p->offset, *got = rough->grads + p->offset;
        const double d = distance(got, want, p->n);
        worst = fmax(worst, d);
        if (p->place == WM_P_QKV_BIAS) { /* the keys' bias learns nothing but rounding */
            const uint64_t third = p->n / 3;
            CHECK_(distance(got, want, third) <= 0.02, "%s", p->name);
            CHECK_(distance(got + 2 * third, want + 2 * third, third) <= 0.02, "%s", p->name);
            continue;
        }
        CHECK_(d <= 0.02, "%s: gradient of %s is off by %.3f %%", wm_model_parts(&config)->name,
               p->name, 100 * d);
    }
    CHECK_(worst > 1e-4, "nothing was rounded: %g", worst);
    free(s);
    free_model(exact);
    free_model(rough);
}

/* ---- a language that can be learned: each token has eight that may follow it ---- */

static void fill(struct sample *s, const struct wm_model_config *config, uint64_t step)
{
    const uint32_t t = s->batch.t, v = config->vocabulary;
    for (uint32_t row = 0; row < s->batch.b; row++) {
        uint32_t token = (uint32_t)(wm_random(12, step, row) % v);
        for (uint32_t i = 0; i < t; i++) {
            const uint64_t choice = wm_random(11, step, (uint64_t)row * t + i) % 8;
            s->ids[0][row * t + i] = token;
            token = (uint32_t)(wm_random(13, token, choice * choice / 8) % v);
            s->ids[1][row * t + i] = token;
        }
    }
}

/* Mean loss of steps 150 to 200. */
static double late_loss(const struct wm_model_config *config, enum wm_compute compute)
{
    struct wm_model *model = model_of(config, 8, 2, compute, 0);
    struct sample *s = new_sample(config, 8, 32, 3, false);
    struct wm_optimizer *optimizer = new_optimizer(model);
    double sum = 0, first = 0;
    s->batch.weights = NULL;
    for (uint64_t n = 1; n <= 200; n++) {
        fill(s, config, n);
        const double loss = step(model, optimizer, &s->batch, n, 2e-3);
        first = n == 1 ? loss : first;
        sum += n > 150 ? loss / 50 : 0;
    }
    CHECK_(fabs(first - log(config->vocabulary)) < 0.1, "loss %g at first", first);
    CHECK_(sum < first - 0.5, "nothing was learned: %g after %g", sum, first);
    wm_optimizer_free(optimizer);
    free(s);
    free_model(model);
    return sum;
}

static void learns(enum wm_architecture a)
{
    const struct wm_model_config config = wm_model_config_usual(a, 2, 2, 64, 32, 64);
    const double exact = late_loss(&config, WM_COMPUTE_F32);
    const double rough = late_loss(&config, WM_COMPUTE_BF16);
    CHECK_(fabs(rough - exact) <= 0.003 * exact, "%s: mean loss %.5f in bf16, %.5f in float32",
           wm_model_parts(&config)->name, rough, exact);
}

static void overfits(enum wm_architecture a)
{
    const struct wm_model_config config = family(a, 2, 4, 2, 8, 17, 509);
    struct wm_model *model = model_of(&config, 4, 2, WM_COMPUTE_BF16, 0);
    struct sample *s = new_sample(&config, 4, 17, 5, false);
    struct wm_optimizer *optimizer = new_optimizer(model);
    s->batch.weights = NULL;
    for (uint64_t i = 1; i <= 300; i++)
        (void)step(model, optimizer, &s->batch, i, i < 200 ? 1e-2 : 2e-3);
    const double end = loss_of(model, &s->batch) / (4 * 17);
    CHECK_(end < 0.01, "%s: one batch stays at %g nats", wm_model_parts(&config)->name, end);
    wm_optimizer_free(optimizer);
    free(s);
    free_model(model);
}

/* ---- bits ---- */

static float *gradient_bits(const struct wm_model_config *config, unsigned threads, uint64_t memory,
                            uint64_t *ret_size)
{
    struct wm_model *model = model_of(config, 3, threads, WM_COMPUTE_BF16, memory);
    struct sample *s = new_sample(config, 3, 41, 5, true);
    double nll;
    shake(model);
    CHECK_OK(wm_model_forward_backward(model, &s->batch, 1, &nll, &err), err);
    *ret_size = model->n_params * sizeof(float);
    float *g = malloc(*ret_size);
    if (!g)
        exit(1);
    memcpy(g, model->grads, *ret_size);
    free(s);
    free_model(model);
    return g;
}

static void same_bits(enum wm_architecture a)
{
    static const unsigned threads[] = {2, 3, 7, 2};
    const struct wm_model_config config = family(a, 2, 3, 1, 10, 41, 509);
    uint64_t size;
    float *want = gradient_bits(&config, 1, 0, &size);
    for (size_t i = 0; i < 4; i++) {
        float *got = gradient_bits(&config, threads[i], i == 3, &size);
        CHECK_(memcmp(want, got, size) == 0, "%s: %u threads differ%s",
               wm_model_parts(&config)->name, threads[i], i == 3 ? " with little memory" : "");
        free(got);
    }
    free(want);
}

int main(void)
{
    for (int i = 0; i < WM_N_ARCHITECTURES; i++) {
        const enum wm_architecture a = (enum wm_architecture)i;
        gradients(a);
        same_bits(a);
        learns(a);
        overfits(a);
    }
    return test_summary();
}
