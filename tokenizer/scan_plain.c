/* SPDX-License-Identifier: Apache-2.0 */
/* Piece by piece: for every processor, and what the others must equal. */
#include "tokenizer/scan_step.h"

static inline size_t scan(enum bpe_scan_kind kind, const struct bpe_classes *classes,
                          struct wm_str text, size_t *at, uint32_t *ends, size_t max)
{
    const struct bpe_scan s = {classes, (const unsigned char *)text.ptr, text.len};
    size_t n = 0, end = *at;
    for (; n < max && end < s.len; n++)
        ends[n] = (uint32_t)(end = bpe_step(kind, &s, end));
    *at = end;
    return n;
}

static size_t r50k(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                   uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_R50K, classes, text, at, ends, max);
}

static size_t cl100k(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                     uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_CL100K, classes, text, at, ends, max);
}

static size_t o200k(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                    uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_O200K, classes, text, at, ends, max);
}

static size_t qwen2(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                    uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_QWEN2, classes, text, at, ends, max);
}

static size_t r50k_single(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                          uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_R50K_SINGLE, classes, text, at, ends, max);
}

static size_t r50k_three(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                         uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_R50K_THREE, classes, text, at, ends, max);
}

static size_t o200k_single(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                           uint32_t *ends, size_t max)
{
    return scan(BPE_SCAN_O200K_SINGLE, classes, text, at, ends, max);
}

const struct bpe_scan_path bpe_scan_plain = {
    "portable", {r50k, cl100k, o200k, qwen2, r50k_single, r50k_three, o200k_single}};
