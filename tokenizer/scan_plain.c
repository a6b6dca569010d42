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

#define SCAN_KIND(kind)                                                                          \
    static size_t scan_##kind(const struct bpe_classes *classes, struct wm_str text, size_t *at, \
                              uint32_t *ends, size_t max)                                        \
    {                                                                                            \
        return scan(BPE_SCAN_##kind, classes, text, at, ends, max);                              \
    }
BPE_SCAN_EACH(SCAN_KIND)

#define SCAN_ENTRY(kind) [BPE_SCAN_##kind] = scan_##kind,
const struct bpe_scan_path bpe_scan_plain = {"portable", {BPE_SCAN_EACH(SCAN_ENTRY)}};
