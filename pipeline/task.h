/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file task.h
 * One task of one pass, from opening its first file to its commit record.
 */
#ifndef WETMILL_PIPELINE_TASK_H
#define WETMILL_PIPELINE_TASK_H

#include "pipeline/pass.h"

/** Run task `number` on the calling thread, one more, and the crew. Reads `most` documents at most
 *  (UINT64_MAX = all). Errors go to the crew. */
void wm_task_run(struct wm_pass *pass, uint32_t number, uint64_t most);

#endif /* WETMILL_PIPELINE_TASK_H */
