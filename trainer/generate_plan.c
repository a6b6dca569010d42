/* SPDX-License-Identifier: Apache-2.0 */
/* What writing texts will take, of a model that stands or that is still to be trained. */
#include "trainer/generator.h"
#include "trainer/init_from.h"
#include "trainer/train_plan.h"

/* As wm_training_open has it. */
static int planned_config(const struct wm_train_options *options, uint32_t vocabulary,
                          struct wm_model_config *ret, struct wm_error *err)
{
    const struct wm_train_options resolved = wm_train_options_resolve(options);
    *ret = wm_train_config(&resolved, vocabulary);
    return options->init_from ? wm_init_from_config(options->init_from, ret, err)
                              : wm_model_config_check(ret, err);
}

static int standing_config(const char *dir, struct wm_model_config *ret, struct wm_error *err)
{
    struct wm_weights weights;
    int status = wm_weights_open(dir, &weights, err);
    if (!status) {
        *ret = weights.config.model;
        wm_weights_close(&weights);
    }
    return status;
}

int wm_generate_estimate(const char *dir, const struct wm_train_options *options,
                         uint32_t vocabulary, uint32_t at_once, uint64_t n_tokens, unsigned threads,
                         uint64_t *ret, struct wm_error *err)
{
    const struct wm_model_options how = {.max_batch = 1, .max_rows = WM_DECODER_ROWS};
    struct wm_model_config config;
    int status = dir ? standing_config(dir, &config, err)
                     : planned_config(options, vocabulary, &config, err);
    if (status)
        return status;
    struct wm_model_config used = config; /* the rest of the cache is not touched */
    used.n_ctx = n_tokens && n_tokens < config.n_ctx ? (uint32_t)n_tokens : config.n_ctx;
    const uint64_t model = wm_model_memory(&config, &how, threads);
    const uint64_t decoder = wm_decoder_memory(&used, false, at_once, threads);
    if (!model || !decoder)
        return wm_fail_nomem(err, 0, "finding out what writing texts needs");
    *ret = model + decoder + wm_sampler_bytes(config.vocabulary) +
           config.vocabulary * (at_once * sizeof(float) + WM_TRAIN_TOKEN_BYTES);
    return 0;
}
