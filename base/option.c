/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/option.h"

#include <math.h>

#include "wetmill/number.h"

/* The field of `option` in `target`. */
static void *field(const struct wm_option *option, void *target)
{
    return (char *)target + option->offset;
}

void wm_options_default(const struct wm_option *table, void *target)
{
    for (const struct wm_option *o = table; o->type; o++) {
        void *at = field(o, target);
        switch (o->type) {
        case WM_OPTION_REAL:
        case WM_OPTION_DURATION:
            *(double *)at = o->def;
            break;
        case WM_OPTION_COUNT:
        case WM_OPTION_SIZE:
            *(uint64_t *)at = o->def >= 0x1p64 ? UINT64_MAX : (uint64_t)o->def;
            break;
        case WM_OPTION_BOOL:
            *(bool *)at = o->def != 0;
            break;
        case WM_OPTION_CHOICE:
            *(int *)at = (int)o->def;
            break;
        case WM_OPTION_TEXT:
        case WM_OPTION_PATH:
            *(const char **)at = o->def_text;
            break;
        case WM_OPTION_LIST:
        case WM_OPTION_PATHS:
            *(struct wm_list *)at = (struct wm_list){NULL, 0};
            break;
        case WM_OPTION_END:
            break;
        }
    }
}

const struct wm_option *wm_option_find(const struct wm_option *table, struct wm_str name)
{
    for (const struct wm_option *o = table; o->type; o++) {
        size_t i = 0;
        while (i < name.len && o->name[i] &&
               (name.ptr[i] == o->name[i] || (name.ptr[i] == '-' && o->name[i] == '_')))
            i++;
        if (i == name.len && !o->name[i])
            return o;
    }
    return NULL;
}

/* ---- one value ---- */

static int refuse(const struct wm_option *o, struct wm_str value, struct wm_error *err)
{
    struct wm_buf wants;
    wm_buf_init(&wants, 4096);
    int status = wm_option_wants(o, &wants, err);
    if (!status)
        status = wm_fail(err, WM_E_CONFIG, "%s is \"%.*s\", want %.*s", o->name,
                         (int)(value.len < 80 ? value.len : 80), value.len ? value.ptr : "",
                         (int)wants.len, wants.ptr);
    wm_buf_done(&wants);
    return status;
}

static bool in_range(const struct wm_option *o, double v)
{
    return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

/* Also "1e9": people write token counts so. */
static bool parse_count(struct wm_str text, uint64_t *ret)
{
    double v;
    if (wm_parse_u64(text, ret))
        return true;
    if (!wm_parse_real(text, &v) || v < 0 || v > 0x1p53 || v != floor(v))
        return false;
    *ret = (uint64_t)v;
    return true;
}

static int set_number(const struct wm_option *o, void *at, struct wm_str value,
                      struct wm_error *err)
{
    struct wm_error ignored;
    uint64_t u = 0;
    double v = 0;
    bool good;
    bool whole = o->type == WM_OPTION_COUNT || o->type == WM_OPTION_SIZE;
    if (o->type == WM_OPTION_REAL)
        good = wm_parse_real(value, &v);
    else if (o->type == WM_OPTION_DURATION)
        good = wm_parse_duration(value, &v, &ignored) == 0;
    else if (o->type == WM_OPTION_SIZE)
        good = wm_parse_size(value, &u, &ignored) == 0;
    else
        good = parse_count(value, &u);
    if (!good || !in_range(o, whole ? (double)u : v))
        return refuse(o, value, err);
    if (whole)
        *(uint64_t *)at = u;
    else
        *(double *)at = v;
    return 0;
}

static bool same_word(struct wm_str s, const char *word)
{
    size_t i = 0;
    while (
        i < s.len && word[i] &&
        (s.ptr[i] == word[i] || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' && s.ptr[i] + 32 == word[i])))
        i++;
    return i == s.len && !word[i];
}

static int set_bool(const struct wm_option *o, bool *at, struct wm_str value, struct wm_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (same_word(value, words[i])) {
            *at = i % 2;
            return 0;
        }
    return refuse(o, value, err);
}

static int set_choice(const struct wm_option *o, int *at, struct wm_str value, struct wm_error *err)
{
    size_t n = 0;
    for (; o->choices[n]; n++)
        if (wm_str_eq(value, wm_str_of(o->choices[n]))) {
            *at = (int)n;
            return 0;
        }
    int status = refuse(o, value, err);
    const char *nearest = wm_nearest(value, o->choices, n);
    if (nearest)
        wm_error_hint(err, "did you mean \"%s\"?", nearest);
    return status;
}

static int copy_text(const struct wm_option *o, struct wm_str value, struct wm_arena *arena,
                     const char **ret, struct wm_error *err)
{
    if (value.len && memchr(value.ptr, '\0', value.len))
        return wm_fail(err, WM_E_CONFIG, "%s holds a NUL byte", o->name);
    const char *copy = wm_arena_cstr(arena, value);
    if (!copy)
        return wm_fail_nomem(err, value.len, "options");
    *ret = copy;
    return 0;
}

/* ---- lists ---- */

/* The array has room for the next power of two, so it is full when n is one. */
static int list_add(const struct wm_option *o, struct wm_list *list, const char *item,
                    struct wm_arena *arena, struct wm_error *err)
{
    if (list->n >= WM_LIST_MAX)
        return wm_fail(err, WM_E_CONFIG, "%s has more than %d items", o->name, WM_LIST_MAX);
    if ((list->n & (list->n - 1)) == 0) {
        size_t cap = list->n ? list->n * 2 : 1;
        const char **items = wm_arena_alloc(arena, cap, sizeof *items);
        if (!items)
            return wm_fail_nomem(err, cap * sizeof *items, "options");
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
    }
    list->items[list->n++] = item;
    return 0;
}

int wm_option_append(const struct wm_option *option, void *target, struct wm_str item,
                     struct wm_arena *arena, struct wm_error *err)
{
    const char *copy = NULL;
    if (option->type != WM_OPTION_LIST && option->type != WM_OPTION_PATHS)
        return wm_fail(err, WM_E_CONFIG, "%s takes one value, not a list", option->name);
    if (!item.len)
        return wm_fail(err, WM_E_CONFIG, "%s has an empty item", option->name);
    int status = copy_text(option, item, arena, &copy, err);
    return status ? status : list_add(option, field(option, target), copy, arena, err);
}

static int set_list(const struct wm_option *o, void *target, struct wm_str value,
                    struct wm_arena *arena, struct wm_error *err)
{
    struct wm_list *list = field(o, target), before = *list;
    *list = (struct wm_list){NULL, 0};
    int status = 0;
    for (struct wm_str rest = value; !status && wm_str_trim(rest).len;) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t n = comma ? (size_t)(comma - rest.ptr) : rest.len;
        status = wm_option_append(o, target, wm_str_trim((struct wm_str){rest.ptr, n}), arena, err);
        rest.ptr += n + (comma != NULL);
        rest.len -= n + (comma != NULL);
    }
    if (status)
        *list = before;
    return status;
}

int wm_option_set(const struct wm_option *option, void *target, struct wm_str value,
                  struct wm_arena *arena, struct wm_error *err)
{
    void *at = field(option, target);
    switch (option->type) {
    case WM_OPTION_REAL:
    case WM_OPTION_COUNT:
    case WM_OPTION_SIZE:
    case WM_OPTION_DURATION:
        return set_number(option, at, value, err);
    case WM_OPTION_BOOL:
        return set_bool(option, at, value, err);
    case WM_OPTION_CHOICE:
        return set_choice(option, at, value, err);
    case WM_OPTION_TEXT:
        return copy_text(option, value, arena, at, err);
    case WM_OPTION_PATH:
        return value.len ? copy_text(option, value, arena, at, err) : refuse(option, value, err);
    case WM_OPTION_LIST:
    case WM_OPTION_PATHS:
        return set_list(option, target, value, arena, err);
    case WM_OPTION_END:
        break;
    }
    return wm_fail(err, WM_E_CONFIG, "there is no such option");
}

int wm_options_required(const struct wm_option *table, const void *target, struct wm_error *err)
{
    for (const struct wm_option *o = table; o->type; o++) {
        const void *at = (const char *)target + o->offset;
        bool text = o->type == WM_OPTION_TEXT || o->type == WM_OPTION_PATH;
        bool list = o->type == WM_OPTION_LIST || o->type == WM_OPTION_PATHS;
        const char *const *value = at;
        bool missing =
            (text && (!*value || !**value)) || (list && !((const struct wm_list *)at)->n);
        if (missing && (o->flags & WM_OPTION_REQUIRED))
            return wm_fail(err, WM_E_CONFIG, "%s is missing: %s", o->name, o->help);
    }
    return 0;
}
