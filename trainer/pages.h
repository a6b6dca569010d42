/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pages.h
 * Large zeroed memory straight from the system, on huge pages where it gives them.
 */
#ifndef WETMILL_TRAINER_PAGES_H
#define WETMILL_TRAINER_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"

enum { WM_HUGE_PAGE = 2 << 20 };

struct wm_pages {
    void *ptr;       /**< Begins at a huge page. */
    void *map;       /**< What the system gave: up to a huge page more. */
    size_t map_size; /**< 0: nothing is mapped. */
};

/** Bytes that wm_pages_map takes for `bytes`. */
static inline uint64_t wm_pages_size(uint64_t bytes)
{
    return bytes ? bytes + WM_HUGE_PAGE : 0;
}
/** `what` names it in the message of WM_E_NOMEM. 0 bytes: nothing is mapped, ptr is NULL. */
int wm_pages_map(uint64_t bytes, const char *what, struct wm_pages *ret, struct wm_error *err);
void wm_pages_unmap(struct wm_pages *pages); /**< Safe on {0}; leaves {0}. */

#endif /* WETMILL_TRAINER_PAGES_H */
