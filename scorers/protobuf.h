/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file protobuf.h
 * Fields of a Protocol Buffers message, one after the other, without a schema
 * (https://protobuf.dev/programming-guides/encoding). Nothing is copied or allocated; a message
 * within a message is a reader over its bytes. Unknown fields are the caller's to pass over.
 *
 *     struct wm_pb r = wm_pb_open(bytes);
 *     while ((more = wm_pb_next(&r, &field, err)) > 0) …
 */
#ifndef WETMILL_SCORERS_PROTOBUF_H
#define WETMILL_SCORERS_PROTOBUF_H

#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum wm_pb_wire {
    WM_PB_VARINT = 0,
    WM_PB_FIXED64 = 1,
    WM_PB_BYTES = 2, /**< Bytes, strings, messages, packed numbers. */
    WM_PB_FIXED32 = 5
};

struct wm_pb {
    const unsigned char *at, *end;
};

struct wm_pb_field {
    uint32_t number; /**< 1 … 2^29 − 1 */
    enum wm_pb_wire wire;
    uint64_t value;      /**< Of numbers: the bits, little-endian. */
    struct wm_str bytes; /**< Of WM_PB_BYTES; within the message. */
};

static inline struct wm_pb wm_pb_open(struct wm_str message)
{
    const unsigned char *at = (const unsigned char *)message.ptr;
    return (struct wm_pb){at, message.len ? at + message.len : at};
}

/** 1 with the next field, 0 at the end, WM_E_FORMAT. Groups (wire types 3 and 4) are refused. */
int wm_pb_next(struct wm_pb *r, struct wm_pb_field *ret, struct wm_error *err);

static inline float wm_pb_float(const struct wm_pb_field *field)
{
    uint32_t bits = (uint32_t)field->value;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif /* WETMILL_SCORERS_PROTOBUF_H */
