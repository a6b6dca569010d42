/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles become the files of their groups. The groups are taken in waves of as many as may be open at
 * once, in the order of their names; for each wave all bundles are gone through in order. So a part is
 * opened n_groups / WM_SPLIT_AT_ONCE times however many there are, and what has to be remembered is
 * the names of the groups alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/sink_split.h"

enum { COPY_BYTES = 1 << 20, SLOTS = 2 * WM_BUNDLE_GROUPS };

struct group {
    struct wm_str name;
    size_t n_files;
    struct wm_out *out; /* the file being filled, or NULL */
    struct wm_part file;
};

struct gather {
    const char *parts_dir, *dir, *ext;
    uint64_t file_size;
    struct wm_parts *ret;
    struct wm_arena names, index;
    struct group *groups;        /* [n_groups] */
    size_t n_groups, first, end; /* groups first … end − 1 are being filled */
    uint32_t *slots;             /* hash table of names: 1 + group, 0 = free */
    unsigned char *buffer;       /* [COPY_BYTES] */
};

/* ---- groups ---- */

static size_t find_slot(const struct gather *g, struct wm_str name)
{
    size_t slot = (size_t)XXH3_64bits(name.ptr, name.len) % SLOTS;
    while (g->slots[slot] && !wm_str_eq(g->groups[g->slots[slot] - 1].name, name))
        slot = (slot + 1) % SLOTS;
    return slot;
}

static int add_group(struct gather *g, struct wm_str name, struct wm_error *err)
{
    size_t slot = find_slot(g, name);
    if (g->slots[slot])
        return 0;
    if (g->n_groups == WM_BUNDLE_GROUPS) {
        (void)wm_fail(err, WM_E_LIMIT, "the columns to split by have more than %d different values",
                      WM_BUNDLE_GROUPS);
        return wm_error_hint(err, "split by columns with few values, like language and bucket");
    }
    struct group *group = &g->groups[g->n_groups];
    *group = (struct group){.name = wm_arena_str(&g->names, name)};
    if (!group->name.ptr)
        return wm_fail_nomem(err, name.len, "names of groups");
    g->slots[slot] = (uint32_t)++g->n_groups;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    struct wm_str x = ((const struct group *)a)->name, y = ((const struct group *)b)->name;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void sort_groups(struct gather *g)
{
    if (g->n_groups)
        qsort(g->groups, g->n_groups, sizeof *g->groups, by_name);
    memset(g->slots, 0, SLOTS * sizeof *g->slots);
    for (size_t i = 0; i < g->n_groups; i++)
        g->slots[find_slot(g, g->groups[i].name)] = (uint32_t)(i + 1);
}

/* ---- files ---- */

static int start_file(struct gather *g, struct group *group, struct wm_error *err)
{
    char name[WM_SPLIT_NAME + 64], path[WM_PATH_MAX];
    (void)snprintf(name, sizeof name, "%.*s_%04zu%s", (int)group->name.len, group->name.ptr,
                   group->n_files, g->ext);
    group->file = (struct wm_part){.name = wm_arena_cstr(&g->names, wm_str_of(name))};
    if (!group->file.name)
        return wm_fail_nomem(err, sizeof name, "name of a file");
    int status = wm_path_join(path, g->dir, name, err);
    return status ? status : wm_out_open(path, &group->out, err);
}

static int end_file(struct gather *g, struct group *group, struct wm_error *err)
{
    struct wm_out *out = group->out;
    group->out = NULL;
    group->n_files++;
    int status = wm_out_commit(out, &group->file.digest, err);
    return status ? status : wm_parts_add(g->ret, &group->file, err);
}

/* ---- parts ---- */

static int changed(const char *path, struct wm_error *err)
{
    (void)wm_fail(err, WM_E_FORMAT, "the part is not what was written to it");
    (void)wm_error_where(err, "%s", path);
    return wm_part_drop(path, err);
}

static int open_part(struct gather *g, const struct wm_part *part, struct wm_file **ret_file,
                     struct wm_bundle_index *ret, struct wm_error *err)
{
    char path[WM_PATH_MAX], note[32];
    struct wm_file *file;
    struct wm_stat st;
    wm_arena_reset(&g->index);
    int status = wm_path_join(path, g->parts_dir, part->name, err);
    if (!status)
        status = wm_stat(path, &st, err);
    if (!status)
        status = st.size == part->digest.size ? wm_file_open(path, &file, err) : changed(path, err);
    if (status)
        return status;
    status = wm_bundle_read(file, st.size, &g->index, ret, err);
    if (!status)
        (void)snprintf(note, sizeof note, "{\"index\":\"%016" PRIx64 "\"}", ret->checksum);
    if (status == WM_E_FORMAT || (!status && !wm_str_eq(part->note, wm_str_of(note))))
        status = changed(path, err);
    if (status)
        wm_file_close(file);
    else
        *ret_file = file;
    return status;
}

static int copy_frame(struct gather *g, struct wm_file *file, const struct wm_bundle_frame *frame,
                      struct wm_out *out, XXH3_state_t *hash, struct wm_error *err)
{
    (void)XXH3_64bits_reset(hash);
    for (uint64_t at = 0; at < frame->size;) {
        uint64_t left = frame->size - at;
        size_t n, want = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        int status = wm_file_pread(file, g->buffer, want, frame->offset + at, &n, err);
        if (!status && n != want)
            status = changed(wm_file_path(file), err);
        if (!status)
            status = wm_out_write(out, g->buffer, n, err);
        if (status)
            return status;
        (void)XXH3_64bits_update(hash, g->buffer, n);
        at += n;
    }
    return XXH3_64bits_digest(hash) == frame->hash ? 0 : changed(wm_file_path(file), err);
}

static int copy_part(struct gather *g, struct wm_file *file, const struct wm_bundle_index *index,
                     XXH3_state_t *hash, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < index->n_frames; i++) {
        const struct wm_bundle_frame *frame = &index->frames[i];
        size_t at = g->slots[find_slot(g, index->names[frame->group])];
        if (at <= g->first || at > g->end)
            continue;
        struct group *group = &g->groups[at - 1];
        if (!group->out)
            status = start_file(g, group, err);
        if (!status)
            status = copy_frame(g, file, frame, group->out, hash, err);
        group->file.documents += frame->count.documents;
        group->file.lines += frame->count.lines;
        group->file.text_bytes += frame->count.text_bytes;
        if (!status && wm_out_size(group->out) > g->file_size)
            status = end_file(g, group, err);
    }
    return status;
}

static int find_groups(struct gather *g, const struct wm_part *part, struct wm_error *err)
{
    struct wm_file *file;
    struct wm_bundle_index index;
    int status = open_part(g, part, &file, &index, err);
    if (status)
        return status;
    for (size_t i = 0; !status && i < index.n_groups; i++)
        status = add_group(g, index.names[i], err);
    wm_file_close(file);
    return status;
}

static int add_part(struct gather *g, const struct wm_part *part, struct wm_error *err)
{
    struct wm_file *file;
    struct wm_bundle_index index;
    int status = open_part(g, part, &file, &index, err);
    if (status)
        return status;
    XXH3_state_t *hash = XXH3_createState();
    status = hash ? copy_part(g, file, &index, hash, err)
                  : wm_fail_nomem(err, COPY_BYTES, "hashing a part");
    (void)XXH3_freeState(hash);
    wm_file_close(file);
    return status;
}

/* ---- all ---- */

static int fill_wave(struct gather *g, const struct wm_parts *parts, struct wm_error *err)
{
    int status = 0;
    g->end = g->first + WM_SPLIT_AT_ONCE < g->n_groups ? g->first + WM_SPLIT_AT_ONCE : g->n_groups;
    for (size_t i = 0; !status && i < parts->n; i++)
        status = add_part(g, &parts->items[i], err);
    for (size_t i = g->first; !status && i < g->end; i++)
        if (g->groups[i].out)
            status = end_file(g, &g->groups[i], err);
    g->first = g->end;
    return status;
}

static int by_file_name(const void *a, const void *b)
{
    return strcmp(((const struct wm_part *)a)->name, ((const struct wm_part *)b)->name);
}

static int fill_files(struct gather *g, const struct wm_parts *parts, struct wm_error *err)
{
    size_t before = g->ret->n;
    int status = 0;
    for (size_t i = 0; !status && i < parts->n; i++)
        status = find_groups(g, &parts->items[i], err);
    if (!status)
        sort_groups(g);
    while (!status && g->first < g->n_groups)
        status = fill_wave(g, parts, err);
    if (!status && g->ret->n > before)
        qsort(g->ret->items + before, g->ret->n - before, sizeof *g->ret->items, by_file_name);
    return status;
}

int wm_split_gather(const char *parts_dir, const struct wm_parts *parts, const char *dir,
                    const char *ext, uint64_t file_size, struct wm_parts *ret, struct wm_error *err)
{
    struct gather g = {
        .parts_dir = parts_dir, .dir = dir, .ext = ext, .file_size = file_size, .ret = ret};
    wm_arena_init(&g.names, (size_t)1 << 32);
    wm_arena_init(&g.index, 4 * WM_BUNDLE_INDEX);
    g.groups = calloc(WM_BUNDLE_GROUPS, sizeof *g.groups);
    g.slots = calloc(SLOTS, sizeof *g.slots);
    g.buffer = malloc(COPY_BYTES);
    int status = g.groups && g.slots && g.buffer
                     ? 0
                     : wm_fail_nomem(err, WM_BUNDLE_GROUPS * sizeof *g.groups, "joining parts");
    if (!status)
        status = fill_files(&g, parts, err);
    for (size_t i = 0; g.groups && i < g.n_groups; i++)
        wm_out_abandon(g.groups[i].out);
    free(g.groups);
    free(g.slots);
    free(g.buffer);
    wm_arena_done(&g.names);
    wm_arena_done(&g.index);
    return status;
}
