/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/peak.h"

#include "trainer/fma.h"
#include "trainer/kernels.h"
#include "wetmill/parallel.h"
#include "wetmill/progress.h"

enum { ROUNDS = 1000 }; /* a fraction of a millisecond, without vectors some */

struct peak {
    wm_fma_loop *loop;
    double done[WM_TEAM_MAX];
};

static void run_loop(void *arg, size_t item)
{
    struct peak *p = arg;
    p->done[item] = p->loop(ROUNDS);
}

double wm_peak_flops(struct wm_team *team, enum wm_compute compute, double seconds)
{
    const struct wm_kernels *kernels = wm_kernels_available()[0];
    const struct wm_gemm_tile *tile = compute == WM_COMPUTE_BF16 ? kernels->bf16 : kernels->f32;
    struct peak p = {.loop = wm_fma_loop_of(tile->name)};
    const unsigned n = wm_team_size(team);
    const double begin = wm_seconds();
    double best = 0, from = begin, now;
    do {
        double done = 0;
        wm_parallel(team, n, run_loop, &p);
        now = wm_seconds();
        for (unsigned i = 0; i < n; i++)
            done += p.done[i];
        if (now > from && done / (now - from) > best)
            best = done / (now - from);
        from = now;
    } while (now - begin < seconds);
    return best;
}
