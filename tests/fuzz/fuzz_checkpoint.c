/* SPDX-License-Identifier: Apache-2.0 */
/* covers: trainer/checkpoint.c without put put_padding put_text put_numbers put_head put_directory
 * put_arrays put_all move move_hash file_bytes wm_checkpoint_bytes wm_checkpoint_save
 * trainer/checkpoint_arrays.c */
/* A checkpoint's sizes never lead outside it. The checksum is put right first: without that, no
 * mutation would get past it. */
#include <stdlib.h>

#include "trainer/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Into a model and an optimiser of fixed small sizes, whose tensors are looked for by name. */
static void restore(const struct wm_checkpoint *c)
{
    static struct wm_checkpoint_content content;
    struct wm_error err;
    if (!content.model) {
        const struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 1, 2, 4, 4, 8);
        const struct wm_optimizer_config how = {.kind = WM_OPTIMIZER_MUON, .average = true};
        struct wm_team *team;
        if (wm_team_new(1, &team, &err) ||
            wm_model_new(&config, 1, true, team, &content.model, &err) ||
            wm_optimizer_new(&how, content.model, &content.optimizer, &err))
            abort();
    }
    struct wm_history history;
    struct wm_checkpoint_head other = {.step = 1};
    if (wm_history_init(&history, c->head.step + 1, &err))
        return;
    content.history = &history;
    (void)wm_checkpoint_restore(c, &content, &err);
    (void)wm_checkpoint_match(c, &c->head, WM_STR("{\"batch\":\"8\",\"seed\":\"1\"}"), &err);
    (void)wm_checkpoint_match(c, &other, c->options, &err);
    wm_history_done(&history);
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
