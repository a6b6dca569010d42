/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of every character under given flags: the steps of ccnet.h, one character long. */
#include "scorers/ccnet.h"

#include <pthread.h>
#include <string.h>

#include "wetmill/utf8.h"

/* cc_net's table; U+FF11 is a digit, so its quotation mark shows only where digits stay. */
static const struct {
    uint32_t code;
    const char *ascii;
} punctuation[] = {
    {0xB4, "'"},    {0xAB, "\""},   {0xBB, "\""},   {0x2013, "-"},  {0x2014, " - "},
    {0x2019, "'"},  {0x201C, "\""}, {0x201D, "\""}, {0x201E, "\""}, {0x2026, "..."},
    {0x2236, ":"},  {0x2501, "-"},  {0x25BA, "-"},  {0x3001, ","},  {0x3002, "."},
    {0x3008, "<"},  {0x3009, ">"},  {0x300A, "\""}, {0x300B, "\""}, {0x300C, "\""},
    {0x300D, "\""}, {0x3010, "["},  {0x3011, "]"},  {0xFF01, "!"},  {0xFF05, "%"},
    {0xFF08, "("},  {0xFF09, ")"},  {0xFF0C, ","},  {0xFF0E, ". "}, {0xFF11, "\""},
    {0xFF1A, ":"},  {0xFF1B, ";"},  {0xFF1F, "?"},  {0xFF5E, "~"},
};
enum { N_PUNCTUATION = sizeof punctuation / sizeof *punctuation };

struct making {
    const struct wm_ucd *ucd;
    unsigned flags;
    struct wm_charmap *map;
};

/* The last steps: digits, punctuation, controls. Returns the bytes written to `out`. */
static size_t finish(const struct making *m, uint32_t code, char out[4])
{
    if (m->flags & WM_CCNET_DIGITS && wm_ucd_category(m->ucd, code) == WM_UCD_ND)
        code = '0';
    if (code == '\n' && m->flags & WM_CCNET_NEWLINE_SPACE)
        code = ' ';
    if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        return 0;
    if (code >= 0x80 && m->flags & (WM_CCNET_PUNCT_REPLACE | WM_CCNET_PUNCT_DELETE))
        for (size_t i = 0; i < N_PUNCTUATION; i++)
            if (punctuation[i].code == code) {
                if (m->flags & WM_CCNET_PUNCT_DELETE)
                    return 0;
                size_t n = strlen(punctuation[i].ascii);
                memcpy(out, punctuation[i].ascii, n);
                return n;
            }
    return wm_utf8_encode(code, out);
}

size_t wm_ccnet_parts(const struct wm_ucd *ucd, unsigned flags, uint32_t code,
                      uint32_t parts[WM_CCNET_PARTS])
{
    uint32_t lower[2] = {code, 0};
    size_t n_lower = flags & WM_CCNET_LOWER ? wm_ucd_lower_full(ucd, code, lower) : 1, n = 0;
    for (size_t i = 0; i < n_lower; i++) {
        if (flags & WM_CCNET_ACCENTS)
            n += wm_ucd_decompose(ucd, lower[i], parts + n);
        else
            parts[n++] = lower[i];
    }
    return n;
}

static struct wm_char_action action_of(const struct making *m, uint32_t code)
{
    struct wm_char_action a = {{0}, 0};
    if (code == 0x3A3 && m->flags & WM_CCNET_LOWER) {
        a.op = WM_CCNET_SIGMA;
        return a;
    }
    uint32_t parts[WM_CCNET_PARTS];
    size_t n = wm_ccnet_parts(m->ucd, m->flags, code, parts), len = 0;
    char bytes[WM_CCNET_PARTS * 4];
    for (size_t i = 0; i < n; i++) {
        if (m->flags & WM_CCNET_ACCENTS) {
            const struct wm_ucd_record *r = wm_ucd_record(m->ucd, parts[i]);
            if (r->category == WM_UCD_MN)
                continue;
            if (r->combining)
                len = sizeof a.bytes + 1;
        }
        if (len <= sizeof a.bytes)
            len += finish(m, parts[i], bytes + len);
    }
    a.op = WM_CCNET_COMBINE;
    if (len <= sizeof a.bytes) {
        memcpy(a.bytes, bytes, len);
        a.op = (uint8_t)len;
    }
    return a;
}

/* A record that says: whatever character has it stays, unless it is one of the punctuation. */
static bool stays(const struct making *m, const struct wm_ucd_record *r)
{
    if (r->category == WM_UCD_CC || (r->category == WM_UCD_ND && m->flags & WM_CCNET_DIGITS))
        return false;
    if (m->flags & WM_CCNET_LOWER && (r->lower || r->flags & WM_UCD_SPECIAL_LOWER))
        return false;
    return !(m->flags & WM_CCNET_ACCENTS) ||
           !(r->category == WM_UCD_MN || r->combining || r->flags & WM_UCD_DECOMPOSES);
}

static int set_syllables(const struct making *m, struct wm_error *err)
{
    enum { FIRST = 0xAC00, LAST = 0xD7A3, BLOCK = WM_CHARMAP_BLOCK };
    const struct wm_char_action ask = {{0}, WM_CCNET_HANGUL};
    int status = 0;
    for (uint32_t c = FIRST; !status && c < FIRST + BLOCK; c++)
        status = wm_charmap_set(m->map, c, ask, err);
    for (uint32_t b = FIRST / BLOCK + 1; b < LAST / BLOCK; b++)
        wm_charmap_share(m->map, FIRST / BLOCK, b);
    for (uint32_t c = LAST / BLOCK * BLOCK; !status && c <= LAST; c++)
        status = wm_charmap_set(m->map, c, ask, err);
    return status;
}

static int set_all(const struct making *m, struct wm_error *err)
{
    int status = 0;
    for (uint32_t c = 0; !status && c < WM_UCD_CODES; c++) {
        /* Rows of equal records are most of the code space: one look for each of those. */
        if (c % WM_UCD_BLOCK == 0 && c >= 0x3400) {
            const uint8_t *row = m->ucd->entry[m->ucd->block[c / WM_UCD_BLOCK]];
            if (memcmp(row, row + 1, WM_UCD_BLOCK - 1) == 0 && stays(m, &m->ucd->record[row[0]])) {
                c += WM_UCD_BLOCK - 1;
                continue;
            }
        }
        if (!stays(m, wm_ucd_record(m->ucd, c)))
            status = wm_charmap_set(m->map, c, action_of(m, c), err);
    }
    for (size_t i = 0; !status && i < N_PUNCTUATION; i++)
        status =
            wm_charmap_set(m->map, punctuation[i].code, action_of(m, punctuation[i].code), err);
    return status ? status : m->flags & WM_CCNET_ACCENTS ? set_syllables(m, err) : 0;
}

int wm_ccnet_map(enum wm_unicode_version version, unsigned flags, const struct wm_charmap **ret,
                 struct wm_error *err)
{
    static struct wm_charmap *made[WM_UNICODE_VERSIONS][WM_CCNET_FLAG_SETS];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int status = 0;
    (void)pthread_mutex_lock(&lock);
    if (!made[version][flags]) {
        struct making m = {wm_ucd(version), flags, wm_charmap_new()};
        status = m.map ? set_all(&m, err) : wm_fail_nomem(err, sizeof *m.map, "character map");
        if (status) {
            wm_charmap_free(m.map);
        } else {
            wm_charmap_ready(m.map);
            made[version][flags] = m.map;
        }
    }
    *ret = made[version][flags];
    (void)pthread_mutex_unlock(&lock);
    return status;
}
