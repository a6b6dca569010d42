/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file compare.h
 * Training a tokenizer in much memory and in little, side by side.
 */
#ifndef WETMILL_BENCH_BPE_DISTINCT_COMPARE_H
#define WETMILL_BENCH_BPE_DISTINCT_COMPARE_H

#include <stdint.h>

/**
 * Train on `corpus` with the program `wetmill`, once without a limit and once with --memory `memory`
 * under a hard limit (RLIMIT_DATA) of 1.25 times that; what they write goes into `dir`, which must
 * exist. Prints seconds, processor seconds, the most anonymous memory and what was spilled. Returns
 * 0 if both tokenizers are the same, something was spilled and the second took at most four times
 * as long.
 */
int compare_memory(const char *wetmill, const char *corpus, const char *dir, uint64_t memory);

#endif /* WETMILL_BENCH_BPE_DISTINCT_COMPARE_H */
