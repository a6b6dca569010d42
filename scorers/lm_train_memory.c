/* SPDX-License-Identifier: Apache-2.0 */
/* Large arrays that are read in any order: on pages of 2 MiB where the system has them, since with
 * small ones nearly every access also misses the TLB. */
#include <stdlib.h>
#include <sys/mman.h>

#include "scorers/lm_train.h"

enum { HUGE_PAGE = 2 << 20, LEAST = 4 * HUGE_PAGE };

void *lm_alloc(size_t bytes)
{
    void *at = NULL;
    if (bytes < LEAST)
        return malloc(bytes ? bytes : 1);
    if (posix_memalign(&at, HUGE_PAGE, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(at, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return at;
}
