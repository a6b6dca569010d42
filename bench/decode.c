/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens a second of decoding one sequence, and of eight side by side, beside the bandwidth that
 * memory gives when the same weights are only read.
 *
 *     bench_decode [threads [tokens [kernels]]]
 *
 * A step of each is timed in turn, so that what else runs on the machine disturbs all alike; medians
 * count. A token reads every weight of the linear maps and of the head once: that many bytes divided
 * by its time is the bandwidth it uses. Keys and values are not counted. One thread is timed by its
 * processor time, several by the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/common/arguments.h"
#include "trainer/activations.h"
#include "trainer/decoder.h"
#include "trainer/scalar.h"

enum { ITEM_WORDS = 32768, SIDE_BY_SIDE = 8, KINDS = 3 };

static clockid_t clock_used = CLOCK_MONOTONIC;

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(clock_used, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- reading alone ---- */

struct reading {
    const struct wm_model *model;
    const uint64_t *words;
    size_t n;
    uint64_t *found; /* an item each */
};

static void read_item(void *arg, size_t item)
{
    const struct reading *r = arg;
    const size_t end = (item + 1) * ITEM_WORDS < r->n ? (item + 1) * ITEM_WORDS : r->n;
    uint64_t sum[16] = {0};
    size_t i = item * ITEM_WORDS;
    for (; i + 16 <= end; i += 16)
        for (size_t k = 0; k < 16; k++)
            sum[k] ^= r->words[i + k];
    for (; i < end; i++)
        sum[0] ^= r->words[i];
    for (size_t k = 1; k < 16; k++)
        sum[0] ^= sum[k];
    r->found[item] = sum[0];
}

static void read_all(void *arg)
{
    const struct reading *r = arg;
    wm_parallel(r->model->team, (r->n + ITEM_WORDS - 1) / ITEM_WORDS, read_item, arg);
}

/* ---- a model ---- */

struct bench {
    struct wm_model *model;
    struct wm_decoder *decoder;
    double *times[KINDS]; /* reading, one token, a token of each of eight */
    unsigned n;
};

/* Floats of the weights that a token is multiplied by. */
static uint64_t weights_read(const struct wm_model *model)
{
    const struct wm_ops *ops = &model->acts->ops;
    uint64_t n = 0;
    for (size_t i = 0; i < ops->n; i++) {
        const struct wm_op *op = &ops->ops[i];
        const unsigned maps = op->kind == WM_OP_LINEAR ? op->n_maps : op->kind == WM_OP_HEAD;
        for (unsigned k = 0; k < maps; k++)
            n += model->layout.table[op->weight[k]].n;
    }
    return n;
}

static int one_of_each(struct bench *b, struct reading *reading, unsigned i, struct wm_error *err)
{
    uint32_t sequences[SIDE_BY_SIDE], tokens[SIDE_BY_SIDE];
    const float *logits;
    for (uint32_t k = 0; k < SIDE_BY_SIDE; k++) {
        sequences[k] = k;
        tokens[k] = (uint32_t)(wm_random(2, k, i) % b->model->config.vocabulary);
    }
    double begin = seconds();
    wm_team_session(b->model->team, read_all, reading);
    b->times[0][i] = seconds() - begin;
    begin = seconds();
    int status = wm_decoder_step(b->decoder, 1, sequences, tokens, &logits, err);
    b->times[1][i] = seconds() - begin;
    begin = seconds();
    if (!status)
        status = wm_decoder_step(b->decoder, SIDE_BY_SIDE, sequences, tokens, &logits, err);
    b->times[2][i] = seconds() - begin;
    for (uint32_t k = 0; k < SIDE_BY_SIDE; k++)
        if (wm_decoder_length(b->decoder, k) + 2 >= b->model->config.n_ctx)
            wm_decoder_restart(b->decoder, k);
    return status;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct bench *b, const char *name, size_t bytes_read)
{
    double median[KINDS], best[KINDS];
    for (int k = 0; k < KINDS; k++) {
        qsort(b->times[k], b->n, sizeof(double), compare);
        median[k] = b->times[k][b->n / 2];
        best[k] = b->times[k][0];
    }
    const double bytes = (double)weights_read(b->model) * sizeof(float);
    const double bandwidth = (double)bytes_read / median[0];
    (void)printf("%-5s %4.0f MB a token, memory %5.1f GB/s (best %5.1f): one sequence %6.1f "
                 "tokens/s, %5.1f GB/s = %3.0f %% (best %5.1f); eight %6.1f tokens/s, %.2f times\n",
                 name, bytes * 1e-6, bandwidth * 1e-9, (double)bytes_read / best[0] * 1e-9,
                 1 / median[1], bytes / median[1] * 1e-9, 100 * bytes / median[1] / bandwidth,
                 bytes / best[1] * 1e-9, SIDE_BY_SIDE / median[2],
                 SIDE_BY_SIDE * median[1] / median[2]);
    (void)fflush(stdout);
}

static int run(const char *name, const struct wm_model_config *config, struct wm_team *team,
               unsigned n, const char *kernels, struct wm_error *err)
{
    struct bench b = {.n = n};
    int status = wm_model_new(config, 1, false, team, &b.model, err);
    if (!status && kernels)
        status = wm_model_use_kernels(b.model, kernels, err);
    if (!status)
        status = wm_decoder_new(b.model, SIDE_BY_SIDE, 0, &b.decoder, err);
    const size_t words = status ? 0 : b.model->n_params / 2;
    uint64_t *found = calloc(words / ITEM_WORDS + 1, sizeof *found);
    for (int k = 0; k < KINDS; k++)
        b.times[k] = calloc(n, sizeof(double));
    if (!status && (!found || !b.times[0] || !b.times[1] || !b.times[2]))
        status = wm_fail_nomem(err, n * sizeof(double), "times");
    if (!status) {
        wm_model_init(b.model, WM_MODEL_INIT_GPT2, false, 1);
        struct reading reading = {b.model, (const uint64_t *)(const void *)b.model->params, words,
                                  found};
        for (unsigned i = 0; i < n && !status; i++)
            status = one_of_each(&b, &reading, i, err);
    }
    if (!status)
        report(&b, name, words * sizeof(uint64_t));
    for (int k = 0; k < KINDS; k++)
        free(b.times[k]);
    free(found);
    wm_decoder_free(b.decoder);
    wm_model_free(b.model);
    return status;
}

int main(int argc, char **argv)
{
    arguments_help(argc, argv, "[threads [tokens [kernels]]]");
    const unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    const unsigned tokens = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 101;
    const char *kernels = argc > 3 ? argv[3] : NULL;
    const struct wm_model_config small = wm_model_config_usual(WM_ARCH_GPT2, 6, 6, 384, 256, 8192);
    const struct wm_model_config large =
        wm_model_config_usual(WM_ARCH_GPT2, 12, 12, 768, 256, 50257);
    struct wm_error err = {0};
    struct wm_team *team = NULL;
    int status = wm_team_new(threads, &team, &err);
    if (!status && wm_team_size(team) == 1)
        clock_used = CLOCK_THREAD_CPUTIME_ID;
    if (!status)
        status = run("14M", &small, team, tokens > 0 ? tokens : 1, kernels, &err);
    if (!status)
        status = run("124M", &large, team, tokens > 0 ? tokens : 1, kernels, &err);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    wm_team_free(team);
    return status != 0;
}
