/* SPDX-License-Identifier: Apache-2.0 */
/* Options as text: canonical values, and what an option takes. */
#include <inttypes.h>
#include <math.h>

#include "base/quantity.h"
#include "wetmill/number.h"
#include "wetmill/option.h"
#include "wetmill/utf8.h"

static int add(struct wm_buf *out, const char *text, struct wm_error *err)
{
    return wm_buf_add(out, text, strlen(text), err);
}

/* ---- strings ---- */

/* Words that other YAML readers take for something else than text. */
static bool is_keyword(struct wm_str s)
{
    static const char *const words[] = {"null", "true", "false", "yes",  "no",  "on",
                                        "off",  "y",    "n",     ".inf", ".nan"};
    char lower[8];
    if (s.len >= sizeof lower)
        return false;
    for (size_t i = 0; i < s.len; i++)
        lower[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + 32) : s.ptr[i];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (wm_str_eq((struct wm_str){lower, s.len}, wm_str_of(words[i])))
            return true;
    return false;
}

static bool is_plain(struct wm_str s)
{
    static const char inside[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    bool letter = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!s.ptr[i] || !strchr(inside, s.ptr[i]))
            return false;
        letter |= (s.ptr[i] | 32) >= 'a' && (s.ptr[i] | 32) <= 'z';
    }
    double number;
    return s.len && letter && s.ptr[0] != '-' && s.ptr[0] != '+' &&
           !(s.ptr[0] >= '0' && s.ptr[0] <= '9') && !wm_parse_real(s, &number) && !is_keyword(s);
}

/* What YAML calls not printable, and what editors would lose. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           c == 0xFFFE || c == 0xFFFF || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E);
}

int wm_option_quote(struct wm_str s, struct wm_buf *out, struct wm_error *err)
{
    if (is_plain(s))
        return wm_buf_add(out, s.ptr, s.len, err);
    int status = add(out, "\"", err);
    while (!status && s.len) {
        char bytes[4];
        uint32_t c = wm_utf8_next(&s);
        if (c == '"' || c == '\\')
            status = wm_buf_printf(out, err, "\\%c", (char)c);
        else if (c == '\n' || c == '\t')
            status = add(out, c == '\n' ? "\\n" : "\\t", err);
        else if (needs_escape(c))
            status = wm_buf_printf(out, err, "\\u%04" PRIX32, c);
        else
            status = wm_buf_add(out, bytes, wm_utf8_encode(c, bytes), err);
    }
    return status ? status : add(out, "\"", err);
}

static int format_list(const struct wm_list *list, struct wm_buf *out, struct wm_error *err)
{
    int status = add(out, "[", err);
    for (size_t i = 0; !status && i < list->n; i++) {
        status = i ? add(out, ", ", err) : 0;
        if (!status)
            status = wm_option_quote(wm_str_of(list->items[i]), out, err);
    }
    return status ? status : add(out, "]", err);
}

/* ---- values ---- */

static int format_number(enum wm_option_type type, double real, uint64_t whole, struct wm_buf *out,
                         struct wm_error *err)
{
    char text[WM_REAL_TEXT];
    size_t len;
    switch (type) {
    case WM_OPTION_COUNT:
        return wm_buf_printf(out, err, "%" PRIu64, whole);
    case WM_OPTION_SIZE:
        len = wm_exact_size(text, whole);
        return wm_buf_add(out, text, len, err);
    default:
        len = wm_format_real(text, real, -1);
        if (type == WM_OPTION_DURATION) {
            memcpy(text + len, " s", 2);
            len += 2;
        }
        return wm_buf_add(out, text, len, err);
    }
}

int wm_option_format(const struct wm_option *option, const void *target, struct wm_buf *out,
                     struct wm_error *err)
{
    const void *at = (const char *)target + option->offset;
    const char *const *text = at;
    switch (option->type) {
    case WM_OPTION_REAL:
    case WM_OPTION_DURATION:
        return format_number(option->type, *(const double *)at, 0, out, err);
    case WM_OPTION_COUNT:
    case WM_OPTION_SIZE:
        return format_number(option->type, 0, *(const uint64_t *)at, out, err);
    case WM_OPTION_BOOL:
        return add(out, *(const bool *)at ? "true" : "false", err);
    case WM_OPTION_CHOICE:
        return wm_option_quote(wm_str_of(option->choices[*(const int *)at]), out, err);
    case WM_OPTION_TEXT:
    case WM_OPTION_PATH:
        return *text ? wm_option_quote(wm_str_of(*text), out, err) : add(out, "null", err);
    case WM_OPTION_LIST:
    case WM_OPTION_PATHS:
        return format_list(at, out, err);
    case WM_OPTION_END:
        break;
    }
    return wm_fail(err, WM_E_CONFIG, "there is no such option");
}

/* ---- what an option takes ---- */

static int add_range(const struct wm_option *o, struct wm_buf *out, struct wm_error *err)
{
    bool bounded = o->min != 0 || o->max != 0;
    /* a maximum that is there only for the type's sake is not worth a word */
    bool upper = o->max < 0x1p53 || o->type == WM_OPTION_REAL;
    upper = upper && isfinite(o->max);
    int status = 0;
    if (bounded && isfinite(o->min)) {
        status = add(out, upper ? " from " : ", at least ", err);
        if (!status)
            status = format_number(o->type, o->min, (uint64_t)(o->min < 0 ? 0 : o->min), out, err);
    }
    if (!status && bounded && upper) {
        status = add(out, isfinite(o->min) ? " to " : " up to ", err);
        if (!status)
            status = format_number(o->type, o->max, (uint64_t)(o->max < 0 ? 0 : o->max), out, err);
    }
    bool say_unit = o->type == WM_OPTION_REAL || o->type == WM_OPTION_COUNT;
    if (!status && say_unit && o->unit && *o->unit)
        status = wm_buf_printf(out, err, " (%s)", o->unit);
    return status;
}

int wm_option_wants(const struct wm_option *option, struct wm_buf *out, struct wm_error *err)
{
    static const char *const words[] = {
        [WM_OPTION_END] = "nothing",
        [WM_OPTION_REAL] = "a number",
        [WM_OPTION_COUNT] = "a whole number",
        [WM_OPTION_SIZE] = "a size such as 512 MiB or 4G",
        [WM_OPTION_DURATION] = "a duration such as 30 s, 10 m or 1h30m",
        [WM_OPTION_BOOL] = "true or false",
        [WM_OPTION_TEXT] = "text",
        [WM_OPTION_PATH] = "a path",
        [WM_OPTION_CHOICE] = "one of ",
        [WM_OPTION_LIST] = "a list",
        [WM_OPTION_PATHS] = "a list of paths",
    };
    int status = add(out, words[option->type], err);
    for (size_t i = 0; !status && option->type == WM_OPTION_CHOICE && option->choices[i]; i++)
        status = wm_buf_printf(out, err, "%s%s", i ? ", " : "", option->choices[i]);
    bool number = option->type >= WM_OPTION_REAL && option->type <= WM_OPTION_DURATION;
    return !status && number ? add_range(option, out, err) : status;
}
