/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a model takes: predicted and measured; what is made again to take less changes no
 * bit; the table of operations as text. */
#include "sanitized.h"
#include "test.h"
#include "trainer/model.h"
#include "trainer/ops.h"
#include "trainer/scalar.h"

static struct wm_error err;

static struct wm_model_config family(enum wm_architecture a)
{
    struct wm_model_config c = wm_model_config_usual(a, 5, 4, 48, 33, 211);
    if (a != WM_ARCH_GPT2)
        c.n_kv_head = 2;
    return c;
}

static uint32_t *new_ids(const struct wm_model_config *config, size_t n)
{
    uint32_t *ids = calloc(n + 1, sizeof *ids);
    if (!ids)
        exit(1);
    for (size_t i = 0; i <= n; i++)
        ids[i] = (uint32_t)(wm_random(3, 0, i) % config->vocabulary);
    return ids;
}

/* Gradients of one batch under this limit. */
static float *gradients(const struct wm_model_config *config, uint64_t memory, uint64_t *ret_n)
{
    const struct wm_model_options options = {.max_batch = 3, .training = true, .memory = memory};
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    CHECK_OK(wm_model_open(config, &options, team, &model, &err), err);
    wm_model_init(model, WM_MODEL_INIT_GPT2, false, 5);
    uint32_t *ids = new_ids(config, (size_t)3 * config->n_ctx);
    struct wm_lm_batch batch = {.b = 3, .t = config->n_ctx, .inputs = ids, .targets = ids + 1};
    double nll;
    CHECK_OK(wm_model_forward_backward(model, &batch, 0.5f, &nll, &err), err);
    batch.t -= 6; /* not all of the memory is used */
    CHECK_OK(wm_model_forward_backward(model, &batch, 0.5f, &nll, &err), err);
    float *g = malloc(model->n_params * sizeof *g);
    if (!g)
        exit(1);
    memcpy(g, model->grads, model->n_params * sizeof *g);
    *ret_n = model->n_params;
    free(ids);
    wm_model_free(model);
    wm_team_free(team);
    return g;
}

/* What a pass over memory makes is made again under every limit. */
static void check_explained(const struct wm_model_config *config, uint64_t memory)
{
    const struct wm_model_options options = {.max_batch = 3, .training = true, .memory = memory};
    struct wm_buf text;
    wm_buf_init(&text, 1 << 20);
    CHECK_OK(wm_model_explain(config, &options, 2, &text, &err), err);
    CHECK_OK(wm_buf_add(&text, "", 1, &err), err);
    CHECK(strstr(text.ptr, "made again"));
    CHECK(strstr(text.ptr, "layer") && strstr(text.ptr, "head") && strstr(text.ptr, "memory"));
    wm_buf_done(&text);
}

static void same_bits(enum wm_architecture a)
{
    enum { STEPS = 7 };
    const struct wm_model_config config = family(a);
    struct wm_model_options options = {.max_batch = 3, .training = true};
    const uint64_t all = wm_model_memory(&config, &options, 2);
    options.memory = 1;
    const uint64_t least = wm_model_memory(&config, &options, 2);
    uint64_t n, before = all;
    CHECK_(least < all, "making again takes %" PRIu64 " of %" PRIu64 " bytes", least, all);
    float *want = gradients(&config, 0, &n);
    for (uint64_t i = 0; i <= STEPS; i++) {
        options.memory = all - (all - least) * i / STEPS;
        const uint64_t bytes = wm_model_memory(&config, &options, 2);
        CHECK_(bytes <= options.memory, "%" PRIu64 " bytes, limit %" PRIu64, bytes, options.memory);
        CHECK(bytes <= before);
        before = bytes;
        check_explained(&config, options.memory);
        float *got = gradients(&config, options.memory, &n);
        CHECK_(memcmp(want, got, n * sizeof *got) == 0, "%s differs with %" PRIu64 " bytes",
               wm_model_parts(&config)->name, bytes);
        free(got);
    }
    free(want);
}

/* ---- prediction ---- */

static uint64_t anonymous_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *in = fopen("/proc/self/status", "r");
    while (in && fgets(line, sizeof line, in) && sscanf(line, "RssAnon: %llu kB", &kib) != 1) {
    }
    if (in)
        (void)fclose(in);
    return kib << 10;
}

static void predicted(enum wm_architecture a, uint32_t n_embd, uint32_t vocabulary, uint64_t memory)
{
    struct wm_model_config config = wm_model_config_usual(a, 4, 6, n_embd, 128, vocabulary);
    const struct wm_model_options options = {.max_batch = 4, .training = true, .memory = memory};
    const double predicted_bytes = (double)wm_model_memory(&config, &options, 2);
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    const uint64_t before = anonymous_bytes();
    CHECK_OK(wm_model_open(&config, &options, team, &model, &err), err);
    wm_model_init(model, WM_MODEL_INIT_GPT2, false, 5);
    uint32_t *ids = new_ids(&config, (size_t)4 * 128);
    const struct wm_lm_batch batch = {.b = 4, .t = 128, .inputs = ids, .targets = ids + 1};
    double nll;
    for (int i = 0; i < 2; i++) {
        wm_model_zero_grads(model);
        CHECK_OK(wm_model_forward_backward(model, &batch, 0.5f, &nll, &err), err);
        (void)wm_model_grad_norm(model);
    }
    const double is = (double)(anonymous_bytes() - before);
    CHECK_(is > predicted_bytes * 0.95 && is < predicted_bytes * 1.05,
           "%s of width %u: %.1f MiB predicted, %.1f measured", wm_model_parts(&config)->name,
           n_embd, predicted_bytes / (1 << 20), is / (1 << 20));
    free(ids);
    wm_model_free(model);
    wm_team_free(team);
}

/* 6 × weights of the maps + 6 × layers × width × context. */
static void operations(void)
{
    struct wm_model_config c = wm_model_config_usual(WM_ARCH_GPT2, 12, 12, 768, 1024, 50257);
    CHECK(wm_model_flops_per_token(&c) ==
          6.0 * (12.0 * 12 * 768 * 768 + 50257.0 * 768) + 6.0 * 12 * 768 * 1024);
    c = wm_model_config_usual(WM_ARCH_LLAMA, 3, 4, 64, 32, 100);
    c.n_kv_head = 2;
    c.n_hidden = 176;
    CHECK(wm_model_flops_per_token(&c) ==
          6.0 * (3.0 * (64 * (64 + 32 + 32) + 64 * 64 + 3 * 64 * 176) + 6400) + 6.0 * 3 * 64 * 32);
    c.n_head = 3;
    CHECK(wm_model_flops_per_token(&c) == 0); /* is no model */
}

int main(void)
{
    operations();
    for (int a = 0; a < WM_N_ARCHITECTURES; a++)
        same_bits((enum wm_architecture)a);
    if (!SANITIZED) {
        predicted(WM_ARCH_GPT2, 384, 8192, 0);
        predicted(WM_ARCH_GPT2, 384, 8192, 1);
        predicted(WM_ARCH_QWEN3, 384, 8192, 0);
        predicted(WM_ARCH_LLAMA, 768, 1000, 0);
    }
    return test_summary();
}
