/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of the trainer beside the peak of the processor, measured in turns: for every
 * shape and form a round is some 20 ms of each. Shown are medians over the rounds: the rate, its
 * share of the peak by the clock on the wall, and by processor time, which other processes disturb
 * less but which does not see a thread that sleeps.
 *
 *     bench_gemm [kernels [threads [rounds [14M | 124M]]]]
 *
 * `kernels` is a name of wm_kernels_available() or "best"; threads 0 = 1 and all processors. Rows
 * are 4 sequences of 256 tokens; the forms are those of a linear layer: y = x·Wᵀ + b, dx = dy·W,
 * dW += dyᵀ·x.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/common/arguments.h"
#include "trainer/fma.h"
#include "trainer/gemm.h"

enum { ROUNDS_MOST = 101 };
static const double SAMPLE = 0.02; /* seconds */

static const struct layer {
    const char *model, *name;
    size_t rows, n_out, n_in;
} layers[] = {
    {"14M", "attention in", 1024, 1152, 384},  {"14M", "attention out", 1024, 384, 384},
    {"14M", "mlp in", 1024, 1536, 384},        {"14M", "mlp out", 1024, 384, 1536},
    {"14M", "head", 1024, 8192, 384},          {"124M", "attention in", 1024, 2304, 768},
    {"124M", "attention out", 1024, 768, 768}, {"124M", "mlp in", 1024, 3072, 768},
    {"124M", "mlp out", 1024, 768, 3072},      {"124M", "head", 256, 50257, 768},
};

/* Seconds since some start: of the clock on the wall, of processors used by this process. */
struct clocks {
    double wall, cpu;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct clocks clocks(void)
{
    return (struct clocks){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

/* Operations a second of the team: on the wall, and while it had its processors. */
struct rate {
    double wall, cpu;
};

static struct rate rate_since(struct clocks begin, double done, unsigned n_threads)
{
    const struct clocks now = clocks();
    return (struct rate){done / (now.wall - begin.wall), done / (now.cpu - begin.cpu) * n_threads};
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, compare);
    return x[n / 2];
}

/* ---- the peak ---- */

struct peak {
    wm_fma_loop *loop;
    double done[WM_TEAM_MAX * 4];
};

static void peak_item(void *arg, size_t item)
{
    struct peak *peak = arg;
    peak->done[item] = peak->loop(2000);
}

static struct rate peak_rate(struct wm_team *team, struct peak *peak)
{
    const size_t n = (size_t)4 * wm_team_size(team);
    const struct clocks begin = clocks();
    double done = 0;
    while (seconds(CLOCK_MONOTONIC) - begin.wall < SAMPLE) {
        wm_parallel(team, n, peak_item, peak);
        for (size_t i = 0; i < n; i++)
            done += peak->done[i];
    }
    return rate_since(begin, done, wm_team_size(team));
}

/* ---- one product ---- */

static struct rate product_rate(const struct wm_workshop *shop, const struct wm_gemm *g)
{
    const struct clocks begin = clocks();
    double done = 0;
    while (seconds(CLOCK_MONOTONIC) - begin.wall < SAMPLE) {
        wm_gemm(shop, g);
        done += 2.0 * (double)g->m * (double)g->n * (double)g->k;
    }
    return rate_since(begin, done, wm_team_size(shop->team));
}

struct memory {
    float *x, *w, *y, *bias;
};

static struct wm_gemm product(const struct layer *l, unsigned form, const struct memory *mem)
{
    const size_t rows = l->rows, n_out = l->n_out, n_in = l->n_in;
    const struct wm_gemm forms[] = {
        {.m = rows,
         .n = n_out,
         .k = n_in,
         .a = {mem->x, n_in, false},
         .b = {mem->w, n_in, false},
         .c = mem->y,
         .ldc = n_out,
         .start = WM_START_BIAS,
         .bias = mem->bias},
        {.m = rows,
         .n = n_in,
         .k = n_out,
         .a = {mem->y, n_out, false},
         .b = {mem->w, n_in, true},
         .c = mem->x,
         .ldc = n_in},
        {.m = n_out,
         .n = n_in,
         .k = rows,
         .a = {mem->y, n_out, true},
         .b = {mem->x, n_in, true},
         .c = mem->w,
         .ldc = n_in,
         .start = WM_START_C},
    };
    return forms[form];
}

/* In huge pages where there are any, as the model's memory is. */
static float *take(size_t n_floats)
{
    const size_t page = 2 << 20, size = (n_floats * sizeof(float) + page - 1) / page * page;
    void *at = aligned_alloc(page, size);
    if (at)
        (void)madvise(at, size, MADV_HUGEPAGE);
    return at;
}

static void fill(float *x, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)state >> 8) * 0x1p-28f;
    }
}

static void measure(const struct wm_workshop *shop, const struct layer *l, enum wm_gemm_type type,
                    const struct memory *mem, unsigned rounds)
{
    static const char *const names[] = {"y ", "dx", "dW"};
    static struct peak peak;
    const struct wm_gemm_tile *tile =
        type == WM_GEMM_BF16 ? shop->kernels->bf16 : shop->kernels->f32;
    peak.loop = wm_fma_loop_of(tile->name);
    for (unsigned form = 0; form < 3; form++) {
        double wall[ROUNDS_MOST], share[ROUNDS_MOST], cpu_share[ROUNDS_MOST];
        memset(mem->bias, 0, l->n_out * sizeof(float));
        fill(mem->x, l->rows * l->n_in);
        fill(mem->w, l->n_out * l->n_in);
        fill(mem->y, l->rows * l->n_out);
        struct wm_gemm g = product(l, form, mem);
        g.type = type;
        wm_gemm(shop, &g);
        for (unsigned i = 0; i < rounds; i++) {
            const struct rate top = peak_rate(shop->team, &peak);
            const struct rate rate = product_rate(shop, &g);
            wall[i] = rate.wall;
            share[i] = rate.wall / top.wall;
            cpu_share[i] = rate.cpu / top.cpu;
        }
        (void)printf(
            "%-4s %-13s %s %5zu x %5zu x %5zu  %s %ut: %6.1f GFLOP/s, %5.1f %%, %5.1f %%\n",
            l->model, l->name, names[form], g.m, g.n, g.k, tile->name, wm_team_size(shop->team),
            median(wall, rounds) * 1e-9, median(share, rounds) * 100,
            median(cpu_share, rounds) * 100);
        (void)fflush(stdout);
    }
}

/* 0, or 1 after a message. */
static int run(const struct wm_kernels *kernels, unsigned n_threads, unsigned rounds,
               const char *model, const struct memory *mem)
{
    struct wm_error err;
    struct wm_workshop shop = {.kernels = kernels};
    shop.shared_floats = wm_gemm_shared_floats(50257, 50257);
    shop.shared = take(shop.shared_floats);
    shop.scratch_floats = WM_GEMM_SCRATCH;
    if (wm_team_new(n_threads, &shop.team, &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
        free(shop.shared);
        return 1;
    }
    shop.scratch = take((size_t)wm_team_size(shop.team) * WM_GEMM_SCRATCH);
    const bool enough = shop.shared && shop.scratch;
    if (!enough)
        (void)fprintf(stderr, "no memory\n");
    for (int type = WM_GEMM_F32; enough && type <= WM_GEMM_BF16; type++) {
        if (type == WM_GEMM_BF16 && !kernels->bf16->native)
            continue;
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
            if (!*model || strcmp(layers[i].model, model) == 0)
                measure(&shop, &layers[i], (enum wm_gemm_type)type, mem, rounds);
        }
    }
    wm_team_free(shop.team);
    free(shop.scratch);
    free(shop.shared);
    return !enough;
}

int main(int argc, char **argv)
{
    arguments_help(argc, argv, "[kernels [threads [rounds [14M | 124M]]]]");
    const struct wm_kernels *const *kernels = wm_kernels_available();
    if (argc > 1 && strcmp(argv[1], "best") != 0)
        while (*kernels && strcmp((*kernels)->name, argv[1]) != 0)
            kernels++;
    const unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 7;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MOST ? ROUNDS_MOST : rounds;
    if (!*kernels) {
        (void)fprintf(stderr, "this CPU has no kernels \"%s\"\n", argv[1]);
        return 1;
    }
    const size_t most = (size_t)50257 * 768;
    const struct memory mem = {take(most), take(most), take(most), take(50257)};
    const char *model = argc > 4 ? argv[4] : "";
    int status = !mem.x || !mem.w || !mem.y || !mem.bias;
    if (status)
        (void)fprintf(stderr, "no memory\n");
    else if (threads != 0)
        status = run(*kernels, threads, rounds, model, &mem);
    else
        status = run(*kernels, 1, rounds, model, &mem) || run(*kernels, 0, rounds, model, &mem);
    free(mem.x);
    free(mem.w);
    free(mem.y);
    free(mem.bias);
    return status;
}
