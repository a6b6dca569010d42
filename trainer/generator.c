/* SPDX-License-Identifier: Apache-2.0 */
/* A model directory, opened to write text or to be judged. */
#include "trainer/generator.h"

#include <stdlib.h>

#include "trainer/export.h"

static int check_tokenizer(const struct wm_generator *g, const struct wm_weights_notes *notes,
                           const char *dir, struct wm_error *err)
{
    char want[WM_HEX128], got[WM_HEX128];
    XXH128_hash_t is = wm_tokenizer_identity(g->tokenizer);
    if (notes->has_tokenizer && !XXH128_isEqual(is, notes->tokenizer)) {
        wm_hex128(notes->tokenizer, want);
        wm_hex128(is, got);
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model was trained with tokenizer %s, tokenizer.json is %s", want, got);
    } else if (wm_tokenizer_size(g->tokenizer) > g->model->config.vocabulary) {
        (void)wm_fail(err, WM_E_MISMATCH, "the model knows %u ids, the tokenizer has %u",
                      (unsigned)g->model->config.vocabulary,
                      (unsigned)wm_tokenizer_size(g->tokenizer));
    } else {
        return 0;
    }
    return wm_error_where(err, "%s", dir);
}

static int open_generator(struct wm_generator *g, const char *dir, unsigned threads,
                          uint32_t max_batch, uint64_t max_rows, struct wm_error *err)
{
    struct wm_weights_notes notes;
    int status = wm_team_new(threads, &g->team, err);
    if (!status)
        status = wm_export_load(dir, max_batch, max_rows, g->team, &g->model, &notes, err);
    if (!status)
        status = wm_tokenizer_load(dir, &g->tokenizer, err);
    if (!status)
        status = check_tokenizer(g, &notes, dir, err);
    if (!status)
        g->framed = notes.framed;
    if (!status)
        status = wm_encoder_new(g->tokenizer, &g->encoder, err);
    if (!status)
        status = wm_sampler_init(&g->sampler, wm_tokenizer_size(g->tokenizer), err);
    return status;
}

int wm_generator_load(const char *dir, unsigned threads, uint32_t max_batch, uint64_t max_rows,
                      struct wm_generator **ret, struct wm_error *err)
{
    struct wm_generator *g = calloc(1, sizeof *g);
    if (!g)
        return wm_fail_nomem(err, sizeof *g, "text generator");
    int status = open_generator(g, dir, threads, max_batch, max_rows, err);
    if (status)
        wm_generator_close(g);
    else
        *ret = g;
    return status;
}

int wm_generator_open(const char *dir, unsigned threads, struct wm_generator **ret,
                      struct wm_error *err)
{
    return wm_generator_load(dir, threads, 1, WM_DECODER_ROWS, ret, err); /* no whole passes */
}

void wm_generator_close(struct wm_generator *generator)
{
    if (!generator)
        return;
    wm_sampler_done(&generator->sampler);
    wm_encoder_free(generator->encoder);
    wm_model_free(generator->model);
    wm_tokenizer_free(generator->tokenizer);
    wm_team_free(generator->team);
    free(generator);
}
