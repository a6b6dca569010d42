/* SPDX-License-Identifier: Apache-2.0 */
/* A map's entries into the option tables of their owners. */
#include <stdio.h>

#include "wetmill/file.h"
#include "wetmill/yaml.h"

struct binding {
    const struct wm_option *table;
    void *target;
    const char *const *other_keys;
    const char *base_dir;
    struct wm_arena *arena;
};

static int wants(const struct wm_option *option, const struct wm_yaml_node *node,
                 struct wm_error *err)
{
    static const char *const kinds[] = {"a single value", "a map", "a list"};
    struct wm_buf text;
    wm_buf_init(&text, 4096);
    int status = wm_option_wants(option, &text, err);
    if (!status)
        status = wm_yaml_fail(node, err, "%s is %s, want %.*s", option->name, kinds[node->kind],
                              (int)text.len, text.ptr);
    wm_buf_done(&text);
    return status;
}

int wm_hint_names(struct wm_error *err, struct wm_str word, const char *const *names, size_t n)
{
    enum { LISTED = 12 }; /* more would not be read */
    const char *nearest = wm_nearest(word, names, n);
    char list[256] = "";
    size_t len = 0;
    if (nearest)
        return wm_error_hint(err, "did you mean \"%s\"?", nearest);
    for (size_t i = 0; i < n && n <= LISTED && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", names[i]);
    return len && len < sizeof list ? wm_error_hint(err, "known here: %s", list) : err->status;
}

static int unknown_key(const struct binding *b, const struct wm_yaml_node *key,
                       struct wm_error *err)
{
    const char *names[2 * WM_YAML_TABLE];
    size_t n = 0;
    for (const struct wm_option *o = b->table; o->type && n < WM_YAML_TABLE; o++)
        names[n++] = o->name;
    for (size_t i = 0; b->other_keys && b->other_keys[i] && i < WM_YAML_TABLE; i++)
        names[n++] = b->other_keys[i];
    (void)wm_yaml_fail(key, err, "there is no setting \"%.*s\" here",
                       (int)(key->text.len < 64 ? key->text.len : 64), key->text.ptr);
    return wm_hint_names(err, key->text, names, n);
}

/* ---- paths ---- */

static int resolve(const struct binding *b, const struct wm_yaml_node *node, struct wm_str *path,
                   struct wm_error *err)
{
    const char *text = node->text.ptr; /* a NUL follows it */
    *path = node->text;
    bool here = !b->base_dir || !*b->base_dir || strcmp(b->base_dir, ".") == 0;
    if (here || node->source->command_line || !node->text.len || text[0] == '/' ||
        strcmp(text, "-") == 0 || strstr(text, "://"))
        return 0;
    char joined[WM_PATH_MAX];
    int status = wm_path_join(joined, b->base_dir, text, err);
    if (status) {
        err->status = WM_E_CONFIG;
        return wm_yaml_at(node, err);
    }
    *path = wm_arena_str(b->arena, wm_str_of(joined));
    return path->ptr ? 0 : wm_fail_nomem(err, strlen(joined), "configuration");
}

/* ---- values ---- */

static bool is_paths(const struct wm_option *o)
{
    return o->type == WM_OPTION_PATH || o->type == WM_OPTION_PATHS;
}

static bool is_list(const struct wm_option *o)
{
    return o->type == WM_OPTION_LIST || o->type == WM_OPTION_PATHS;
}

static int add_item(const struct binding *b, const struct wm_option *option,
                    const struct wm_yaml_node *item, struct wm_error *err)
{
    if (item->kind != WM_YAML_SCALAR)
        return wm_yaml_fail(item, err, "an item of %s must be a single value", option->name);
    struct wm_str text = item->text;
    int status = is_paths(option) ? resolve(b, item, &text, err) : 0;
    if (status)
        return status;
    status = wm_option_append(option, b->target, text, b->arena, err);
    return status ? wm_yaml_at(item, err) : 0;
}

static int bind_list(const struct binding *b, const struct wm_option *option,
                     const struct wm_yaml_node *node, struct wm_error *err)
{
    struct wm_list *list = (struct wm_list *)(void *)((char *)b->target + option->offset);
    *list = (struct wm_list){NULL, 0};
    if (node->kind == WM_YAML_MAP)
        return wants(option, node, err);
    if (wm_yaml_is_null(node))
        return 0;
    bool several = !node->quoted && (option->type == WM_OPTION_LIST || node->source->command_line);
    if (node->kind == WM_YAML_SCALAR && several) {
        int status = wm_option_set(option, b->target, node->text, b->arena, err);
        return status ? wm_yaml_at(node, err) : 0;
    }
    if (node->kind == WM_YAML_SCALAR)
        return add_item(b, option, node, err);
    int status = 0;
    for (size_t i = 0; !status && i < node->n; i++)
        status = add_item(b, option, node->children[i].value, err);
    return status;
}

static int bind_value(const struct binding *b, const struct wm_option *option,
                      const struct wm_yaml_node *node, struct wm_error *err)
{
    if (is_list(option))
        return bind_list(b, option, node, err);
    if (node->kind != WM_YAML_SCALAR)
        return wants(option, node, err);
    bool text_type = option->type == WM_OPTION_TEXT || option->type == WM_OPTION_PATH;
    if (text_type && wm_yaml_is_null(node)) {
        *(const char **)(void *)((char *)b->target + option->offset) = NULL;
        return 0;
    }
    struct wm_str text = node->text;
    int status = is_paths(option) ? resolve(b, node, &text, err) : 0;
    if (status)
        return status;
    status = wm_option_set(option, b->target, text, b->arena, err);
    return status ? wm_yaml_at(node, err) : 0;
}

/* ---- the map ---- */

static bool is_other(const struct binding *b, struct wm_str key)
{
    for (size_t i = 0; b->other_keys && b->other_keys[i]; i++)
        if (wm_str_eq(key, wm_str_of(b->other_keys[i])))
            return true;
    return false;
}

static int bind_entry(const struct binding *b, const struct wm_yaml_child *entry, bool *seen,
                      struct wm_error *err)
{
    if (is_other(b, entry->key->text))
        return 0;
    const struct wm_option *option = wm_option_find(b->table, entry->key->text);
    if (!option)
        return unknown_key(b, entry->key, err);
    if (seen[option - b->table]) /* max-share beside max_share */
        return wm_yaml_fail(entry->key, err, "%s is given twice", option->name);
    seen[option - b->table] = true;
    return bind_value(b, option, entry->value, err);
}

int wm_yaml_bind(const struct wm_yaml_node *map, const struct wm_option *table, void *target,
                 const char *const *other_keys, const char *base_dir, struct wm_arena *arena,
                 struct wm_error *err)
{
    const struct binding b = {table, target, other_keys, base_dir, arena};
    bool seen[WM_YAML_TABLE] = {false};
    size_t n_options = 0;
    while (table[n_options].type)
        n_options++;
    if (n_options > WM_YAML_TABLE)
        return wm_yaml_fail(map, err, "more than %d settings", WM_YAML_TABLE);
    if (map->kind != WM_YAML_MAP && !wm_yaml_is_null(map))
        return wm_yaml_fail(map, err, "settings of the form name: value must stand here");
    int status = 0;
    for (size_t i = 0; !status && i < map->n; i++)
        status = bind_entry(&b, &map->children[i], seen, err);
    for (size_t i = 0; !status && i < n_options; i++)
        if ((table[i].flags & WM_OPTION_REQUIRED) && !seen[i])
            status = wm_yaml_fail(map, err, "%s is missing: %s", table[i].name, table[i].help);
    return status;
}
