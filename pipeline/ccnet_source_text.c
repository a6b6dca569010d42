/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, header fields and bodies of profile ccnet. */
#include <unicode/uchar.h>

#include "pipeline/ccnet_source.h"
#include "wetmill/ccnet.h"
#include "wetmill/utf8.h"

#if defined(__SSE2__) && !defined(WM_PORTABLE)
#    include <emmintrin.h>
#endif

/* ---- lines ---- */

size_t wm_ccnet_line_end_plain(struct wm_str s)
{
    size_t i = 0;
    while (i < s.len && s.ptr[i] != '\n' && s.ptr[i] != '\r')
        i++;
    return i;
}

size_t wm_ccnet_line_end(struct wm_str s)
{
    size_t i = 0;
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    for (; s.len - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
        int mask = _mm_movemask_epi8(hit);
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    return i + wm_ccnet_line_end_plain((struct wm_str){s.ptr + i, s.len - i});
}

/* Bytes of the white space that starts at `at`, if that is what stands there. Every one of these
 * characters starts with a byte that no other character continues with, so bytes tell. */
static size_t space_at(const unsigned char *at, size_t len)
{
    if (at[0] < 0x80)
        return (at[0] >= 0x09 && at[0] <= 0x0D) || (at[0] >= 0x1C && at[0] <= 0x20);
    if (len >= 2 && at[0] == 0xC2)
        return at[1] == 0x85 || at[1] == 0xA0 ? 2 : 0;
    if (len < 3)
        return 0;
    uint32_t three = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
    bool space = three == 0xE19A80 || (three >= 0xE28080 && three <= 0xE2808A) ||
                 three == 0xE280A8 || three == 0xE280A9 || three == 0xE280AF || three == 0xE2819F ||
                 three == 0xE38080;
    return space ? 3 : 0;
}

bool wm_ccnet_line(struct wm_str bytes, size_t at, bool ended, struct wm_ccnet_line *ret)
{
    if (at >= bytes.len)
        return false;
    struct wm_str rest = {bytes.ptr + at, bytes.len - at};
    size_t n = wm_ccnet_line_end(rest);
    bool at_cr = n < rest.len && rest.ptr[n] == '\r';
    if (!ended && (n == rest.len || (at_cr && n + 1 == rest.len)))
        return false;
    bool two = at_cr && n + 1 < rest.len && rest.ptr[n + 1] == '\n';
    ret->next = at + n + (n < rest.len) + two;
    ret->text = wm_ccnet_strip((struct wm_str){rest.ptr, n});
    return true;
}

/* ---- header ---- */

/* The second word of a line; empty if there is none. */
static struct wm_str second_word(struct wm_str line)
{
    const unsigned char *at = (const unsigned char *)line.ptr;
    size_t i = 0, n;
    while (i < line.len && !space_at(at + i, line.len - i))
        i++;
    while (i < line.len && (n = space_at(at + i, line.len - i)) > 0)
        i += n;
    size_t start = i;
    while (i < line.len && !space_at(at + i, line.len - i))
        i++;
    return (struct wm_str){line.ptr + start, i - start};
}

/* As Python's int(): a sign, decimal digits of any script, single underscores between them. */
static bool read_length(struct wm_str word, int64_t *ret)
{
    bool minus = word.len && word.ptr[0] == '-', after_digit = false;
    int64_t value = 0;
    if (word.len && (word.ptr[0] == '-' || word.ptr[0] == '+')) {
        word.ptr++;
        word.len--;
    }
    while (word.len) {
        uint32_t c = wm_utf8_next(&word);
        if (c == '_' && after_digit) {
            after_digit = false;
            continue;
        }
        int digit =
            c < 0x80 ? (c >= '0' && c <= '9' ? (int)c - '0' : -1) : u_charDigitValue((UChar32)c);
        if (digit < 0 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
        after_digit = true;
    }
    *ret = minus ? -value : value;
    return after_digit;
}

enum wm_read_reason wm_ccnet_header_read(struct wm_str header, struct wm_ccnet_header *ret)
{
    enum { TYPE = 1, URL, DATE, RECORD_ID, DIGEST = 6, LENGTH = 8, LINES };
    struct wm_str words[LINES] = {{0}};
    struct wm_ccnet_line line;
    size_t at = 0;
    for (int i = 0; i < LINES && wm_ccnet_line(header, at, true, &line); i++) {
        words[i] = second_word(line.text);
        at = line.next;
    }
    *ret = (struct wm_ccnet_header){.type = words[TYPE],
                                    .url = words[URL],
                                    .date = words[DATE],
                                    .record_id = words[RECORD_ID],
                                    .digest = words[DIGEST]};
    bool page =
        wm_str_eq(ret->type, WM_STR("response")) || wm_str_eq(ret->type, WM_STR("resource"));
    if (page)
        return WM_READ_NEEDS_EXTRACT;
    if (ret->type.len && !wm_str_eq(ret->type, WM_STR("conversion")))
        return WM_READ_NOT_TEXT;
    bool all = ret->type.len && ret->url.len && ret->date.len && ret->digest.len &&
               read_length(words[LENGTH], &ret->length);
    return all ? WM_READ_REASONS : WM_READ_BAD_HEADER;
}

/* ---- body ---- */

static int say_lines(struct wm_arena *arena, struct wm_doc *doc, size_t n_lines,
                     struct wm_error *err)
{
    if (n_lines > UINT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "a document of more than 2^32 lines");
    doc->source_lines = (uint32_t)n_lines;
    doc->lines = (struct wm_line_map){NULL, 0};
    if (n_lines == 0)
        return 0;
    doc->lines.runs = wm_arena_alloc(arena, 1, sizeof *doc->lines.runs);
    if (!doc->lines.runs)
        return wm_fail_nomem(err, sizeof *doc->lines.runs, "line map");
    doc->lines.runs[0] = (struct wm_line_run){0, (uint32_t)n_lines};
    doc->lines.n_runs = 1;
    return 0;
}

int wm_ccnet_body(struct wm_arena *arena, struct wm_str body, struct wm_doc *doc,
                  bool *ret_repaired, struct wm_error *err)
{
    struct wm_str valid;
    struct wm_ccnet_line line;
    size_t n_replaced = 0, n_lines = 0, n_empty = 0; /* n_empty: in a row, up to here */
    int status = wm_utf8_repair(body, arena, &valid, &n_replaced, err);
    if (status)
        return status;
    *ret_repaired = n_replaced > 0;
    char *start = wm_arena_bytes(arena, valid.len + 1), *to = start, *text = start;
    if (!start)
        return wm_fail_nomem(err, valid.len + 1, "a document's text");
    for (size_t at = 0; wm_ccnet_line(valid, at, true, &line); at = line.next) {
        if (n_lines > 1)
            *to++ = '\n';
        if (line.text.len)
            memcpy(to, line.text.ptr, line.text.len);
        to += line.text.len;
        if (n_lines == 0)
            text = to;
        n_lines++;
        n_empty = line.text.len ? 0 : n_empty + 1;
    }
    size_t n_text = n_lines ? n_lines - 1 : 0, len = (size_t)(to - text);
    if (n_empty >= 2) {
        /* each of the two came with a newline, but the first line of the text has none */
        len -= n_text > 2 ? 2 : len;
        n_text -= n_text >= 2 ? 2 : n_text;
    }
    doc->title = (struct wm_str){start, (size_t)(text - start)};
    doc->text = (struct wm_str){text, len};
    return say_lines(arena, doc, n_text, err);
}
