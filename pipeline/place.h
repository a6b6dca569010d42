/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file place.h
 * How documents name the files they are from. Pure functions.
 */
#ifndef WETMILL_PIPELINE_PLACE_H
#define WETMILL_PIPELINE_PLACE_H

#include "wetmill/error.h"
#include "wetmill/file.h"
#include "wetmill/str.h"

/** `path` without `root` and the slash behind it if it lies below; `root` may be NULL. A part of
 *  `path`. */
struct wm_str wm_place_relative(const char *path, const char *root);

/** `path` as a list names it: without `prefix` and the slashes behind it; `prefix` may be NULL. */
struct wm_str wm_place_segment(struct wm_str path, const char *prefix);

/** The reverse: a relative `path` is looked up in `root`. WM_E_LIMIT. */
int wm_place_absolute(char out[WM_PATH_MAX], const char *path, const char *root,
                      struct wm_error *err);

#endif /* WETMILL_PIPELINE_PLACE_H */
