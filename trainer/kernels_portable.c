/* SPDX-License-Identifier: Apache-2.0 */
/* Standard C with four-float vectors, which every compiler we support lowers to what is there. */
#include "trainer/kernels.h"

#include <math.h>
#include <string.h>
#if defined(__SSE2__) && !defined(WM_PORTABLE)
#    include <emmintrin.h>
#endif

#define WM_LANES 4
#include "trainer/lanes.inc.h"

#include "trainer/kernels.inc.h"
#include "trainer/kernels_llama.inc.h"

const struct wm_kernels wm_kernels_portable = {
    .name = "portable",
    .f32 = &wm_tile_f32_portable,
    .bf16 = &wm_tile_bf16_portable,
    WM_VECTOR_KERNELS,
};
