/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/text_samples.h"

#include "trainer/checkpoint.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

void wm_text_samples_init(struct wm_text_samples *samples)
{
    *samples = (struct wm_text_samples){.step = 0};
    wm_buf_init(&samples->lines, WM_CHECKPOINT_STATE);
}

void wm_text_samples_done(struct wm_text_samples *samples)
{
    wm_buf_done(&samples->lines);
    samples->step = 0;
}

int wm_text_samples_add(struct wm_text_samples *samples, const struct wm_text_sample *sample,
                        struct wm_error *err)
{
    const size_t before = samples->lines.len;
    struct wm_json_out w;
    wm_json_out_open(&w, &samples->lines, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "step");
    wm_json_put_u64(&w, sample->step);
    wm_json_put_key(&w, "prompt");
    wm_json_put_str(&w, sample->prompt);
    wm_json_put_key(&w, "text");
    wm_json_put_str(&w, sample->text);
    wm_json_put_close(&w, '}');
    int status = w.status ? w.status : wm_buf_add(&samples->lines, "\n", 1, err);
    if (status)
        samples->lines.len = before;
    else
        samples->step = sample->step;
    return status;
}

/* ---- reading ---- */

static int read_line(struct wm_json *r, struct wm_text_sample *ret, struct wm_error *err)
{
    enum { STEP = 1, PROMPT = 2, TEXT = 4 };
    struct wm_str key;
    unsigned found = 0;
    int status = wm_json_object(r, err);
    while (!status && (status = wm_json_key(r, &key, err)) > 0) {
        const unsigned field = wm_str_eq(key, WM_STR("step"))     ? STEP
                               : wm_str_eq(key, WM_STR("prompt")) ? PROMPT
                               : wm_str_eq(key, WM_STR("text"))   ? TEXT
                                                                  : 0;
        status = field == STEP     ? wm_json_u64(r, &ret->step, err)
                 : field == PROMPT ? wm_json_string(r, &ret->prompt, err)
                 : field == TEXT   ? wm_json_string(r, &ret->text, err)
                                   : wm_json_skip(r, NULL, err);
        found |= field;
    }
    if (!status)
        status = wm_json_finish(r, err);
    if (!status && found != (STEP | PROMPT | TEXT))
        status = wm_fail(err, WM_E_FORMAT, "step, prompt or text is missing");
    return status;
}

int wm_text_samples_next(struct wm_str *rest, struct wm_arena *arena, struct wm_text_sample *ret,
                         struct wm_error *err)
{
    struct wm_json r;
    if (!rest->len)
        return 0;
    wm_json_open(&r, wm_str_line(rest), arena);
    const int status = read_line(&r, ret, err);
    return status ? status : 1;
}

int wm_text_samples_restore(struct wm_text_samples *samples, struct wm_str lines, uint64_t step,
                            struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_text_sample sample = {.step = 0};
    struct wm_str rest = lines;
    uint64_t newest = 0;
    int status = 1;
    wm_arena_init(&arena, WM_CHECKPOINT_STATE);
    if (lines.len && lines.ptr[lines.len - 1] != '\n')
        status = wm_fail(err, WM_E_FORMAT, "the last line of the samples has no end");
    while (status > 0 && (status = wm_text_samples_next(&rest, &arena, &sample, err)) > 0) {
        if (sample.step < 1 || sample.step < newest || sample.step > step)
            status = wm_fail(err, WM_E_FORMAT, "samples out of order");
        newest = sample.step;
        wm_arena_reset(&arena);
    }
    wm_arena_done(&arena);
    if (status)
        return status;
    samples->lines.len = 0;
    samples->step = newest;
    return wm_buf_add(&samples->lines, lines.ptr, lines.len, err);
}

/* ---- writing ---- */

int wm_text_samples_write(const char *dir, const struct wm_text_samples *samples,
                          struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, WM_TEXT_SAMPLES_NAME, err);
    if (status)
        return status;
    if (samples->lines.len)
        return wm_file_store(path, wm_buf_str(&samples->lines), err);
    return wm_exists(path) ? wm_remove(path, err) : 0;
}
