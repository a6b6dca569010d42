/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trainer/fma.h"

static double clock_of(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double machine_seconds(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

double machine_cpu_seconds(void)
{
    return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- multiply-adds ---- */

struct peak {
    wm_fma_loop *loop;
    double done[WM_TEAM_MAX];
};

enum { PEAK_ROUNDS = 5000 }; /* a few milliseconds an item */

static void peak_item(void *arg, size_t item)
{
    struct peak *peak = arg;
    peak->done[item] = peak->loop(PEAK_ROUNDS);
}

struct machine_rate machine_peak(struct wm_team *team, const char *tile, double seconds)
{
    static struct peak peak;
    const unsigned n = wm_team_size(team);
    const double begin = machine_seconds(), cpu_begin = machine_cpu_seconds();
    double done = 0, now;
    peak.loop = wm_fma_loop_of(tile);
    do {
        wm_parallel(team, n, peak_item, &peak);
        for (unsigned i = 0; i < n; i++)
            done += peak.done[i];
        now = machine_seconds();
    } while (now - begin < seconds);
    return (struct machine_rate){done / (now - begin), done / (machine_cpu_seconds() - cpu_begin)};
}

/* ---- memory ---- */

/* Two arrays of 128 MiB, read in blocks of 1 MiB each. */
enum { ARRAY_FLOATS = 32 << 20, BLOCK_FLOATS = 256 << 10, BLOCKS = ARRAY_FLOATS / BLOCK_FLOATS };

struct stream {
    const struct wm_kernels *kernels;
    float *a, *b;
    float sums[BLOCKS];
};

static void stream_item(void *arg, size_t item)
{
    struct stream *s = arg;
    const size_t at = item * BLOCK_FLOATS;
    s->sums[item] = s->kernels->dot(s->a + at, s->b + at, BLOCK_FLOATS);
}

double machine_bandwidth(struct wm_team *team, const struct wm_kernels *kernels, double seconds)
{
    static struct stream s;
    const size_t bytes = (size_t)ARRAY_FLOATS * sizeof(float);
    double passes = 0, begin, now;
    s.kernels = kernels;
    s.a = aligned_alloc(64, bytes);
    s.b = aligned_alloc(64, bytes);
    if (!s.a || !s.b) {
        free(s.a);
        free(s.b);
        return 0;
    }
    memset(s.a, 0, bytes); /* or all pages would be the one of zeros */
    memset(s.b, 0, bytes);
    begin = machine_seconds();
    do {
        wm_parallel(team, BLOCKS, stream_item, &s);
        passes++;
        now = machine_seconds();
    } while (now - begin < seconds);
    free(s.a);
    free(s.b);
    return passes * 2 * (double)bytes / (now - begin);
}

uint64_t machine_peak_memory(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    if (f)
        (void)fclose(f);
    return kib * 1024;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double machine_median(double *x, unsigned n)
{
    qsort(x, n, sizeof *x, compare);
    return x[n / 2];
}
