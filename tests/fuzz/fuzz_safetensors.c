/* SPDX-License-Identifier: Apache-2.0 */
/* covers: trainer/safetensors.c */
/* Whatever the safetensors reader takes can be read: every tensor is found by its name and lies
 * inside the file. */
#include <stdlib.h>

#include "trainer/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tensor(const struct wm_safetensors *file, const struct wm_safetensor *t,
                        const uint8_t *data, size_t size)
{
    float some[16];
    if (wm_safetensors_find(file, t->name) != t)
        abort();
    if (t->bytes < data || t->end - t->begin > size || t->bytes + (t->end - t->begin) > data + size)
        abort();
    if (strcmp(t->dtype, "F32") == 0)
        wm_safetensor_floats(t, t->n > 16 ? t->n - 16 : 0, t->n > 16 ? 16 : t->n, some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_safetensors file;
    if (wm_safetensors_parse((struct wm_str){(const char *)data, size}, &file, &err) != 0)
        return 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < file.n; i++) {
        read_tensor(&file, &file.tensors[i], data, size);
        bytes += file.tensors[i].end - file.tensors[i].begin;
    }
    if (bytes > size)
        abort();
    (void)wm_safetensors_note(&file, WM_STR("format"));
    wm_safetensors_close(&file);
    return 0;
}
