/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format of Protocol Buffers. */
#include "scorers/protobuf.h"

enum { VARINT_BYTES = 10, MAX_NUMBER = (1 << 29) - 1 };

static int take_varint(struct wm_pb *r, uint64_t *ret, struct wm_error *err)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES; i++) {
        if (r->at == r->end)
            return wm_fail(err, WM_E_FORMAT, "a message ends within a number");
        unsigned char byte = *r->at++;
        if (i == VARINT_BYTES - 1 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *ret = value;
            return 0;
        }
    }
    return wm_fail(err, WM_E_FORMAT, "a message holds a number of more than 64 bits");
}

static int take_fixed(struct wm_pb *r, unsigned n_bytes, uint64_t *ret, struct wm_error *err)
{
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < n_bytes)
        return wm_fail(err, WM_E_FORMAT, "a message ends within a number");
    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)r->at[i] << (8 * i);
    r->at += n_bytes;
    *ret = value;
    return 0;
}

static int take_bytes(struct wm_pb *r, struct wm_pb_field *field, struct wm_error *err)
{
    uint64_t len = 0;
    int status = take_varint(r, &len, err);
    if (status)
        return status;
    if (len > (uint64_t)(r->end - r->at))
        return wm_fail(err, WM_E_FORMAT, "field %u wants %ju bytes, its message has %ju left",
                       field->number, (uintmax_t)len, (uintmax_t)(r->end - r->at));
    field->bytes = (struct wm_str){(const char *)r->at, (size_t)len};
    r->at += len;
    return 0;
}

int wm_pb_next(struct wm_pb *r, struct wm_pb_field *ret, struct wm_error *err)
{
    struct wm_pb_field field = {0};
    uint64_t tag = 0;
    if (r->at == r->end)
        return 0;
    int status = take_varint(r, &tag, err);
    if (status)
        return status;
    if (tag >> 3 == 0 || tag >> 3 > MAX_NUMBER)
        return wm_fail(err, WM_E_FORMAT, "a message has a field number %ju", (uintmax_t)(tag >> 3));
    field.number = (uint32_t)(tag >> 3);
    field.wire = (enum wm_pb_wire)(tag & 7);
    switch (tag & 7) {
    case WM_PB_VARINT:
        status = take_varint(r, &field.value, err);
        break;
    case WM_PB_FIXED64:
        status = take_fixed(r, 8, &field.value, err);
        break;
    case WM_PB_BYTES:
        status = take_bytes(r, &field, err);
        break;
    case WM_PB_FIXED32:
        status = take_fixed(r, 4, &field.value, err);
        break;
    default:
        return wm_fail(err, WM_E_FORMAT, "field %u has wire type %u, which is not read",
                       field.number, (unsigned)(tag & 7));
    }
    if (status)
        return status;
    *ret = field;
    return 1;
}
