/* SPDX-License-Identifier: Apache-2.0 */
/** @file texts.h  Texts in memory for bench_tokenizer. What fails ends the program. */
#ifndef WETMILL_BENCH_TEXTS_H
#define WETMILL_BENCH_TEXTS_H

#include "wetmill/arena.h"
#include "wetmill/error.h"

struct texts {
    struct wm_str *docs;
    size_t n, cap, bytes;
    struct wm_arena arena;
};

_Noreturn void stop(const struct wm_error *err);

/** JSON lines with a `text` (files that end with .jsonl), else one document a file. */
void texts_read(struct texts *texts, char **paths, size_t n);

/**
 * The first `max_bytes` of the texts, line by line, newlines included: PREFIX.txt as they are, and
 * PREFIX.jsonl as {"text": line}. The lines are the same, for trainers of either kind.
 */
void texts_write_lines(const struct texts *texts, const char *prefix, size_t max_bytes);

/** PREFIX.docs: the first documents of up to `max_bytes`, each behind its length (little-endian
 *  uint32). PREFIX.jsonl: the same as JSON lines. */
void texts_write_docs(const struct texts *texts, const char *prefix, size_t max_bytes);

#endif /* WETMILL_BENCH_TEXTS_H */
