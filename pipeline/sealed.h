/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sealed.h
 * Small JSON files that notice damage: {"xxh3":"CHECKSUM", members…}, where CHECKSUM is XXH3-128
 * of all bytes behind it and its comma.
 */
#ifndef WETMILL_PIPELINE_SEALED_H
#define WETMILL_PIPELINE_SEALED_H

#include "wetmill/jansson.h"

enum { WM_SEALED_MAX = 1 << 28 }; /**< Bytes of the largest. */

/** Write members ("a":1,"b":2) sealed, all or nothing. */
int wm_sealed_write(const char *path, struct wm_str members, struct wm_error *err);
/** The object, to be released with json_decref; NULL if there is none or it is damaged. An error is
 *  one of reading, or of memory. */
int wm_sealed_read(const char *path, json_t **ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_SEALED_H */
