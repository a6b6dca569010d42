/* SPDX-License-Identifier: Apache-2.0 */
/** @file runs.h  Long texts made to be hard: few pieces, or one. */
#ifndef WETMILL_BENCH_RUNS_H
#define WETMILL_BENCH_RUNS_H

#include "wetmill/tokenizer.h"

/** Encode 1 MB and 8 MB of each, and print MB/s of the first and how many times as long the second
 *  takes; least CPU time of a few rounds. */
void runs_print(const struct wm_tokenizer *tok);

/** CPU seconds of this process. */
double cpu_seconds(void);

#endif /* WETMILL_BENCH_RUNS_H */
