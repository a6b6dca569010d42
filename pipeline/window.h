/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file window.h
 * How much memory decoding the input takes beyond the usual: the windows of zstd frames and the
 * dictionaries of xz blocks, as the first of each file says. Frames and blocks further on, files in a
 * tar and pipes may ask for more, up to WM_ZSTD_WINDOW or WM_XZ_DICTIONARY.
 */
#ifndef WETMILL_PIPELINE_WINDOW_H
#define WETMILL_PIPELINE_WINDOW_H

#include "wetmill/inputs.h"

/** Bytes that the largest of them takes; 0 where none has any. Small files (WM_SMALL_FILE) are passed
 *  over: they fill no large window. Opens each of the others; what cannot be read counts as 0. */
uint64_t wm_window_most(const struct wm_inputs *inputs);

#endif /* WETMILL_PIPELINE_WINDOW_H */
