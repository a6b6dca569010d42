/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens a second of whole training steps: forward, backward, norm, AdamW.
 *
 *     trainer_step [threads [steps [kernels [layers heads width vocabulary context batch]]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "trainer/optimizer.h"
#include "trainer/scalar.h"

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned number(int argc, char **argv, int i, unsigned otherwise)
{
    return argc > i ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const struct wm_model_config config = wm_model_config_usual(
        WM_ARCH_GPT2, number(argc, argv, 4, 4), number(argc, argv, 5, 4),
        number(argc, argv, 6, 192), number(argc, argv, 8, 128), number(argc, argv, 7, 4096));
    const unsigned batch_size = number(argc, argv, 9, 16), steps = number(argc, argv, 2, 11);
    const size_t n = (size_t)batch_size * config.n_ctx;
    struct wm_error err = {0};
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    struct wm_optimizer *optimizer = NULL;
    const struct wm_optimizer_config adamw = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
    uint32_t *ids = calloc(n + 1, sizeof *ids);
    double *times = calloc(steps + 1, sizeof *times), nll = 0;
    int status = !ids || !times ? wm_fail_nomem(&err, n * sizeof *ids, "batch")
                                : wm_team_new(number(argc, argv, 1, 0), &team, &err);
    if (!status)
        status = wm_model_new(&config, batch_size, true, team, &model, &err);
    if (!status && argc > 3)
        status = wm_model_use_kernels(model, argv[3], &err);
    for (size_t i = 0; !status && i <= n; i++)
        ids[i] = (uint32_t)(wm_random(1, 0, i) % config.vocabulary);
    if (!status)
        status = wm_optimizer_new(&adamw, model, &optimizer, &err);
    if (!status)
        wm_model_init(model, WM_MODEL_INIT_GPT2, false, 1);
    for (unsigned step = 0; !status && step <= steps; step++) {
        const struct wm_lm_batch batch = {
            .b = batch_size, .t = config.n_ctx, .inputs = ids, .targets = ids + 1};
        double begin = seconds();
        wm_model_zero_grads(model);
        status = wm_model_forward_backward(model, &batch, 1 / (float)n, &nll, &err);
        const struct wm_optimizer_step how = {1e-3, step + 1, 1 / (1 + wm_model_grad_norm(model))};
        wm_optimizer_update(optimizer, &how);
        times[step] = seconds() - begin;
    }
    if (status) {
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    } else {
        qsort(times + 1, steps, sizeof *times, compare); /* the first step touches the memory */
        double median = times[1 + steps / 2];
        (void)printf(
            "%s, %u threads: %.0f tokens/s, best %.0f; %.1f GFLOP/s; loss %.4f\n",
            wm_model_kernels(model), wm_team_size(team), (double)n / median, (double)n / times[1],
            wm_model_flops_per_token(&config) * (double)n / median * 1e-9, nll / (double)n);
    }
    wm_optimizer_free(optimizer);
    wm_model_free(model);
    wm_team_free(team);
    free(ids);
    free(times);
    return status ? 1 : 0;
}
