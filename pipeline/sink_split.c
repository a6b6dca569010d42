/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/sink_split.h"

#include <inttypes.h>
#include <stdio.h>

static int open_bundle(struct wm_split_task *task, struct wm_error *err)
{
    char name[64], path[WM_PATH_MAX];
    (void)snprintf(name, sizeof name, "parts/split_%06u_%03zu.bundle", task->number, task->parts.n);
    int status = wm_path_join(path, task->dir, name, err);
    return status ? status
                  : wm_bundle_open(&task->bundle, task->crew, task->packer, path, task->max_pending,
                                   err);
}

int wm_split_open(struct wm_split_task *task, struct wm_crew *crew, struct wm_packer *packer,
                  const char *dir, uint32_t number, uint64_t max_pending, struct wm_error *err)
{
    *task = (struct wm_split_task){
        .crew = crew, .packer = packer, .max_pending = max_pending, .dir = dir, .number = number};
    wm_arena_init(&task->arena, (size_t)1 << 30);
    task->parts.arena = &task->arena;
    return open_bundle(task, err);
}

static int end_bundle(struct wm_split_task *task, struct wm_error *err)
{
    char name[64], note[32];
    struct wm_bundle_count total = task->bundle.total;
    struct wm_part part = {.name = name,
                           .documents = total.documents,
                           .lines = total.lines,
                           .text_bytes = total.text_bytes};
    bool written = false;
    uint64_t checksum = 0;
    int status = wm_bundle_commit(&task->bundle, &written, &part.digest, &checksum, err);
    (void)snprintf(name, sizeof name, "parts/split_%06u_%03zu.bundle", task->number, task->parts.n);
    (void)snprintf(note, sizeof note, "{\"index\":\"%016" PRIx64 "\"}", checksum);
    part.note = wm_str_of(note);
    wm_bundle_close(&task->bundle);
    return status || !written ? status : wm_parts_add(&task->parts, &part, err);
}

int wm_split_add(struct wm_split_task *task, struct wm_str group, struct wm_str line,
                 const struct wm_bundle_count *count, struct wm_error *err)
{
    int status = 0;
    if (wm_bundle_full(&task->bundle)) {
        status = end_bundle(task, err);
        if (!status)
            status = open_bundle(task, err);
    }
    return status ? status : wm_bundle_add(&task->bundle, group, line, count, err);
}

int wm_split_commit(struct wm_split_task *task, struct wm_parts *parts, struct wm_error *err)
{
    int status = end_bundle(task, err);
    for (size_t i = 0; !status && i < task->parts.n; i++)
        status = wm_parts_add(parts, &task->parts.items[i], err);
    task->committed = !status;
    return status;
}

int wm_split_save(struct wm_split_task *task, struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, task->parts.n);
    for (size_t i = 0; i < task->parts.n; i++) {
        const struct wm_part *part = &task->parts.items[i];
        wm_state_put_str(state, wm_str_of(part->name));
        wm_state_put_str(state, part->note);
        wm_state_put_hash(state, part->digest.hash);
        wm_state_put(state, part->digest.size);
        wm_state_put(state, part->documents);
        wm_state_put(state, part->lines);
        wm_state_put(state, part->text_bytes);
        wm_state_put_name(state, part->name);
    }
    task->n_saved = task->parts.n;
    return wm_bundle_save(&task->bundle, state, err);
}

static int load_part(struct wm_split_task *task, struct wm_state_in *state, struct wm_error *err)
{
    struct wm_str name = wm_state_get_str(state);
    struct wm_part part = {.note = wm_state_get_str(state)};
    part.digest.hash = wm_state_get_hash(state);
    part.digest.size = wm_state_get(state);
    part.documents = wm_state_get(state);
    part.lines = wm_state_get(state);
    part.text_bytes = wm_state_get(state);
    part.name = wm_arena_cstr(&task->arena, name);
    if (!part.name)
        return wm_fail_nomem(err, name.len, "a part");
    char path[WM_PATH_MAX];
    struct wm_stat st;
    struct wm_error ignored;
    int status = wm_state_in_status(state, err);
    if (!status && strstr(part.name, ".."))
        status = wm_state_mismatch(err, "a part of that name is not ours");
    if (!status)
        status = wm_path_join(path, task->dir, part.name, err);
    if (!status && (wm_stat(path, &st, &ignored) || st.size != part.digest.size))
        status = wm_state_mismatch(err, "a part is gone");
    return status ? status : wm_parts_add(&task->parts, &part, err);
}

int wm_split_load(struct wm_split_task *task, struct wm_state_in *state, struct wm_error *err)
{
    int status = 0;
    for (uint64_t n = wm_state_get(state); !status && !state->bad && n > 0; n--)
        status = load_part(task, state, err);
    task->n_saved = task->parts.n;
    if (!status && task->n_saved) { /* the one that was opened is not the first */
        wm_bundle_close(&task->bundle);
        status = open_bundle(task, err);
    }
    return status ? status : wm_bundle_load(&task->bundle, state, err);
}

void wm_split_close(struct wm_split_task *task)
{
    wm_bundle_close(&task->bundle);
    for (size_t i = task->n_saved; !task->committed && i < task->parts.n; i++) {
        char path[WM_PATH_MAX];
        struct wm_error ignored;
        if (wm_path_join(path, task->dir, task->parts.items[i].name, &ignored) == 0)
            (void)wm_remove(path, &ignored);
    }
    wm_arena_done(&task->arena);
    *task = (struct wm_split_task){0};
}
