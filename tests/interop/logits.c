/* SPDX-License-Identifier: Apache-2.0 */
/* What a model directory of ours says of some ids, for programs that compare it with others:
 *
 *     interop_logits MODEL-DIRECTORY <IDS >LOGITS
 *
 * IDS: uint32, as many as the context takes at most. LOGITS: float32 [2, ids, vocabulary], first of
 * the whole forward pass, then of the decoder with its cache, id by id. Both little-endian. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/generator.h"

enum { IDS_MAX = 1 << 16 };

static int decode(struct wm_model *model, const uint32_t *ids, uint32_t n, float *out,
                  struct wm_error *err)
{
    struct wm_decoder *decoder = NULL;
    const uint32_t sequence = 0;
    const size_t v = model->config.vocabulary;
    int status = wm_decoder_new(model, 1, n, &decoder, err);
    for (uint32_t t = 0; !status && t < n; t++) {
        const float *logits = NULL;
        status = wm_decoder_step(decoder, 1, &sequence, ids + t, &logits, err);
        if (!status)
            memcpy(out + t * v, logits, v * sizeof *out);
    }
    wm_decoder_free(decoder);
    return status;
}

int main(int argc, char **argv)
{
    static uint32_t ids[IDS_MAX];
    struct wm_error err = {0};
    struct wm_generator *g = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL-DIRECTORY <IDS >LOGITS\n", argv[0]);
        return 2;
    }
    const size_t n = fread(ids, sizeof *ids, IDS_MAX, stdin);
    int status = wm_generator_load(argv[1], 1, 1, n, &g, &err);
    if (!status) {
        const size_t row = g->model->config.vocabulary;
        float *logits = calloc(2 * n * row, sizeof *logits);
        const struct wm_lm_batch batch = {.b = 1, .t = (uint32_t)n, .inputs = ids};
        status = logits ? wm_model_logits(g->model, &batch, logits, &err)
                        : wm_fail_nomem(&err, 2 * n * row * sizeof *logits, "logits");
        if (!status)
            status = decode(g->model, ids, (uint32_t)n, logits + n * row, &err);
        if (!status && fwrite(logits, sizeof *logits, 2 * n * row, stdout) != 2 * n * row)
            status = wm_fail(&err, WM_E_IO, "cannot write the logits");
        free(logits);
    }
    wm_generator_close(g);
    if (status)
        fprintf(stderr, "%s\n", err.what);
    return status || fflush(stdout) ? 1 : 0;
}
