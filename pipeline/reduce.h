/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reduce.h
 * After a survey: its records, partition by partition, become the tables its stage looks up.
 *
 *     DIR/runs/passS/… ─▶ DIR/tables/S/PP.table, DIR/commits/reduceS/PP.json
 *
 * A table whose record says it came of the same runs is not made again.
 */
#ifndef WETMILL_PIPELINE_REDUCE_H
#define WETMILL_PIPELINE_REDUCE_H

#include "pipeline/ledger.h"
#include "pipeline/plan.h"

/** One survey's tables. */
struct wm_tables {
    struct wm_table tables[WM_PARTITIONS];
    bool loaded;
};

/** Reduce the survey that the ledger has just been through. */
int wm_reduce(const struct wm_job *job, const struct wm_ledger *ledger, const struct wm_plan *plan,
              struct wm_crew *crew, struct wm_error *err);
/** Open the tables of survey `survey` and give them to their stage. */
int wm_tables_load(const struct wm_job *job, const struct wm_ledger *ledger, size_t survey,
                   struct wm_tables *tables, struct wm_error *err);
void wm_tables_close(struct wm_tables *tables); /**< Safe on zeroed ones. */

#endif /* WETMILL_PIPELINE_REDUCE_H */
