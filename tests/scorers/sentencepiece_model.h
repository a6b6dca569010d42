/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece model files by hand. */
#ifndef WETMILL_TESTS_SENTENCEPIECE_MODEL_H
#define WETMILL_TESTS_SENTENCEPIECE_MODEL_H

#include "test.h"
#include "wetmill/sentencepiece.h"

enum { MODEL_BYTES = 64 << 20 };

static struct wm_error err;

static inline void add_varint(struct wm_buf *out, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)(value & 0x7F);
        value >>= 7;
        if (value)
            bytes[n] |= 0x80;
        n++;
    } while (value);
    CHECK_OK(wm_buf_add(out, bytes, n, &err), err);
}

static inline void add_number(struct wm_buf *out, uint32_t field, uint64_t value)
{
    add_varint(out, (uint64_t)field << 3);
    add_varint(out, value);
}

static inline void add_bytes(struct wm_buf *out, uint32_t field, struct wm_str bytes)
{
    add_varint(out, (uint64_t)field << 3 | 2);
    add_varint(out, bytes.len);
    CHECK_OK(wm_buf_add(out, bytes.ptr, bytes.len, &err), err);
}

static inline void add_float(struct wm_buf *out, uint32_t field, float value)
{
    add_varint(out, (uint64_t)field << 3 | 5);
    CHECK_OK(wm_buf_add(out, &value, sizeof value, &err), err);
}

static inline void add_piece(struct wm_buf *out, struct wm_str text, float score,
                             enum wm_sp_type type)
{
    struct wm_buf piece;
    wm_buf_init(&piece, MODEL_BYTES);
    add_bytes(&piece, 1, text);
    add_float(&piece, 2, score);
    if (type != WM_SP_NORMAL)
        add_number(&piece, 3, type);
    add_bytes(out, 1, wm_buf_str(&piece));
    wm_buf_done(&piece);
}

/* <unk>, <s>, </s>; the first bytes of any model. */
static inline void add_specials(struct wm_buf *out)
{
    add_piece(out, WM_STR("<unk>"), 0, WM_SP_UNKNOWN);
    add_piece(out, WM_STR("<s>"), 0, WM_SP_CONTROL);
    add_piece(out, WM_STR("</s>"), 0, WM_SP_CONTROL);
}

static inline void add_byte_pieces(struct wm_buf *out)
{
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "<0x%02X>", i);
        add_piece(out, wm_str_of(name), 0, WM_SP_BYTE);
    }
}

static inline void add_trainer(struct wm_buf *out, enum wm_sp_kind kind, bool byte_fallback,
                               bool space_is_suffix)
{
    struct wm_buf trainer;
    wm_buf_init(&trainer, MODEL_BYTES);
    add_number(&trainer, 3, kind);
    add_number(&trainer, 24, space_is_suffix);
    add_number(&trainer, 35, byte_fallback);
    add_bytes(out, 2, wm_buf_str(&trainer));
    wm_buf_done(&trainer);
}

static inline void add_normaliser(struct wm_buf *out, uint32_t field, struct wm_str charsmap,
                                  bool dummy_prefix, bool remove_extra, bool escape)
{
    struct wm_buf normaliser;
    wm_buf_init(&normaliser, MODEL_BYTES);
    if (charsmap.len)
        add_bytes(&normaliser, 2, charsmap);
    add_number(&normaliser, 3, dummy_prefix);
    add_number(&normaliser, 4, remove_extra);
    add_number(&normaliser, 5, escape);
    add_bytes(out, field, wm_buf_str(&normaliser));
    wm_buf_done(&normaliser);
}

#endif /* WETMILL_TESTS_SENTENCEPIECE_MODEL_H */
