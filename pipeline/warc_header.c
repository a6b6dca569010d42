/* SPDX-License-Identifier: Apache-2.0 */
/* WARC record headers. */
#include "pipeline/warc_header.h"

#include "wetmill/number.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool wm_str_same(struct wm_str a, struct wm_str b)
{
    if (a.len != b.len || (a.len && lower(a.ptr[0]) != lower(b.ptr[0])))
        return false;
    if (wm_str_eq(a, b)) /* nearly always, if at all */
        return true;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct wm_str trim(struct wm_str s)
{
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

bool wm_warc_starts(struct wm_str bytes)
{
    static const char word[] = "WARC/";
    size_t n = bytes.len < sizeof word - 1 ? bytes.len : sizeof word - 1;
    if (n == 0 || memcmp(bytes.ptr, word, n) != 0)
        return false;
    return bytes.len < sizeof word || (bytes.ptr[5] >= '0' && bytes.ptr[5] <= '9');
}

/* "WARC/1.0", "WARC/1.1", "WARC/0.18". */
static const char *check_version(struct wm_str line)
{
    struct wm_str rest = trim(line);
    rest.ptr += 5;
    rest.len -= 5;
    bool known = rest.len >= 3 && rest.len <= 4 && (rest.ptr[0] == '1' || rest.ptr[0] == '0') &&
                 rest.ptr[1] == '.';
    for (size_t i = 2; known && i < rest.len; i++)
        known = rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
    return known ? NULL : "the WARC version is unknown";
}

static void take_length(struct wm_warc_header *h, struct wm_str value)
{
    uint64_t length;
    if (!wm_parse_u64(value, &length) || length > INT64_MAX)
        h->problem = "Content-Length is no whole number";
    else if (h->has_length && h->length != length)
        h->problem = "Content-Length is said twice, and differently";
    h->has_length = !h->problem;
    h->length = h->has_length ? length : 0;
}

/* The first of several fields of a name counts. */
static void take_once(struct wm_str *field, struct wm_str value)
{
    if (!field->ptr)
        *field = value;
}

static void take_field(struct wm_warc_header *h, struct wm_str name, struct wm_str value,
                       struct wm_str *payload_digest)
{
    if (wm_str_same(name, WM_STR("Content-Length")))
        take_length(h, value);
    else if (wm_str_same(name, WM_STR("WARC-Type")))
        take_once(&h->type, value);
    else if (wm_str_same(name, WM_STR("WARC-Target-URI")))
        take_once(&h->url, value);
    else if (wm_str_same(name, WM_STR("WARC-Date")))
        take_once(&h->date, value);
    else if (wm_str_same(name, WM_STR("WARC-Record-ID")))
        take_once(&h->record_id, value);
    else if (wm_str_same(name, WM_STR("WARC-Block-Digest")))
        take_once(&h->digest, value);
    else if (wm_str_same(name, WM_STR("WARC-Payload-Digest")))
        take_once(payload_digest, value);
    else if (wm_str_same(name, WM_STR("Content-Type")))
        take_once(&h->content_type, value);
}

static bool is_name(struct wm_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(lower(c) >= 'a' && lower(c) <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
            c != '_' && c != '.')
            return false;
    }
    return name.len > 0;
}

/* One field, its folded lines included. */
static void read_field(struct wm_warc_header *h, struct wm_str field, struct wm_str *payload_digest)
{
    const char *colon = memchr(field.ptr, ':', field.len);
    struct wm_str name = {field.ptr, colon ? (size_t)(colon - field.ptr) : 0};
    if (h->strict && (!colon || !is_name(name)))
        h->strict = false;
    if (!colon)
        return;
    struct wm_str value = {colon + 1, field.len - name.len - 1};
    take_field(h, trim(name), trim(value), payload_digest);
}

/* Up to and with its newline; len 0 if there is no newline yet. */
static struct wm_str whole_line(struct wm_str rest)
{
    const char *end = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
    return (struct wm_str){rest.ptr, end ? (size_t)(end - rest.ptr) + 1 : 0};
}

static void finish(struct wm_warc_header *h, struct wm_str payload_digest)
{
    h->of_block = h->digest.ptr != NULL;
    take_once(&h->digest, payload_digest);
    if (h->url.len >= 2 && h->url.ptr[0] == '<' && h->url.ptr[h->url.len - 1] == '>')
        h->url = (struct wm_str){h->url.ptr + 1, h->url.len - 2};
    if (!h->problem && h->type.len == 0)
        h->problem = "there is no WARC-Type";
    if (!h->problem && !h->has_length)
        h->problem = "there is no Content-Length";
}

/* The header of bytes[0 … len), as far as it goes: true if it ends with a blank line. `*h` holds
 * the fields that are whole; with `problem` if it can be no header. With `only_strict` it ends at
 * the first line that is no field. No field looks like a version line: so where a header is looked
 * for at each of these, lines are read about once, however many look like one. */
static bool read_fields(struct wm_str bytes, bool only_strict, struct wm_warc_header *h)
{
    struct wm_str payload_digest = {0}, field = {0}, line = whole_line(bytes);
    h->problem = check_version(line);
    size_t at = line.len;
    for (bool ended = false; !ended; at += line.len) {
        line = whole_line((struct wm_str){bytes.ptr + at, bytes.len - at});
        if (line.len && field.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
            field.len += line.len;
            continue;
        }
        if (field.len)
            read_field(h, field, &payload_digest);
        if (line.len == 0 || (only_strict && !h->strict))
            break;
        ended = line.ptr[0] == '\n' || (line.len == 2 && line.ptr[0] == '\r');
        h->size = ended ? at + line.len : 0;
        field = line;
    }
    finish(h, payload_digest);
    return h->size > 0;
}

static int read_header(struct wm_str bytes, bool strict, struct wm_warc_header *ret)
{
    struct wm_warc_header h = {.strict = strict};
    if (!wm_warc_starts(bytes))
        return bytes.len ? -1 : 0;
    if (bytes.len > WM_WARC_HEADER)
        bytes.len = WM_WARC_HEADER;
    struct wm_str line = whole_line(bytes);
    if (line.len > WM_WARC_VERSION || (line.len == 0 && bytes.len > WM_WARC_VERSION))
        return -1;
    if (line.len && read_fields(bytes, strict, &h)) {
        *ret = h;
        return 1;
    }
    if (strict && !h.strict)
        return -1;
    return bytes.len == WM_WARC_HEADER ? -1 : 0;
}

int wm_warc_header_read(struct wm_str bytes, struct wm_warc_header *ret)
{
    return read_header(bytes, false, ret);
}

bool wm_warc_header_plausible(struct wm_str bytes, bool ended, bool *ret_cut)
{
    struct wm_warc_header h = {.strict = true};
    int found = read_header(bytes, true, &h);
    *ret_cut = found == 0;
    if (found == 0 && ended && whole_line(bytes).len) {
        *ret_cut = false;
        h = (struct wm_warc_header){.strict = true};
        (void)read_fields(bytes, true, &h);
        return h.strict && h.type.len > 0;
    }
    return found > 0 && !h.problem && h.strict;
}
