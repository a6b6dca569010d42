/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base64.h
 * Base64 as RFC 4648 has it: alphabet with + and /, padded. Pure functions; any thread.
 */
#ifndef WETMILL_BASE64_H
#define WETMILL_BASE64_H

#include <stdbool.h>

#include "wetmill/str.h"

/** Characters that `n` bytes take. `n` ≤ SIZE_MAX / 2. */
static inline size_t wm_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

/** Write wm_base64_size(bytes.len) characters, without NUL. */
void wm_base64_encode(struct wm_str bytes, char *out);

/** Decode into `out`, which has room for text.len / 4 * 3 bytes; false if malformed: another
 *  character, a wrong length or padding, bits beyond the last byte that are not 0. */
bool wm_base64_decode(struct wm_str text, char *out, size_t *ret_len);

#endif /* WETMILL_BASE64_H */
