/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtures: exact counts, even spreading, pure functions of the sample's number. */
#include "trainer/mixture.h"

#include <math.h>

#include "test.h"

static struct wm_error err;
static struct wm_mixture mixture;

static void check_share(const double *weights, uint32_t n)
{
    double sum = 0;
    uint32_t given[WM_MIXTURE_MAX] = {0}, all = 0;
    CHECK_OK(wm_mixture_share(&mixture, weights, n, &err), err);
    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        all += mixture.sources[i].places;
        CHECK(fabs(mixture.sources[i].places - weights[i] / sum * WM_MIXTURE_CYCLE) < 1);
    }
    CHECK_U64(all, WM_MIXTURE_CYCLE);
    double most = 0;
    for (uint32_t place = 0; place < WM_MIXTURE_CYCLE; place++) {
        const uint32_t source = mixture.source[place];
        CHECK_U64(mixture.before[place], given[source]);
        given[source]++;
        for (uint32_t i = 0; i < n; i++)
            most =
                fmax(most, fabs((double)mixture.sources[i].places * (place + 1) / WM_MIXTURE_CYCLE -
                                given[i]));
    }
    for (uint32_t i = 0; i < n; i++)
        CHECK_U64(given[i], mixture.sources[i].places);
    CHECK_(most < 2, "a source is %g samples off its share", most);
}

/* Over three cycles and a bit, each source's samples are its windows in order of its epochs. */
static void check_samples(void)
{
    static const double weights[] = {3, 1};
    struct wm_shard_set none = {0};
    uint64_t seen[2][2000] = {{0}};
    CHECK_OK(wm_mixture_share(&mixture, weights, 2, &err), err);
    for (uint32_t i = 0; i < 2; i++)
        mixture.sources[i].windows =
            (struct wm_windows){.set = &none, .n = i ? 200 : 1000, .context = 8};
    for (uint64_t sample = 0; sample < 3 * WM_MIXTURE_CYCLE; sample++) {
        const struct wm_sample_place at = wm_mixture_sample(&mixture, 5, sample);
        CHECK(at.source < 2 && at.window < mixture.sources[at.source].windows.n);
        seen[at.source][at.window]++;
    }
    for (uint64_t w = 0; w < 1000; w++) /* 2,304 samples of 1,000 windows */
        CHECK(seen[0][w] == 2 || seen[0][w] == 3);
    for (uint64_t w = 0; w < 200; w++) /* 768 of 200 */
        CHECK(seen[1][w] == 3 || seen[1][w] == 4);
    const struct wm_sample_place a = wm_mixture_sample(&mixture, 5, 77);
    const struct wm_sample_place b = wm_mixture_sample(&mixture, 5, 77);
    CHECK(a.source == b.source && a.window == b.window);
}

int main(void)
{
    check_share((double[]){1}, 1);
    check_share((double[]){1, 1}, 2);
    check_share((double[]){0.7, 0.2, 0.1}, 3);
    check_share((double[]){1000, 1, 7, 30, 30}, 5);
    double equal[WM_MIXTURE_MAX];
    for (uint32_t i = 0; i < WM_MIXTURE_MAX; i++)
        equal[i] = 0.1;
    check_share(equal, WM_MIXTURE_MAX);
    CHECK_FAILS(wm_mixture_share(&mixture, (double[]){1, 1e-6}, 2, &err), WM_E_CONFIG, err,
                "less than one sample");
    check_samples();
    return test_summary();
}
