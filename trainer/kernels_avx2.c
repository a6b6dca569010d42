/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 and FMA. */
#include "trainer/kernels.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>
#    include <math.h>
#    include <string.h>

#    if defined(__clang__)
#        pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#    else
#        pragma GCC push_options
#        pragma GCC target("avx2,fma")
#    endif

#    define WM_LANES 8
#    include "trainer/lanes.inc.h"

#    include "trainer/kernels.inc.h"
#    include "trainer/kernels_llama.inc.h"

#    if defined(__clang__)
#        pragma clang attribute pop
#    else
#        pragma GCC pop_options
#    endif

const struct wm_kernels wm_kernels_avx2 = {
    .name = "avx2",
    .f32 = &wm_tile_f32_avx2,
    .bf16 = &wm_tile_bf16_avx2,
    WM_VECTOR_KERNELS,
};

#else
typedef int wm_no_avx2_here; /* a translation unit may not be empty */
#endif
