/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the reference sets of vectors/transformer without any code under test: safetensors and npy
 * by hand, their headers with jansson. Everything is float32, float64 or int32, little-endian. */
#ifndef WETMILL_TESTS_TRAINER_REFERENCE_H
#define WETMILL_TESTS_TRAINER_REFERENCE_H

#include <jansson.h>
#include <math.h>

#include "test.h"
#include "trainer/model.h"

struct ref_file {
    unsigned char *bytes;
    size_t size;
    const unsigned char *data; /* behind the header */
    json_t *header;            /* safetensors only */
};

static inline void ref_path(char out[4096], const char *name)
{
    (void)snprintf(out, 4096, "%s/transformer/gpt2_tiny/%s", test_vectors(), name);
}

static inline struct ref_file ref_load(const char *name)
{
    char path[4096];
    ref_path(path, name);
    struct ref_file f = {0};
    FILE *in = fopen(path, "rb");
    CHECK_(in != NULL, "cannot open %s", path);
    if (!in)
        return f;
    f.bytes = malloc((size_t)16 << 20);
    f.size = f.bytes ? fread(f.bytes, 1, (size_t)16 << 20, in) : 0;
    (void)fclose(in);
    if (f.size > 10 && memcmp(f.bytes, "\x93NUMPY", 6) == 0) {
        f.data = f.bytes + 10 + f.bytes[8] + 256 * f.bytes[9];
    } else if (f.size > 8) {
        uint64_t length;
        memcpy(&length, f.bytes, 8);
        f.header = json_loadb((const char *)f.bytes + 8, length < f.size ? length : 0, 0, NULL);
        f.data = f.bytes + 8 + length;
    }
    return f;
}

static inline void ref_free(struct ref_file *f)
{
    json_decref(f->header);
    free(f->bytes);
}

/* The tensor of a parameter, in our layout: linear maps are stored [in, out] there. `out` [p->n]. */
static inline void ref_tensor(const struct ref_file *f, const struct wm_param *p, float *out)
{
    json_t *offsets = json_object_get(json_object_get(f->header, p->name), "data_offsets");
    uint64_t begin = (uint64_t)json_integer_value(json_array_get(offsets, 0));
    uint64_t end = (uint64_t)json_integer_value(json_array_get(offsets, 1));
    CHECK_(offsets && end - begin == p->n * sizeof(float), "%s has another size", p->name);
    if (!offsets || end - begin != p->n * sizeof(float))
        return;
    const unsigned char *at = f->data + begin;
    if (p->role != WM_PARAM_LINEAR) {
        memcpy(out, at, p->n * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < p->shape[1]; i++)
        for (uint32_t j = 0; j < p->shape[0]; j++)
            memcpy(&out[(size_t)j * p->shape[1] + i],
                   at + ((size_t)i * p->shape[0] + j) * sizeof(float), sizeof(float));
}

/* A number of the manifest: keys of nested objects, ended by NULL. */
static inline double ref_number(const json_t *at, const char *const *keys)
{
    for (; *keys; keys++)
        at = json_object_get(at, *keys);
    CHECK_(json_is_number(at), "the manifest lacks a number");
    return json_number_value(at);
}

#endif /* WETMILL_TESTS_TRAINER_REFERENCE_H */
