/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file commit.h
 * Commit records: one JSON file for each finished task of each pass, written after everything the
 * task wrote is on the disk. A task is done if, and only if, its record is there and fits.
 *
 *     {"xxh3":CHECKSUM,"wetmill":"commit","version":1,"identity":…,"pass":N,"task":N,"limit":N,
 *      "source":HASH,"cut":false,"rows":[{"path":…,"size":N,"xxh3":…}],"read":{…},"links":[…],
 *      "parts":[…],"run":{…},"rejects":{…},"damage":[…]}
 *
 * The checksum is sealed.h's; `source` is the XXH3-128 of the task's rows of the input table. Neither time nor host is in it: the same task gives the same record.
 */
#ifndef WETMILL_PIPELINE_COMMIT_H
#define WETMILL_PIPELINE_COMMIT_H

#include "pipeline/outcome.h"

/** DIR/commits/passP/TTTTTT.json */
int wm_commit_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                   struct wm_error *err);
/** DIR/runs/passP/TTTTTT.run */
int wm_run_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                struct wm_error *err);

int wm_commit_write(const struct wm_job *job, unsigned pass, const struct wm_outcome *outcome,
                    struct wm_error *err);
/**
 * Read a task's record: 1 = it stands and `ret` (initialised by this; release it in any case) is
 * what came of the task; 0 = there is none, or it is damaged, of another identity, other inputs,
 * another limit, or a file it lists is gone or has another size: the task is to be done (again).
 */
int wm_commit_read(const struct wm_job *job, unsigned pass, uint32_t task, bool is_last,
                   struct wm_outcome *ret, struct wm_error *err);

/* ---- what commit_write.c, commit_read.c and kept.c share ---- */

/** A member that holds a count. */
struct wm_count_field {
    const char *name;
    size_t offset;
};
extern const struct wm_count_field
    wm_read_fields[]; /**< Of struct wm_read_tally, but for reasons. */
extern const struct wm_count_field
    wm_link_fields[]; /**< Of struct wm_link_tally, but for reasons. */

/** Does a file of this name, read from a record, lie inside the job's directory? Whatever a record
 *  says, nothing outside is read, let alone removed. */
bool wm_part_stays(const char *name);

/** Hash of the task's rows: paths, ranges, sizes. */
XXH128_hash_t wm_commit_source(const struct wm_inputs *inputs, uint32_t task);

#endif /* WETMILL_PIPELINE_COMMIT_H */
