/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/yaml_load.c base/yaml_tree.c base/yaml_bind.c base/yaml_set.c */
/* Loading, overriding and binding a configuration; every refusal must say where and why. The text up to the first
 * NUL is the file, what follows is one --set. */
#include <stdlib.h>
#include <string.h>

#include "wetmill/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    double share;
    uint64_t lines, memory;
    bool keep;
    const char *name, *model;
    int scope;
    struct wm_list languages, inputs;
};

static const char *const scopes[] = {"all", "group", NULL};

static const struct wm_option table[] = {
    WM_REAL(struct target, share, 0.3, 0, 1, "share", "largest share"),
    WM_COUNT(struct target, lines, 3, 1, 1000, "lines", "fewest lines"),
    WM_SIZE(struct target, memory, 1 << 20, 0, 0x1p60, "memory"),
    WM_BOOL(struct target, keep, true, "keep it"),
    WM_TEXT(struct target, name, "default", "name"),
    WM_PATH(struct target, model, NULL, "model file"),
    WM_CHOICE(struct target, scope, scopes, 1, "scope"),
    WM_LIST(struct target, languages, "languages"),
    WM_PATHS(struct target, inputs, "inputs"),
    {0},
};

static void check(int status, const struct wm_error *err)
{
    if (!status)
        return;
    if (status != err->status || !err->what[0])
        abort();
    if (status == WM_E_CONFIG && !err->where[0])
        abort();
    for (const char *p = err->excerpt; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n')
            abort();
}

static void format_all(const struct target *t, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 64 << 20);
    for (const struct wm_option *o = table; o->type; o++)
        if (wm_option_format(o, t, &buf, err) != 0)
            abort();
    wm_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const others[] = {"stages", NULL};
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t file = nul ? (size_t)(nul - data) : size;
    struct wm_error err;
    struct wm_arena arena;
    struct wm_yaml_node *root;
    struct target t;
    wm_arena_init(&arena, 256 << 20);
    wm_options_default(table, &t);
    int status = wm_yaml_parse("f", (struct wm_str){(const char *)data, file}, &arena, &root, &err);
    check(status, &err);
    if (!status && nul) {
        struct wm_str set = {(const char *)nul + 1, size - file - 1};
        check(wm_yaml_set(root, set, &arena, &err), &err);
    }
    if (!status) {
        check(wm_yaml_bind(root, table, &t, others, "dir", &arena, &err), &err);
        format_all(&t, &err);
    }
    wm_arena_done(&arena);
    return 0;
}
