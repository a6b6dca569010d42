/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file detect.h
 * What a file holds: by its first bytes, and where they leave it open, by its name.
 */
#ifndef WETMILL_PIPELINE_DETECT_H
#define WETMILL_PIPELINE_DETECT_H

#include "pipeline/framer.h"

enum { WM_DETECT_HEAD = 64 << 10 }; /**< Bytes that are looked at. */

/**
 * `head`: the first bytes, decompressed; `name`: of the file, endings of compression included.
 * False if it is none of what can be read.
 */
bool wm_detect_framing(struct wm_str head, const char *name,
                       const struct wm_source_options *options, enum wm_framing *ret);

/** The framing by which the profile reads what is `found`. */
static inline enum wm_framing wm_framing_of(enum wm_framing found,
                                            const struct wm_source_options *options)
{
    bool ccnet = found == WM_FRAMING_WARC && options->profile == WM_PROFILE_CCNET;
    return ccnet ? WM_FRAMING_CCNET : found;
}

/** Does the head look like anything that is read, uncompressed? */
bool wm_detect_readable(struct wm_str head);

/** `name` without .gz, .zst, .xz. */
struct wm_str wm_name_unpacked(const char *name);

#endif /* WETMILL_PIPELINE_DETECT_H */
