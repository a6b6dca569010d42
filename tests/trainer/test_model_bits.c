/* SPDX-License-Identifier: Apache-2.0 */
/* Three steps give the same parameters, bit for bit, for every number of threads, instruction set
 * and limit of memory. */
#include "model_fixture.h"
#include "trainer/kernels.h"

struct how {
    unsigned threads;
    const char *kernels;
    uint64_t memory;
    enum wm_compute compute;
};

/* The parameters afterwards. */
static float *train(const struct wm_model_config *config, uint32_t b, uint32_t t, struct how how,
                    uint64_t *ret_size)
{
    const struct wm_model_options options = {
        .max_batch = b, .training = true, .memory = how.memory, .compute = how.compute};
    struct wm_model *model = open_model(config, &options, how.threads);
    CHECK_OK(wm_model_use_kernels(model, how.kernels, &err), err);
    struct sample *s = new_sample(config, b, t, 2, true);
    struct wm_optimizer *optimizer = new_optimizer(model);
    if (config->architecture == WM_ARCH_GPT2)
        s->batch.prefix = s->batch.first_key = s->batch.positions = NULL;
    for (uint64_t n = 1; n <= 3; n++)
        (void)step(model, optimizer, &s->batch, n, 1e-2);
    wm_optimizer_free(optimizer);
    *ret_size = model->n_params * sizeof(float);
    float *params = malloc(*ret_size);
    if (!params)
        exit(1);
    memcpy(params, model->params, *ret_size);
    free(s);
    free_model(model);
    return params;
}

/* What these three steps give is the same for every compiler and CPU, so it can be written down.
 * It changes only with the arithmetic itself. */
static void golden(const float *params, uint64_t size, uint64_t want)
{
    const unsigned char *bytes = (const unsigned char *)params;
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    for (uint64_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    CHECK_U64(hash, want);
}

static void expect(const struct wm_model_config *config, uint32_t b, uint32_t t, struct how how,
                   const float *want)
{
    uint64_t size;
    float *got = train(config, b, t, how, &size);
    CHECK_(memcmp(want, got, size) == 0, "%s, %u × %u: %u threads, %s, %" PRIu64 " bytes differ",
           wm_model_parts(config)->name, b, t, how.threads, how.kernels, how.memory);
    free(got);
}

static void same_bits(const struct wm_model_config *config, uint32_t b, uint32_t t, uint64_t hash)
{
    static const unsigned threads[] = {2, 3, 7};
    const char *best = wm_kernels_available()[0]->name;
    uint64_t size;
    float *want = train(config, b, t, (struct how){.threads = 1, .kernels = best}, &size);
    if (hash)
        golden(want, size, hash);
    for (size_t i = 0; i < 3; i++)
        expect(config, b, t, (struct how){.threads = threads[i], .kernels = best}, want);
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++)
        expect(config, b, t, (struct how){.threads = 2, .kernels = (*k)->name}, want);
    expect(config, b, t, (struct how){.threads = 2, .kernels = best, .memory = 1}, want);
    free(want);
}

int main(void)
{
    static const uint64_t hashes[WM_N_ARCHITECTURES] = {UINT64_C(5604934947852273220)};
    for (int i = 0; i < WM_N_ARCHITECTURES; i++) {
        const enum wm_architecture a = (enum wm_architecture)i;
        const struct wm_model_config odd = family(a, 2, 3, 1, 8, 17, 509);
        same_bits(&odd, 3, 17, hashes[i]);
        /* several blocks of queries, several chunks of rows */
        const struct wm_model_config long_one = family(a, 1, 1, 1, 16, 150, 64);
        same_bits(&long_one, 4, 131, 0);
        const struct wm_model_config wide = family(a, 1, 5, 5, 6, 13, 50257);
        same_bits(&wide, 2, 13, 0);
    }
    return test_summary();
}
