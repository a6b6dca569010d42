/* SPDX-License-Identifier: Apache-2.0 */
/* The best validation so far: a function of the history, so a resumed training knows it too. Its
 * weights stand in WORK/best.ckpt. */
#include <math.h>

#include "trainer/training.h"

uint64_t wm_training_best(const struct wm_training *t)
{
    uint64_t best = 0;
    for (uint64_t i = 0; i < t->history.n; i++) {
        const double nats = t->history.steps[i].validation;
        if (!isnan(nats) && (!best || nats < t->history.steps[best - 1].validation))
            best = i + 1;
    }
    return best;
}

bool wm_training_stops_early(const struct wm_training *t)
{
    uint64_t since = 0;
    if (!t->options->early_stop)
        return false;
    for (uint64_t i = wm_training_best(t); i < t->history.n; i++)
        since += !isnan(t->history.steps[i].validation);
    return since >= t->options->early_stop;
}

static int best_path(const struct wm_training *t, char path[WM_PATH_MAX], struct wm_error *err)
{
    return wm_path_join(path, t->job->work, "best.ckpt", err);
}

/* A later best than this checkpoint knows of will be found again on the way. */
static int read_best_step(const struct wm_training *t, const char *path, uint64_t *ret,
                          struct wm_error *err)
{
    struct wm_checkpoint c;
    *ret = 0;
    int status = wm_exists(path) ? wm_checkpoint_open(path, &c, err) : WM_E_FORMAT;
    if (status == WM_E_FORMAT || status == WM_E_MISMATCH)
        return 0;
    if (status)
        return status;
    if (!t->job->identity || XXH128_isEqual(c.head.identity, t->head.identity))
        *ret = c.head.step;
    wm_checkpoint_close(&c);
    return 0;
}

int wm_training_check_best(struct wm_training *t, bool *ret_stands, struct wm_error *err)
{
    const uint64_t best = wm_training_best(t), n = t->history.n;
    char path[WM_PATH_MAX];
    uint64_t step;
    *ret_stands = true;
    if (!t->options->best || !best)
        return 0;
    int status = best_path(t, path, err);
    if (!status)
        status = read_best_step(t, path, &step, err);
    if (status || step == best || step > n)
        return status;
    *ret_stands = best == n;
    wm_training_say(t, "%s is missing or damaged: %s", path,
                    best == n ? "it is written again"
                              : "the training goes back to before the step it was of");
    return best == n ? wm_training_save_best(t, err) : 0;
}

int wm_training_save_best(struct wm_training *t, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!t->options->best || !t->history.n || wm_training_best(t) != t->history.n)
        return 0;
    int status = best_path(t, path, err);
    return status ? status : wm_training_write(t, path, err);
}

int wm_training_take_best(struct wm_training *t, uint64_t *ret_step, struct wm_error *err)
{
    const uint64_t best = wm_training_best(t), n = t->history.n;
    char path[WM_PATH_MAX];
    struct wm_checkpoint c;
    *ret_step = 0;
    if (!t->options->best || !best)
        return 0;
    *ret_step = best;
    if (best == n)
        return 0;
    int status = best_path(t, path, err);
    if (!status)
        status = wm_checkpoint_open(path, &c, err);
    if (status)
        return status;
    if (c.head.step != best)
        status = wm_fail(err, WM_E_FORMAT, "%s is of step %llu, the best one was %llu", path,
                         (unsigned long long)c.head.step, (unsigned long long)best);
    /* Weights go back, history stays: best.ckpt holds only its beginning. */
    if (!status)
        status = wm_training_read(t, &c, err);
    t->history.n = n;
    wm_checkpoint_close(&c);
    return status;
}
