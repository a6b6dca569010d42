/* SPDX-License-Identifier: Apache-2.0 */
/* Against PyTorch: logits, loss, every gradient and the AdamW steps of tiny models, within the
 * tolerances that the reference's own float32 error justifies. */
#include "reference.h"
#include "trainer/optimizer.h"

static struct wm_error err;

/* Whether the manifest leaves this element of a tensor out: "name[from:to]". */
static bool unstable(const struct ref_set *set, const struct wm_param *p, uint64_t at)
{
    size_t i;
    json_t *slice,
        *slices = json_object_get(json_object_get(set->manifest, "unstable_slices"), "slices");
    json_array_foreach(slices, i, slice)
    {
        const char *text = json_string_value(slice);
        const size_t length = strlen(p->name);
        char *end;
        if (!text || strncmp(text, p->name, length) != 0 || text[length] != '[')
            continue;
        const uint64_t from = strtoull(text + length + 1, &end, 10);
        if (at >= from && at < strtoull(end + 1, NULL, 10))
            return true;
    }
    return false;
}

/* |a − b| / |b − from| in L2. */
static double distance(const struct ref_set *set, const struct wm_param *p, const float *a,
                       const float *b, const float *from)
{
    double difference = 0, scale = 0;
    for (uint64_t i = 0; i < p->n; i++) {
        if (from && unstable(set, p, i))
            continue;
        double d = (double)a[i] - (double)b[i], s = (double)b[i] - (from ? (double)from[i] : 0);
        difference += d * d;
        scale += s * s;
    }
    return sqrt(difference / scale);
}

/* The manifest calls the stored gradients step 0's, unclipped; in one set they are the last step's,
 * clipped. Their norm tells which they are. */
struct stored {
    size_t step;
    bool clipped;
};

static struct stored what_is_stored(const struct ref_set *set, const struct wm_model *model)
{
    struct ref_file trace = ref_load(set, "train_trace.npy");
    double first[2], sum = 0;
    memcpy(first, trace.data, sizeof first);
    ref_free(&trace);
    float *g = ref_tensors(set, "grads.safetensors", &model->layout);
    for (uint64_t i = 0; i < model->n_params; i++)
        sum += (double)g[i] * (double)g[i];
    free(g);
    const bool unclipped = fabs(sqrt(sum) - first[1]) < 1e-5 * first[1];
    CHECK_(unclipped || fabs(sqrt(sum) - ref_option(set, "clip")) < 1e-5, "gradients of norm %g",
           sqrt(sum));
    return (struct stored){unclipped ? 0 : set->steps - 1, !unclipped};
}

static void check_gradients(const struct ref_set *set, const struct wm_model *model, double scale)
{
    float *g = ref_tensors(set, "grads.safetensors", &model->layout);
    for (uint64_t i = 0; i < model->n_params; i++)
        g[i] = (float)((double)g[i] / scale);
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        double d = distance(set, p, model->grads + p->offset, g + p->offset, NULL);
        double most =
            4 * ref_number(set->manifest, (const char *const[]){"f32_vs_f64_per_tensor", p->name,
                                                                "grad_rel_l2", NULL});
        CHECK_(d <= most, "gradient of %s differs by %g, at most %g", p->name, d, most);
    }
    free(g);
}

static void check_first_step(const struct ref_set *set, struct wm_model *model,
                             const struct wm_lm_batch *batch, double n)
{
    const size_t n_logits = (size_t)set->b * set->t * set->config.vocabulary;
    float *logits = calloc(n_logits, sizeof *logits);
    if (!logits)
        exit(1);
    CHECK_OK(wm_model_logits(model, batch, logits, &err), err);
    struct ref_file want = ref_load(set, "logits.npy");
    double worst = 0;
    for (size_t i = 0; i < n_logits; i++) {
        float w;
        memcpy(&w, want.data + i * 4, 4);
        worst = fmax(worst, fabs((double)logits[i] - (double)w));
    }
    ref_free(&want);
    free(logits);
    CHECK_(worst <= 4 * ref_number2(set, "f32_vs_f64", "logits_maxabs"), "logits differ by %g",
           worst);

    double nll, again;
    wm_model_zero_grads(model);
    CHECK_OK(wm_model_forward_backward(model, batch, (float)(1 / n), &nll, &err), err);
    CHECK_OK(wm_model_loss(model, batch, &again, &err), err);
    CHECK(nll == again);
    double exact = ref_number(set->manifest, (const char *const[]){"loss_f64", NULL});
    CHECK_(fabs(nll / n - exact) <= 4 * ref_number2(set, "f32_vs_f64", "loss_abs"),
           "loss %.9f, want %.9f", nll / n, exact);
}

static void check_params(const struct ref_set *set, const struct wm_model *model, size_t step)
{
    char key[24];
    (void)snprintf(key, sizeof key, "%zu", step);
    const char *name =
        json_string_value(json_object_get(json_object_get(set->manifest, "params_after"), key));
    if (!name)
        return;
    float *w = ref_tensors(set, name, &model->layout);
    float *s = ref_tensors(set, "model.safetensors", &model->layout);
    for (size_t i = 0; i < model->layout.n; i++) {
        const struct wm_param *p = &model->layout.table[i];
        const uint64_t at = p->offset;
        double d = distance(set, p, model->params + at, w + at, s + at);
        CHECK_(d <= 2e-3, "%s: %s is off by %g of the update", name, p->name, d);
    }
    free(w);
    free(s);
}

static void check_loss(const struct ref_set *set, const char *file, size_t step, double loss,
                       double norm)
{
    struct ref_file trace = ref_load(set, file);
    double want[3];
    memcpy(want, trace.data + step * sizeof want, sizeof want);
    ref_free(&trace);
    const double most = fmax(4 * ref_number2(set, "f32_vs_f64", "trace_loss_maxabs"), 2e-6);
    CHECK_(fabs(loss - want[0]) <= most, "%s, step %zu: loss %.9f, want %.9f", file, step, loss,
           want[0]);
    CHECK_(fabs(norm - want[1]) <= 1e-5 * want[1], "%s, step %zu: norm %.9f, want %.9f", file, step,
           norm, want[1]);
    CHECK_(fabs(ref_learning_rate(set, step) - want[2]) < 1e-12, "step %zu: rate %.9f", step,
           want[2]);
}

static void train(const struct ref_set *set, struct wm_model *model, struct ref_batches *batches)
{
    const struct stored stored = what_is_stored(set, model);
    const struct wm_optimizer_config config = {.beta1 = ref_option(set, "beta1"),
                                               .beta2 = ref_option(set, "beta2"),
                                               .epsilon = ref_option(set, "eps"),
                                               .weight_decay = ref_option(set, "weight_decay")};
    struct wm_optimizer *optimizer = NULL;
    CHECK_OK(wm_optimizer_new(&config, model, &optimizer, &err), err);
    for (size_t step = 0; step < set->steps; step++) {
        const struct wm_lm_batch batch = ref_batch(set, batches, step);
        double nll;
        wm_model_zero_grads(model);
        CHECK_OK(wm_model_forward_backward(model, &batch, (float)(1 / batches->n), &nll, &err),
                 err);
        const double norm = wm_model_grad_norm(model);
        const double clip = fmin(1, ref_option(set, "clip") / (norm + 1e-6));
        check_loss(set, "train_trace.npy", step, nll / batches->n, norm);
        check_loss(set, "train_trace_f64ref.npy", step, nll / batches->n, norm);
        if (step == stored.step)
            check_gradients(set, model, stored.clipped ? clip : 1);
        const struct wm_optimizer_step how = {
            .lr = ref_learning_rate(set, step), .step = step + 1, .grad_scale = clip};
        wm_optimizer_update(optimizer, &how);
        check_params(set, model, step + 1);
    }
    wm_optimizer_free(optimizer);
}

static void run(const struct ref_set *set)
{
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    CHECK_OK(wm_model_new(&set->config, set->b, true, team, &model, &err), err);
    if (!model)
        exit(1);
    float *weights = ref_tensors(set, "model.safetensors", &model->layout);
    memcpy(model->params, weights, model->n_params * sizeof *weights);
    free(weights);
    struct ref_batches batches = ref_batches_open(set);
    const struct wm_lm_batch first = ref_batch(set, &batches, 0);
    check_first_step(set, model, &first, batches.n);
    train(set, model, &batches);
    ref_batches_close(&batches);
    wm_model_free(model);
    wm_team_free(team);
}

int main(void)
{
    if (ref_each(run) == 0)
        SKIP("no reference models below %s/transformer", test_vectors());
    return test_summary();
}
