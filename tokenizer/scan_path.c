/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "tokenizer/scan.h"

/* AVX-512 was tried and is no faster than AVX2 here. */
const struct bpe_scan_path *const *bpe_scan_paths(void)
{
#if defined(__x86_64__) && !defined(WM_PORTABLE)
    static const struct bpe_scan_path *const all[] = {&bpe_scan_avx2, &bpe_scan_sse2,
                                                      &bpe_scan_plain, NULL};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? all : all + 1;
#else
    static const struct bpe_scan_path *const all[] = {&bpe_scan_plain, NULL};
    return all;
#endif
}
