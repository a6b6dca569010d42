/* SPDX-License-Identifier: Apache-2.0 */
/* Whole training steps on random tokens, beside the peak of the processor.
 *
 *     bench_trainer_step [--architecture gpt2] [--layers 6] [--dtype bf16] [--threads 1] …
 *
 * A step is gradients, their norm, clipping and the update. Shown is the median of --rounds rounds
 * of --steps steps; in each round the peak is measured after them with the same threads.
 *
 * --serve is for bench/trainer.sh, which lets programs take turns: it describes itself in a line of
 * NAME=VALUE, then reads lines of "STEPS PEAK-SECONDS BANDWIDTH-SECONDS" and answers each with
 *     seconds, CPU seconds, loss (nats per token), largest resident set (bytes),
 *     peak (operations a second), bandwidth (bytes a second), peak (operations a CPU second)
 * until its input ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/arguments.h"
#include "bench/common/machine.h"
#include "trainer/optimizer.h"
#include "trainer/scalar.h"

struct options {
    int architecture, dtype, optimizer;
    uint64_t layers, heads, kv_heads, width, hidden, vocabulary, context, batch, memory;
    uint64_t threads, steps, rounds;
    double peak_seconds;
    const char *kernels;
    bool serve;
};

static const char *const architectures[] = {"gpt2", "llama", "qwen3", NULL};
static const char *const dtypes[] = {"f32", "bf16", NULL};
static const char *const optimizers[] = {"adamw", "sgd", "muon", NULL};

#define O struct options
static const struct wm_option option_table[] = {
    WM_CHOICE(O, architecture, architectures, WM_ARCH_GPT2, "gpt2, llama or qwen3"),
    WM_COUNT(O, layers, 6, 1, 1024, "", "transformer blocks"),
    WM_COUNT(O, heads, 6, 1, 1024, "", "attention heads"),
    WM_COUNT(O, kv_heads, 0, 0, 1024, "", "key/value heads; 0 = heads"),
    WM_COUNT(O, width, 384, 1, 1 << 16, "", "channels"),
    WM_COUNT(O, hidden, 0, 0, 1 << 18, "", "channels inside the MLP; 0 = usual"),
    WM_COUNT(O, vocabulary, 8192, 1, 1 << 24, "", "tokens there are"),
    WM_COUNT(O, context, 256, 1, 1 << 20, "", "tokens of a sequence"),
    WM_COUNT(O, batch, 4, 1, 1 << 16, "", "sequences of a step"),
    WM_CHOICE(O, dtype, dtypes, WM_COMPUTE_F32, "f32 or bf16: what is multiplied"),
    WM_CHOICE(O, optimizer, optimizers, WM_OPTIMIZER_ADAMW, "adamw, sgd or muon"),
    WM_SIZE(O, memory, 0, 0, 1e15, "most memory of the model; 0 = no limit"),
    WM_COUNT(O, threads, 0, 0, WM_TEAM_MAX, "", "0 = one for each processor"),
    WM_TEXT(O, kernels, NULL, "portable, avx2, avx512, …: not the best there are"),
    WM_COUNT(O, steps, 1, 1, 1000000, "", "steps of a round"),
    WM_COUNT(O, rounds, 7, 1, 1000, "", "rounds; one step before them is not counted"),
    WM_REAL(O, peak_seconds, 0.5, 0, 1000, "", "how long the peak is measured in a round"),
    WM_BOOL(O, serve, false, "take turns, by lines: see the source"),
    {0}};
#undef O

/* One training, and what it has come to. */
struct bench {
    struct wm_model_config config;
    struct wm_model_options how;
    struct wm_team *team;
    struct wm_model *model;
    struct wm_optimizer *optimizer;
    const struct wm_kernels *kernels;
    uint32_t *ids; /* [batch × context + 1] */
    size_t n_tokens;
    uint64_t step, predicted; /* predicted: bytes */
    double nll;
};

struct round {
    double seconds, cpu_seconds, bandwidth;
    struct machine_rate peak;
};

static int bench_open(struct bench *b, const struct options *o, struct wm_error *err)
{
    const struct wm_optimizer_config optimizer = {.kind = (enum wm_optimizer_kind)o->optimizer,
                                                  .beta1 = 0.9,
                                                  .beta2 = 0.95,
                                                  .epsilon = 1e-8,
                                                  .momentum = 0.95,
                                                  .weight_decay = 0.1};
    b->config = wm_model_config_usual((enum wm_architecture)o->architecture, (uint32_t)o->layers,
                                      (uint32_t)o->heads, (uint32_t)o->width, (uint32_t)o->context,
                                      (uint32_t)o->vocabulary);
    b->config.n_kv_head = o->kv_heads ? (uint32_t)o->kv_heads : b->config.n_kv_head;
    b->config.n_hidden = o->hidden ? (uint32_t)o->hidden : b->config.n_hidden;
    b->how = (struct wm_model_options){.max_batch = (uint32_t)o->batch,
                                       .training = true,
                                       .compute = (enum wm_compute)o->dtype,
                                       .memory = o->memory};
    b->n_tokens = (size_t)o->batch * o->context;
    b->ids = calloc(b->n_tokens + 1, sizeof *b->ids);
    if (!b->ids)
        return wm_fail_nomem(err, b->n_tokens * sizeof *b->ids, "batch");
    for (size_t i = 0; i <= b->n_tokens; i++)
        b->ids[i] = (uint32_t)(wm_random(1, 0, i) % b->config.vocabulary);
    int status = wm_team_new((unsigned)o->threads, &b->team, err);
    if (!status)
        status = wm_model_open(&b->config, &b->how, b->team, &b->model, err);
    if (!status && o->kernels)
        status = wm_model_use_kernels(b->model, o->kernels, err);
    if (!status)
        status = wm_optimizer_new(&optimizer, b->model, &b->optimizer, err);
    if (status)
        return status;
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++)
        if (strcmp((*k)->name, wm_model_kernels(b->model)) == 0)
            b->kernels = *k;
    b->predicted = wm_model_memory(&b->config, &b->how, wm_team_size(b->team)) +
                   wm_optimizer_bytes(&optimizer, &b->model->layout);
    wm_model_init(b->model, WM_MODEL_INIT_GPT2, false, 1);
    return 0;
}

static void bench_close(struct bench *b)
{
    wm_optimizer_free(b->optimizer);
    wm_model_free(b->model);
    wm_team_free(b->team);
    free(b->ids);
}

static const struct wm_gemm_tile *tile_of(const struct bench *b)
{
    return b->model->compute == WM_COMPUTE_BF16 ? b->kernels->bf16 : b->kernels->f32;
}

/* Steps in one session of the team, as training has them. */
struct stretch {
    struct bench *bench;
    uint64_t steps;
    struct wm_error *err;
    int status;
};

static void train_stretch(void *arg)
{
    struct stretch *s = arg;
    struct bench *b = s->bench;
    const struct wm_lm_batch batch = {
        .b = b->how.max_batch, .t = b->config.n_ctx, .inputs = b->ids, .targets = b->ids + 1};
    for (uint64_t i = 0; !s->status && i < s->steps; i++) {
        wm_model_zero_grads(b->model);
        s->status =
            wm_model_forward_backward(b->model, &batch, 1 / (float)b->n_tokens, &b->nll, s->err);
        const double norm = wm_model_grad_norm(b->model);
        const struct wm_optimizer_step how = {3e-4, ++b->step, norm > 1 ? 1 / norm : 1};
        wm_optimizer_update(b->optimizer, &how);
    }
}

static int train(struct bench *b, uint64_t steps, struct round *ret, struct wm_error *err)
{
    struct stretch stretch = {b, steps, err, 0};
    const double begin = machine_seconds(), cpu_begin = machine_cpu_seconds();
    wm_team_session(b->team, train_stretch, &stretch);
    *ret = (struct round){.seconds = machine_seconds() - begin,
                          .cpu_seconds = machine_cpu_seconds() - cpu_begin};
    return stretch.status;
}

static void describe(const struct bench *b)
{
    (void)printf("kernels=%s tile=%s threads=%u parameters=%" PRIu64
                 " flops_per_token=%.0f predicted_bytes=%" PRIu64 "\n",
                 wm_model_kernels(b->model), tile_of(b)->name, wm_team_size(b->team),
                 b->model->layout.n_numbers, wm_model_flops_per_token(&b->config), b->predicted);
    (void)fflush(stdout);
}

static int serve(struct bench *b, struct wm_error *err)
{
    char line[128];
    uint64_t memory = 0;
    bool alone = true; /* nothing but the training has taken memory */
    describe(b);
    while (fgets(line, sizeof line, stdin)) {
        char *at;
        const uint64_t steps = strtoull(line, &at, 10);
        const double peak = strtod(at, &at), bandwidth = strtod(at, NULL);
        struct round r;
        const int status = train(b, steps, &r, err);
        if (status)
            return status;
        if (alone)
            memory = machine_peak_memory();
        alone = alone && !(bandwidth > 0);
        if (peak > 0)
            r.peak = machine_peak(b->team, tile_of(b)->name, peak);
        if (bandwidth > 0)
            r.bandwidth = machine_bandwidth(b->team, b->kernels, bandwidth);
        (void)printf("%.6f %.6f %.5f %" PRIu64 " %.0f %.0f %.0f\n", r.seconds, r.cpu_seconds,
                     b->nll / (double)b->n_tokens, memory, r.peak.wall, r.bandwidth, r.peak.cpu);
        (void)fflush(stdout);
    }
    return 0;
}

enum { ROUNDS_MOST = 1000 };

static int run(struct bench *b, const struct options *o, struct wm_error *err)
{
    double seconds[ROUNDS_MOST], cpu[ROUNDS_MOST], peak[ROUNDS_MOST], share[ROUNDS_MOST],
        cpu_share[ROUNDS_MOST];
    const double tokens = (double)(b->n_tokens * o->steps),
                 flops = wm_model_flops_per_token(&b->config) * tokens;
    struct round r;
    int status = train(b, 1, &r, err); /* touches the memory */
    const double first = b->nll / (double)b->n_tokens;
    for (unsigned i = 0; !status && i < o->rounds; i++) {
        status = train(b, o->steps, &r, err);
        r.peak = machine_peak(b->team, tile_of(b)->name, o->peak_seconds);
        seconds[i] = r.seconds;
        cpu[i] = r.cpu_seconds;
        peak[i] = r.peak.wall * 1e-9;
        share[i] = r.peak.wall > 0 ? flops / r.seconds / r.peak.wall * 100 : 0;
        cpu_share[i] = r.peak.cpu > 0 ? flops / r.cpu_seconds / r.peak.cpu * 100 : 0;
    }
    if (status)
        return status;
    const unsigned n = (unsigned)o->rounds;
    const double median = machine_median(seconds, n);
    const uint64_t memory = machine_peak_memory();
    (void)printf("%s L%u H%u C%u V%u T%u B%u, %.1f M parameters, %s, %s tile %s, %u threads\n",
                 architectures[o->architecture], b->config.n_layer, b->config.n_head,
                 b->config.n_embd, b->config.vocabulary, b->config.n_ctx, b->how.max_batch,
                 (double)b->model->layout.n_numbers * 1e-6, optimizers[o->optimizer],
                 dtypes[o->dtype], tile_of(b)->name, wm_team_size(b->team));
    (void)printf("%.0f tokens/s, best %.0f; %.0f per CPU second\n", tokens / median,
                 tokens / seconds[0], tokens / machine_median(cpu, n));
    (void)printf("%.1f GFLOP/s; peak beside it %.1f; share %.1f %%, by CPU time %.1f %%\n",
                 flops / median * 1e-9, machine_median(peak, n), machine_median(share, n),
                 machine_median(cpu_share, n));
    (void)printf("loss %.4f, after %" PRIu64 " steps %.4f\n", first, b->step,
                 b->nll / (double)b->n_tokens);
    (void)printf("memory %.1f MiB, predicted %.1f MiB (%+.1f %%)\n", (double)memory / (1 << 20),
                 (double)b->predicted / (1 << 20),
                 memory ? ((double)b->predicted / (double)memory - 1) * 100 : 0);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct bench bench = {0};
    struct wm_error err = {0};
    arguments_read(argc, argv, "whole training steps on random tokens", option_table, &options);
    int status = bench_open(&bench, &options, &err);
    if (!status)
        status = options.serve ? serve(&bench, &err) : run(&bench, &options, &err);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    bench_close(&bench);
    return status ? 1 : 0;
}
