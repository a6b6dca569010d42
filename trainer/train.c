/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop. */
#include "wetmill/train.h"

#include <inttypes.h>
#include <math.h>

#include "trainer/export.h"
#include "trainer/schedule.h"
#include "trainer/tensorboard.h"
#include "trainer/train_plan.h"
#include "trainer/training.h"

enum { LINES = 20 /* reports of a training that validates seldom */ };

static bool every(uint64_t step, uint64_t n)
{
    return n && step % n == 0;
}

/* The newest step still lacks its validation. */
static bool validation_due(const struct wm_training *t)
{
    uint64_t step = t->history.n;
    bool due = step == t->head.n_steps || every(step, t->options->validate_every);
    return step && due && t->scored && isnan(t->history.steps[step - 1].validation);
}

static double tokens_per_second(const struct wm_training *t)
{
    double seconds = wm_seconds() - t->start;
    uint64_t samples = t->head.sample - t->first_sample;
    double tokens = (double)samples * t->mixture.context;
    return seconds > 0 ? tokens / seconds : 0;
}

/* ---- lines for people ---- */

static void say_begin(const struct wm_training *t)
{
    char parameters[32], tokens[32], step_tokens[32];
    uint64_t a_step = t->options->batch * t->options->context;
    wm_training_say(
        t,
        "%s parameters; %" PRIu64 " steps of %s tokens, %s in all; %s kernels, float32, %u threads",
        wm_format_count(wm_train_parameters(&t->head.config), parameters, sizeof parameters),
        t->head.n_steps, wm_format_count(a_step, step_tokens, sizeof step_tokens),
        wm_format_count(wm_schedule_samples(t->options, t->head.n_steps) * t->options->context,
                        tokens, sizeof tokens),
        wm_model_kernels(t->model), wm_team_size(t->team));
}

static void say_step(const struct wm_training *t)
{
    uint64_t step = t->history.n, seldom = t->head.n_steps / LINES + 1;
    const struct wm_step_metrics *m = &t->history.steps[step - 1];
    double lr = wm_schedule_lr(t->options, t->head.n_steps, step);
    if (!isnan(m->validation))
        wm_training_say(t,
                        "step %" PRIu64 "/%" PRIu64 ": loss %.4f, validation %.4f nats/token "
                        "(unigram entropy %.4f), %.4f bits/byte, lr %.2e, gradient norm %.3f, "
                        "%.0f tokens/s",
                        step, t->head.n_steps, m->loss, m->validation,
                        t->validation_set.unigram_nats,
                        wm_bits_per_byte(m->validation, t->scale.tokens_per_byte), lr, m->grad_norm,
                        tokens_per_second(t));
    else if (step == 1 || every(step, seldom))
        wm_training_say(t,
                        "step %" PRIu64 "/%" PRIu64
                        ": loss %.4f, lr %.2e, gradient norm %.3f, %.0f tokens/s",
                        step, t->head.n_steps, m->loss, lr, m->grad_norm, tokens_per_second(t));
}

/* ---- the loop ---- */

static int validate(struct wm_training *t, struct wm_error *err)
{
    if (!validation_due(t))
        return 0;
    int status = wm_training_validate(t, &t->history.steps[t->history.n - 1].validation, err);
    return status ? status : wm_training_save_best(t, err);
}

/* The last step is saved too: writing the model may be interrupted as well. */
static bool save_due(const struct wm_training *t, bool last)
{
    uint64_t step = t->history.n, n = t->options->checkpoint_every;
    return n && step != t->saved && (last || every(step, n));
}

/* Each round ends what belongs to the newest step, then makes the next: so a training that was
 * stopped while it validated goes on right there. */
static int loop(struct wm_training *t, struct wm_error *err)
{
    for (;;) {
        int status = validate(t, err);
        if (status)
            return status;
        uint64_t step = t->history.n;
        bool last = step == t->head.n_steps || wm_training_stops_early(t);
        if (step > t->first_step)
            say_step(t);
        if (save_due(t, last))
            status = wm_training_save(t, err);
        if (status || last)
            return status;
        status = wm_training_step(t, err);
        if (status)
            return status;
    }
}

static int run(struct wm_training *t, struct wm_error *err)
{
    uint64_t samples = wm_schedule_samples(t->options, t->head.n_steps);
    wm_progress_start(t->job->progress, "train", "tokens", samples * t->options->context);
    wm_progress_skip(t->job->progress, t->first_sample * t->options->context);
    t->start = wm_seconds(); /* tokens a second: of the steps alone */
    int status = loop(t, err);
    if (status == WM_E_CANCELLED) {
        struct wm_error failed;
        int saved = wm_training_save(t, &failed);
        if (saved) {
            *err = failed;
            return saved;
        }
        (void)wm_error_where(err, "after step %" PRIu64 " of %" PRIu64 ", which is saved",
                             t->history.n, t->head.n_steps);
    }
    return status;
}

static struct wm_train_result result(const struct wm_training *t)
{
    uint64_t n = t->history.n, tail = n / 10 ? n / 10 : 1;
    const uint64_t best = t->options->best ? wm_training_best(t) : 0;
    const struct wm_step_metrics *last = &t->history.steps[(best ? best : n) - 1];
    struct wm_train_result r = {
        .n_params = wm_train_parameters(&t->head.config),
        .n_steps = n,
        .n_tokens = t->head.sample * t->options->context,
        .first_step = t->first_step,
        .validated = t->scored > 0,
        .seconds = wm_seconds() - t->start,
        .tokens_per_second = tokens_per_second(t),
    };
    for (uint64_t i = n - tail; i < n; i++)
        r.train_nats += t->history.steps[i].loss / (double)tail;
    if (r.validated) {
        r.validation_nats = last->validation;
        r.bits_per_byte = wm_bits_per_byte(last->validation, t->scale.tokens_per_byte);
        r.unigram_nats = t->validation_set.unigram_nats;
    }
    return r;
}

int wm_train(const struct wm_train_job *job, struct wm_train_result *ret, struct wm_error *err)
{
    struct wm_training t;
    int status = wm_training_open(&t, job, err);
    if (!status)
        status = wm_training_resume(&t, err);
    if (status)
        goto out;
    say_begin(&t);
    status = run(&t, err);
    if (status)
        goto out;
    *ret = result(&t);
    status = wm_training_take_best(&t, &ret->best_step, err);
    if (status)
        goto out;
    wm_optimizer_swap_average(t.optimizer);
    status = wm_export_write(t.model, t.tokenizer, job->out, err);
    if (!status)
        status = wm_metrics_write(job->out, &t.history, &t.scale, err);
    if (!status)
        status = wm_tensorboard_write(job->out, &t.history, &t.scale, err);
    if (!status)
        wm_progress_finish(job->progress);
out:
    wm_training_close(&t);
    return status;
}
