/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512. The bf16 table differs in its matrix tile only. */
#include "trainer/kernels.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>
#    include <math.h>
#    include <string.h>

#    if defined(__clang__)
#        pragma clang attribute push(                                               \
            __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))), \
            apply_to = function)
#    else
#        pragma GCC push_options
#        pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl")
#    endif

#    define WM_LANES 16
#    include "trainer/lanes.inc.h"

#    include "trainer/kernels.inc.h"
#    include "trainer/kernels_llama.inc.h"

#    if defined(__clang__)
#        pragma clang attribute pop
#    else
#        pragma GCC pop_options
#    endif

const struct wm_kernels wm_kernels_avx512 = {
    .name = "avx512",
    .f32 = &wm_tile_f32_avx512,
    .bf16 = &wm_tile_bf16_avx512,
    WM_VECTOR_KERNELS,
};

const struct wm_kernels wm_kernels_avx512_bf16 = {
    .name = "avx512-bf16",
    .f32 = &wm_tile_f32_avx512,
    .bf16 = &wm_tile_bf16_native,
    WM_VECTOR_KERNELS,
};

#else
typedef int wm_no_avx512_here; /* a translation unit may not be empty */
#endif
