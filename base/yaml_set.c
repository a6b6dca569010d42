/* SPDX-License-Identifier: Apache-2.0 */
/* --set a.b.c=value on a tree. */
#include "base/yaml_tree.h"

#include <stdio.h>

#include "wetmill/number.h"

struct setter {
    const struct wm_yaml_source *source;
    struct wm_arena *arena;
    struct wm_str done; /* the part of the path that was walked */
};

struct segment {
    struct wm_str name;
    bool is_index;
    uint64_t index;
};

static int refuse(const struct setter *s, struct wm_error *err, const char *what)
{
    wm_fail(err, WM_E_CONFIG, "%.*s%s%s", (int)s->done.len, s->done.len ? s->done.ptr : "",
            s->done.len ? " " : "", what);
    return wm_error_where(err, "%s", s->source->name);
}

/* Cut "name" or "[3]" off `*rest`. */
static int next_segment(struct setter *s, struct wm_str *rest, struct segment *ret,
                        struct wm_error *err)
{
    size_t n = 0;
    *ret = (struct segment){.is_index = rest->ptr[0] == '['};
    if (ret->is_index) {
        const char *close = memchr(rest->ptr, ']', rest->len);
        n = close ? (size_t)(close - rest->ptr) + 1 : rest->len;
        struct wm_str digits = {rest->ptr + 1, close ? n - 2 : 0};
        if (!wm_parse_u64(digits, &ret->index))
            return refuse(s, err, "is followed by no index such as [0]");
    } else {
        while (n < rest->len && rest->ptr[n] != '.' && rest->ptr[n] != '[')
            n++;
        ret->name = (struct wm_str){rest->ptr, n};
        if (!n)
            return refuse(s, err, "a name is missing; want a.b.c=value");
    }
    rest->ptr += n;
    rest->len -= n;
    if (rest->len && rest->ptr[0] == '.') {
        rest->ptr++;
        rest->len--;
        if (!rest->len)
            return refuse(s, err, "a name is missing; want a.b.c=value");
    }
    return 0;
}

static bool same_key(struct wm_str a, struct wm_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        char x = a.ptr[i] == '-' ? '_' : a.ptr[i], y = b.ptr[i] == '-' ? '_' : b.ptr[i];
        if (x != y)
            return false;
    }
    return true;
}

static int new_scalar(const struct setter *s, struct wm_str text, struct wm_yaml_node **ret,
                      struct wm_error *err)
{
    struct wm_yaml_node *node = wm_yaml_node_new(s->arena, s->source, WM_YAML_SCALAR);
    const char *copy = wm_arena_cstr(s->arena, text);
    if (!node || !copy)
        return wm_fail_nomem(err, text.len, "configuration");
    node->text = (struct wm_str){copy, text.len};
    *ret = node;
    return 0;
}

/* Add `name: null` to a map, or `null` to a sequence (empty name). */
static int add_entry(const struct setter *s, struct wm_yaml_node *parent, struct wm_str name,
                     struct wm_error *err)
{
    struct wm_yaml_node *key = NULL, *value = NULL;
    int status = name.len ? new_scalar(s, name, &key, err) : 0;
    if (!status)
        status = new_scalar(s, WM_STR(""), &value, err);
    return status ? status : wm_yaml_node_add(parent, key, value, s->arena, err);
}

static int in_map(const struct setter *s, struct wm_yaml_node *map, struct wm_str name,
                  struct wm_yaml_node ***ret, struct wm_error *err)
{
    size_t i = 0;
    while (i < map->n && !same_key(map->children[i].key->text, name))
        i++;
    int status = i == map->n ? add_entry(s, map, name, err) : 0;
    if (!status)
        *ret = &map->children[i].value;
    return status;
}

/* The item `- name` or `- name: …` of a sequence; the first becomes the second. */
static int in_names(const struct setter *s, struct wm_yaml_node *sequence, struct wm_str name,
                    struct wm_yaml_node ***ret, struct wm_error *err)
{
    for (size_t i = 0; i < sequence->n; i++) {
        struct wm_yaml_node *item = sequence->children[i].value;
        if (item->kind == WM_YAML_SCALAR && same_key(item->text, name)) {
            struct wm_yaml_node *map = wm_yaml_node_new(s->arena, s->source, WM_YAML_MAP);
            if (!map)
                return wm_fail_nomem(err, sizeof *map, "configuration");
            int status = add_entry(s, map, item->text, err);
            if (status)
                return status;
            map->line = item->line;
            map->column = item->column;
            sequence->children[i].value = item = map;
        }
        if (item->kind == WM_YAML_MAP && item->n == 1 &&
            same_key(item->children[0].key->text, name)) {
            *ret = &item->children[0].value;
            return 0;
        }
    }
    return refuse(s, err, "is a list without such an item");
}

/* Where the child that `segment` names is kept; made if it can be. */
static int descend(const struct setter *s, struct wm_yaml_node *node, const struct segment *segment,
                   struct wm_yaml_node ***ret, struct wm_error *err)
{
    if (wm_yaml_is_null(node)) /* nothing there yet: becomes what the path says */
        node->kind = segment->is_index ? WM_YAML_SEQUENCE : WM_YAML_MAP;
    if (node->kind == WM_YAML_SCALAR)
        return refuse(s, err, "is a single value, nothing can be set within it");
    if (segment->is_index) {
        if (node->kind != WM_YAML_SEQUENCE)
            return refuse(s, err, "is not a list");
        if (segment->index > node->n)
            return refuse(s, err, "has fewer items");
        int status = segment->index == node->n ? add_entry(s, node, WM_STR(""), err) : 0;
        if (!status)
            *ret = &node->children[segment->index].value;
        return status;
    }
    return node->kind == WM_YAML_MAP ? in_map(s, node, segment->name, ret, err)
                                     : in_names(s, node, segment->name, ret, err);
}

static int make_value(const struct setter *s, struct wm_str text, struct wm_yaml_node **ret,
                      struct wm_error *err)
{
    if (!text.len || (text.ptr[0] != '[' && text.ptr[0] != '{'))
        return new_scalar(s, text, ret, err);
    struct wm_yaml_source *source = wm_arena_alloc(s->arena, 1, sizeof *source);
    if (!source)
        return wm_fail_nomem(err, sizeof *source, "configuration");
    *source = *s->source;
    source->text = text;
    return wm_yaml_parse_source(source, s->arena, ret, err);
}

/* A source named "--set ASSIGNMENT". */
static int make_source(struct setter *s, struct wm_str assignment, struct wm_error *err)
{
    static const char prefix[] = "--set ";
    struct wm_yaml_source *source = wm_arena_alloc(s->arena, 1, sizeof *source);
    char *name = wm_arena_bytes(s->arena, sizeof prefix + assignment.len);
    if (!source || !name)
        return wm_fail_nomem(err, assignment.len, "configuration");
    memcpy(name, prefix, sizeof prefix - 1);
    if (assignment.len)
        memcpy(name + sizeof prefix - 1, assignment.ptr, assignment.len);
    name[sizeof prefix - 1 + assignment.len] = '\0';
    *source = (struct wm_yaml_source){
        .name = name, .text = {name + sizeof prefix - 1, assignment.len}, .command_line = true};
    s->source = source;
    return 0;
}

int wm_yaml_set(struct wm_yaml_node *root, struct wm_str assignment, struct wm_arena *arena,
                struct wm_error *err)
{
    struct setter s = {.arena = arena};
    int status = make_source(&s, assignment, err);
    if (status)
        return status;
    struct wm_str text = s.source->text;
    const char *equals = memchr(text.ptr, '=', text.len);
    if (!equals || equals == text.ptr)
        return refuse(&s, err, "want a.b.c=value");
    struct wm_str rest = {text.ptr, (size_t)(equals - text.ptr)};
    struct wm_str value_text = {equals + 1, text.len - rest.len - 1};
    struct wm_yaml_node **slot = &root;
    for (unsigned depth = 1; rest.len; depth++) {
        struct segment segment;
        struct wm_str before = {text.ptr, (size_t)(rest.ptr - text.ptr)};
        if (before.len && before.ptr[before.len - 1] == '.')
            before.len--;
        s.done = before;
        if (depth >= WM_YAML_DEPTH)
            return refuse(&s, err, "is nested too deeply");
        status = next_segment(&s, &rest, &segment, err);
        if (!status)
            status = descend(&s, *slot, &segment, &slot, err);
        if (status)
            return status;
    }
    struct wm_yaml_node *value = NULL;
    status = make_value(&s, value_text, &value, err);
    if (!status)
        *slot = value;
    return status;
}
