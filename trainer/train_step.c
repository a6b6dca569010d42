/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/training.h"

/* Sequences `sample` … of the training into the batch buffers. */
static int load_batch(struct wm_training *t, uint64_t sample, uint32_t n, struct wm_error *err)
{
    uint32_t context = t->windows.context;
    int status = 0;
    for (uint32_t row = 0; row < n && !status; row++) {
        uint64_t window = wm_windows_sample(&t->windows, t->options->seed, sample + row);
        size_t at = (size_t)row * context;
        status =
            wm_windows_read(&t->windows, window, context, t->inputs + at, t->targets + at, err);
    }
    return status;
}

/* Gradients of the step's mean loss, accumulated over its micro-batches in order. */
static int accumulate(struct wm_training *t, double *ret_loss, struct wm_error *err)
{
    const uint64_t batch = wm_schedule_batch(t->options, t->history.n + 1), first = t->head.sample;
    double tokens = (double)batch * t->windows.context, sum = 0;
    wm_model_zero_grads(t->model);
    for (uint64_t done = 0; done < batch;) {
        uint64_t left = batch - done;
        uint32_t n = left < t->micro_batch ? (uint32_t)left : t->micro_batch;
        double nll;
        int status = wm_cancel_check(t->job->cancel, err);
        if (!status)
            status = load_batch(t, first + done, n, err);
        if (status)
            return status;
        struct wm_lm_batch rows = {
            .b = n, .t = t->windows.context, .inputs = t->inputs, .targets = t->targets};
        status = wm_model_forward_backward(t->model, &rows, (float)(1 / tokens), &nll, err);
        if (status)
            return status;
        sum += nll;
        done += n;
        wm_progress_add(t->job->progress, (uint64_t)n * t->windows.context);
    }
    *ret_loss = sum / tokens;
    return 0;
}

static int diverged(const struct wm_training *t, double loss, double norm, struct wm_error *err)
{
    char path[WM_PATH_MAX] = "none";
    struct wm_error ignored;
    if (t->saved)
        (void)wm_checkpoint_path(path, t->job->work, t->saved, &ignored);
    (void)wm_fail(err, WM_E_FORMAT,
                  "the training diverged at step %" PRIu64
                  ": loss %g, gradient norm %g; last good checkpoint: %s",
                  t->history.n + 1, loss, norm, path);
    return wm_error_hint(err, "a lower learning_rate, a longer warmup, or clip 1");
}

int wm_training_step(struct wm_training *t, struct wm_error *err)
{
    const struct wm_train_options *o = t->options;
    uint64_t step = t->history.n + 1;
    double loss;
    int status = accumulate(t, &loss, err);
    if (status)
        return status;
    double norm = wm_model_grad_norm(t->model);
    if (!isfinite(loss) || !isfinite(norm))
        return diverged(t, loss, norm, err);
    const struct wm_optimizer_step how = {
        .lr = wm_schedule_lr(o, t->head.n_steps, step),
        .step = step,
        .grad_scale = o->clip > 0 && norm > o->clip ? o->clip / norm : 1,
    };
    if (wm_schedule_counts(o, &t->history, norm))
        wm_optimizer_update(t->optimizer, &how);
    if (step >= wm_schedule_average_from(o, t->head.n_steps))
        wm_optimizer_average(t->optimizer);
    t->head.sample += wm_schedule_batch(o, step);
    t->history.steps[t->history.n++] = (struct wm_step_metrics){loss, norm, (double)NAN};
    return 0;
}
