/* SPDX-License-Identifier: Apache-2.0 */
/* The loops that the peak is measured with do what they count, and it is no less than what the
 * trainer's own tiles reach. */
#include "trainer/peak.h"

#include "test.h"
#include "trainer/fma.h"
#include "trainer/kernels.h"
#include "wetmill/parallel.h"
#include "wetmill/progress.h"

static struct wm_error err;

/* A loop that the compiler had folded would take no time, and the same for any number of rounds. */
static void check_loop(const struct wm_gemm_tile *tile)
{
    wm_fma_loop *loop = wm_fma_loop_of(tile->name);
    double fastest = 1e9;
    CHECK(loop != NULL);
    CHECK(loop(10) > 0 && loop(30) == 3 * loop(10));
    for (int i = 0; i < 5; i++) {
        const double begin = wm_seconds(), done = loop(1000), took = wm_seconds() - begin;
        fastest = took / done < fastest ? took / done : fastest;
    }
    /* 128 operations a cycle at 10 GHz: no such core is known. */
    CHECK_(fastest > 1.0 / (128 * 10e9), "%s: %g s an operation", tile->name, fastest);
}

/* One tile over and over, on data in the first cache. */
static double tile_flops(const struct wm_gemm_tile *tile)
{
    enum { N_K = 256, RUNS = 2000 };
    static _Alignas(64) float a[WM_TILE_MAX_ROWS * N_K], b[WM_TILE_MAX_COLS * N_K];
    static _Alignas(64) float c[WM_TILE_MAX_ROWS * WM_TILE_MAX_COLS];
    const struct wm_tile_ahead ahead = {.c = c};
    double best = 0;
    for (int round = 0; round < 5; round++) {
        const double begin = wm_seconds();
        for (int i = 0; i < RUNS; i++)
            tile->run(N_K, a, b, c, tile->nr, c, tile->nr, false, &ahead);
        const double rate =
            2.0 * (double)(tile->mr * tile->nr) * N_K * RUNS / (wm_seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(void)
{
    const struct wm_kernels *const *all = wm_kernels_available();
    for (size_t i = 0; all[i]; i++) {
        check_loop(all[i]->f32);
        check_loop(all[i]->bf16);
    }
    struct wm_team *team = NULL;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    const double peak = wm_peak_flops(team, WM_COMPUTE_F32, 0.2), tile = tile_flops(all[0]->f32);
    CHECK_(peak > 0.8 * tile, "%.1f GFLOP/s at most, but a tile has %.1f", peak * 1e-9,
           tile * 1e-9);
    wm_team_free(team);
    return test_summary();
}
