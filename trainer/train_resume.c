/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "trainer/tensorboard.h"
#include "trainer/training.h"

static struct wm_checkpoint_content content_of(struct wm_training *t)
{
    return (struct wm_checkpoint_content){.model = t->model,
                                          .optimizer = t->optimizer,
                                          .history = &t->history,
                                          .options = wm_buf_str(&t->options_text),
                                          .state = wm_buf_str(&t->samples.lines)};
}

int wm_training_read(struct wm_training *t, const struct wm_checkpoint *c, struct wm_error *err)
{
    const struct wm_checkpoint_content content = content_of(t);
    int status = wm_checkpoint_restore(c, &content, err);
    if (!status)
        t->head.sample = c->head.sample;
    return status;
}

int wm_training_write(struct wm_training *t, const char *path, struct wm_error *err)
{
    const struct wm_checkpoint_content content = content_of(t);
    t->head.step = t->history.n;
    t->head.n_averaged = t->optimizer->n_averaged;
    return wm_checkpoint_save(path, &t->head, &content, err);
}

/* 1: restored; 0: not to be used, and removed; < 0: stop. */
static int try_checkpoint(struct wm_training *t, uint64_t step, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_checkpoint c;
    int status = wm_checkpoint_path(path, t->job->work, step, err);
    if (!status)
        status = wm_checkpoint_open(path, &c, err);
    if (status == WM_E_FORMAT) {
        wm_training_say(t, "%s is left out and removed: %s", path, err->what);
        return wm_remove(path, err);
    }
    if (status)
        return status;
    status = wm_checkpoint_match(&c, &t->head, wm_buf_str(&t->options_text), err);
    if (!status && t->job->identity && !XXH128_isEqual(c.head.identity, t->head.identity))
        status = wm_fail(err, WM_E_MISMATCH, "the checkpoint is of another job");
    if (status) {
        (void)wm_error_where(err, "%s", path);
        (void)wm_error_hint(err, "remove it to train anew, or give another work directory");
    } else {
        status = wm_training_read(t, &c, err);
        if (!status)
            status = wm_text_samples_restore(&t->samples, c.state, c.head.step, err);
        if (status)
            (void)wm_error_where(err, "%s", path);
        t->saved = c.head.step;
    }
    wm_checkpoint_close(&c);
    return status ? status : 1;
}

/* A checkpoint without the best weights before it cannot lead to the result: 1 or 0, as above. */
static int check_best(struct wm_training *t, uint64_t step, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    bool stands;
    int status = wm_training_check_best(t, &stands, err);
    if (status || stands)
        return status ? status : 1;
    t->saved = t->history.n = 0;
    t->head.sample = 0;
    wm_history_done(&t->history);
    wm_text_samples_done(&t->samples);
    status = wm_training_begin(t, err);
    if (!status)
        status = wm_checkpoint_path(path, t->job->work, step, err);
    return status ? status : wm_remove(path, err);
}

int wm_training_resume(struct wm_training *t, struct wm_error *err)
{
    uint64_t *steps = NULL;
    size_t n = 0;
    int status = wm_mkdirs(t->job->work, err);
    if (!status)
        status = wm_remove_leftovers(t->job->work, err);
    if (!status)
        status = wm_checkpoint_list(t->job->work, &steps, &n, err);
    while (!status && n > 0) {
        status = try_checkpoint(t, steps[--n], err);
        if (status > 0)
            status = check_best(t, steps[n], err);
    }
    free(steps);
    if (status < 0)
        return status;
    t->first_step = t->history.n;
    t->first_sample = t->head.sample;
    if (t->first_step)
        wm_training_say(t, "going on from step %" PRIu64 " of %" PRIu64, t->first_step,
                        t->head.n_steps);
    return 0;
}

/* Compared with its own head, a checkpoint can differ in its options alone. */
static int differing_option(const char *path, const struct wm_train_options *options,
                            struct wm_train_unfinished *ret, struct wm_error *err)
{
    struct wm_checkpoint c;
    struct wm_error differs;
    struct wm_buf text;
    int status = wm_checkpoint_open(path, &c, err);
    if (status)
        return status == WM_E_FORMAT || status == WM_E_MISMATCH ? 0 : status;
    wm_buf_init(&text, WM_CHECKPOINT_OPTIONS);
    status = wm_train_describe(options, &text, err);
    if (!status && wm_checkpoint_match(&c, &c.head, wm_buf_str(&text), &differs) == WM_E_MISMATCH)
        (void)snprintf(ret->differs, sizeof ret->differs, "%s", differs.what);
    wm_buf_done(&text);
    wm_checkpoint_close(&c);
    return status;
}

int wm_train_unfinished(const char *work, const struct wm_train_options *options,
                        struct wm_train_unfinished *ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    uint64_t *steps = NULL;
    size_t n = 0;
    *ret = (struct wm_train_unfinished){.step = 0};
    int status = wm_checkpoint_list(work, &steps, &n, err);
    if (!status && n)
        ret->step = steps[n - 1];
    free(steps);
    if (status || !n)
        return status;
    status = wm_checkpoint_path(path, work, ret->step, err);
    return status ? status : differing_option(path, options, ret, err);
}

int wm_train_identity(const char *work, XXH128_hash_t *ret, struct wm_error *err)
{
    uint64_t *steps = NULL;
    size_t n = 0;
    bool found = false;
    *ret = (XXH128_hash_t){0, 0};
    int status = wm_checkpoint_list(work, &steps, &n, err);
    while (!status && !found && n > 0) {
        char path[WM_PATH_MAX];
        struct wm_checkpoint c;
        status = wm_checkpoint_path(path, work, steps[--n], err);
        if (!status)
            status = wm_checkpoint_open(path, &c, err);
        if (status == WM_E_FORMAT || status == WM_E_MISMATCH) {
            status = 0; /* an older one may be whole */
        } else if (!status) {
            found = true;
            *ret = c.head.identity;
            wm_checkpoint_close(&c);
        }
    }
    free(steps);
    return status;
}

int wm_training_write_metrics(const struct wm_training *t, const char *dir, struct wm_error *err)
{
    int status = wm_text_samples_write(dir, &t->samples, err);
    if (!status)
        status = wm_metrics_write(dir, &t->history, &t->scale, err);
    if (!status)
        status = wm_tensorboard_write(dir, &t->history, &t->samples, &t->scale, err);
    return status;
}

int wm_training_save(struct wm_training *t, struct wm_error *err)
{
    if (t->history.n == 0)
        return 0;
    char path[WM_PATH_MAX];
    int status = wm_checkpoint_path(path, t->job->work, t->history.n, err);
    if (!status)
        status = wm_training_write(t, path, err);
    if (status)
        return status;
    t->saved = t->history.n;
    return wm_checkpoint_prune(t->job->work, t->options->keep_checkpoints, err);
}
