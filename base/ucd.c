/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/ucd.h"

struct special_lower {
    uint32_t code, to[2];
};

#include "base/ucd_tables.inc"

/* Hangul syllables by arithmetic: Unicode 3.12. */
enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7 };
enum { S_COUNT = 11172, V_COUNT = 21, T_COUNT = 28 };

static const struct wm_ucd versions[WM_UNICODE_VERSIONS] = {
    [WM_UNICODE_14_0] = {ucd_blocks_14_0, ucd_entries, ucd_records},
    [WM_UNICODE_15_0] = {ucd_blocks_15_0, ucd_entries, ucd_records},
};

static const char *const names[WM_UNICODE_VERSIONS] = {
    [WM_UNICODE_14_0] = "14.0",
    [WM_UNICODE_15_0] = "15.0",
};

const struct wm_ucd *wm_ucd(enum wm_unicode_version version)
{
    return &versions[version];
}

const char *wm_unicode_version_name(enum wm_unicode_version version)
{
    return names[version];
}

bool wm_unicode_version_find(struct wm_str name, enum wm_unicode_version *ret_version)
{
    for (unsigned i = 0; i < WM_UNICODE_VERSIONS; i++)
        if (wm_str_eq(name, wm_str_of(names[i]))) {
            *ret_version = (enum wm_unicode_version)i;
            return true;
        }
    return false;
}

size_t wm_ucd_lower_full(const struct wm_ucd *u, uint32_t code, uint32_t ret[2])
{
    const struct wm_ucd_record *r = wm_ucd_record(u, code);
    ret[0] = (uint32_t)((int32_t)code + r->lower);
    if (!(r->flags & WM_UCD_SPECIAL_LOWER))
        return 1;
    size_t i = 0;
    while (ucd_special_lower[i].code != code)
        i++;
    ret[0] = ucd_special_lower[i].to[0];
    ret[1] = ucd_special_lower[i].to[1];
    return 2;
}

static size_t decompose_hangul(uint32_t syllable, uint32_t ret[WM_UCD_PARTS])
{
    uint32_t t = syllable % T_COUNT;
    ret[0] = L_BASE + syllable / (V_COUNT * T_COUNT);
    ret[1] = V_BASE + syllable / T_COUNT % V_COUNT;
    ret[2] = T_BASE + t;
    return t ? 3 : 2;
}

size_t wm_ucd_decompose(const struct wm_ucd *u, uint32_t code, uint32_t ret[WM_UCD_PARTS])
{
    if (code - S_BASE < S_COUNT)
        return decompose_hangul(code - S_BASE, ret);
    ret[0] = code;
    if (!(wm_ucd_record(u, code)->flags & WM_UCD_DECOMPOSES))
        return 1;
    size_t low = 0, high = sizeof ucd_decomposed / sizeof *ucd_decomposed;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (ucd_decomposed[middle] <= code)
            low = middle;
        else
            high = middle;
    }
    size_t n = 0;
    for (size_t i = ucd_parts_begin[low]; i < ucd_parts_begin[low + 1]; i++)
        ret[n++] = ucd_parts[i];
    return n;
}
