/* SPDX-License-Identifier: Apache-2.0 */
/* --time: how many steps fit. Measured once, on the training's own first steps; what comes out is
 * kept in WORK/time.json, so the schedule stays what it is when the training goes on. */
#include <inttypes.h>
#include <stdlib.h>

#include "trainer/schedule.h"
#include "trainer/training.h"
#include "wetmill/jansson.h"

enum { LEAST_STEPS = 3, MOST_STEPS = 200, SECONDS = 15 /* of measuring, at most */ };
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

/* What a step takes: its update, and each of its sequences. */
struct pace {
    double step, sample; /* seconds */
};

/* Means over steps of full batches, but the first, which touches fresh memory. */
static int measure_steps(struct wm_training *t, struct pace *ret, struct wm_error *err)
{
    const double most = t->options->time / 20 < SECONDS ? t->options->time / 20 : SECONDS;
    const double begin = wm_seconds();
    double from = begin, batches = 0;
    unsigned n = 0;
    for (; n <= LEAST_STEPS || (n <= MOST_STEPS && wm_seconds() - begin < most); n++) {
        int status = wm_training_step(t, err);
        if (status)
            return status;
        if (n)
            batches += t->batch_seconds;
        else
            from = wm_seconds();
    }
    const double all = wm_seconds() - from;
    ret->step = (all - batches) / (n - 1);
    ret->sample = batches / (n - 1) / (double)t->options->batch;
    return 0;
}

static int measure(struct wm_training *t, uint64_t *ret_steps, struct wm_error *err)
{
    const struct wm_train_options *o = t->options;
    struct pace pace;
    double validation = 0, samples = 0, nats;
    int status = measure_steps(t, &pace, err);
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
    if (o->validate_every)
        pace.step += validation / (double)o->validate_every;
    if (o->sample_every)
        pace.step += samples / (double)o->sample_every;
    const double spent = wm_seconds() - t->start + validation + samples;
    *ret_steps = wm_schedule_fit(o, o->time * (1 - reserve) - spent, pace.step, pace.sample);
    wm_training_say(t, "%.3f s a step: %" PRIu64 " %s", pace.step + (double)o->batch * pace.sample,
                    *ret_steps, *ret_steps == 1 ? "step fits" : "steps fit");
    return 0;
}

/* The measured steps have left marks: begin anew. */
static int forget(struct wm_training *t, struct wm_error *err)
{
    t->history.n = 0;
    t->head.sample = 0;
    t->step_seconds = 0;
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
    t->measuring = true;
    if (!status)
        status = measure(t, &steps, err);
    t->measuring = false;
    if (!status)
        status = store(t, path, steps, err);
    if (status)
        return status;
    t->head.n_steps = steps;
    return forget(t, err);
}
