/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units. */
#include "base/quantity.h"

#include <inttypes.h>
#include <stdio.h>

#include "wetmill/number.h"
#include "wetmill/option.h"

struct unit {
    const char *name; /* lower case */
    double factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"b", 1},
    {"k", 1e3},
    {"kb", 1e3},
    {"m", 1e6},
    {"mb", 1e6},
    {"g", 1e9},
    {"gb", 1e9},
    {"t", 1e12},
    {"tb", 1e12},
    {"kib", 1024},
    {"mib", 1048576},
    {"gib", 1048576.0 * 1024},
    {"tib", 1048576.0 * 1048576},
    {0},
};

static const struct unit duration_units[] = {
    {"", 1},     {"ms", 1e-3}, {"s", 1},     {"sec", 1}, {"m", 60},
    {"min", 60}, {"h", 3600},  {"d", 86400}, {0},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static const struct unit *find_unit(const struct unit *units, struct wm_str name)
{
    for (; units->name; units++) {
        size_t i = 0;
        while (i < name.len && units->name[i] && lower(name.ptr[i]) == units->name[i])
            i++;
        if (i == name.len && !units->name[i])
            return units;
    }
    return NULL;
}

static bool is_numeric(char c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

/* Cut "12.5 unit" off *rest. */
static bool take_quantity(struct wm_str *rest, const struct unit *units, struct wm_str *ret_number,
                          const struct unit **ret_unit)
{
    struct wm_str number = *rest;
    number.len = 0;
    while (number.len < rest->len && is_numeric(rest->ptr[number.len]))
        number.len++;
    struct wm_str name =
        wm_str_trim((struct wm_str){rest->ptr + number.len, rest->len - number.len});
    size_t n = 0;
    while (n < name.len && !is_numeric(name.ptr[n]) && name.ptr[n] != ' ')
        n++;
    struct wm_str behind = {name.ptr + n, name.len - n};
    name.len = n;
    *ret_number = number;
    *ret_unit = find_unit(units, name);
    *rest = wm_str_trim(behind);
    return number.len && *ret_unit;
}

/* Whole bytes exactly, also above 2^53; the fraction's part is cut off. */
static bool to_bytes(struct wm_str number, double factor, uint64_t *ret)
{
    const char *point = memchr(number.ptr, '.', number.len);
    struct wm_str before = {number.ptr, point ? (size_t)(point - number.ptr) : number.len};
    uint64_t whole, unit = (uint64_t)factor;
    double v;
    if (!wm_parse_real(number, &v) || !wm_parse_u64(before, &whole) || whole > UINT64_MAX / unit)
        return false;
    double fraction = 0;
    if (point) {
        char text[WM_REAL_TEXT];
        int len = snprintf(text, sizeof text, "0%.*s", (int)(number.len - before.len), point);
        if (len < 0 || (size_t)len >= sizeof text ||
            !wm_parse_real((struct wm_str){text, (size_t)len}, &fraction))
            return false;
    }
    uint64_t part = (uint64_t)(fraction * factor);
    if (part > UINT64_MAX - whole * unit)
        return false;
    *ret = whole * unit + part;
    return true;
}

int wm_parse_size(struct wm_str text, uint64_t *ret_bytes, struct wm_error *err)
{
    struct wm_str rest = wm_str_trim(text), number;
    const struct unit *unit;
    if (rest.len && take_quantity(&rest, size_units, &number, &unit) && !rest.len &&
        to_bytes(number, unit->factor, ret_bytes))
        return 0;
    return wm_fail(err, WM_E_CONFIG,
                   "\"%.*s\" is not a size, want one such as 512 MiB, 4G or 1.5 GiB",
                   (int)(text.len < 64 ? text.len : 64), text.len ? text.ptr : "");
}

int wm_parse_duration(struct wm_str text, double *ret_seconds, struct wm_error *err)
{
    struct wm_str rest = wm_str_trim(text), number;
    const struct unit *unit;
    double seconds = 0, v;
    bool good = rest.len > 0;
    for (int terms = 0; good && rest.len; terms++) {
        good = take_quantity(&rest, duration_units, &number, &unit) && wm_parse_real(number, &v);
        /* a bare number stands alone: "1h30" would be a guess */
        good = good && (unit->name[0] || (!terms && !rest.len));
        if (good)
            seconds += v * unit->factor;
    }
    if (!good)
        return wm_fail(err, WM_E_CONFIG,
                       "\"%.*s\" is not a duration, want one such as 30 s, 10 m or 1h30m",
                       (int)(text.len < 64 ? text.len : 64), text.len ? text.ptr : "");
    *ret_seconds = seconds;
    return 0;
}

/* The unit that leaves the smallest whole number. */
size_t wm_exact_size(char out[WM_EXACT_SIZE], uint64_t bytes)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},      {"TiB", 1ull << 40},
        {"kB", 1000},     {"MB", 1000000},  {"GB", 1000000000ull}, {"TB", 1000000000000ull}};
    uint64_t best = bytes;
    const char *name = NULL;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (bytes && bytes % units[i].factor == 0 && bytes / units[i].factor < best) {
            best = bytes / units[i].factor;
            name = units[i].name;
        }
    int n =
        snprintf(out, WM_EXACT_SIZE, "%" PRIu64 "%s%s", best, name ? " " : "", name ? name : "");
    return n > 0 ? (size_t)n : 0;
}
