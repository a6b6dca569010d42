/* SPDX-License-Identifier: Apache-2.0 */
/* The event file, read back: frames, checksums, and every scalar. */
#include "trainer/tensorboard.h"

#include <math.h>

#include "scratch.h"
#include "test.h"
#include "trainer/floats.h"

#define TEN "0123456789"
#define long_text TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static uint32_t masked(const void *bytes, size_t n)
{
    const uint32_t crc = wm_crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static uint32_t u32_at(const char *at)
{
    uint32_t v;
    wm_copy_le(&v, at, 1, 4);
    return v;
}

/* Cut the next record off `file`; false at its end. */
static bool next_record(struct wm_str *file, struct wm_str *ret)
{
    uint64_t len;
    if (file->len < 16)
        return false;
    wm_copy_le(&len, file->ptr, 1, 8);
    CHECK(u32_at(file->ptr + 8) == masked(file->ptr, 8));
    CHECK(len <= file->len - 16);
    if (len > file->len - 16)
        return false;
    *ret = (struct wm_str){file->ptr + 12, (size_t)len};
    CHECK(u32_at(file->ptr + 12 + len) == masked(ret->ptr, ret->len));
    file->ptr += len + 16;
    file->len -= (size_t)len + 16;
    return true;
}

/* The scalar called `tag` in an event: tag 1, then simple_value 2 as a float. */
static float scalar_of(struct wm_str event, const char *tag)
{
    const size_t n = strlen(tag);
    for (size_t i = 0; i + n + 5 <= event.len; i++)
        if (memcmp(event.ptr + i, tag, n) == 0) {
            float v;
            CHECK(event.ptr[i + n] == (2 << 3 | 5));
            wm_copy_le(&v, event.ptr + i + n + 1, 1, 4);
            return v;
        }
    return NAN;
}

/* A message's lengths are right to the last byte: walk the members of each message on the way. */
static struct wm_str member(struct wm_str message, unsigned field)
{
    struct wm_str found = {NULL, 0};
    for (size_t at = 0; at < message.len;) {
        const unsigned char tag = (unsigned char)message.ptr[at++];
        uint64_t value = 0;
        if ((tag & 7) == 1 || (tag & 7) == 5) {
            at += (tag & 7) == 1 ? 8 : 4;
            continue;
        }
        for (unsigned shift = 0; at < message.len; shift += 7) {
            const unsigned char byte = (unsigned char)message.ptr[at++];
            value |= (uint64_t)(byte & 127) << shift;
            if (byte < 128)
                break;
        }
        if ((tag & 7) != 2)
            continue;
        CHECK(value <= message.len - at);
        if (value > message.len - at)
            return (struct wm_str){NULL, 0};
        if (tag >> 3 == field)
            found = (struct wm_str){message.ptr + at, (size_t)value};
        at += (size_t)value;
    }
    return found;
}

static void check_text(struct wm_str event, int step, const char *tag, const char *text)
{
    CHECK(event.len > 11 && event.ptr[10] == step);
    const struct wm_str value = member(member(event, 5), 1);
    CHECK_STR(member(value, 1), wm_str_of(tag));
    CHECK_STR(member(member(member(value, 9), 1), 1), WM_STR("text"));
    CHECK_STR(member(member(value, 8), 8), wm_str_of(text));
    CHECK_STR(member(member(value, 8), 2), WM_STR("\x12\x02\x08\x01")); /* one string */
}

/* Bit by bit, as the polynomial says. */
static void check_crc(void)
{
    unsigned char bytes[600];
    uint32_t seed = 1;
    for (size_t n = 0; n < sizeof bytes; n++) {
        uint32_t crc = UINT32_MAX;
        for (size_t i = 0; i < n; i++) {
            crc ^= bytes[i];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
        }
        CHECK_U64(wm_crc32c(bytes, n), ~crc);
        seed = seed * 1664525u + 1013904223u;
        bytes[n] = (unsigned char)(seed >> 24);
    }
    CHECK_U64(wm_crc32c("123456789", 9), 0xE3069283u); /* the catalogue's check value */
}

/* The same bytes whether they are made at once or step by step. */
static void check_pieces(const struct wm_history *history, const struct wm_text_samples *samples,
                         const struct wm_metrics_scale *scale, struct wm_str whole)
{
    struct wm_tensorboard_cursor cursor = {0};
    struct wm_buf pieces;
    wm_buf_init(&pieces, 1 << 20);
    for (uint64_t until = 0; until <= history->n; until++)
        CHECK_OK(wm_tensorboard_records(&cursor, history, samples, scale, until, &pieces, &err),
                 err);
    CHECK_STR(wm_buf_str(&pieces), whole);
    const size_t all = pieces.len;
    CHECK_OK(wm_tensorboard_records(&cursor, history, samples, scale, history->n, &pieces, &err),
             err);
    CHECK_U64(pieces.len, all);
    wm_buf_done(&pieces);
}

int main(void)
{
    check_crc();
    make_top("tensorboard");
    struct wm_train_options options = {.learning_rate = 0.5, .schedule = WM_SCHEDULE_CONSTANT};
    struct wm_step_metrics steps[3] = {{3.5, 1.25, NAN}, {2.5, 0.5, 2.75}, {2, 0.25, NAN}};
    const struct wm_history history = {steps, 3, 3};
    const struct wm_metrics_scale scale = {
        .options = &options, .n_steps = 3, .tokens_per_byte = 0.25};
    const struct wm_text_sample texts[] = {{2, WM_STR("Once"), WM_STR(" upon\na time")},
                                           {2, WM_STR(""), WM_STR(long_text)},
                                           {3, WM_STR("\""), WM_STR("")}};
    struct wm_text_samples samples;
    wm_text_samples_init(&samples);
    for (int i = 0; i < 3; i++)
        CHECK_OK(wm_text_samples_add(&samples, &texts[i], &err), err);
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_tensorboard_write(in_top("."), &history, &samples, &scale, &err), err);
    CHECK_OK(wm_file_load(in_top("events.out.tfevents.0.wetmill"), &buf, &err), err);
    struct wm_str file = wm_buf_str(&buf), event = {"", 0};
    check_pieces(&history, &samples, &scale, file);
    CHECK(next_record(&file, &event));
    CHECK(event.len > 13 && memcmp(event.ptr + event.len - 13, "brain.Event:2", 13) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(next_record(&file, &event));
        CHECK(event.len > 11 && event.ptr[9] == (2 << 3) && event.ptr[10] == i + 1);
        CHECK(scalar_of(event, "train/loss") == (float)steps[i].loss);
        CHECK(scalar_of(event, "train/grad_norm") == (float)steps[i].grad_norm);
        CHECK(scalar_of(event, "train/learning_rate") == 0.5f);
        CHECK(isnan(scalar_of(event, "validation/loss")) == (i != 1));
        if (i == 1) {
            CHECK(scalar_of(event, "validation/loss") == 2.75f);
            CHECK(scalar_of(event, "validation/bits_per_byte") ==
                  (float)(2.75 * 0.25 / 0.69314718055994530942));
        }
        if (i == 1) {
            CHECK(next_record(&file, &event));
            check_text(event, 2, "samples/0", "Once upon\na time");
            CHECK(next_record(&file, &event));
            check_text(event, 2, "samples/1", long_text);
        } else if (i == 2) {
            CHECK(next_record(&file, &event));
            check_text(event, 3, "samples/0", "\"");
        }
    }
    CHECK(file.len == 0);
    wm_text_samples_done(&samples);
    wm_buf_done(&buf);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
