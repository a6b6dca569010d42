/* SPDX-License-Identifier: Apache-2.0 */
/* The cache gives the logits of the whole forward pass, for every family, token by token, many at
 * once, several sequences side by side. */
#include "trainer/decoder.h"

#include "model_fixture.h"

enum { T = 83, MOST_V = 509 };

struct whole {
    struct wm_model *model;
    struct sample *s;
    float *logits; /* [T, V] of the whole pass */
    uint32_t v;
};

static void check_row(const struct whole *w, const float *logits, size_t t)
{
    double worst = 0, top = 0;
    for (size_t i = 0; i < w->v; i++) {
        const double want = (double)w->logits[t * w->v + i];
        worst = fmax(worst, fabs((double)logits[i] - want));
        top = fmax(top, fabs(want));
    }
    CHECK_(worst <= 2e-5 * top, "token %zu: logits of %g differ by %g", t, top, worst);
}

static void one_by_one(const struct whole *w, struct wm_decoder *d)
{
    const float *logits = NULL;
    const uint32_t sequence = 1;
    for (uint32_t t = 0; t < T; t++) {
        CHECK_U64(wm_decoder_length(d, sequence), t);
        CHECK_OK(wm_decoder_step(d, 1, &sequence, &w->s->ids[0][t], &logits, &err), err);
        check_row(w, logits, t);
    }
    CHECK_FAILS(wm_decoder_step(d, 1, &sequence, w->s->ids[0], &logits, &err), WM_E_LIMIT, err,
                "context");
}

/* In parts of every size that is taken another way. */
static void in_parts(const struct whole *w, struct wm_decoder *d)
{
    static const uint32_t sizes[] = {1, 7, 8, 64, 65, T};
    const float *logits = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        wm_decoder_restart(d, 0);
        for (uint32_t t = 0; t < T;) {
            const uint32_t n = T - t < sizes[i] ? T - t : sizes[i];
            CHECK_OK(wm_decoder_extend(d, 0, w->s->ids[0] + t, n, &logits, &err), err);
            t += n;
            check_row(w, logits, t - 1);
        }
    }
}

/* Three sequences at different places: the bits are those of each alone. */
static void side_by_side(const struct whole *w, struct wm_decoder *d)
{
    const uint32_t sequences[] = {2, 0, 1}, starts[] = {1, 30, 9};
    const float *logits = NULL;
    static float alone[3][MOST_V];
    for (uint32_t i = 0; i < 3; i++) {
        wm_decoder_restart(d, sequences[i]);
        CHECK_OK(wm_decoder_extend(d, sequences[i], w->s->ids[0], starts[i], &logits, &err), err);
        CHECK_OK(wm_decoder_step(d, 1, &sequences[i], &w->s->ids[0][starts[i]], &logits, &err),
                 err);
        memcpy(alone[i], logits, w->v * sizeof *logits);
    }
    uint32_t tokens[3];
    for (uint32_t i = 0; i < 3; i++) {
        wm_decoder_restart(d, sequences[i]);
        CHECK_OK(wm_decoder_extend(d, sequences[i], w->s->ids[0], starts[i], &logits, &err), err);
        tokens[i] = w->s->ids[0][starts[i]];
    }
    CHECK_OK(wm_decoder_step(d, 3, sequences, tokens, &logits, &err), err);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(memcmp(alone[i], logits + i * w->v, w->v * sizeof *logits) == 0);
        check_row(w, logits + i * w->v, starts[i]);
    }
}

static void check(const struct wm_model_config *config)
{
    struct whole w = {.model = new_model(config, 1, 3, false), .v = config->vocabulary};
    struct wm_decoder *d = NULL;
    const float *logits = NULL;
    shake(w.model);
    w.s = new_sample(config, 1, T, 4, false);
    w.logits = calloc((size_t)T * w.v, sizeof *w.logits);
    if (!w.logits)
        exit(1);
    CHECK_OK(wm_model_logits(w.model, &w.s->batch, w.logits, &err), err);
    CHECK_OK(wm_decoder_new(w.model, 3, 0, &d, &err), err);
    one_by_one(&w, d);
    in_parts(&w, d);
    side_by_side(&w, d);
    wm_decoder_restart(d, 0);
    CHECK_FAILS(wm_decoder_extend(d, 0, &config->vocabulary, 1, &logits, &err), WM_E_FORMAT, err,
                "vocabulary");
    CHECK_U64(wm_decoder_length(d, 0), 0);
    wm_decoder_free(d);
    wm_decoder_free(NULL);
    CHECK_FAILS(wm_decoder_new(w.model, 65, 0, &d, &err), WM_E_CONFIG, err, "sequences");
    free(w.logits);
    free(w.s);
    free_model(w.model);
}

int main(void)
{
    struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 2, 3, 24, T, MOST_V);
    check(&config);
    config = wm_model_config_usual(WM_ARCH_LLAMA, 2, 4, 40, T, 301);
    config.n_kv_head = 2;
    config.rope_theta = 500;
    check(&config);
    config = wm_model_config_usual(WM_ARCH_QWEN3, 2, 4, 48, T, 301);
    config.n_kv_head = 1;
    config.head_dim = 10;
    config.tied = true;
    check(&config);
    return test_summary();
}
