/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/init_from.h"

#include <inttypes.h>

#include "wetmill/json.h"
#include "wetmill/tokenizer.h"
#include "wetmill/train.h"

/* ---- sizes ---- */

static int differ(const char *dir, const char *what, uint64_t want, uint64_t has,
                  struct wm_error *err)
{
    (void)wm_fail(err, WM_E_MISMATCH,
                  "the model to start from has %s %" PRIu64 ", this training %" PRIu64, what, has,
                  want);
    return wm_error_where(err, "%s", dir);
}

int wm_init_from_config(const char *dir, struct wm_model_config *config, struct wm_error *err)
{
    struct wm_hf_config hf;
    int status = wm_hf_config_read(dir, &hf, err);
    if (status)
        return status;
    const struct wm_model_config *has = &hf.model;
    if (has->architecture != config->architecture) {
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model to start from is a %s, this training makes a %s",
                      wm_model_parts(has)->name, wm_model_parts(config)->name);
        return wm_error_where(err, "%s", dir);
    }
    const bool learned = wm_model_parts(has)->positions == WM_POSITIONS_LEARNED;
    const struct {
        const char *name;
        uint32_t want, has;
    } sizes[] = {
        {"layers", config->n_layer, has->n_layer},
        {"width", config->n_embd, has->n_embd},
        {"heads", config->n_head, has->n_head},
        {"key/value heads", config->n_kv_head, has->n_kv_head},
        {"head width", config->head_dim, has->head_dim},
        {"hidden width", config->n_hidden, has->n_hidden},
        {"context", config->n_ctx, learned ? has->n_ctx : config->n_ctx},
        {"tied embeddings", config->tied, has->tied},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].want != sizes[i].has)
            return differ(dir, sizes[i].name, sizes[i].want, sizes[i].has, err);
    if (config->vocabulary > has->vocabulary)
        return differ(dir, "vocabulary", config->vocabulary, has->vocabulary, err);
    config->vocabulary = has->vocabulary;
    config->norm_epsilon = has->norm_epsilon;
    config->rope_theta = has->rope_theta;
    return 0;
}

/* ---- weights ---- */

/* The identity in the file, else that of a tokenizer beside it which we can read. */
static bool known_tokenizer(const struct wm_weights *w, const char *dir, XXH128_hash_t *ret)
{
    struct wm_error ignored;
    struct wm_tokenizer *tok = NULL;
    if (w->notes.has_tokenizer) {
        *ret = w->notes.tokenizer;
        return true;
    }
    if (wm_tokenizer_load(dir, &tok, &ignored))
        return false;
    *ret = wm_tokenizer_identity(tok);
    wm_tokenizer_free(tok);
    return true;
}

int wm_init_from_load(const char *dir, XXH128_hash_t tokenizer, float *params, struct wm_error *err)
{
    struct wm_weights weights;
    XXH128_hash_t is;
    char want[WM_HEX128], got[WM_HEX128];
    int status = wm_weights_open(dir, &weights, err);
    if (status)
        return status;
    if (known_tokenizer(&weights, dir, &is) && !XXH128_isEqual(is, tokenizer)) {
        wm_hex128(tokenizer, want);
        wm_hex128(is, got);
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model to start from was trained with tokenizer %s, the shards are of %s",
                      got, want);
        (void)wm_error_hint(err, "build the shards with the model's tokenizer");
        status = wm_error_where(err, "%s", dir);
    } else {
        wm_weights_fill(&weights, params);
    }
    wm_weights_close(&weights);
    return status;
}

/* ---- identity ---- */
