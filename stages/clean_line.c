/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/clean_line.h"

#include <unicode/uchar.h>

#include "wetmill/utf8.h"

enum { BLACK_FLAG = 0x1F3F4 /* what emoji tag sequences start with */, ROUNDS_MAX = 4 };

int wm_cleaner_init(struct wm_cleaner *cleaner, const struct wm_cleaning *how, struct wm_error *err)
{
    *cleaner = (struct wm_cleaner){.how = how, .unicode = wm_unicode()};
    wm_buf_init(&cleaner->scrubbed, SIZE_MAX);
    wm_buf_init(&cleaner->normal, SIZE_MAX);
    return cleaner->unicode ? 0 : wm_fail_nomem(err, sizeof *cleaner->unicode, "character table");
}

void wm_cleaner_done(struct wm_cleaner *cleaner)
{
    wm_cleaner_release(cleaner, 0);
}

void wm_cleaner_release(struct wm_cleaner *cleaner, size_t most)
{
    if (cleaner->scrubbed.cap > most)
        wm_buf_done(&cleaner->scrubbed);
    if (cleaner->normal.cap > most)
        wm_buf_done(&cleaner->normal);
    if ((cleaner->normaliser.in_cap + cleaner->normaliser.out_cap) * sizeof(uint16_t) > most)
        wm_normaliser_done(&cleaner->normaliser);
}

static bool is_mark(uint32_t entry)
{
    return (entry >> WM_NFC_SHIFT & 255) && (wm_char_category(entry) & U_GC_M_MASK);
}

/* The character that ends before `*at`, which moves to its start. */
static uint32_t previous(const char *start, const char **at)
{
    const char *end = *at;
    do
        (*at)--;
    while (*at > start && ((unsigned char)**at & 0xC0) == 0x80);
    struct wm_str s = {*at, (size_t)(end - *at)};
    return wm_utf8_next(&s);
}

/* Whether a joiner behind the text `start` to `end` matters: looks at the character there, or, if
 * that is a combining mark, at the one it stands on. No more than WM_MARKS_MAX are in a row. */
static bool joins_behind(const struct wm_unicode *u, const char *start, const char *end)
{
    while (end > start) {
        uint32_t entry = wm_unicode_entry(u, previous(start, &end));
        if (!is_mark(entry))
            return (entry & WM_JOINS_BIT) != 0;
    }
    return false;
}

static bool tag_belongs(const struct wm_unicode *u, const char *start, const char *end)
{
    if (end == start)
        return false;
    uint32_t c = previous(start, &end);
    return c == BLACK_FLAG || wm_char_class(wm_unicode_entry(u, c)) == WM_CHAR_TAG;
}

/* Whether a character that is no white space stays, behind the cleaned text `start` to `end`. */
static bool stays(const struct wm_cleaner *cleaner, uint32_t entry, const char *start,
                  const char *end)
{
    const struct wm_cleaning *how = cleaner->how;
    switch (wm_char_class(entry)) {
    case WM_CHAR_CONTROL:
        return !how->controls;
    case WM_CHAR_INVISIBLE:
        return !how->invisible;
    case WM_CHAR_TAG:
        return !how->invisible || tag_belongs(cleaner->unicode, start, end);
    case WM_CHAR_JOINER:
        if (how->joiners == WM_JOINERS_WHERE_USED)
            return joins_behind(cleaner->unicode, start, end);
        return how->joiners == WM_JOINERS_KEEP;
    default:
        return true;
    }
}

/* Eight bytes from blank to '~' with no two blanks together? */
static bool eight_are_clean(const char *p, bool collapse, bool *after_blank)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    uint64_t w;
    memcpy(&w, p, sizeof w);
    uint64_t low = (w - ones * 0x20) & ~w; /* top bit: below 0x20, perhaps also the byte behind */
    uint64_t delete = (w ^ ones * 0x7F);
    uint64_t is_delete = (delete - ones) & ~delete;
    if ((w | low | is_delete) & tops)
        return false;
    if (collapse) {
        uint64_t x = w ^ ones * 0x20;
        uint64_t blanks = ~(((x & ~tops) + ~tops) | x | ~tops);
        if ((blanks & blanks >> 8) || (*after_blank && p[0] == ' '))
            return false;
    }
    *after_blank = p[7] == ' ';
    return true;
}

bool wm_line_is_clean(const struct wm_cleaner *cleaner, struct wm_str line)
{
    const struct wm_cleaning *how = cleaner->how;
    bool collapse = how->white_space == WM_SPACE_COLLAPSE, after_blank = collapse;
    int form_shift = how->form == WM_FORM_NFKC ? WM_NFKC_SHIFT : WM_NFC_SHIFT;
    unsigned last = 0, n_marks = 0;
    struct wm_str rest = line;
    while (rest.len) {
        if (rest.len >= 8 && eight_are_clean(rest.ptr, collapse, &after_blank)) {
            rest.ptr += 8;
            rest.len -= 8;
            last = n_marks = 0;
            continue;
        }
        const char *at = rest.ptr;
        uint32_t c = wm_utf8_next(&rest), entry = wm_unicode_entry(cleaner->unicode, c);
        unsigned value = how->form == WM_FORM_NONE ? 0 : entry >> form_shift & 255;
        bool blank = wm_char_class(entry) == WM_CHAR_BLANK;
        if (blank && collapse && (c != ' ' || after_blank))
            return false;
        if (wm_char_class(entry) == WM_CHAR_BREAK || !stays(cleaner, entry, line.ptr, at))
            return false;
        n_marks = is_mark(entry) ? n_marks + 1 : 0;
        if (value == WM_NORMAL_ASK || (value && value < last) || n_marks > WM_MARKS_MAX)
            return false;
        last = value;
        after_blank = blank;
    }
    return how->white_space == WM_SPACE_KEEP || !line.len || !after_blank;
}

/* Steps 1 to 5 from `line` to `out`, which has room for line.len bytes. Returns the bytes written. */
static size_t scrub(const struct wm_cleaner *cleaner, struct wm_str line, char *out)
{
    const struct wm_unicode *u = cleaner->unicode;
    bool collapse = cleaner->how->white_space == WM_SPACE_COLLAPSE, blank_due = false;
    unsigned n_marks = 0;
    char *to = out, *end = out; /* end: behind the last that is not blank */
    while (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    while (line.len) {
        const char *at = line.ptr;
        uint32_t entry = wm_unicode_entry(u, wm_utf8_next(&line));
        if (wm_char_is_space(entry)) {
            n_marks = 0;
            blank_due = to > out;
            if (collapse)
                continue;
            if (wm_char_class(entry) == WM_CHAR_BREAK) {
                *to++ = ' ';
                continue;
            }
            memmove(to, at, (size_t)(line.ptr - at));
            to += line.ptr - at;
            continue;
        }
        if (collapse && blank_due)
            *to = ' ';
        char *behind = to + (collapse && blank_due);
        if (!stays(cleaner, entry, out, behind))
            continue;
        n_marks = is_mark(entry) ? n_marks + 1 : 0;
        if (n_marks > WM_MARKS_MAX)
            continue;
        blank_due = false;
        memmove(behind, at, (size_t)(line.ptr - at));
        to = end = behind + (line.ptr - at);
    }
    return (size_t)((cleaner->how->white_space == WM_SPACE_KEEP ? to : end) - out);
}

static int clean(struct wm_cleaner *cleaner, struct wm_str line, struct wm_str *ret,
                 struct wm_error *err)
{
    enum wm_normal_form form = (enum wm_normal_form)cleaner->how->form;
    for (int round = 0;; round++) {
        cleaner->scrubbed.len = 0;
        int status = wm_buf_reserve(&cleaner->scrubbed, line.len, err);
        if (status)
            return status;
        if (line.len)
            cleaner->scrubbed.len = scrub(cleaner, line, cleaner->scrubbed.ptr);
        *ret = wm_buf_str(&cleaner->scrubbed);
        if (form == WM_FORM_NONE || wm_normal_prefix(form, *ret) == ret->len)
            return 0;
        if (round > 0 && wm_str_eq(*ret, line)) /* which is normal already */
            return 0;
        cleaner->normal.len = 0;
        status = wm_normalise(&cleaner->normaliser, form, *ret, &cleaner->normal, err);
        if (status)
            return status;
        *ret = line = wm_buf_str(&cleaner->normal);
        if (round == ROUNDS_MAX)
            return 0;
    }
}

int wm_clean_line(struct wm_cleaner *cleaner, struct wm_str line, struct wm_buf *out,
                  struct wm_error *err)
{
    struct wm_str cleaned = line;
    cleaner->normal.max = out->max;
    int status = wm_line_is_clean(cleaner, line) ? 0 : clean(cleaner, line, &cleaned, err);
    return status ? status : wm_buf_add(out, cleaned.ptr, cleaned.len, err);
}
