/* SPDX-License-Identifier: Apache-2.0 */
/* covers: trainer/text_samples.c without wm_text_samples_add wm_text_samples_write */
/* Lines of samples that are taken read back as such, and are the bytes that came in. */
#include <stdlib.h>

#include "trainer/text_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { STEP = 1000 };
    struct wm_error err;
    struct wm_arena arena;
    struct wm_text_samples samples;
    struct wm_text_sample sample = {.step = 0};
    const struct wm_str lines = {(const char *)data, size};
    wm_text_samples_init(&samples);
    wm_arena_init(&arena, (size_t)1 << 24);
    if (!wm_text_samples_restore(&samples, lines, STEP, &err)) {
        struct wm_str rest = wm_buf_str(&samples.lines);
        int got = 1;
        if (!wm_str_eq(rest, lines))
            abort();
        while ((got = wm_text_samples_next(&rest, &arena, &sample, &err)) > 0)
            if (sample.step < 1 || sample.step > STEP)
                abort();
        if (got < 0 || sample.step != samples.step)
            abort();
    }
    wm_arena_done(&arena);
    wm_text_samples_done(&samples);
    return 0;
}
