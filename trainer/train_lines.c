/* SPDX-License-Identifier: Apache-2.0 */
/* What a person watching a training reads. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "trainer/peak.h"
#include "trainer/schedule.h"
#include "trainer/train_plan.h"
#include "trainer/training.h"

enum { LINES = 20 /* of a training that validates seldom */ };
static const double peak_seconds = 0.05; /* to measure the machine */

void wm_training_say(const struct wm_training *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (!t->job->line)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    t->job->line(t->job->arg, text);
}

double wm_training_speed(const struct wm_training *t)
{
    const uint64_t samples = t->head.sample - t->first_sample;
    const double tokens = (double)samples * t->mixture.context;
    return t->step_seconds > 0 ? tokens / t->step_seconds : 0;
}

/* Only of a wish that does not come true: the default is meant for any number of steps. */
static void say_warmup(const struct wm_training *t)
{
    const uint64_t given = t->options->warmup, n_steps = t->head.n_steps,
                   is = wm_schedule_warmup(t->options, n_steps);
    const struct wm_option *option = wm_option_find(wm_train_option_table, WM_STR("warmup"));
    if (given > is && option && given != (uint64_t)option->def)
        wm_training_say(
            t, "warm-up takes %" PRIu64 " step%s, not %" PRIu64 ": at most a fifth of all %" PRIu64,
            is, wm_plural(is), given, n_steps);
}

void wm_training_say_begin(struct wm_training *t)
{
    char parameters[32], tokens[32], step_tokens[32], memory[32], time[32];
    const struct wm_train_options *o = t->options;
    const unsigned n_threads = wm_team_size(t->team);
    const uint64_t all = wm_schedule_samples(o, t->head.n_steps) * o->context;
    const double flops = wm_model_flops_per_token(&t->head.config) * (double)all;
    uint64_t ignored;
    if (!t->job->line)
        return;
    t->peak_flops = wm_peak_flops(t->team, t->model->compute, peak_seconds);
    wm_training_say(
        t,
        "%s, %s parameters; %" PRIu64 " step%s of %s%s tokens, %s in all; %s kernels, %s, "
        "%u thread%s",
        wm_model_parts(&t->head.config)->name,
        wm_format_count(t->model->layout.n_numbers, parameters, sizeof parameters), t->head.n_steps,
        wm_plural(t->head.n_steps), o->batch_ramp ? "up to " : "",
        wm_format_count(o->batch * o->context, step_tokens, sizeof step_tokens),
        wm_format_count(all, tokens, sizeof tokens), wm_model_kernels(t->model),
        o->dtype == WM_DTYPE_BFLOAT16 ? "bfloat16" : "float32", n_threads, wm_plural(n_threads));
    wm_training_say(
        t, "%s of memory; %.3g FLOP, %s at two thirds of this machine's %.0f GFLOP/s",
        wm_format_bytes(wm_train_memory(o, &t->head.config, t->head.n_steps, wm_team_size(t->team),
                                        t->job->memory, &ignored),
                        memory, sizeof memory),
        flops,
        wm_format_duration(t->peak_flops > 0 ? WM_TRAIN_SLOWER * flops / t->peak_flops : 0, time,
                           sizeof time),
        t->peak_flops * 1e-9);
    say_warmup(t);
}

/* "12,345 tokens/s, MFU 61 %, ETA 1 m 20 s" */
static void format_pace(const struct wm_training *t, char *out, size_t size)
{
    char eta[32];
    const uint64_t done = t->history.n - t->first_step, left = t->head.n_steps - t->history.n;
    const double speed = wm_training_speed(t), seconds = wm_seconds() - t->start;
    const double used = wm_model_flops_per_token(&t->head.config) * speed;
    (void)snprintf(
        out, size, "%.0f tokens/s, MFU %.0f %%, ETA %s", speed,
        t->peak_flops > 0 ? 100 * used / t->peak_flops : 0,
        wm_format_duration(seconds / (double)(done ? done : 1) * (double)left, eta, sizeof eta));
}

bool wm_training_tells(const struct wm_training *t)
{
    const uint64_t step = t->history.n, seldom = t->head.n_steps / LINES + 1;
    return step &&
           (step == 1 || step % seldom == 0 || !isnan(t->history.steps[step - 1].validation));
}

void wm_training_say_step(const struct wm_training *t)
{
    const uint64_t step = t->history.n;
    const struct wm_step_metrics *m = &t->history.steps[step - 1];
    const double tokens = (double)(wm_schedule_batch(t->options, step) * t->options->context);
    const double per_byte = t->batch_bytes ? tokens / (double)t->batch_bytes : 0;
    const bool validated = !isnan(m->validation);
    char pace[96], validation[160] = "";
    if (!t->job->line || !wm_training_tells(t))
        return;
    format_pace(t, pace, sizeof pace);
    if (validated)
        (void)snprintf(validation, sizeof validation,
                       ", validation %.4f nats/token (unigram entropy %.4f), %.4f bits/byte",
                       m->validation, t->validation_set.unigram_nats,
                       wm_bits_per_byte(m->validation, t->scale.tokens_per_byte));
    wm_training_say(t,
                    "step %" PRIu64 "/%" PRIu64 ": loss %.4f (%.3f bits/byte)%s, lr %.2e, gradient "
                    "norm %.3f, %s",
                    step, t->head.n_steps, m->loss, wm_bits_per_byte(m->loss, per_byte), validation,
                    wm_schedule_lr(t->options, t->head.n_steps, step), m->grad_norm, pace);
}
