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

/**
 * Bytes at the start of `s` that are known to be valid UTF-8 and to end with a character; how many
 * of those that are is a matter of speed: what is left has to be looked at. 0 where nothing faster
 * than looking is known.
 */
size_t wm_text_sound(struct wm_str s);
/** wm_utf8_prefix, character by character from byte `sound` on: what stands before is valid. */
size_t wm_utf8_prefix_from(struct wm_str s, size_t sound);

struct wm_text_facts wm_text_copy_plain(char *dst, struct wm_str src);
#if defined(__x86_64__) && !defined(WM_PORTABLE)
/** Only where __builtin_cpu_supports("avx2"). */
struct wm_text_facts wm_text_copy_avx2(char *dst, struct wm_str src);
#endif

#endif /* WETMILL_BASE_TEXT_SCAN_H */
