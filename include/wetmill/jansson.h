/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jansson.h
 * jansson, for small machine files, where memory may end. Version 2.14 does not look at every
 * allocation: its writer then leaves out what it could not store and calls it done, its reader
 * writes past a buffer that did not grow. So texts are written into a buffer of ours, and for a
 * while a reserve serves what the system refuses; whoever asked is told that memory has ended.
 *
 * May be called by several threads at once. The first call has jansson allocate through a function
 * of ours, which asks the one that was set before; blocks from before and after may be mixed.
 */
#ifndef WETMILL_JANSSON_H
#define WETMILL_JANSSON_H

#include <jansson.h>

#include "wetmill/buf.h"

/** Parse; duplicate keys are refused. `*ret` is NULL for what is no JSON, and `why` (may be NULL) says
 *  where; WM_E_NOMEM is the only error. Owner: the caller. */
int wm_json_parse(struct wm_str text, json_t **ret, json_error_t *why, struct wm_error *err);

/** Append the text of `value` to `out`; `flags` are those of json_dumps. WM_E_NOMEM also if `value` is
 *  NULL or cannot be written, WM_E_LIMIT if `out` is full. */
int wm_json_text(const json_t *value, size_t flags, struct wm_buf *out, struct wm_error *err);

/** jansson out of memory? `value` NULL gives WM_E_NOMEM, else 0. Steals nothing. */
int wm_json_ok(const void *value, struct wm_error *err);

#endif /* WETMILL_JANSSON_H */
