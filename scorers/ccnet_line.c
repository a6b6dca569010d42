/* SPDX-License-Identifier: Apache-2.0 */
/* The two small things CCNet does with a line: strip it, hash it. */
#include <nettle/sha1.h>

#include "wetmill/ccnet.h"

static bool blank(unsigned char c)
{
    return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
}

/* U+0085, 00A0; 1680, 2000 … 200A, 2028, 2029, 202F, 205F, 3000 in UTF-8. */
static bool wide_blank2(const unsigned char *p)
{
    return p[0] == 0xC2 && (p[1] == 0x85 || p[1] == 0xA0);
}

static bool wide_blank3(const unsigned char *p)
{
    if (p[0] == 0xE2 && p[1] == 0x80)
        return (p[2] >= 0x80 && p[2] <= 0x8A) || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF;
    return (p[0] == 0xE2 && p[1] == 0x81 && p[2] == 0x9F) ||
           (p[0] == 0xE1 && p[1] == 0x9A && p[2] == 0x80) ||
           (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80);
}

static size_t blank_first(const unsigned char *p, size_t len)
{
    if (*p < 0x80)
        return blank(*p);
    if (len >= 2 && wide_blank2(p))
        return 2;
    return len >= 3 && wide_blank3(p) ? 3 : 0;
}

static size_t blank_last(const unsigned char *p, size_t len)
{
    if (p[len - 1] < 0x80)
        return blank(p[len - 1]);
    if (len >= 2 && wide_blank2(p + len - 2))
        return 2;
    return len >= 3 && wide_blank3(p + len - 3) ? 3 : 0;
}

struct wm_str wm_ccnet_strip(struct wm_str s)
{
    size_t n;
    for (; s.len && (n = blank_first((const unsigned char *)s.ptr, s.len)); s.len -= n)
        s.ptr += n;
    while (s.len && (n = blank_last((const unsigned char *)s.ptr, s.len)))
        s.len -= n;
    return s;
}

uint64_t wm_ccnet_sha1_8(struct wm_str s)
{
    struct sha1_ctx sha1;
    uint8_t digest[8];
    sha1_init(&sha1);
    if (s.len)
        sha1_update(&sha1, s.len, (const uint8_t *)s.ptr);
    sha1_digest(&sha1, sizeof digest, digest);
    uint64_t hash = 0;
    for (size_t i = sizeof digest; i-- > 0;)
        hash = hash << 8 | digest[i];
    return hash;
}
