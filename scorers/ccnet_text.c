/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "scorers/ccnet.h"
#include "wetmill/utf8.h"

enum { CHUNK = 1 << 16 }; /* Text whose result is made room for at once. */

void wm_ccnet_init(struct wm_ccnet *c, enum wm_unicode_version version, size_t max_bytes)
{
    *c = (struct wm_ccnet){.version = version};
    wm_buf_init(&c->out, max_bytes);
    wm_buf_init(&c->run, max_bytes);
}

void wm_ccnet_done(struct wm_ccnet *c)
{
    wm_buf_done(&c->out);
    wm_buf_done(&c->run);
}

struct job {
    struct wm_ccnet *c;
    const struct wm_ucd *ucd;
    unsigned flags;
    const unsigned char *begin, *end; /* the stripped text */
};

/* The character at p; U+FFFD where there is none. */
static uint32_t code_at(const struct job *j, const unsigned char *p, size_t *ret_len)
{
    uint32_t code;
    *ret_len = wm_utf8_decode((struct wm_str){(const char *)p, (size_t)(j->end - p)}, &code);
    return code;
}

/* The character that ends before p. */
static uint32_t code_before(const struct job *j, const unsigned char *p, size_t *ret_len)
{
    const unsigned char *lead = p - 1;
    while (lead > j->begin && p - lead < 4 && (*lead & 0xC0) == 0x80)
        lead--;
    uint32_t code = code_at(j, lead, ret_len);
    if (*ret_len == (size_t)(p - lead))
        return code;
    *ret_len = 1;
    return WM_UTF8_REPLACEMENT;
}

/* Unicode 3.13, Final_Sigma: something cased before it and nothing cased behind it, where what is
 * case-ignorable does not count. */
static bool final_sigma(const struct job *j, const unsigned char *sigma)
{
    unsigned flags = WM_UCD_CASE_IGNORABLE;
    size_t n;
    for (const unsigned char *p = sigma; p > j->begin && flags & WM_UCD_CASE_IGNORABLE; p -= n)
        flags = wm_ucd_record(j->ucd, code_before(j, p, &n))->flags;
    if (flags & WM_UCD_CASE_IGNORABLE || !(flags & WM_UCD_CASED))
        return false;
    flags = WM_UCD_CASE_IGNORABLE;
    for (const unsigned char *p = sigma + 2; p < j->end && flags & WM_UCD_CASE_IGNORABLE; p += n)
        flags = wm_ucd_record(j->ucd, code_at(j, p, &n))->flags;
    return flags & WM_UCD_CASE_IGNORABLE || !(flags & WM_UCD_CASED);
}

static int put_code(struct wm_buf *out, uint32_t code, struct wm_error *err)
{
    char bytes[4];
    return wm_buf_add(out, bytes, wm_utf8_encode(code, bytes), err);
}

/* A character whose decomposition holds marks that stay, with the marks behind it: they are put in
 * order together. Marks of category Mn can go first, for what stays keeps its order. */
static int combine(struct job *j, const unsigned char **at, struct wm_error *err)
{
    struct wm_buf *out = &j->c->out; /* not empty: room was made before */
    size_t run = out->len, len;
    int status = 0;
    const unsigned char *p = *at;
    for (; !status && p < j->end; p += len) {
        uint32_t parts[WM_CCNET_PARTS];
        size_t n = wm_ccnet_parts(j->ucd, j->flags, code_at(j, p, &len), parts);
        if (p != *at && !wm_ucd_record(j->ucd, parts[0])->combining)
            break;
        for (size_t i = 0; !status && i < n; i++) {
            const struct wm_ucd_record *r = wm_ucd_record(j->ucd, parts[i]);
            if (r->category != WM_UCD_MN)
                status = put_code(out, parts[i], err);
            if (!r->combining)
                run = out->len;
        }
    }
    *at = p;
    return status ? status
                  : wm_ccnet_order(j->ucd, out->ptr + run, out->len - run, &j->c->run, err);
}

static char *put_jamo(char *out, uint32_t code)
{
    out[0] = (char)0xE1;
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return out + 3;
}

/* A syllable at p by arithmetic (Unicode 3.12); NULL if there is none. */
static char *put_syllable(const unsigned char *p, char *out)
{
    uint32_t s = ((p[0] & 0xFu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu)) - 0xAC00;
    if (s >= 11172 || (p[0] & 0xF0) != 0xE0 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
        return NULL;
    out = put_jamo(out, 0x1100 + s / 588);
    out = put_jamo(out, 0x1161 + s / 28 % 21);
    char *more = put_jamo(out, 0x11A7 + s % 28);
    return s % 28 ? more : out;
}

/* Syllables and the ASCII between them, at most CHUNK bytes. */
static int decompose_syllables(struct job *j, const struct wm_charmap *map,
                               const unsigned char **at, struct wm_error *err)
{
    const unsigned char *p = *at;
    const unsigned char *end = j->end - p > CHUNK ? p + CHUNK : j->end;
    int status = wm_buf_reserve(&j->c->out, 3 * (size_t)(end - p) + WM_CHARMAP_SLACK, err);
    if (status)
        return status;
    char *out = j->c->out.ptr + j->c->out.len, *more;
    while (end - p >= 3) {
        if (*p < 0x80) {
            out[0] = (char)map->ascii[*p];
            out += map->ascii[*p] != WM_CHARMAP_GOES;
            p++;
        } else if ((more = put_syllable(p, out))) {
            out = more;
            p += 3;
        } else {
            break;
        }
    }
    j->c->out.len = (size_t)(out - j->c->out.ptr);
    *at = p;
    return 0;
}

static int see_to(struct job *j, const struct wm_charmap *map, const unsigned char **at,
                  struct wm_error *err)
{
    size_t len;
    int status;
    switch (wm_charmap_op(map, code_at(j, *at, &len))) {
    case WM_CCNET_SIGMA:
        status = put_code(&j->c->out, final_sigma(j, *at) ? 0x3C2 : 0x3C3, err);
        *at += len;
        return status;
    case WM_CCNET_HANGUL:
        return decompose_syllables(j, map, at, err);
    default:
        return combine(j, at, err);
    }
}

int wm_ccnet_normalise(struct wm_ccnet *c, struct wm_str text, unsigned flags, struct wm_str *ret,
                       struct wm_error *err)
{
    const struct wm_charmap *map = c->maps[flags];
    int status = map ? 0 : wm_ccnet_map(c->version, flags, &map, err);
    if (status)
        return status;
    c->maps[flags] = map;
    text = wm_ccnet_strip(text);
    c->out.len = 0;
    *ret = WM_STR("");
    if (!text.len)
        return 0;
    const unsigned char *p = (const unsigned char *)text.ptr;
    struct job j = {c, wm_ucd(c->version), flags, p, p + text.len};
    while (p < j.end) {
        const unsigned char *stop = j.end;
        if (stop - p > CHUNK)
            for (stop = p + CHUNK; (*stop & 0xC0) == 0x80 && p + CHUNK - stop < 3;)
                stop--; /* whole characters */
        size_t room = map->growth * (size_t)(stop - p) + WM_CHARMAP_SLACK;
        if ((status = wm_buf_reserve(&c->out, room, err)))
            return status;
        char *out = c->out.ptr + c->out.len;
        p = wm_charmap_run(map, p, stop, &out);
        c->out.len = (size_t)(out - c->out.ptr);
        if (p < stop && (status = see_to(&j, map, &p, err)))
            return status;
    }
    *ret = wm_buf_str(&c->out);
    return 0;
}
