/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file text_scan.h
 * All that a reader asks of a text's bytes, in one pass over them: copied, checked as UTF-8, its
 * newlines counted, a CR noticed. wm_text_copy takes the fastest version this processor has; all
 * versions give the same. Pure functions; any thread.
 */
#ifndef WETMILL_BASE_TEXT_SCAN_H
#define WETMILL_BASE_TEXT_SCAN_H

#include <stdbool.h>

#include "wetmill/str.h"

struct wm_text_facts {
    size_t n_newlines; /**< Bytes '\n'. */
    bool has_cr;       /**< Some byte is '\r'. */
    bool is_utf8;      /**< Valid, as utf8.h has it. */
};

/** Copy src.len bytes to `dst`, which does not overlap them. */
struct wm_text_facts wm_text_copy(char *dst, struct wm_str src);

struct wm_text_facts wm_text_copy_plain(char *dst, struct wm_str src);
#if defined(__x86_64__)
/** Only where __builtin_cpu_supports("avx2"). */
struct wm_text_facts wm_text_copy_avx2(char *dst, struct wm_str src);
#endif

#endif /* WETMILL_BASE_TEXT_SCAN_H */
