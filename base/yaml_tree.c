/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>

struct wm_yaml_node *wm_yaml_node_new(struct wm_arena *arena, const struct wm_yaml_source *source,
                                      enum wm_yaml_kind kind)
{
    struct wm_yaml_node *node = wm_arena_alloc(arena, 1, sizeof *node);
    if (node) {
        node->kind = kind;
        node->source = source;
        node->text = WM_STR("");
    }
    return node;
}

/* The array has room for the next power of two, so it is full when n is one. */
int wm_yaml_node_add(struct wm_yaml_node *parent, struct wm_yaml_node *key,
                     struct wm_yaml_node *value, struct wm_arena *arena, struct wm_error *err)
{
    if ((parent->n & (parent->n - 1)) == 0) {
        size_t cap = parent->n ? parent->n * 2 : 1;
        struct wm_yaml_child *children = wm_arena_alloc(arena, cap, sizeof *children);
        if (!children)
            return wm_fail_nomem(err, cap * sizeof *children, "configuration");
        if (parent->n)
            memcpy(children, parent->children, parent->n * sizeof *children);
        parent->children = children;
    }
    parent->children[parent->n++] = (struct wm_yaml_child){key, value};
    return 0;
}

const struct wm_yaml_node *wm_yaml_get(const struct wm_yaml_node *map, const char *key)
{
    struct wm_str want = wm_str_of(key);
    for (size_t i = 0; map && map->kind == WM_YAML_MAP && i < map->n; i++)
        if (wm_str_eq(map->children[i].key->text, want))
            return map->children[i].value;
    return NULL;
}

bool wm_yaml_is_null(const struct wm_yaml_node *node)
{
    return node->kind == WM_YAML_SCALAR && !node->quoted &&
           (!node->text.len || wm_str_eq(node->text, WM_STR("~")) ||
            wm_str_eq(node->text, WM_STR("null")));
}

/* ---- places ---- */

/* Length of the line break at s: what YAML 1.1 counts as one. */
static size_t line_break(struct wm_str s)
{
    static const struct wm_str breaks[] = {{"\r\n", 2},         {"\n", 1},
                                           {"\r", 1},           {"\xC2\x85", 2},
                                           {"\xE2\x80\xA8", 3}, {"\xE2\x80\xA9", 3}};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
        if (wm_str_starts(s, breaks[i]))
            return breaks[i].len;
    return 0;
}

static struct wm_str from(struct wm_str s, size_t at)
{
    return (struct wm_str){s.ptr + at, s.len - at};
}

static struct wm_str find_line(struct wm_str text, size_t line)
{
    size_t at = 0, end;
    for (; line && at < text.len; line--) {
        size_t n;
        while (at < text.len && !(n = line_break(from(text, at))))
            at++;
        at += at < text.len ? n : 0;
    }
    for (end = at; end < text.len && !line_break(from(text, end));)
        end++;
    return (struct wm_str){text.ptr + at, end - at};
}

/* Bytes of the first `n` characters. */
static size_t bytes_of(struct wm_str line, size_t n)
{
    size_t at = 0;
    for (; at < line.len && n; n--)
        do
            at++;
        while (at < line.len && ((unsigned char)line.ptr[at] & 0xC0) == 0x80);
    return at;
}

int wm_yaml_locate(const struct wm_yaml_source *source, size_t line, size_t column,
                   struct wm_error *err)
{
    if (err->where[0])
        return err->status;
    if (source->command_line)
        return wm_error_where(err, "%s", source->name);
    wm_error_where(err, "%s:%zu:%zu", source->name, line + 1, column + 1);
    struct wm_str shown = find_line(source->text, line);
    return shown.len ? wm_error_excerpt(err, shown, bytes_of(shown, column)) : err->status;
}

int wm_yaml_at(const struct wm_yaml_node *node, struct wm_error *err)
{
    return wm_yaml_locate(node->source, node->line - (node->line > 0),
                          node->column - (node->column > 0), err);
}

int wm_yaml_fail(const struct wm_yaml_node *node, struct wm_error *err, const char *fmt, ...)
{
    char what[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    wm_fail(err, WM_E_CONFIG, "%s", what);
    return wm_yaml_at(node, err);
}
