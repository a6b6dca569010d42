/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/pages.h"

#include <sys/mman.h>

int wm_pages_map(uint64_t bytes, const char *what, struct wm_pages *ret, struct wm_error *err)
{
    const uint64_t size = wm_pages_size(bytes);
    *ret = (struct wm_pages){0};
    if (!bytes)
        return 0;
    void *at = size > SIZE_MAX / 2 ? MAP_FAILED
                                   : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return wm_fail_nomem(err, (size_t)size, what);
    const size_t skip = (WM_HUGE_PAGE - (uintptr_t)at % WM_HUGE_PAGE) % WM_HUGE_PAGE;
    *ret = (struct wm_pages){(unsigned char *)at + skip, at, (size_t)size};
#ifdef MADV_HUGEPAGE
    (void)madvise(ret->ptr, (size_t)bytes, MADV_HUGEPAGE); /* only a wish */
#endif
    return 0;
}

void wm_pages_unmap(struct wm_pages *pages)
{
    if (pages->map_size)
        (void)munmap(pages->map, pages->map_size);
    *pages = (struct wm_pages){0};
}
