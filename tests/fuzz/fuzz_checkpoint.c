/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint's sizes never lead outside it. The checksum is put right first: without that, no
 * mutation would get past it. */
#include <stdlib.h>

#include "trainer/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void restore(const struct wm_checkpoint *c)
{
    struct wm_error err;
    size_t n = (size_t)c->head.n_params;
    float *floats = malloc((3 * n + 1) * sizeof *floats);
    struct wm_step_metrics *steps = malloc((size_t)(c->head.step + 1) * sizeof *steps);
    struct wm_checkpoint_head other = {.step = 1};
    if (floats && steps) {
        struct wm_model model = {
            .params = floats, .m = floats + n, .v = floats + 2 * n, .n_params = n};
        struct wm_history history = {steps, 0, c->head.step};
        wm_checkpoint_restore(c, &model, &history);
        (void)wm_checkpoint_match(c, &c->head, WM_STR("{\"batch\":\"8\",\"seed\":\"1\"}"), &err);
        (void)wm_checkpoint_match(c, &other, c->options, &err);
    }
    free(floats);
    free(steps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_checkpoint c;
    XXH128_canonical_t hash;
    if (wm_checkpoint_parse((struct wm_str){(const char *)data, size}, &c, &err) == 0)
        restore(&c);
    char *whole = malloc(size + sizeof hash);
    if (!whole)
        return 0;
    if (size)
        memcpy(whole, data, size);
    XXH128_canonicalFromHash(&hash, XXH3_128bits(whole, size));
    memcpy(whole + size, &hash, sizeof hash);
    if (wm_checkpoint_parse((struct wm_str){whole, size + sizeof hash}, &c, &err) == 0)
        restore(&c);
    free(whole);
    return 0;
}
