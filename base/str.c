/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/str.h"

#include "base/scan.h"

size_t wm_str_count(struct wm_str s, char c)
{
    return !s.len ? 0 : wm_scan_count((const unsigned char *)s.ptr, s.len, (unsigned char)c);
}
