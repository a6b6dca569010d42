/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop. */
#include "wetmill/train.h"

#include <inttypes.h>
#include <math.h>

#include "trainer/export.h"
#include "trainer/schedule.h"
#include "trainer/train_plan.h"
#include "trainer/training.h"

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
            wm_training_say_step(t);
        status = wm_training_sample(t, last, err);
        if (!status)
            status = wm_training_log_step(t, last, err);
        if (!status && save_due(t, last))
            status = wm_training_save(t, err);
        if (status || last)
            return status;
        status = wm_training_step(t, err);
        if (status)
            return status;
    }
}

/* On the way out, whatever the way: a failure of these takes the place of no other. */
static int end_log(struct wm_training *t, int status, struct wm_error *err)
{
    struct wm_error failed;
    const int written = wm_training_log_write(t, &failed);
    if (!written || (status && status != WM_E_CANCELLED))
        return status;
    *err = failed;
    return written;
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
        if (t->history.n)
            (void)wm_error_where(err, "after step %" PRIu64 " of %" PRIu64 ", which is saved",
                                 t->history.n, t->head.n_steps);
        else
            (void)wm_error_where(err, "before the first of %" PRIu64 " step%s", t->head.n_steps,
                                 wm_plural(t->head.n_steps));
    }
    return end_log(t, status, err);
}

static struct wm_train_result result(const struct wm_training *t)
{
    uint64_t n = t->history.n, tail = n / 10 ? n / 10 : 1;
    const uint64_t best = t->options->best ? wm_training_best(t) : 0;
    const struct wm_step_metrics *last = &t->history.steps[(best ? best : n) - 1];
    struct wm_train_result r = {
        .n_params = t->model->layout.n_numbers,
        .n_steps = n,
        .n_tokens = t->head.sample * t->options->context,
        .first_step = t->first_step,
        .validated = t->scored > 0,
        .seconds = wm_seconds() - t->start,
        .tokens_per_second = wm_training_speed(t),
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
    if (!status)
        status = wm_training_log_open(&t, err);
    if (status)
        goto out;
    wm_training_say_begin(&t);
    status = run(&t, err);
    if (status)
        goto out;
    *ret = result(&t);
    status = wm_training_take_best(&t, &ret->best_step, err);
    if (status)
        goto out;
    if (ret->best_step)
        wm_training_say(&t, "the result is that of step %" PRIu64 ", which validated best",
                        ret->best_step);
    wm_optimizer_swap_average(t.optimizer);
    const struct wm_export_text text = {.tokenizer = t.tokenizer, .framed = t.framed};
    status = wm_export_write(t.model, &text, job->out, err);
    if (!status)
        status = wm_training_write_metrics(&t, job->out, err);
    if (!status)
        wm_progress_finish(job->progress);
out:
    wm_training_close(&t);
    return status;
}
