/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/peak.h"

#include <stdlib.h>
#include <string.h>

#include "trainer/activations.h"
#include "wetmill/progress.h"

enum { N_K = 128, RUNS = 200, LINE = 64 };

/* A slot's own a, b and c; zeros are multiplied as fast as anything. */
struct peak {
    const struct wm_gemm_tile *tile;
    unsigned char *memory;
    size_t slot_bytes;
};

static size_t floats(size_t n)
{
    return (n * sizeof(float) + LINE - 1) / LINE * LINE;
}

static void run_tile(void *arg, size_t item)
{
    const struct peak *p = arg;
    const struct wm_gemm_tile *tile = p->tile;
    unsigned char *a = p->memory + wm_team_slot() * p->slot_bytes;
    unsigned char *b = a + floats(tile->mr * N_K);
    float *c = (float *)(void *)(b + floats(tile->nr * N_K));
    const struct wm_tile_ahead ahead = {.c = c};
    (void)item;
    for (int i = 0; i < RUNS; i++)
        tile->run(N_K, a, b, c, tile->nr, c, tile->nr, false, &ahead);
}

double wm_peak_flops(const struct wm_model *model, double seconds)
{
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    struct peak p = {.tile = model->compute == WM_COMPUTE_BF16 ? kernels->bf16 : kernels->f32};
    const size_t n_slots = wm_team_size(model->team);
    p.slot_bytes =
        floats(p.tile->mr * N_K) + floats(p.tile->nr * N_K) + floats(p.tile->mr * p.tile->nr);
    p.memory = aligned_alloc(LINE, n_slots * p.slot_bytes);
    if (!p.memory)
        return 0;
    memset(p.memory, 0, n_slots * p.slot_bytes);
    double done = 0, begin = wm_seconds(), now = begin;
    for (unsigned round = 0; round < 2 || now - begin < seconds; round++) {
        wm_parallel(model->team, n_slots * 4, run_tile, &p);
        now = wm_seconds();
        if (round == 0)
            begin = now; /* the first one warms up */
        else
            done += 4.0 * (double)n_slots * RUNS;
    }
    free(p.memory);
    return done * 2 * (double)(p.tile->mr * p.tile->nr) * N_K / (now - begin);
}
