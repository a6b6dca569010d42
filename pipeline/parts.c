/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/sink.h"

static int grow(struct wm_parts *parts, struct wm_error *err)
{
    if (parts->n < parts->cap)
        return 0;
    size_t cap = parts->cap ? parts->cap * 2 : 4;
    struct wm_part *items = wm_arena_alloc(parts->arena, cap, sizeof *items);
    if (!items)
        return wm_fail_nomem(err, cap * sizeof *items, "list of parts");
    if (parts->n)
        memcpy(items, parts->items, parts->n * sizeof *items);
    parts->items = items;
    parts->cap = cap;
    return 0;
}

int wm_parts_add(struct wm_parts *parts, const struct wm_part *part, struct wm_error *err)
{
    int status = grow(parts, err);
    if (status)
        return status;
    struct wm_part copy = *part;
    copy.name = wm_arena_cstr(parts->arena, wm_str_of(part->name));
    copy.note = wm_arena_str(parts->arena, part->note);
    if (!copy.name || (part->note.len && !copy.note.ptr))
        return wm_fail_nomem(err, strlen(part->name) + part->note.len, "list of parts");
    parts->items[parts->n++] = copy;
    return 0;
}

int wm_part_drop(const char *path, struct wm_error *err)
{
    struct wm_error none = {0};
    if (wm_remove(path, &none))
        return wm_error_hint(err, "remove it and run the same command again");
    return wm_error_hint(err, "it is removed: run the same command again, which makes it anew");
}
