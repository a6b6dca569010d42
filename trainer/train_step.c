/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "trainer/scalar.h"
#include "trainer/schedule.h"
#include "trainer/training.h"

enum {
    NOISE_STREAM = 0x64726F70, /* of dropout, apart from other uses of a seed */
    LOST_STEPS = 10,           /* so many bad ones in a row are no outlier */
};

/* Where each token's document begins, and how far into it the token is. */
static void find_documents(struct wm_training *t, size_t at, uint32_t n)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < n; i++) {
        t->first_key[at + i] = first;
        t->positions[at + i] = i - first;
        if (t->inputs[at + i] == t->eod)
            first = i + 1;
    }
}

int wm_training_load_row(struct wm_training *t, const struct wm_windows *windows, uint64_t window,
                         uint32_t n, size_t at, struct wm_error *err)
{
    int status = wm_windows_read(windows, window, n, t->inputs + at, t->targets + at, err);
    if (!status && t->first_key)
        find_documents(t, at, n);
    return status;
}

/* Sequences `sample` … of the training into the batch buffers; counts the bytes of their targets. */
static int load_batch(struct wm_training *t, uint64_t sample, uint32_t n, struct wm_error *err)
{
    const uint32_t context = t->mixture.context;
    int status = 0;
    for (uint32_t row = 0; row < n && !status; row++) {
        const struct wm_sample_place place =
            wm_mixture_sample(&t->mixture, t->options->seed, sample + row);
        status = wm_training_load_row(t, &t->mixture.sources[place.source].windows, place.window,
                                      context, (size_t)row * context, err);
    }
    if (!status)
        t->batch_bytes += wm_training_text_bytes(t, t->targets, (size_t)n * context);
    return status;
}

struct wm_lm_batch wm_training_rows(const struct wm_training *t, uint32_t b, uint32_t n)
{
    return (struct wm_lm_batch){.b = b,
                                .t = n,
                                .inputs = t->inputs,
                                .targets = t->targets,
                                .positions = t->positions,
                                .first_key = t->first_key};
}

/* Sequences of the next step. */
static uint64_t batch_of(const struct wm_training *t)
{
    return t->measuring ? t->options->batch : wm_schedule_batch(t->options, t->history.n + 1);
}

/* Gradients of the step's mean loss, accumulated over its micro-batches in order. */
static int accumulate(struct wm_training *t, double *ret_loss, struct wm_error *err)
{
    const uint64_t batch = batch_of(t), first = t->options->overfit_batch ? 0 : t->head.sample;
    double tokens = (double)batch * t->mixture.context, sum = 0;
    wm_model_zero_grads(t->model);
    const double begin = wm_seconds();
    t->batch_bytes = 0;
    for (uint64_t done = 0; done < batch;) {
        uint64_t left = batch - done;
        uint32_t n = left < t->micro_batch ? (uint32_t)left : t->micro_batch;
        double nll;
        int status = wm_cancel_check(t->job->cancel, err);
        if (!status)
            status = load_batch(t, first + done, n, err);
        if (status)
            return status;
        struct wm_lm_batch rows = wm_training_rows(t, n, t->mixture.context);
        rows.noise = wm_random(t->options->seed, NOISE_STREAM, t->head.sample + done);
        status = wm_model_forward_backward(t->model, &rows, (float)(1 / tokens), &nll, err);
        if (status)
            return status;
        sum += nll;
        done += n;
        if (!t->measuring)
            wm_progress_add(t->job->progress, (uint64_t)n * t->mixture.context);
    }
    t->batch_seconds = wm_seconds() - begin;
    *ret_loss = sum / tokens;
    return 0;
}

/* Finite, but each of the last steps was twice as bad as the first one and as guessing. */
static bool lost(const struct wm_training *t, double loss)
{
    const struct wm_history *h = &t->history;
    if (h->n < LOST_STEPS)
        return false;
    const double guess = wm_log((double)t->head.config.vocabulary), first = h->steps[0].loss;
    const double bad = 2 * (first > guess ? first : guess);
    bool all = loss > bad;
    for (uint64_t i = h->n - (LOST_STEPS - 1); i < h->n; i++)
        all = all && h->steps[i].loss > bad;
    return all;
}

int wm_training_diverged(const struct wm_training *t, const char *what, double loss,
                         const struct wm_bad_step *bad, struct wm_error *err)
{
    char path[WM_PATH_MAX] = "none";
    struct wm_error ignored;
    uint64_t *steps = NULL;
    size_t n = 0;
    (void)wm_checkpoint_list(t->job->work, &steps, &n, &ignored);
    while (n && steps[n - 1] + bad->n_bad > t->history.n) /* what the first bad loss is of, too */
        n--;
    if (n)
        (void)wm_checkpoint_path(path, t->job->work, steps[n - 1], &ignored);
    free(steps);
    (void)wm_fail(err, WM_E_FORMAT,
                  "the training diverged at step %" PRIu64
                  ": %s %g, gradient norm %g; last good checkpoint: %s",
                  bad->step, what, loss, bad->norm, path);
    return wm_error_hint(err, "a lower learning_rate, a longer warmup, or clip 1");
}

static int run_step(struct wm_training *t, struct wm_error *err)
{
    const struct wm_train_options *o = t->options;
    const double begin = wm_seconds();
    uint64_t step = t->history.n + 1;
    double loss;
    int status = accumulate(t, &loss, err);
    if (status)
        return status;
    double norm = wm_model_grad_norm(t->model);
    if (!isfinite(loss) || !isfinite(norm))
        return wm_training_diverged(t, "loss", loss, &(struct wm_bad_step){step, norm, 1}, err);
    if (lost(t, loss))
        return wm_training_diverged(t, "loss", loss, &(struct wm_bad_step){step, norm, LOST_STEPS},
                                    err);
    const struct wm_optimizer_step how = {
        .lr = wm_schedule_lr(o, t->head.n_steps, step),
        .step = step,
        .grad_scale = o->clip > 0 && norm > o->clip ? o->clip / norm : 1,
    };
    if (wm_schedule_counts(o, &t->history, norm))
        wm_optimizer_update(t->optimizer, &how);
    if (step >= wm_schedule_average_from(o, t->head.n_steps))
        wm_optimizer_average(t->optimizer);
    t->head.sample += batch_of(t);
    t->history.steps[t->history.n++] = (struct wm_step_metrics){loss, norm, (double)NAN};
    t->step_seconds += wm_seconds() - begin;
    return 0;
}

struct step {
    struct wm_training *training;
    struct wm_error *err;
    int status;
};

static void step_session(void *arg)
{
    struct step *step = arg;
    step->status = run_step(step->training, step->err);
}

/* One session of the team. */
int wm_training_step(struct wm_training *t, struct wm_error *err)
{
    struct step step = {t, err, 0};
    wm_team_session(t->model->team, step_session, &step);
    return step.status;
}
