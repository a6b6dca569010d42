/* SPDX-License-Identifier: Apache-2.0 */
/* covers: trainer/hf_config_read.c trainer/weights.c */
/* A config.json, a NUL, a model.safetensors: refused, or every parameter can be read, whole or row by
 * row, with the same numbers. */
#include "file_fuzz.h"
#include "trainer/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file holds every parameter, so all of them take no more than four times its bytes. */
static void read_all(const struct wm_weights *w, size_t size)
{
    fuzz_check(w->params.n_numbers <= size / 2);
    float *all = calloc(w->params.n_floats, sizeof *all), *row = calloc(size, sizeof *row);
    if (all && row) {
        wm_weights_fill(w, all);
        for (size_t i = 0; i < w->params.n; i++) {
            const struct wm_param *p = &w->params.table[i];
            const uint64_t columns = p->shape[1] ? p->shape[1] : 1, last = p->shape[0] - 1;
            wm_weights_rows(w, i, last, 1, row);
            fuzz_check(!memcmp(row, all + p->offset + last * columns, columns * sizeof *row));
            wm_weights_numbers(w, i, p->n - 1, 1, row);
            fuzz_check(!memcmp(row, all + p->offset + p->n - 1, sizeof *row));
        }
    }
    free(all);
    free(row);
}

/* The same from a directory. */
static void read_directory(struct wm_str config, struct wm_str tensors, int want)
{
    char path[WM_PATH_MAX];
    struct wm_error err;
    struct wm_weights weights;
    const char *dir = fuzz_dir("model_dir");
    fuzz_path(path, dir, "config.json");
    fuzz_write(path, config.ptr, config.len);
    fuzz_path(path, dir, "model.safetensors");
    fuzz_write(path, tensors.ptr, tensors.len);
    int status = wm_weights_open(dir, &weights, &err);
    fuzz_check(status == want);
    if (!status)
        wm_weights_close(&weights);
    fuzz_remove(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_weights weights;
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    if (!end)
        return 0;
    struct wm_str config = {(const char *)data, (size_t)(end - data)};
    struct wm_str tensors = {(const char *)end + 1, size - config.len - 1};
    int status = wm_weights_parse(config, tensors, &weights, &err);
    if (!status || size % 8 == 0)
        read_directory(config, tensors, status);
    if (!status) {
        read_all(&weights, size);
        wm_weights_close(&weights);
    } else {
        fuzz_check(err.status != 0 && err.what[0]);
    }
    return 0;
}
