/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/kernels.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

/* The compiler's builtin also asks whether the system saves the wide registers. */
const struct wm_kernels *const *wm_kernels_available(void)
{
    static const struct wm_kernels *const all[] = {&wm_kernels_avx512_bf16, &wm_kernels_avx512,
                                                   &wm_kernels_avx2, &wm_kernels_portable, NULL};
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
    return all + (bf16 ? 0 : avx512 ? 1 : avx2 ? 2 : 3);
}

#else

const struct wm_kernels *const *wm_kernels_available(void)
{
    static const struct wm_kernels *const all[] = {&wm_kernels_portable, NULL};
    return all;
}

#endif
