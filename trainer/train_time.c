/* SPDX-License-Identifier: Apache-2.0 */
/* --time: how many steps fit. Measured once, on the training's own first steps; what comes out is
 * kept in WORK/time.json, so the schedule stays what it is when the training goes on. */
#include <inttypes.h>
#include <stdlib.h>

#include "trainer/schedule.h"
#include "trainer/training.h"
#include "wetmill/jansson.h"

enum { LEAST_STEPS = 3, MOST_STEPS = 50, SECONDS = 5 /* of measuring, at most */ };
static const double reserve = 0.02; /* share left for writing the model */

/* What the number of steps was measured for. */
static void fingerprint(const struct wm_training *t, char hex[WM_HEX128])
{
    const XXH128_hash_t options = XXH3_128bits(t->options_text.ptr, t->options_text.len);
    const XXH128_hash_t all[] = {options, t->head.shards, t->head.tokenizer, t->head.identity};
    wm_hex128(XXH3_128bits(all, sizeof all), hex);
}

/* `*ret_steps` is 0 if nothing is stored for this training. */
static int read_stored(const struct wm_training *t, const char *path, uint64_t *ret_steps,
                       struct wm_error *err)
{
    char want[WM_HEX128];
    struct wm_buf buf;
    json_t *json = NULL;
    bool there;
    wm_buf_init(&buf, 4096);
    int status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_file_load(path, &buf, err);
    if (!status)
        status = wm_json_parse(wm_buf_str(&buf), &json, NULL, err);
    wm_buf_done(&buf);
    const char *is = json_string_value(json_object_get(json, "training"));
    const json_int_t steps = json_integer_value(json_object_get(json, "steps"));
    fingerprint(t, want);
    const bool same =
        is && !strcmp(is, want) && steps > 0 && steps <= (json_int_t)WM_TRAIN_STEPS_MAX;
    json_decref(json);
    *ret_steps = same ? (uint64_t)steps : 0;
    return status;
}

static int store(const struct wm_training *t, const char *path, uint64_t steps,
                 struct wm_error *err)
{
    char hex[WM_HEX128], text[128];
    fingerprint(t, hex);
    const int n =
        snprintf(text, sizeof text, "{\"training\": \"%s\", \"steps\": %" PRIu64 "}\n", hex, steps);
    return wm_file_store(path, (struct wm_str){text, (size_t)n}, err);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of a step after the first, which touches fresh memory. */
static int measure_steps(struct wm_training *t, double *ret_seconds, struct wm_error *err)
{
    double times[MOST_STEPS];
    const double begin = wm_seconds();
    const double most = t->options->time / 20 < SECONDS ? t->options->time / 20 : SECONDS;
    size_t n = 0;
    for (; n <= LEAST_STEPS || (n < MOST_STEPS && wm_seconds() - begin < most); n++) {
        const double from = wm_seconds();
        int status = wm_training_step(t, err);
        if (status)
            return status;
        times[n] = wm_seconds() - from;
    }
    qsort(times + 1, n - 1, sizeof *times, by_size);
    *ret_seconds = times[1 + (n - 1) / 2];
    return 0;
}

static int measure(struct wm_training *t, uint64_t *ret_steps, struct wm_error *err)
{
    double step = 0, validation = 0, samples = 0, nats;
    int status = measure_steps(t, &step, err);
    if (!status && t->scored) {
        const double from = wm_seconds();
        status = wm_training_validate(t, &nats, err);
        validation = wm_seconds() - from;
    }
    if (!status && t->n_prompts) {
        const double from = wm_seconds();
        status = wm_training_write_samples(t, err);
        samples = wm_seconds() - from;
    }
    if (status)
        return status;
    if (t->options->validate_every)
        step += validation / (double)t->options->validate_every;
    if (t->options->sample_every)
        step += samples / (double)t->options->sample_every;
    const double spent = wm_seconds() - t->start + validation + samples;
    const double left = t->options->time * (1 - reserve) - spent;
    const double steps = left / step;
    *ret_steps = steps < 1 ? 1 : steps > WM_TRAIN_STEPS_MAX ? WM_TRAIN_STEPS_MAX : (uint64_t)steps;
    wm_training_say(t, "%.3f s a step: %" PRIu64 " steps fit", step, *ret_steps);
    return 0;
}

/* The measured steps have left marks: begin anew. */
static int forget(struct wm_training *t, struct wm_error *err)
{
    t->history.n = 0;
    t->head.sample = 0;
    wm_history_done(&t->history);
    wm_text_samples_done(&t->samples);
    return wm_training_begin(t, err);
}

int wm_training_plan_time(struct wm_training *t, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!(t->options->time > 0))
        return 0;
    int status = wm_path_join(path, t->job->work, "time.json", err);
    if (!status)
        status = wm_mkdirs(t->job->work, err);
    if (!status)
        status = read_stored(t, path, &t->head.n_steps, err);
    if (status || t->head.n_steps)
        return status ? status : forget(t, err);
    uint64_t steps = 1;
    t->head.n_steps = MOST_STEPS + 1;
    status = forget(t, err);
    if (!status)
        status = measure(t, &steps, err);
    if (!status)
        status = store(t, path, steps, err);
    if (status)
        return status;
    t->head.n_steps = steps;
    return forget(t, err);
}
