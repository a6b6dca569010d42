/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file paragraph_key.h
 * What makes two lines the same to paragraph-dedup. Of each character of a line:
 *
 *   - punctuation (general category P), control and format characters (Cc, Cf) are left out
 *   - decimal digits (Nd) of any script become '0', one for one
 *   - letters become lower case by the simple mapping (one character for one)
 *   - runs of white space become one space, none at the ends, also where punctuation stood between
 *
 * and the key is XXH3-64 (seed 0) of what is left, in UTF-8. After CCNet (Wenzek et al., arXiv
 * 1911.00359), which leaves out 34 punctuation characters and keeps inner white space.
 */
#ifndef WETMILL_STAGES_PARAGRAPH_KEY_H
#define WETMILL_STAGES_PARAGRAPH_KEY_H

#include <xxhash.h>

#include "wetmill/unicode.h"

struct wm_paragraph_hasher; /**< Working memory; one thread. */

int wm_paragraph_hasher_new(struct wm_paragraph_hasher **ret, struct wm_error *err);
void wm_paragraph_hasher_free(struct wm_paragraph_hasher *hasher); /**< NULL is fine. */

/** Bytes left of `line` (valid UTF-8), 0 if nothing; `*ret_hash` is its key. */
size_t wm_paragraph_key(struct wm_paragraph_hasher *hasher, struct wm_str line, uint64_t *ret_hash);

#endif /* WETMILL_STAGES_PARAGRAPH_KEY_H */
