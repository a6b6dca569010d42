/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/tensorboard.h"

#include <math.h>

#include "trainer/floats.h"
#include "trainer/schedule.h"
#include "wetmill/file.h"

enum { EVENT_MAX = 512 };

uint32_t wm_crc32c(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
    }
    return ~crc;
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

static void put_bytes(struct message *m, unsigned field, const void *bytes, size_t len)
{
    put_tag(m, field, BYTES);
    put_varint(m, len);
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
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

static int put_record(struct wm_out *out, const struct message *m, struct wm_error *err)
{
    unsigned char frame[12 + EVENT_MAX + 4];
    const uint64_t len = m->len;
    wm_copy_le(frame, &len, 1, 8);
    const uint32_t head = masked(wm_crc32c(frame, 8)), body = masked(wm_crc32c(m->bytes, m->len));
    wm_copy_le(frame + 8, &head, 1, 4);
    memcpy(frame + 12, m->bytes, m->len);
    wm_copy_le(frame + 12 + m->len, &body, 1, 4);
    return wm_out_write(out, frame, 12 + m->len + 4, err);
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
    return put_record(out, &event, err);
}

int wm_tensorboard_write(const char *dir, const struct wm_history *history,
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
    status = put_record(out, &first, err);
    for (uint64_t i = 0; i < history->n && !status; i++)
        status = put_step(out, &history->steps[i], i + 1, scale, err);
    if (!status)
        return wm_out_commit(out, NULL, err);
    wm_out_abandon(out);
    return status;
}
