/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/json.h"

#include "base/scan.h"
#include "wetmill/number.h"
#include "wetmill/utf8.h"

void wm_json_open(struct wm_json *r, struct wm_str text, struct wm_arena *arena)
{
    const char *start = text.len ? text.ptr : "";
    *r = (struct wm_json){
        .start = start, .at = start, .end = start + text.len, .arena = arena, .first = true};
}

static int bad(const struct wm_json *r, struct wm_error *err, const char *what)
{
    return wm_fail(err, WM_E_FORMAT, "not JSON at byte %zu: %s", (size_t)(r->at - r->start), what);
}

static void skip_space(struct wm_json *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Take `c`, white space before it skipped. */
static bool take(struct wm_json *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

enum wm_json_type wm_json_peek(struct wm_json *r)
{
    skip_space(r);
    if (r->at == r->end)
        return WM_JSON_NONE;
    switch (*r->at) {
    case '{':
        return WM_JSON_OBJECT;
    case '[':
        return WM_JSON_ARRAY;
    case '"':
        return WM_JSON_STRING;
    case 't':
        return WM_JSON_TRUE;
    case 'f':
        return WM_JSON_FALSE;
    case 'n':
        return WM_JSON_NULL;
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? WM_JSON_NUMBER : WM_JSON_NONE;
    }
}

/* ---- strings ---- */

static int hex4(const char *s)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)s[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* Code unit of the \uXXXX at s, or -1. */
static int unicode_escape(const char *s, const char *end)
{
    return end - s >= 6 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2) : -1;
}

/* Length of the escape at s: 2, 6 or 12 bytes (surrogate pair); 0 if it is none. */
static size_t escape_length(const char *s, const char *end)
{
    if (end - s < 2)
        return 0;
    if (s[1] != 'u')
        return s[1] && strchr("\"\\/bfnrt", s[1]) ? 2 : 0;
    int unit = unicode_escape(s, end);
    if (unit < 0xD800 || unit > 0xDFFF)
        return unit < 0 ? 0 : 6;
    int low = unit < 0xDC00 ? unicode_escape(s + 6, end) : -1;
    return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

/* Write the character of a checked escape. */
static size_t unescape_one(const char *s, size_t length, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (length == 2) {
        out[0] = to[strchr(from, s[1]) - from];
        return 1;
    }
    uint32_t code = (uint32_t)hex4(s + 2);
    if (length == 12)
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)hex4(s + 8) - 0xDC00);
    return wm_utf8_encode(code, out);
}

/* Check a string and step over it; `*ret` is what stands between the quotes. */
static int raw_string(struct wm_json *r, struct wm_str *ret, bool *ret_escaped,
                      struct wm_error *err)
{
    if (!take(r, '"'))
        return bad(r, err, "expected a string");
    const char *begin = r->at;
    bool high = false;
    *ret_escaped = false;
    for (;;) {
        r->at += wm_scan_json((const unsigned char *)r->at, (size_t)(r->end - r->at), &high);
        if (r->at == r->end)
            return bad(r, err, "the string does not end");
        if (*r->at == '"')
            break;
        size_t n = *r->at == '\\' ? escape_length(r->at, r->end) : 0;
        if (!n)
            return bad(r, err,
                       *r->at == '\\' ? "no such escape, or half of a surrogate pair"
                                      : "a control character within a string");
        *ret_escaped = true;
        r->at += n;
    }
    *ret = (struct wm_str){begin, (size_t)(r->at - begin)};
    size_t valid = high ? wm_utf8_prefix(*ret) : ret->len;
    if (valid < ret->len) {
        r->at = begin + valid;
        return bad(r, err, "the string is not valid UTF-8");
    }
    r->at++;
    return 0;
}

/* An escape is never shorter than what it stands for. */
static int unescape(struct wm_json *r, struct wm_str raw, struct wm_str *ret, struct wm_error *err)
{
    char *out = wm_arena_bytes(r->arena, raw.len);
    if (!out)
        return wm_fail_nomem(err, raw.len, "JSON string");
    const char *s = raw.ptr, *end = raw.ptr + raw.len;
    size_t used = 0;
    while (s < end) {
        const char *slash = memchr(s, '\\', (size_t)(end - s));
        size_t run = (size_t)((slash ? slash : end) - s);
        memcpy(out + used, s, run);
        used += run;
        s += run;
        if (!slash)
            break;
        char bytes[4];
        size_t length = escape_length(s, end);
        size_t n = unescape_one(s, length, bytes);
        memcpy(out + used, bytes, n);
        used += n;
        s += length;
    }
    *ret = (struct wm_str){out, used};
    return 0;
}

int wm_json_string(struct wm_json *r, struct wm_str *ret, struct wm_error *err)
{
    struct wm_str raw;
    bool escaped;
    int status = raw_string(r, &raw, &escaped, err);
    if (status)
        return status;
    if (escaped)
        return unescape(r, raw, ret, err);
    *ret = raw;
    return 0;
}

/* ---- objects and arrays ---- */

static int enter(struct wm_json *r, char bracket, const char *what, struct wm_error *err)
{
    if (!take(r, bracket))
        return bad(r, err, what);
    if (r->depth == WM_JSON_MAX_DEPTH)
        return wm_fail(err, WM_E_FORMAT, "JSON is nested deeper than %d at byte %zu",
                       WM_JSON_MAX_DEPTH, (size_t)(r->at - r->start));
    r->depth++;
    r->first = true;
    return 0;
}

int wm_json_object(struct wm_json *r, struct wm_error *err)
{
    return enter(r, '{', "expected an object", err);
}

int wm_json_array(struct wm_json *r, struct wm_error *err)
{
    return enter(r, '[', "expected an array", err);
}

/* 1 if another key or item follows, 0 at the closing bracket, which is consumed. */
static int next(struct wm_json *r, char close, struct wm_error *err)
{
    if (take(r, close)) {
        r->depth--;
        r->first = false;
        return 0;
    }
    if (!r->first && !take(r, ','))
        return bad(r, err, close == '}' ? "expected , or }" : "expected , or ]");
    r->first = false;
    return 1;
}

static int raw_key(struct wm_json *r, struct wm_str *ret, bool *ret_escaped, struct wm_error *err)
{
    int more = next(r, '}', err);
    if (more <= 0)
        return more;
    int status = raw_string(r, ret, ret_escaped, err);
    if (status)
        return status;
    return take(r, ':') ? 1 : bad(r, err, "expected : behind a key");
}

int wm_json_key(struct wm_json *r, struct wm_str *ret_key, struct wm_error *err)
{
    bool escaped;
    int more = raw_key(r, ret_key, &escaped, err);
    if (more <= 0 || !escaped)
        return more;
    int status = unescape(r, *ret_key, ret_key, err);
    return status ? status : 1;
}

int wm_json_item(struct wm_json *r, struct wm_error *err)
{
    return next(r, ']', err);
}

/* ---- other values ---- */

static size_t digits(struct wm_json *r)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return (size_t)(r->at - begin);
}

static int raw_number(struct wm_json *r, struct wm_str *ret, struct wm_error *err)
{
    skip_space(r);
    const char *begin = r->at;
    if (r->at < r->end && *r->at == '-')
        r->at++;
    if (r->at < r->end && *r->at == '0')
        r->at++; /* no digit may follow; the next token's check sees it */
    else if (!digits(r))
        return bad(r, err, "expected a number");
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!digits(r))
            return bad(r, err, "digits must follow the decimal point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (!digits(r))
            return bad(r, err, "digits must follow the exponent sign");
    }
    *ret = (struct wm_str){begin, (size_t)(r->at - begin)};
    return 0;
}

int wm_json_u64(struct wm_json *r, uint64_t *ret, struct wm_error *err)
{
    struct wm_str text = {0};
    int status = raw_number(r, &text, err);
    if (status)
        return status;
    if (!wm_parse_u64(text, ret)) {
        r->at = text.ptr;
        return bad(r, err, "expected a whole number below 2^64");
    }
    return 0;
}

int wm_json_real(struct wm_json *r, double *ret, struct wm_error *err)
{
    struct wm_str text = {0};
    int status = raw_number(r, &text, err);
    if (status)
        return status;
    if (!wm_parse_real(text, ret)) {
        r->at = text.ptr;
        return bad(r, err, "the number is too large or too long");
    }
    return 0;
}

static int word(struct wm_json *r, struct wm_str want, struct wm_error *err)
{
    skip_space(r);
    if (!wm_str_starts((struct wm_str){r->at, (size_t)(r->end - r->at)}, want))
        return bad(r, err, "expected true, false or null");
    r->at += want.len;
    return 0;
}

int wm_json_bool(struct wm_json *r, bool *ret, struct wm_error *err)
{
    enum wm_json_type type = wm_json_peek(r);
    if (type != WM_JSON_TRUE && type != WM_JSON_FALSE)
        return bad(r, err, "expected true or false");
    int status = word(r, type == WM_JSON_TRUE ? WM_STR("true") : WM_STR("false"), err);
    if (!status)
        *ret = type == WM_JSON_TRUE;
    return status;
}

static int skip_scalar(struct wm_json *r, enum wm_json_type type, struct wm_error *err)
{
    struct wm_str raw;
    bool escaped;
    switch (type) {
    case WM_JSON_STRING:
        return raw_string(r, &raw, &escaped, err);
    case WM_JSON_NUMBER:
        return raw_number(r, &raw, err);
    case WM_JSON_TRUE:
        return word(r, WM_STR("true"), err);
    case WM_JSON_FALSE:
        return word(r, WM_STR("false"), err);
    case WM_JSON_NULL:
        return word(r, WM_STR("null"), err);
    default:
        return bad(r, err, "expected a value");
    }
}

int wm_json_skip(struct wm_json *r, struct wm_str *ret_raw, struct wm_error *err)
{
    const unsigned outside = r->depth;
    uint64_t objects = 0; /* bit 0: the innermost open bracket is { */
    skip_space(r);
    const char *begin = r->at;
    do {
        enum wm_json_type type = wm_json_peek(r);
        int status;
        if (type == WM_JSON_OBJECT || type == WM_JSON_ARRAY) {
            status = type == WM_JSON_OBJECT ? wm_json_object(r, err) : wm_json_array(r, err);
            objects = objects << 1 | (type == WM_JSON_OBJECT);
        } else {
            status = skip_scalar(r, type, err);
        }
        int more = 0;
        while (!status && !more && r->depth > outside) {
            struct wm_str key;
            bool escaped;
            more = objects & 1 ? raw_key(r, &key, &escaped, err) : wm_json_item(r, err);
            status = more < 0 ? more : 0;
            if (more == 0)
                objects >>= 1;
        }
        if (status)
            return status;
    } while (r->depth > outside);
    if (ret_raw)
        *ret_raw = (struct wm_str){begin, (size_t)(r->at - begin)};
    return 0;
}

int wm_json_finish(struct wm_json *r, struct wm_error *err)
{
    skip_space(r);
    if (r->depth)
        return bad(r, err, "the text ends within an object or array");
    return r->at == r->end ? 0 : bad(r, err, "something follows the value");
}

int wm_json_check(struct wm_str text, struct wm_error *err)
{
    struct wm_json r;
    wm_json_open(&r, text, NULL); /* skipping copies nothing */
    int status = wm_json_skip(&r, NULL, err);
    return status ? status : wm_json_finish(&r, err);
}
