/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/tensorboard.h"

#include <math.h>
#include <stdio.h>

#include "trainer/checkpoint.h"
#include "trainer/floats.h"
#include "trainer/schedule.h"
#include "wetmill/file.h"

enum { EVENT_MAX = 512 };

/* The remainders of all bytes: each is the sum of those of its bits. */
#define BIT(i, k, remainder) ((i) >> (k)&1 ? (remainder) : 0u)
#define REMAINDER(i)                                                            \
    (BIT(i, 0, 0xF26B8303u) ^ BIT(i, 1, 0xE13B70F7u) ^ BIT(i, 2, 0xC79A971Fu) ^ \
     BIT(i, 3, 0x8AD958CFu) ^ BIT(i, 4, 0x105EC76Fu) ^ BIT(i, 5, 0x20BD8EDEu) ^ \
     BIT(i, 6, 0x417B1DBCu) ^ BIT(i, 7, 0x82F63B78u))
#define FOUR(i) REMAINDER(i), REMAINDER((i) + 1), REMAINDER((i) + 2), REMAINDER((i) + 3)
#define SIXTEEN(i) FOUR(i), FOUR((i) + 4), FOUR((i) + 8), FOUR((i) + 12)
#define SIXTY_FOUR(i) SIXTEEN(i), SIXTEEN((i) + 16), SIXTEEN((i) + 32), SIXTEEN((i) + 48)
static const uint32_t remainders[256] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128),
                                         SIXTY_FOUR(192)};

static uint32_t crc32c_more(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ remainders[(crc ^ at[i]) & 255];
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

static const struct wm_str nothing[2] = {{"", 0}, {"", 0}};

/* The message, and `rest` behind it, in two pieces. */
static int put_record(struct wm_buf *out, const struct message *m, const struct wm_str rest[2],
                      struct wm_error *err)
{
    unsigned char frame[12], end[4];
    const uint64_t len = m->len + rest[0].len + rest[1].len;
    wm_copy_le(frame, &len, 1, 8);
    const uint32_t head = masked(wm_crc32c(frame, 8));
    uint32_t body = wm_crc32c(m->bytes, m->len);
    for (int i = 0; i < 2; i++)
        body = crc32c_more(body, rest[i].ptr, rest[i].len);
    body = masked(body);
    wm_copy_le(frame + 8, &head, 1, 4);
    wm_copy_le(end, &body, 1, 4);
    const struct wm_str all[] = {{(const char *)frame, 12},
                                 {(const char *)m->bytes, m->len},
                                 rest[0],
                                 rest[1],
                                 {(const char *)end, 4}};
    const size_t before = out->len;
    int status = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
        status = wm_buf_add(out, all[i].ptr, all[i].len, err);
    if (status)
        out->len = before;
    return status;
}

/* Summary {1: Value {1: tag, 9: SummaryMetadata {1: PluginData {1: "text"}}, 8: TensorProto {1: type
 * DT_STRING, 2: TensorShapeProto {2: Dim {1: size 1}}, 8: text}}}; the text stands last. */
static int put_text(struct wm_buf *out, const struct wm_text_sample *sample, unsigned index,
                    struct wm_error *err)
{
    static const char string_of_one[] = {1 << 3 | VARINT, 7, 2 << 3 | BYTES,  4,
                                         2 << 3 | BYTES,  2, 1 << 3 | VARINT, 1};
    static const char metadata[] = {1 << 3 | BYTES, 6, 1 << 3 | BYTES, 4, 't', 'e', 'x', 't'};
    const struct wm_str texts[2] = {sample->prompt, sample->text};
    const size_t len = sample->prompt.len + sample->text.len;
    char tag[32];
    struct message tensor = {.len = 0}, value = tensor, summary = tensor;
    struct message event = new_event(sample->step);
    const int n = snprintf(tag, sizeof tag, "samples/%u", index);
    memcpy(tensor.bytes, string_of_one, sizeof string_of_one);
    tensor.len = sizeof string_of_one;
    put_begin(&tensor, 8, "", 0, len);
    put_bytes(&value, 1, tag, (size_t)n);
    put_bytes(&value, 9, metadata, sizeof metadata);
    put_begin(&value, 8, tensor.bytes, tensor.len, len);
    put_begin(&summary, 1, value.bytes, value.len, len);
    put_begin(&event, 5, summary.bytes, summary.len, len);
    return put_record(out, &event, texts, err);
}

static int put_step(struct wm_buf *out, const struct wm_step_metrics *m, uint64_t step,
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
    return put_record(out, &event, nothing, err);
}

/* Those of step `until` and before: prompt and text as one. */
static int put_texts(struct wm_tensorboard_cursor *c, const struct wm_text_samples *samples,
                     uint64_t until, struct wm_buf *out, struct wm_error *err)
{
    struct wm_arena arena;
    int status = 0;
    wm_arena_init(&arena, 2 * (size_t)WM_CHECKPOINT_STATE);
    while (!status && c->text < samples->lines.len && c->text_step <= until) {
        struct wm_str rest = {samples->lines.ptr + c->text, samples->lines.len - c->text};
        struct wm_text_sample sample;
        wm_arena_reset(&arena);
        status = wm_text_samples_next(&rest, &arena, &sample, err);
        if (status <= 0)
            break;
        const bool first = sample.step != c->text_step;
        c->text_step = sample.step;
        if (first)
            c->text_index = 0;
        if (sample.step > until) {
            status = 0;
            break;
        }
        status = put_text(out, &sample, c->text_index, err);
        c->text_index += !status;
        c->text = samples->lines.len - rest.len;
    }
    wm_arena_done(&arena);
    return status;
}

static int put_first(struct wm_buf *out, struct wm_error *err)
{
    static const char version[] = "brain.Event:2";
    struct message first = new_event(0);
    put_bytes(&first, 3, version, sizeof version - 1);
    return put_record(out, &first, nothing, err);
}

int wm_tensorboard_records(struct wm_tensorboard_cursor *c, const struct wm_history *history,
                           const struct wm_text_samples *samples,
                           const struct wm_metrics_scale *scale, uint64_t until, struct wm_buf *out,
                           struct wm_error *err)
{
    const size_t most = out->len + WM_METRICS_PIECE;
    int status = 0;
    if (!c->begun)
        status = put_first(out, err);
    c->begun = c->begun || !status;
    while (!status && c->step < until && out->len < most) {
        status = put_step(out, &history->steps[c->step], c->step + 1, scale, err);
        c->step += !status;
        if (!status)
            status = put_texts(c, samples, c->step, out, err);
    }
    return status;
}

int wm_tensorboard_write(const char *dir, const struct wm_history *history,
                         const struct wm_text_samples *samples,
                         const struct wm_metrics_scale *scale, struct wm_error *err)
{
    struct wm_tensorboard_cursor cursor = {0};
    char path[WM_PATH_MAX];
    struct wm_out *out;
    struct wm_buf piece;
    int status = wm_path_join(path, dir, WM_TENSORBOARD_NAME, err);
    if (!status)
        status = wm_out_open(path, &out, err);
    if (status)
        return status;
    wm_buf_init(&piece, WM_TENSORBOARD_MOST);
    do {
        piece.len = 0;
        status = wm_tensorboard_records(&cursor, history, samples, scale, history->n, &piece, err);
        if (!status)
            status = wm_out_write(out, piece.ptr, piece.len, err);
    } while (!status && piece.len);
    wm_buf_done(&piece);
    if (!status)
        return wm_out_commit(out, NULL, err);
    wm_out_abandon(out);
    return status;
}
