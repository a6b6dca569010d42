/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file split_name.h
 * The name of the files a document goes to, from the values of its columns: "en_head".
 *
 * Values come from models and from the input, so they are not trusted. Letters, digits, '.' and '-'
 * of ASCII stand for themselves, every other byte is written %XX; a leading '.' or '-' too. The
 * values are joined by '_', which no escaped value contains, so different values give different
 * names, and none leads out of its directory or starts like an option.
 *
 * A document without a value gets "none", an empty value "empty"; a value that spells one of these
 * words gets %XX for its first letter. What would be longer than WM_SPLIT_VALUE is cut, and "%%"
 * and the XXH3-128 of the value follow; two values of one hash, which nobody will meet by chance,
 * would share files.
 */
#ifndef WETMILL_PIPELINE_SPLIT_NAME_H
#define WETMILL_PIPELINE_SPLIT_NAME_H

#include "wetmill/batch.h"

enum {
    WM_SPLIT_COLUMNS = 4, /**< Most columns to split by. */
    WM_SPLIT_VALUE = 48,  /**< Longest name of a value, bytes: a file name has 255 in all. */
    WM_SPLIT_NAME = WM_SPLIT_COLUMNS * (WM_SPLIT_VALUE + 1), /**< Longest name and its NUL. */
};

/** Name of the values of columns `slots`[n] of `doc`, 1 ≤ n ≤ WM_SPLIT_COLUMNS; returns its length. */
size_t wm_split_name(const struct wm_doc *doc, const int *slots, size_t n, char out[WM_SPLIT_NAME]);
/** Could wm_split_name have made it? For names that were read back. */
bool wm_split_name_valid(struct wm_str name);

#endif /* WETMILL_PIPELINE_SPLIT_NAME_H */
