/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/tensorboard.h"

#include <math.h>
#include <stdio.h>

#include "trainer/checkpoint.h"
#include "trainer/floats.h"
#include "trainer/schedule.h"
#include "wetmill/file.h"

enum { EVENT_MAX = 512 };

static uint32_t crc32c_more(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
    }
    return ~crc;
}

uint32_t wm_crc32c(const void *bytes, size_t n)
{
    return crc32c_more(0, bytes, n);
}

static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* ---- protobuf, written: field number << 3 | wire type, then the value ---- */

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct message {
    unsigned char bytes[EVENT_MAX];
    size_t len;
};

static void put_varint(struct message *m, uint64_t v)
{
    for (; v > 127; v >>= 7)
        m->bytes[m->len++] = (unsigned char)(v | 128);
    m->bytes[m->len++] = (unsigned char)v;
}

static void put_tag(struct message *m, unsigned field, enum wire wire)
{
    put_varint(m, field << 3 | (unsigned)wire);
}

/* A member whose bytes come to `len`, `later` of which are not in the message: they follow it. */
static void put_begin(struct message *m, unsigned field, const void *bytes, size_t len,
                      size_t later)
{
    put_tag(m, field, BYTES);
    put_varint(m, len + later);
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put_bytes(struct message *m, unsigned field, const void *bytes, size_t len)
{
    put_begin(m, field, bytes, len, 0);
}

/* Event {1: time, 2: step} */
static struct message new_event(uint64_t step)
{
    struct message m = {.len = 0};
    const double time = (double)step;
    put_tag(&m, 1, FIXED64);
    wm_copy_le(m.bytes + m.len, &time, 1, sizeof time);
    m.len += sizeof time;
    put_tag(&m, 2, VARINT);
    put_varint(&m, step);
    return m;
}

/* Summary {1: Value {1: tag, 2: simple_value}} */
static void put_scalar(struct message *summary, const char *tag, double scalar)
{
    struct message value = {.len = 0};
    const float number = (float)scalar;
    put_bytes(&value, 1, tag, strlen(tag));
    put_tag(&value, 2, FIXED32);
    wm_copy_le(value.bytes + value.len, &number, 1, sizeof number);
    value.len += sizeof number;
    put_bytes(summary, 1, value.bytes, value.len);
}

/* The message, and `rest` behind it. */
static int put_record(struct wm_out *out, const struct message *m, struct wm_str rest,
                      struct wm_error *err)
{
    unsigned char frame[12 + EVENT_MAX], end[4];
    const uint64_t len = m->len + rest.len;
    wm_copy_le(frame, &len, 1, 8);
    const uint32_t head = masked(wm_crc32c(frame, 8));
    const uint32_t body = masked(crc32c_more(wm_crc32c(m->bytes, m->len), rest.ptr, rest.len));
    wm_copy_le(frame + 8, &head, 1, 4);
    wm_copy_le(end, &body, 1, 4);
    memcpy(frame + 12, m->bytes, m->len);
    int status = wm_out_write(out, frame, 12 + m->len, err);
    if (!status && rest.len)
        status = wm_out_write(out, rest.ptr, rest.len, err);
    return status ? status : wm_out_write(out, end, sizeof end, err);
}

/* Summary {1: Value {1: tag, 9: SummaryMetadata {1: PluginData {1: "text"}}, 8: TensorProto {1: type
 * DT_STRING, 2: TensorShapeProto {2: Dim {1: size 1}}, 8: text}}}; the text stands last. */
static int put_text(struct wm_out *out, uint64_t step, unsigned index, struct wm_str text,
                    struct wm_error *err)
{
    static const char string_of_one[] = {1 << 3 | VARINT, 7, 2 << 3 | BYTES,  4,
                                         2 << 3 | BYTES,  2, 1 << 3 | VARINT, 1};
    static const char metadata[] = {1 << 3 | BYTES, 6, 1 << 3 | BYTES, 4, 't', 'e', 'x', 't'};
    char tag[32];
    struct message tensor = {.len = 0}, value = tensor, summary = tensor, event = new_event(step);
    const int n = snprintf(tag, sizeof tag, "samples/%u", index);
    memcpy(tensor.bytes, string_of_one, sizeof string_of_one);
    tensor.len = sizeof string_of_one;
    put_begin(&tensor, 8, "", 0, text.len);
    put_bytes(&value, 1, tag, (size_t)n);
    put_bytes(&value, 9, metadata, sizeof metadata);
    put_begin(&value, 8, tensor.bytes, tensor.len, text.len);
    put_begin(&summary, 1, value.bytes, value.len, text.len);
    put_begin(&event, 5, summary.bytes, summary.len, text.len);
    return put_record(out, &event, text, err);
}

static int put_step(struct wm_out *out, const struct wm_step_metrics *m, uint64_t step,
                    const struct wm_metrics_scale *scale, struct wm_error *err)
{
    struct message event = new_event(step), summary = {.len = 0};
    put_scalar(&summary, "train/loss", m->loss);
    put_scalar(&summary, "train/learning_rate",
               wm_schedule_lr(scale->options, scale->n_steps, step));
    put_scalar(&summary, "train/grad_norm", m->grad_norm);
    if (!isnan(m->validation)) {
        put_scalar(&summary, "validation/loss", m->validation);
        put_scalar(&summary, "validation/bits_per_byte",
                   wm_bits_per_byte(m->validation, scale->tokens_per_byte));
    }
    put_bytes(&event, 5, summary.bytes, summary.len);
    return put_record(out, &event, WM_STR(""), err);
}

/* Samples that are still to be written, the next one already read. */
struct texts {
    struct wm_str rest;
    struct wm_arena arena;
    struct wm_text_sample next; /* step 0: not read yet */
    struct wm_buf whole;
};

/* Those of a step: prompt and text as one. */
static int put_texts(struct wm_out *out, struct texts *t, uint64_t step, struct wm_error *err)
{
    for (unsigned index = 0;; index++) {
        if (!t->next.step) {
            wm_arena_reset(&t->arena);
            const int got = wm_text_samples_next(&t->rest, &t->arena, &t->next, err);
            if (got <= 0)
                return got;
        }
        if (t->next.step > step)
            return 0;
        t->whole.len = 0;
        int status = wm_buf_add(&t->whole, t->next.prompt.ptr, t->next.prompt.len, err);
        if (!status)
            status = wm_buf_add(&t->whole, t->next.text.ptr, t->next.text.len, err);
        if (!status)
            status = put_text(out, step, index, wm_buf_str(&t->whole), err);
        if (status)
            return status;
        t->next.step = 0;
    }
}

int wm_tensorboard_write(const char *dir, const struct wm_history *history,
                         const struct wm_text_samples *samples,
                         const struct wm_metrics_scale *scale, struct wm_error *err)
{
    static const char version[] = "brain.Event:2";
    char path[WM_PATH_MAX];
    struct wm_out *out;
    int status = wm_path_join(path, dir, "events.out.tfevents.0.wetmill", err);
    if (!status)
        status = wm_out_open(path, &out, err);
    if (status)
        return status;
    struct message first = new_event(0);
    put_bytes(&first, 3, version, sizeof version - 1);
    struct texts texts = {.rest = wm_buf_str(&samples->lines)};
    wm_arena_init(&texts.arena, WM_CHECKPOINT_STATE);
    wm_buf_init(&texts.whole, 2 * (size_t)WM_CHECKPOINT_STATE);
    status = put_record(out, &first, WM_STR(""), err);
    for (uint64_t i = 0; i < history->n && !status; i++) {
        status = put_step(out, &history->steps[i], i + 1, scale, err);
        if (!status)
            status = put_texts(out, &texts, i + 1, err);
    }
    wm_buf_done(&texts.whole);
    wm_arena_done(&texts.arena);
    if (!status)
        return wm_out_commit(out, NULL, err);
    wm_out_abandon(out);
    return status;
}
