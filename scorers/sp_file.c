/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SentencePiece model file: one Protocol Buffers message {1 pieces {1 text, 2 score, 3 type},
 * 2 trainer settings, 3 normaliser, 5 denormaliser}. A field of a wire type it should not have is
 * passed over, as Protocol Buffers do.
 */
#include <stdlib.h>

#include "scorers/protobuf.h"
#include "scorers/sp_model.h"
#include "wetmill/file.h"

enum { /* of the whole message */
       FIELD_PIECE = 1,
       FIELD_TRAINER = 2,
       FIELD_NORMALISER = 3,
       FIELD_DENORMALISER = 5
};

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "model files are read as they lie: little-endian"
#endif

void *wm_sp_alloc(uint64_t count, size_t size, const char *what, struct wm_error *err)
{
    if (size && count > SIZE_MAX / 2 / size) {
        (void)wm_fail_nomem(err, SIZE_MAX, what);
        return NULL;
    }
    size_t bytes = (size_t)count * size;
    void *at = calloc(bytes ? bytes : 1, 1);
    if (!at)
        (void)wm_fail_nomem(err, bytes, what);
    return at;
}

/* ---- pieces ---- */

static int take_piece(struct wm_sp *model, struct wm_str message, uint32_t id, struct wm_error *err)
{
    struct wm_pb r = wm_pb_open(message);
    struct wm_pb_field field;
    struct wm_str text = {0};
    uint64_t type = WM_SP_NORMAL;
    int more;
    while ((more = wm_pb_next(&r, &field, err)) > 0) {
        if (field.number == 1 && field.wire == WM_PB_BYTES)
            text = field.bytes;
        else if (field.number == 2 && field.wire == WM_PB_FIXED32)
            model->scores[id] = wm_pb_float(&field);
        else if (field.number == 3 && field.wire == WM_PB_VARINT)
            type = field.value;
    }
    if (more)
        return more;
    if (type < WM_SP_NORMAL || type > WM_SP_BYTE)
        return wm_fail(err, WM_E_FORMAT, "piece %u has the type %ju, want 1 to 6", id,
                       (uintmax_t)type);
    if (text.len == 0 || text.len > WM_SP_MAX_PIECE_BYTES)
        return wm_fail(err, text.len ? WM_E_LIMIT : WM_E_FORMAT,
                       "piece %u has %zu bytes, want 1 to %d", id, text.len, WM_SP_MAX_PIECE_BYTES);
    if (memchr(text.ptr, 0, text.len))
        return wm_fail(err, WM_E_FORMAT, "piece %u holds a zero byte", id);
    memcpy(model->bytes + model->starts[id], text.ptr, text.len);
    model->starts[id + 1] = model->starts[id] + (uint32_t)text.len;
    model->types[id] = (uint8_t)type;
    return 0;
}

static int count_pieces(struct wm_str bytes, uint32_t *ret_n, size_t *ret_bytes,
                        struct wm_error *err)
{
    struct wm_pb r = wm_pb_open(bytes);
    struct wm_pb_field field;
    int more;
    while ((more = wm_pb_next(&r, &field, err)) > 0)
        if (field.number == FIELD_PIECE && field.wire == WM_PB_BYTES) {
            *ret_bytes += field.bytes.len;
            if (++*ret_n > WM_SP_MAX_PIECES)
                return wm_fail(err, WM_E_LIMIT, "more than %d pieces", WM_SP_MAX_PIECES);
        }
    if (!more && *ret_n == 0)
        return wm_fail(err, WM_E_FORMAT, "not a SentencePiece model: there are no pieces");
    return more;
}

static int take_pieces(struct wm_sp *model, struct wm_str bytes, struct wm_error *err)
{
    size_t most_bytes = 0;
    int status = count_pieces(bytes, &model->n_pieces, &most_bytes, err);
    if (status)
        return status;
    size_t n = model->n_pieces;
    model->bytes = wm_sp_alloc(most_bytes, 1, "pieces", err);
    model->starts = wm_sp_alloc(n + 1, sizeof *model->starts, "pieces", err);
    model->scores = wm_sp_alloc(n, sizeof *model->scores, "scores", err);
    model->types = wm_sp_alloc(n, sizeof *model->types, "types", err);
    if (!model->bytes || !model->starts || !model->scores || !model->types)
        return WM_E_NOMEM;
    struct wm_pb r = wm_pb_open(bytes);
    struct wm_pb_field field;
    uint32_t id = 0;
    while (!status && (status = wm_pb_next(&r, &field, err)) > 0) {
        status = 0;
        if (field.number == FIELD_PIECE && field.wire == WM_PB_BYTES)
            status = take_piece(model, field.bytes, id++, err);
    }
    return status;
}

/* ---- settings ---- */

static int take_trainer(struct wm_str message, struct wm_sp_settings *ret, struct wm_error *err)
{
    struct wm_pb r = wm_pb_open(message);
    struct wm_pb_field field;
    int more;
    while ((more = wm_pb_next(&r, &field, err)) > 0) {
        struct wm_str *text = field.number == 44   ? &ret->unknown_surface
                              : field.number == 46 ? &ret->begin
                              : field.number == 47 ? &ret->end
                              : field.number == 48 ? &ret->pad
                                                   : NULL;
        if (text && field.wire == WM_PB_BYTES && (field.bytes.len || field.number == 44))
            *text = field.bytes; /* an empty name means the default one */
        if (field.wire != WM_PB_VARINT)
            continue;
        if (field.number == 3)
            ret->model_type = field.value;
        else if (field.number == 24)
            ret->space_is_suffix = field.value;
        else if (field.number == 35)
            ret->byte_fallback = field.value;
    }
    return more;
}

static int take_normaliser(struct wm_str message, struct wm_sp_normaliser *n,
                           struct wm_str *ret_charsmap, struct wm_error *err)
{
    struct wm_pb r = wm_pb_open(message);
    struct wm_pb_field field;
    int more;
    while ((more = wm_pb_next(&r, &field, err)) > 0) {
        if (field.number == 2 && field.wire == WM_PB_BYTES)
            *ret_charsmap = field.bytes;
        if (field.wire != WM_PB_VARINT)
            continue;
        if (field.number == 3)
            n->add_dummy_prefix = field.value;
        else if (field.number == 4)
            n->remove_extra_whitespaces = field.value;
        else if (field.number == 5)
            n->escape_whitespaces = field.value;
    }
    return more;
}

static int take_settings(struct wm_sp *model, struct wm_str bytes, struct wm_sp_settings *settings,
                         struct wm_error *err)
{
    struct wm_str charsmap = {0}, back = {0};
    struct wm_pb r = wm_pb_open(bytes);
    struct wm_pb_field field;
    int status = 0;
    while (!status && (status = wm_pb_next(&r, &field, err)) > 0) {
        status = 0;
        if (field.wire != WM_PB_BYTES)
            continue;
        if (field.number == FIELD_TRAINER)
            status = take_trainer(field.bytes, settings, err);
        else if (field.number == FIELD_NORMALISER)
            status = take_normaliser(field.bytes, &model->normaliser, &charsmap, err);
        else if (field.number == FIELD_DENORMALISER)
            status = take_normaliser(field.bytes, &model->denormaliser, &back, err);
    }
    if (!status)
        status = wm_sp_charsmap_take(charsmap, &model->normaliser, err);
    if (!status)
        status = wm_sp_charsmap_take(back, &model->denormaliser, err);
    model->has_denormaliser = back.len > 0;
    return status;
}

static int check_type(struct wm_sp *model, uint64_t type, struct wm_error *err)
{
    static const char *const refused[] = {[3] = "word", [4] = "character"};
    if (type == 3 || type == 4)
        return wm_fail(err, WM_E_FORMAT, "a %s model, want unigram or BPE", refused[type]);
    if (type != WM_SP_UNIGRAM && type != WM_SP_BPE)
        return wm_fail(err, WM_E_FORMAT, "model type %ju, want 1 (unigram) or 2 (BPE)",
                       (uintmax_t)type);
    model->kind = (enum wm_sp_kind)type;
    return 0;
}

static int load(struct wm_sp *model, struct wm_str bytes, struct wm_error *err)
{
    struct wm_sp_settings settings = {
        .model_type = WM_SP_UNIGRAM,
        .begin = WM_STR("<s>"),
        .end = WM_STR("</s>"),
        .pad = WM_STR("<pad>"),
        .unknown_surface = WM_STR(" \xE2\x81\x87 "),
    };
    const struct wm_sp_normaliser all_on = {
        .add_dummy_prefix = true, .remove_extra_whitespaces = true, .escape_whitespaces = true};
    model->normaliser = model->denormaliser = all_on;
    int status = take_pieces(model, bytes, err);
    if (!status)
        status = take_settings(model, bytes, &settings, err);
    if (!status)
        status = check_type(model, settings.model_type, err);
    if (status)
        return status;
    model->byte_fallback = settings.byte_fallback;
    model->normaliser.space_is_suffix = settings.space_is_suffix;
    model->unknown_surface_bytes = settings.unknown_surface.len;
    model->unknown_surface = wm_sp_alloc(model->unknown_surface_bytes, 1, "unknown surface", err);
    if (!model->unknown_surface)
        return WM_E_NOMEM;
    if (model->unknown_surface_bytes)
        memcpy(model->unknown_surface, settings.unknown_surface.ptr, model->unknown_surface_bytes);
    status = wm_sp_vocabulary(model, &settings, err);
    wm_sp_normaliser_prepare(&model->normaliser);
    wm_sp_normaliser_prepare(&model->denormaliser);
    return status;
}

int wm_sp_parse(struct wm_str bytes, struct wm_sp **ret, struct wm_error *err)
{
    if (bytes.len > WM_SP_MAX_MODEL_BYTES)
        return wm_fail(err, WM_E_LIMIT, "a model of more than %d bytes", WM_SP_MAX_MODEL_BYTES);
    struct wm_sp *model = wm_sp_alloc(1, sizeof *model, "SentencePiece model", err);
    if (!model)
        return WM_E_NOMEM;
    int status = load(model, bytes, err);
    if (status)
        wm_sp_free(model);
    else
        *ret = model;
    return status;
}

int wm_sp_open(const char *path, struct wm_sp **ret, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, WM_SP_MAX_MODEL_BYTES);
    int status = wm_file_load(path, &buf, err);
    if (!status)
        status = wm_sp_parse(wm_buf_str(&buf), ret, err);
    wm_buf_done(&buf);
    if (status == WM_E_FORMAT)
        (void)wm_error_hint(err, "is this a SentencePiece model, as spm_train writes it (.model)?");
    return status ? wm_error_where(err, "%s", path) : 0;
}

void wm_sp_free(struct wm_sp *model)
{
    if (!model)
        return;
    wm_sp_trie_done(&model->trie);
    wm_sp_normaliser_done(&model->normaliser);
    wm_sp_normaliser_done(&model->denormaliser);
    free(model->bytes);
    free(model->starts);
    free(model->scores);
    free(model->types);
    free(model->found);
    free(model->reserved);
    free(model->path_scores);
    free(model->splits);
    free(model->unknown_surface);
    free(model);
}

/* ---- what a model says of itself ---- */

static size_t normaliser_memory(const struct wm_sp_normaliser *n)
{
    return n->n_units * sizeof(uint32_t) + n->replacement_bytes;
}

size_t wm_sp_memory(const struct wm_sp *model)
{
    size_t a_piece = sizeof *model->starts + sizeof *model->scores + sizeof *model->types +
                     sizeof *model->found + sizeof *model->reserved + sizeof *model->path_scores +
                     (model->splits ? sizeof *model->splits : 0);
    return sizeof *model + model->n_pieces * a_piece + model->starts[model->n_pieces] +
           model->trie.n_units * (sizeof *model->trie.units + sizeof *model->trie.ids) +
           normaliser_memory(&model->normaliser) + normaliser_memory(&model->denormaliser);
}

enum wm_sp_kind wm_sp_kind(const struct wm_sp *model)
{
    return model->kind;
}

size_t wm_sp_count(const struct wm_sp *model)
{
    return model->n_pieces;
}

struct wm_str wm_sp_piece(const struct wm_sp *model, uint32_t id)
{
    uint32_t start = model->starts[id];
    return (struct wm_str){model->bytes + start, model->starts[id + 1] - start};
}

enum wm_sp_type wm_sp_piece_type(const struct wm_sp *model, uint32_t id)
{
    return (enum wm_sp_type)model->types[id];
}

float wm_sp_piece_score(const struct wm_sp *model, uint32_t id)
{
    return model->scores[id];
}

uint32_t wm_sp_unknown(const struct wm_sp *model)
{
    return model->unknown;
}

struct wm_str wm_sp_unknown_surface(const struct wm_sp *model)
{
    return (struct wm_str){model->unknown_surface, model->unknown_surface_bytes};
}

uint32_t wm_sp_begin(const struct wm_sp *model)
{
    return model->begin;
}

uint32_t wm_sp_end(const struct wm_sp *model)
{
    return model->end;
}

uint32_t wm_sp_pad(const struct wm_sp *model)
{
    return model->pad;
}
