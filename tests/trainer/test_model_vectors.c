/* SPDX-License-Identifier: Apache-2.0 */
/* Against PyTorch: logits, loss, every gradient and ten AdamW steps of a tiny GPT-2, within the
 * tolerances that the reference's own float32 error justifies. */
#include "reference.h"
#include "trainer/optimizer.h"

#include <unistd.h>

enum { B = 4, T = 32, V = 256, STEPS = 10 };

static json_t *manifest;

static double number2(const char *a, const char *b)
{
    return ref_number(manifest, (const char *const[]){a, b, NULL});
}

static double option(const char *name)
{
    return number2("optimizer", name);
}

static struct wm_model *open_model(struct wm_team *team, const char *weights)
{
    const struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 2, 4, 64, T, V);
    struct wm_error err;
    struct wm_model *model = NULL;
    CHECK_OK(wm_model_new(&config, B, true, team, &model, &err), err);
    struct ref_file file = ref_load(weights);
    for (size_t i = 0; i < model->n_table; i++)
        ref_tensor(&file, &model->table[i], model->params + model->table[i].offset);
    ref_free(&file);
    return model;
}

static struct wm_lm_batch batch_of(const struct ref_file *inputs, const struct ref_file *targets,
                                   size_t step, uint32_t *memory, float *weights)
{
    const size_t n = (size_t)B * T;
    memcpy(memory, inputs->data + step * n * 4, n * 4);
    memcpy(memory + n, targets->data + step * n * 4, n * 4);
    for (size_t i = 0; i < n; i++)
        weights[i] = (int32_t)memory[n + i] == -100 ? 0.0f : 1.0f;
    return (struct wm_lm_batch){
        .b = B, .t = T, .inputs = memory, .targets = memory + n, .weights = weights};
}

static double weight_sum(const float *weights)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)B * T; i++)
        sum += (double)weights[i];
    return sum;
}

/* |a − b| / |scale| in L2; the manifest's unstable part of key biases is left out. */
static double distance(const struct wm_param *p, const float *a, const float *b, const float *from,
                       bool mask)
{
    double difference = 0, scale = 0;
    const bool qkv_bias = strstr(p->name, "c_attn.bias") != NULL;
    for (size_t i = 0; i < p->n; i++) {
        if (mask && qkv_bias && i >= p->n / 3 && i < p->n / 3 * 2)
            continue;
        double d = (double)a[i] - (double)b[i], s = (double)b[i] - (from ? (double)from[i] : 0);
        difference += d * d;
        scale += s * s;
    }
    return sqrt(difference / scale);
}

/* The manifest calls the stored gradients step 0's, unclipped; the set at hand holds the clipped
 * ones of the last step. Their norm tells which they are. */
struct stored {
    size_t step;
    bool clipped;
};

static struct stored what_is_stored(const struct wm_model *model)
{
    struct ref_file trace = ref_load("train_trace.npy"), grads = ref_load("grads.safetensors");
    double first[2], sum = 0;
    memcpy(first, trace.data, sizeof first);
    float *g = calloc(model->n_params, sizeof *g);
    for (size_t i = 0; g && i < model->n_table; i++) {
        ref_tensor(&grads, &model->table[i], g);
        for (size_t j = 0; j < model->table[i].n; j++)
            sum += (double)g[j] * (double)g[j];
    }
    free(g);
    ref_free(&trace);
    ref_free(&grads);
    const bool unclipped = fabs(sqrt(sum) - first[1]) < 1e-5 * first[1];
    CHECK_(unclipped || fabs(sqrt(sum) - option("clip")) < 1e-5, "gradients of norm %g", sqrt(sum));
    return (struct stored){unclipped ? 0 : STEPS - 1, !unclipped};
}

static void check_gradients(const struct wm_model *model, double scale)
{
    struct ref_file grads = ref_load("grads.safetensors");
    float *g = calloc(model->n_params, sizeof *g);
    for (size_t i = 0; g && i < model->n_table; i++) {
        const struct wm_param *p = &model->table[i];
        ref_tensor(&grads, p, g);
        for (size_t j = 0; j < p->n; j++)
            g[j] = (float)((double)g[j] / scale);
        double d = distance(p, model->grads + p->offset, g, NULL, false);
        double most = 4 * ref_number(manifest, (const char *const[]){"f32_vs_f64_per_tensor",
                                                                     p->name, "grad_rel_l2", NULL});
        CHECK_(d <= most, "gradient of %s differs by %g, at most %g", p->name, d, most);
    }
    free(g);
    ref_free(&grads);
}

static void check_first_step(struct wm_model *model, const struct wm_lm_batch *batch)
{
    struct wm_error err;
    static float logits[B * T * V];
    CHECK_OK(wm_model_logits(model, batch, logits, &err), err);
    struct ref_file want = ref_load("logits.npy");
    double worst = 0;
    for (size_t i = 0; i < (size_t)B * T * V; i++) {
        float w;
        memcpy(&w, want.data + i * 4, 4);
        worst = fmax(worst, fabs((double)logits[i] - (double)w));
    }
    ref_free(&want);
    CHECK_(worst <= 4 * number2("f32_vs_f64", "logits_maxabs"), "logits differ by %g", worst);

    double nll, again, n = weight_sum(batch->weights);
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, batch, (float)(1 / n), &nll, &err), err);
    CHECK_OK(wm_model_loss(model, batch, &again, &err), err);
    CHECK(nll == again);
    double exact = ref_number(manifest, (const char *const[]){"loss_f64", NULL});
    CHECK_(fabs(nll / n - exact) <= 4 * number2("f32_vs_f64", "loss_abs"), "loss %.9f, want %.9f",
           nll / n, exact);
}

static void check_params(const struct wm_model *model, const char *name)
{
    struct ref_file want = ref_load(name), start = ref_load("model.safetensors");
    float *w = calloc(model->n_params, sizeof *w), *s = calloc(model->n_params, sizeof *s);
    for (size_t i = 0; w && s && i < model->n_table; i++) {
        const struct wm_param *p = &model->table[i];
        ref_tensor(&want, p, w);
        ref_tensor(&start, p, s);
        double d = distance(p, model->params + p->offset, w, s, true);
        CHECK_(d <= 2e-3, "%s: %s is off by %g of the update", name, p->name, d);
    }
    free(w);
    free(s);
    ref_free(&want);
    ref_free(&start);
}

static double learning_rate(size_t step)
{
    double lr = option("lr"), least = option("min_lr"), warmup = option("warmup_steps");
    double at = (double)step;
    if (at < warmup)
        return lr * (at + 1) / warmup;
    double part = (at - warmup) / (option("total_steps") - warmup);
    return least + 0.5 * (1 + cos(3.14159265358979323846 * part)) * (lr - least);
}

static void train(struct wm_model *model, const struct ref_file *inputs,
                  const struct ref_file *targets)
{
    struct wm_error err;
    struct ref_file trace = ref_load("train_trace.npy"), exact = ref_load("train_trace_f64ref.npy");
    const struct stored stored = what_is_stored(model);
    const struct wm_optimizer_config config = {.beta1 = option("beta1"),
                                               .beta2 = option("beta2"),
                                               .epsilon = option("eps"),
                                               .weight_decay = option("weight_decay")};
    struct wm_optimizer *optimizer = NULL;
    CHECK_OK(wm_optimizer_new(&config, model, &optimizer, &err), err);
    static uint32_t ids[2 * B * T];
    static float weights[B * T];
    for (size_t step = 0; step < STEPS; step++) {
        const struct wm_lm_batch batch = batch_of(inputs, targets, step, ids, weights);
        double nll, n = weight_sum(weights), want[3], want_exact[3];
        wm_model_zero_grads(model);
        CHECK_OK(wm_model_forward_backward(model, &batch, (float)(1 / n), &nll, &err), err);
        const double norm = wm_model_grad_norm(model), clip = option("clip");
        memcpy(want, trace.data + step * sizeof want, sizeof want);
        memcpy(want_exact, exact.data + step * sizeof want, sizeof want);
        double most = fmax(4 * number2("f32_vs_f64", "trace_loss_maxabs"), 2e-6);
        CHECK_(fabs(nll / n - want[0]) <= most, "step %zu: loss %.9f, want %.9f", step, nll / n,
               want[0]);
        CHECK_(fabs(nll / n - want_exact[0]) <= most, "step %zu: loss %.9f, exactly %.9f", step,
               nll / n, want_exact[0]);
        CHECK_(fabs(norm - want[1]) <= 1e-5 * want[1], "step %zu: norm %.9f, want %.9f", step, norm,
               want[1]);
        CHECK_(fabs(learning_rate(step) - want[2]) < 1e-12, "step %zu: rate %.9f", step, want[2]);
        if (step == stored.step)
            check_gradients(model, fmin(1, stored.clipped ? clip / (norm + 1e-6) : 1));
        const struct wm_optimizer_step how = {
            .lr = want[2], .step = step + 1, .grad_scale = fmin(1, clip / (norm + 1e-6))};
        wm_optimizer_update(optimizer, &how);
        if (step == 0)
            check_params(model, "params_after_1.safetensors");
    }
    check_params(model, "params_after_10.safetensors");
    wm_optimizer_free(optimizer);
    ref_free(&trace);
    ref_free(&exact);
}

int main(void)
{
    char path[4096];
    ref_path(path, "manifest.json");
    if (access(path, R_OK) != 0)
        SKIP("no reference model at %s", path);
    manifest = json_load_file(path, 0, NULL);
    CHECK(manifest != NULL);
    struct wm_error err;
    struct wm_team *team = NULL;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    struct wm_model *model = open_model(team, "model.safetensors");
    struct ref_file inputs = ref_load("inputs.npy"), targets = ref_load("targets.npy");
    static uint32_t ids[2 * B * T];
    static float weights[B * T];
    const struct wm_lm_batch first = batch_of(&inputs, &targets, 0, ids, weights);
    check_first_step(model, &first);
    train(model, &inputs, &targets);
    ref_free(&inputs);
    ref_free(&targets);
    wm_model_free(model);
    wm_team_free(team);
    json_decref(manifest);
    return test_summary();
}
