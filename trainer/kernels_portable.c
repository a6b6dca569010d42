/* SPDX-License-Identifier: Apache-2.0 */
/* Standard C with four-float vectors, which every compiler we support lowers to what is there. */
#include "trainer/kernels.h"

#include <math.h>
#include <string.h>

#define WM_LANES 4
#include "trainer/lanes.inc.h"

#include "trainer/kernels.inc.h"

enum { MR = 4, NR = 16 };

static void tile(size_t k, const float *a, const float *b, const float *from, size_t ld_from,
                 float *c, size_t ldc, bool narrow)
{
    const size_t n = narrow ? NR / 2 : NR;
    float sum[MR][NR];
    for (size_t i = 0; i < MR; i++)
        memcpy(sum[i], from + i * ld_from, n * sizeof(float));
    for (; k; k--, a += MR, b += NR)
        for (size_t i = 0; i < MR; i++)
            for (size_t j = 0; j < n; j++)
                sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
    for (size_t i = 0; i < MR; i++)
        memcpy(c + i * ldc, sum[i], n * sizeof(float));
}

const struct wm_kernels wm_kernels_portable = {
    .name = "portable",
    .needs = "nothing",
    .mr = MR,
    .nr = NR,
    .tile = tile,
    WM_VECTOR_KERNELS,
};
