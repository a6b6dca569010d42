/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events to a tree. */
#include <stdlib.h>
#include <yaml.h>

#include "base/yaml_tree.h"
#include "wetmill/file.h"

struct loader {
    yaml_parser_t parser;
    const struct wm_yaml_source *source;
    struct wm_arena *arena;
    size_t n_nodes;
};

/* ---- errors ---- */

static int fail_at(const struct loader *l, yaml_mark_t mark, struct wm_error *err, const char *what)
{
    wm_fail(err, WM_E_CONFIG, "%s", what);
    return wm_yaml_locate(l->source, mark.line, mark.column, err);
}

/* Reader errors come with a byte offset alone. */
static yaml_mark_t mark_of(struct wm_str text, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else {
            mark.column += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        }
    }
    return mark;
}

static int parser_error(const struct loader *l, struct wm_error *err)
{
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return wm_fail_nomem(err, l->source->text.len, "configuration");
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR) {
        wm_fail(err, WM_E_CONFIG, "not YAML: %s", problem);
        yaml_mark_t mark = mark_of(l->source->text, p->problem_offset);
        return wm_yaml_locate(l->source, mark.line, mark.column, err);
    }
    if (p->context)
        wm_fail(err, WM_E_CONFIG, "not YAML: %s %s that begins in line %zu", problem, p->context,
                p->context_mark.line + 1);
    else
        wm_fail(err, WM_E_CONFIG, "not YAML: %s", problem);
    if (memchr(l->source->text.ptr, '\t', l->source->text.len) &&
        strstr(problem, "cannot start any token"))
        wm_error_hint(err, "indent with spaces; YAML takes no tabs there");
    return wm_yaml_locate(l->source, p->problem_mark.line, p->problem_mark.column, err);
}

static int next_event(struct loader *l, yaml_event_t *event, struct wm_error *err)
{
    return yaml_parser_parse(&l->parser, event) ? 0 : parser_error(l, err);
}

/* ---- nodes ---- */

static int check_event(struct loader *l, const yaml_event_t *e, unsigned depth,
                       struct wm_error *err)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return fail_at(l, e->start_mark, err, "aliases (*name) are not taken: write the value out");
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    }
    if (anchor)
        return fail_at(l, e->start_mark, err, "anchors (&name) are not taken");
    if (tag)
        return fail_at(l, e->start_mark, err, "tags (!name) are not taken");
    if (depth > WM_YAML_DEPTH)
        return fail_at(l, e->start_mark, err, "nested too deeply: at most 64 levels are taken");
    if (++l->n_nodes > WM_YAML_NODES)
        return fail_at(l, e->start_mark, err, "too much: at most 1,000,000 values are taken");
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct wm_yaml_node *x = *(struct wm_yaml_node *const *)a;
    const struct wm_yaml_node *y = *(struct wm_yaml_node *const *)b;
    size_t n = x->text.len < y->text.len ? x->text.len : y->text.len;
    int order = n ? memcmp(x->text.ptr, y->text.ptr, n) : 0;
    if (!order)
        order = (x->text.len > y->text.len) - (x->text.len < y->text.len);
    if (!order)
        order = (x->line > y->line) - (x->line < y->line);
    return order ? order : (x->column > y->column) - (x->column < y->column);
}

static int refuse_duplicates(const struct wm_yaml_node *map, struct wm_error *err)
{
    if (map->n < 2)
        return 0;
    struct wm_yaml_node **keys = malloc(map->n * sizeof *keys);
    if (!keys)
        return wm_fail_nomem(err, map->n * sizeof *keys, "configuration");
    for (size_t i = 0; i < map->n; i++)
        keys[i] = map->children[i].key;
    qsort(keys, map->n, sizeof *keys, by_text);
    int status = 0;
    for (size_t i = 1; !status && i < map->n; i++)
        if (wm_str_eq(keys[i - 1]->text, keys[i]->text))
            status = wm_yaml_fail(keys[i], err, "\"%.*s\" is given twice, first in line %u",
                                  (int)(keys[i]->text.len < 64 ? keys[i]->text.len : 64),
                                  keys[i]->text.ptr, (unsigned)keys[i - 1]->line);
    free(keys);
    return status;
}

static int build(struct loader *l, const yaml_event_t *event, unsigned depth,
                 struct wm_yaml_node **ret, struct wm_error *err);

/* Children up to the end event of `parent`. */
static int build_children(struct loader *l, struct wm_yaml_node *parent, unsigned depth,
                          struct wm_error *err)
{
    struct wm_yaml_node *key = NULL;
    for (;;) {
        yaml_event_t event;
        int status = next_event(l, &event, err);
        if (status)
            return status;
        bool end = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        struct wm_yaml_node *node = NULL;
        if (!end)
            status = build(l, &event, depth + 1, &node, err);
        yaml_event_delete(&event);
        if (end)
            return parent->kind == WM_YAML_MAP ? refuse_duplicates(parent, err) : 0;
        if (status)
            return status;
        if (parent->kind == WM_YAML_MAP && !key) {
            if (node->kind != WM_YAML_SCALAR)
                return wm_yaml_fail(node, err, "a key must be a word");
            key = node;
            continue;
        }
        status = wm_yaml_node_add(parent, key, node, l->arena, err);
        if (status)
            return status;
        key = NULL;
    }
}

/* The node that `event` begins. */
static int build(struct loader *l, const yaml_event_t *event, unsigned depth,
                 struct wm_yaml_node **ret, struct wm_error *err)
{
    int status = check_event(l, event, depth, err);
    if (status)
        return status;
    enum wm_yaml_kind kind = event->type == YAML_SCALAR_EVENT          ? WM_YAML_SCALAR
                             : event->type == YAML_MAPPING_START_EVENT ? WM_YAML_MAP
                                                                       : WM_YAML_SEQUENCE;
    struct wm_yaml_node *node = wm_yaml_node_new(l->arena, l->source, kind);
    if (!node)
        return wm_fail_nomem(err, sizeof *node, "configuration");
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    *ret = node;
    if (kind != WM_YAML_SCALAR)
        return build_children(l, node, depth, err);
    struct wm_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const char *copy = wm_arena_cstr(l->arena, text);
    if (!copy)
        return wm_fail_nomem(err, text.len, "configuration");
    node->text = (struct wm_str){copy, text.len};
    return 0;
}

/* ---- the document ---- */

static int check_begin(struct loader *l, const yaml_event_t *e, struct wm_error *err)
{
    if (e->type == YAML_STREAM_END_EVENT)
        return fail_at(l, e->start_mark, err, "there are no settings in it");
    if (e->type == YAML_DOCUMENT_START_EVENT &&
        e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        return fail_at(l, e->start_mark, err, "tags (%TAG) are not taken");
    return 0;
}

/* Stream start, document start, node, document end, stream end. */
static int load_document(struct loader *l, struct wm_yaml_node **ret, struct wm_error *err)
{
    int status = 0;
    for (int step = 0; !status && step < 5; step++) {
        yaml_event_t event;
        status = next_event(l, &event, err);
        if (status)
            break;
        if (step == 1)
            status = check_begin(l, &event, err);
        else if (step == 2)
            status = build(l, &event, 1, ret, err);
        else if (step == 4 && event.type != YAML_STREAM_END_EVENT)
            status = fail_at(l, event.start_mark, err, "a second document (---) is not taken");
        yaml_event_delete(&event);
    }
    return status;
}

int wm_yaml_parse_source(const struct wm_yaml_source *source, struct wm_arena *arena,
                         struct wm_yaml_node **ret, struct wm_error *err)
{
    struct loader l = {.source = source, .arena = arena};
    if (source->text.len > WM_YAML_FILE) {
        wm_fail(err, WM_E_CONFIG, "larger than %d MiB", WM_YAML_FILE >> 20);
        return wm_error_where(err, "%s", source->name);
    }
    if (!yaml_parser_initialize(&l.parser))
        return wm_fail_nomem(err, sizeof l.parser, "configuration");
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)source->text.ptr,
                                 source->text.len);
    struct wm_yaml_node *root = NULL;
    int status = load_document(&l, &root, err);
    yaml_parser_delete(&l.parser);
    if (!status)
        *ret = root;
    return status;
}

int wm_yaml_parse(const char *name, struct wm_str text, struct wm_arena *arena,
                  struct wm_yaml_node **ret, struct wm_error *err)
{
    struct wm_yaml_source *source = wm_arena_alloc(arena, 1, sizeof *source);
    const char *name_copy = wm_arena_cstr(arena, wm_str_of(name));
    const char *copy = wm_arena_cstr(arena, text);
    if (!source || !name_copy || !copy)
        return wm_fail_nomem(err, text.len, "configuration");
    *source = (struct wm_yaml_source){.name = name_copy, .text = {copy, text.len}};
    return wm_yaml_parse_source(source, arena, ret, err);
}

int wm_yaml_load(const char *path, struct wm_arena *arena, struct wm_yaml_node **ret,
                 struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, WM_YAML_FILE);
    int status = wm_file_load(path, &buf, err);
    if (status == WM_E_IO || status == WM_E_LIMIT)
        status = err->status = WM_E_CONFIG; /* a wrong argument: nothing was touched */
    if (!status)
        status = wm_yaml_parse(strcmp(path, "-") == 0 ? "standard input" : path, wm_buf_str(&buf),
                               arena, ret, err);
    wm_buf_done(&buf);
    return status;
}
