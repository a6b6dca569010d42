/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sink_split.h
 * What write-jsonl does with `split`: the documents of a task into bundles, and bundles into the
 * files of each group.
 */
#ifndef WETMILL_PIPELINE_SINK_SPLIT_H
#define WETMILL_PIPELINE_SINK_SPLIT_H

#include "pipeline/bundle.h"
#include "wetmill/sink.h"

/** One task: usually one bundle, more if it cuts very many frames. */
struct wm_split_task {
    struct wm_crew *crew;
    struct wm_packer *packer;
    uint64_t max_pending;
    const char *dir;
    uint32_t number;
    struct wm_bundle bundle;
    struct wm_arena arena;
    struct wm_parts parts; /**< Bundles that are full and written. */
    size_t n_saved;        /**< Of them, named in a state: they stay. */
    bool committed;
};

/** `dir` must last as long as the task. Nothing is made on disk yet. */
int wm_split_open(struct wm_split_task *task, struct wm_crew *crew, struct wm_packer *packer,
                  const char *dir, uint32_t number, uint64_t max_pending, struct wm_error *err);
int wm_split_add(struct wm_split_task *task, struct wm_str group, struct wm_str line,
                 const struct wm_bundle_count *count, struct wm_error *err);
/** The bundles, in the order of their documents, go to `parts`. */
int wm_split_commit(struct wm_split_task *task, struct wm_parts *parts, struct wm_error *err);
/** All so far goes to the disk and into `state`; and back, right after wm_split_open. */
int wm_split_save(struct wm_split_task *task, struct wm_state_out *state, struct wm_error *err);
int wm_split_load(struct wm_split_task *task, struct wm_state_in *state, struct wm_error *err);
/** Remove what was neither committed nor saved, free the rest. Safe on a zeroed one. */
void wm_split_close(struct wm_split_task *task);

/**
 * Make DIR/GROUP_0000EXT, GROUP_0001EXT … of all bundles in `parts`, each closed at the frame that
 * takes it over `file_size`. The order of documents in a group's files is that of the parts, and
 * within one that of its frames. The new files, in the order of their names, go to `ret`. A part
 * that is not what was written to it is WM_E_FORMAT, and removed (wm_part_drop).
 *
 * WM_SPLIT_AT_ONCE groups are filled at once, so that each part is opened once for that many of
 * them; no other file stays open. Memory: names of groups, the index of one part, a block.
 */
int wm_split_gather(const char *parts_dir, const struct wm_parts *parts, const char *dir,
                    const char *ext, uint64_t file_size, struct wm_parts *ret,
                    struct wm_error *err);

enum { WM_SPLIT_AT_ONCE = 64 };

#endif /* WETMILL_PIPELINE_SINK_SPLIT_H */
