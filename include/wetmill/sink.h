/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sink.h
 * Where documents go after the last stage: JSONL, token shards, a tokenizer's piece counts.
 *
 * A sink is a constant table like a stage. Its work is split so that the dear part runs on all
 * workers and the ordered part is small:
 *
 *     open ─▶ W × open_local ─▶ for each task, several at once:
 *         open_task ─▶ prepare (any worker, any order) ─▶ write (one thread, in order) …
 *         ─▶ commit_task ─▶ close_task
 *     W × merge, one at a time ─▶ W × close_local ─▶ close
 *
 * A task writes only its own parts: files in its directory, each all or nothing, named from the
 * task number alone. commit_task lists them; the pipeline then writes the task's commit record.
 * close_task is called always, also after a failure, and then removes what was neither committed nor
 * saved.
 *
 * A task that takes long can be gone on with after a stop if the sink has save_task: between two
 * calls of write it puts all that was written so far on the disk and the rest into a state
 * (state.h). Another process's load_task, right after open_task, takes it up from there; if that is
 * WM_E_MISMATCH the task is closed and begun anew. What comes out must not depend on it. A sink
 * whose prepare keeps something goes by batch->task and batch->epoch: when save_task is called for
 * the n-th time, every batch of epochs before n has been prepared, and later ones may have been.
 * Error, thread and memory rules are those of stage.h.
 */
#ifndef WETMILL_SINK_H
#define WETMILL_SINK_H

#include "wetmill/file.h"
#include "wetmill/stage.h"
#include "wetmill/state.h"

/** A file a task wrote. */
struct wm_part {
    const char *name; /**< Relative to the job's directory. */
    struct wm_digest digest;
    uint64_t documents, lines, text_bytes; /**< In it. */
    struct wm_str note;                    /**< The sink's own facts: a JSON object, or empty. */
};

/** What a task committed; strings live in `arena`. */
struct wm_parts {
    struct wm_arena *arena;
    struct wm_part *items;
    size_t n, cap;
};
/** Append a copy of `part`. */
int wm_parts_add(struct wm_parts *parts, const struct wm_part *part, struct wm_error *err);
/** The part at `path` is not what was written to it, as `err` says (WM_E_FORMAT): it is removed.
 *  Without it the record of its task does not stand, so that the same job does that task again; the
 *  hint says so. Returns err->status. */
int wm_part_drop(const char *path, struct wm_error *err);

struct wm_sink {
    const char *name, *summary;
    unsigned version;
    const struct wm_option *options;
    const char *const *libraries;
    size_t shared_size, local_size, task_size;

    int (*open)(void *shared, const struct wm_env *env, struct wm_error *err);
    /** Anonymous bytes it needs. Options are stored; open may not have been called yet. */
    size_t (*memory)(const void *shared, unsigned n_workers, unsigned n_tasks_at_once);
    int (*open_local)(const void *shared, void *local, struct wm_error *err);
    /** Turn the batch's documents into what write() needs: batch->payload, in batch->arena. */
    int (*prepare)(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err);
    /** `dir`: the job's directory; the task's parts go to dir/parts. May be NULL: no files. */
    int (*open_task)(const void *shared, void *task, const char *dir, uint32_t number,
                     struct wm_error *err);
    int (*write)(const void *shared, void *task, struct wm_batch *batch, struct wm_error *err);
    int (*commit_task)(const void *shared, void *task, struct wm_parts *parts,
                       struct wm_error *err);
    void (*close_task)(void *task);
    /** Both or none. */
    int (*save_task)(const void *shared, void *task, struct wm_state_out *state,
                     struct wm_error *err);
    int (*load_task)(const void *shared, void *task, struct wm_state_in *state,
                     struct wm_error *err);
    int (*merge)(void *shared, void *local, struct wm_error *err);
    void (*close_local)(void *local);
    void (*close)(void *shared);
};

extern const struct wm_sink wm_sink_jsonl; /**< "write-jsonl" */
/** How write-jsonl's files end (".jsonl.zst") and how large they should become: for wm_gather. */
void wm_jsonl_files(const void *shared, const char **ret_ext, uint64_t *ret_file_size);
/** Does what its options say fit the columns that stages write? WM_E_CONFIG. */
int wm_jsonl_check(const void *shared, const struct wm_schema *schema, struct wm_error *err);
/** Make the corpus's files in `dir` of what the tasks wrote: corpus_0000.jsonl.zst …, or with
 *  `split` en_head_0000.jsonl.zst …; they go to `ret`, in the order of names. As wm_gather. */
int wm_jsonl_gather(const void *shared, const char *parts_dir, const struct wm_parts *parts,
                    const char *dir, struct wm_parts *ret, struct wm_error *err);

#endif /* WETMILL_SINK_H */
