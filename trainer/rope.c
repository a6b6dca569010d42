/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/rope.h"

#include <stddef.h>

#include "trainer/scalar.h"

void wm_rope_table(double theta, uint32_t head_dim, uint32_t n_ctx, float *ret_cos, float *ret_sin)
{
    const uint32_t half = head_dim / 2;
    const double log_theta = wm_log(theta);
    for (uint32_t i = 0; i < half; i++) {
        const double frequency = wm_exp(-2.0 * i / head_dim * log_theta);
        for (uint32_t position = 0; position < n_ctx; position++) {
            double sine, cosine;
            wm_sin_cos(position * frequency, &sine, &cosine);
            ret_sin[(size_t)position * half + i] = (float)sine;
            ret_cos[(size_t)position * half + i] = (float)cosine;
        }
    }
}
