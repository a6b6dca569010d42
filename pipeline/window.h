/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file window.h
 * How much memory decoding the input takes beyond the usual: the windows of zstd frames and the
 * dictionaries of xz blocks.
 *
 * What the first of each file says is known beforehand (wm_window_most), and planned for. Frames and
 * blocks further on, files in a tar and pipes may ask for more, up to WM_ZSTD_WINDOW or
 * WM_XZ_DICTIONARY: a decoder takes it from what its reader is allowed, before it decodes, or fails.
 */
#ifndef WETMILL_PIPELINE_WINDOW_H
#define WETMILL_PIPELINE_WINDOW_H

#include "wetmill/inputs.h"

enum { WM_USUAL_WINDOW = 8 << 20 /**< Counted with every decoder. */ };

/** Bytes that the largest of them takes; 0 where none has any. Small files (WM_SMALL_FILE) are passed
 *  over: they fill no large window. Opens each of the others; what cannot be read counts as 0. */
uint64_t wm_window_most(const struct wm_inputs *inputs);

/** Of one reader. Zeroed: without a limit. One thread. */
struct wm_windows {
    bool limited;
    struct wm_window_limit limit;
    uint64_t taken; /**< By all its decoders, beyond what is usual. */
};

/** A decoder that holds `*held` bytes beyond the usual needs `window` bytes, and keeps them until they
 *  are given back. WM_E_NOMEM, "`what` at byte `at` needs …"; `windows` may be NULL: without a limit. */
int wm_windows_take(struct wm_windows *windows, uint64_t *held, uint64_t window, const char *what,
                    uint64_t at, struct wm_error *err);
void wm_windows_give_back(struct wm_windows *windows, uint64_t *held);

#endif /* WETMILL_PIPELINE_WINDOW_H */
