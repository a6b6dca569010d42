/* SPDX-License-Identifier: Apache-2.0 */
/* What decides the ids and texts of a SentencePiece model, as one number and as rules to ask for. */
#define XXH_STATIC_LINKING_ONLY
#include "scorers/sp_model.h"

static void hash_u32(XXH3_state_t *state, uint32_t v)
{
    unsigned char le[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                           (unsigned char)(v >> 24)};
    (void)XXH3_128bits_update(state, le, sizeof le);
}

static void hash_bytes(XXH3_state_t *state, const void *bytes, size_t len)
{
    hash_u32(state, (uint32_t)len);
    if (len)
        (void)XXH3_128bits_update(state, bytes, len);
}

static void hash_float(XXH3_state_t *state, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    hash_u32(state, bits);
}

static void hash_normaliser(XXH3_state_t *state, const struct wm_sp_normaliser *n)
{
    hash_u32(state, (uint32_t)n->add_dummy_prefix | (uint32_t)n->remove_extra_whitespaces << 1 |
                        (uint32_t)n->escape_whitespaces << 2 | (uint32_t)n->space_is_suffix << 3);
    size_t map = n->charsmap ? n->n_units * sizeof(uint32_t) + n->replacement_bytes : 0;
    hash_bytes(state, n->charsmap, map);
}

XXH128_hash_t wm_sp_identity(const struct wm_sp *model)
{
    XXH3_state_t state;
    (void)XXH3_128bits_reset(&state);
    hash_bytes(&state, "SentencePiece 1", 15);
    hash_u32(&state, (uint32_t)model->kind);
    hash_u32(&state, model->byte_fallback);
    hash_u32(&state, model->n_pieces);
    for (uint32_t id = 0; id < model->n_pieces; id++) {
        struct wm_str piece = wm_sp_piece(model, id);
        hash_bytes(&state, piece.ptr, piece.len);
        hash_float(&state, model->scores[id]);
        hash_u32(&state, model->types[id]);
    }
    hash_u32(&state, model->begin);
    hash_u32(&state, model->end);
    hash_u32(&state, model->pad);
    hash_bytes(&state, model->unknown_surface, model->unknown_surface_bytes);
    hash_normaliser(&state, &model->normaliser);
    hash_u32(&state, model->has_denormaliser);
    if (model->has_denormaliser)
        hash_normaliser(&state, &model->denormaliser);
    return XXH3_128bits_digest(&state);
}

struct wm_sp_rules wm_sp_rules(const struct wm_sp *model)
{
    const struct wm_sp_normaliser *n = &model->normaliser;
    return (struct wm_sp_rules){.has_map = n->charsmap != NULL,
                                .adds_space = n->add_dummy_prefix,
                                .space_is_suffix = n->space_is_suffix,
                                .removes_extra_spaces = n->remove_extra_whitespaces,
                                .escapes_spaces = n->escape_whitespaces,
                                .byte_fallback = model->byte_fallback,
                                .rewrites_decoded = model->has_denormaliser};
}
