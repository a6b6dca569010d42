/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing tokens: greedy, top-k, top-p, min-p, temperature, penalty, frequencies, ties, damaged logits. */
#include "trainer/sample.h"

#include <math.h>

#include "test.h"

static struct wm_error err;

static uint32_t draw(struct wm_sampler *sampler, const float *logits,
                     const struct wm_generate_options *options, uint64_t n)
{
    uint32_t id = UINT32_MAX;
    CHECK_OK(wm_sampler_draw(sampler, logits, NULL, 0, options, n, &id, &err), err);
    return id;
}

static void check_exp(void)
{
    for (int i = 0; i <= 7000; i++) {
        double x = -i / 10.0, want = exp(x), got = wm_exp_negative(x);
        CHECK_(fabs(got - want) <= want * 5e-16, "exp(%g) = %.17g, want %.17g", x, got, want);
    }
    CHECK(wm_exp_negative(0) == 1);
    CHECK(wm_exp_negative(-INFINITY) == 0);
    CHECK(wm_exp_negative(-1e300) == 0);
}

static void check_greedy(struct wm_sampler *sampler)
{
    float logits[5] = {1, 3, 2, 3, -1};
    struct wm_generate_options o = {.temperature = 0, .top_p = 1};
    CHECK_U64(draw(sampler, logits, &o, 0), 1); /* the smaller id of two equals */
    logits[1] = NAN;
    CHECK_U64(draw(sampler, logits, &o, 0), 3);
    logits[3] = INFINITY;
    CHECK_U64(draw(sampler, logits, &o, 0), 2);
    for (int i = 0; i < 5; i++)
        logits[i] = NAN;
    uint32_t id;
    CHECK_FAILS(wm_sampler_draw(sampler, logits, NULL, 0, &o, 0, &id, &err), WM_E_FORMAT, err,
                "damaged");
}

/* Draw often and compare with probabilities. */
static void check_frequencies(struct wm_sampler *sampler, const struct wm_generate_options *options,
                              const double want[5])
{
    enum { N = 40000 };
    static const float logits[5] = {0.5F, 2, 1, -1, 1.5F};
    uint64_t counts[5] = {0};
    for (uint64_t n = 0; n < N; n++)
        counts[draw(sampler, logits, options, n)]++;
    for (int i = 0; i < 5; i++) {
        double got = (double)counts[i] / N, sigma = sqrt(want[i] * (1 - want[i]) / N);
        CHECK_(fabs(got - want[i]) <= 5 * sigma, "token %d: share %g, want %g", i, got, want[i]);
    }
}

static void check_shares(struct wm_sampler *sampler)
{
    double e[5] = {exp(0.5), exp(2), exp(1), exp(-1), exp(1.5)};
    double all = e[0] + e[1] + e[2] + e[3] + e[4];
    struct wm_generate_options o = {.temperature = 1, .top_p = 1, .seed = 3};
    check_frequencies(sampler, &o,
                      (double[5]){e[0] / all, e[1] / all, e[2] / all, e[3] / all, e[4] / all});
    o.top_k = 2;
    check_frequencies(sampler, &o,
                      (double[5]){0, e[1] / (e[1] + e[4]), 0, 0, e[4] / (e[1] + e[4])});
    o.top_p = 0.5; /* of the two that are left: the first alone reaches it */
    check_frequencies(sampler, &o, (double[5]){0, 1, 0, 0, 0});
    o.top_k = 0;
    o.top_p = 0.8; /* 0.474, 0.761, 0.935 */
    double three = e[1] + e[4] + e[2];
    check_frequencies(sampler, &o, (double[5]){0, e[1] / three, e[2] / three, 0, e[4] / three});
    o.top_p = 1;
    o.temperature = 0.5;
    double h = exp(1) + exp(4) + exp(2) + exp(-2) + exp(3);
    check_frequencies(sampler, &o,
                      (double[5]){exp(1) / h, exp(4) / h, exp(2) / h, exp(-2) / h, exp(3) / h});
    o.top_p = 0;
    check_frequencies(sampler, &o, (double[5]){0, 1, 0, 0, 0});
    o.top_p = 1;
    o.temperature = 1;
    o.min_p = 0.5; /* e^−0.5 = 0.61 of the best, e^−1 = 0.37 */
    check_frequencies(sampler, &o,
                      (double[5]){0, e[1] / (e[1] + e[4]), 0, 0, e[4] / (e[1] + e[4])});
    o.min_p = 1;
    check_frequencies(sampler, &o, (double[5]){0, 1, 0, 0, 0});
}

/* Tokens of the text lose: positive logits are divided, negative ones multiplied, once each. */
static void check_penalty(struct wm_sampler *sampler)
{
    static const float logits[5] = {0.5F, 2, 1, -1, 1.5F};
    static const uint32_t text[] = {1, 1, 99, 4};
    struct wm_generate_options o = {.temperature = 0, .top_p = 1, .repetition_penalty = 1.9};
    uint32_t id = 0;
    CHECK_OK(wm_sampler_draw(sampler, logits, text, 1, &o, 0, &id, &err), err);
    CHECK_U64(id, 4); /* 2 / 1.9 < 1.5 */
    CHECK_OK(wm_sampler_draw(sampler, logits, text, 4, &o, 0, &id, &err), err);
    CHECK_U64(id, 1); /* 2 / 1.9 once, not twice, is over 1 and 1.5 / 1.9 */
    o.repetition_penalty = 2.1;
    CHECK_OK(wm_sampler_draw(sampler, logits, text, 4, &o, 0, &id, &err), err);
    CHECK_U64(id, 2);
    static const float negative[5] = {-1, -1.5F, -9, -9, -9};
    CHECK_OK(wm_sampler_draw(sampler, negative, (uint32_t[]){0}, 1, &o, 0, &id, &err), err);
    CHECK_U64(id, 1);
}

int main(void)
{
    struct wm_sampler sampler;
    check_exp();
    CHECK_OK(wm_sampler_init(&sampler, 5, &err), err);
    check_greedy(&sampler);
    check_shares(&sampler);
    check_penalty(&sampler);
    wm_sampler_done(&sampler);
    return test_summary();
}
