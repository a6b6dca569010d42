/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the reference sets of vectors/transformer without any code under test: safetensors and npy
 * by hand, JSON with jansson. Everything is float32, float64 or int32, little-endian. A set's own
 * files say how large it is. */
#ifndef WETMILL_TESTS_TRAINER_REFERENCE_H
#define WETMILL_TESTS_TRAINER_REFERENCE_H

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <unistd.h>

#include "test.h"
#include "trainer/model.h"

enum { REF_SETS = 64 };

struct ref_set {
    char dir[4096];
    json_t *manifest;
    struct wm_model_config config;
    uint32_t b, t;
    size_t steps;
};

struct ref_file {
    unsigned char *bytes;
    size_t size;
    const unsigned char *data; /* behind the header */
    json_t *header;            /* safetensors only */
};

static inline struct ref_file ref_load(const struct ref_set *set, const char *name)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/%s", set->dir, name);
    struct ref_file f = {0};
    FILE *in = fopen(path, "rb");
    CHECK_(in != NULL, "cannot open %s", path);
    if (!in)
        exit(1);
    (void)fseek(in, 0, SEEK_END);
    const long size = ftell(in);
    rewind(in);
    f.bytes = malloc((size_t)size + 1);
    f.size = f.bytes ? fread(f.bytes, 1, (size_t)size, in) : 0;
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

/* A number of the manifest: keys of nested objects, ended by NULL. */
static inline double ref_number(const json_t *at, const char *const *keys)
{
    for (; *keys; keys++)
        at = json_object_get(at, *keys);
    CHECK_(json_is_number(at), "the manifest lacks a number");
    return json_number_value(at);
}

static inline double ref_number2(const struct ref_set *set, const char *a, const char *b)
{
    return ref_number(set->manifest, (const char *const[]){a, b, NULL});
}

/* ---- config.json ---- */

static inline uint32_t ref_count(const json_t *config, const char *key, uint32_t otherwise)
{
    const json_t *value = json_object_get(config, key);
    return json_is_integer(value) ? (uint32_t)json_integer_value(value) : otherwise;
}

static inline float ref_real(const json_t *config, const char *key)
{
    return (float)ref_number(config, (const char *const[]){key, NULL});
}

static inline struct wm_model_config ref_config(const json_t *json)
{
    const char *type = json_string_value(json_object_get(json, "model_type"));
    const int architecture = type ? wm_architecture_of_hf(type) : -1;
    CHECK_(architecture >= 0, "model_type \"%s\" is not known", type ? type : "");
    if (architecture < 0)
        exit(1);
    const bool gpt2 = architecture == WM_ARCH_GPT2;
    struct wm_model_config c =
        wm_model_config_usual((enum wm_architecture)architecture,
                              ref_count(json, gpt2 ? "n_layer" : "num_hidden_layers", 0),
                              ref_count(json, gpt2 ? "n_head" : "num_attention_heads", 0),
                              ref_count(json, gpt2 ? "n_embd" : "hidden_size", 0),
                              ref_count(json, gpt2 ? "n_positions" : "max_position_embeddings", 0),
                              ref_count(json, "vocab_size", 0));
    c.norm_epsilon = ref_real(json, gpt2 ? "layer_norm_epsilon" : "rms_norm_eps");
    c.n_hidden = ref_count(json, gpt2 ? "n_inner" : "intermediate_size", c.n_hidden);
    if (!gpt2) {
        c.n_kv_head = ref_count(json, "num_key_value_heads", c.n_head);
        c.head_dim = ref_count(json, "head_dim", c.head_dim);
        c.rope_theta = ref_real(json, "rope_theta");
        c.tied = json_is_true(json_object_get(json, "tie_word_embeddings"));
    }
    return c;
}

static inline bool ref_open(const char *name, struct ref_set *ret)
{
    char path[4200];
    *ret = (struct ref_set){0};
    (void)snprintf(ret->dir, sizeof ret->dir, "%s/transformer/%s", test_vectors(), name);
    (void)snprintf(path, sizeof path, "%s/manifest.json", ret->dir);
    ret->manifest = json_load_file(path, 0, NULL);
    if (!ret->manifest)
        return false;
    (void)snprintf(path, sizeof path, "%s/config.json", ret->dir);
    json_t *config = json_load_file(path, 0, NULL);
    CHECK_(config != NULL, "cannot read %s", path);
    ret->config = ref_config(config);
    json_decref(config);
    ret->b = ref_count(ret->manifest, "B", 0);
    ret->t = ref_count(ret->manifest, "T", 0);
    ret->steps = (size_t)ref_number2(ret, "optimizer", "steps");
    return true;
}

/* Calls `test` for every set; how many there are. */
static inline size_t ref_each(void (*test)(const struct ref_set *))
{
    char path[4096];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/transformer", test_vectors());
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct ref_set set;
        if (entry->d_name[0] == '.' || !ref_open(entry->d_name, &set))
            continue;
        test(&set);
        json_decref(set.manifest);
        n++;
    }
    if (dir)
        (void)closedir(dir);
    return n;
}

/* ---- tensors and batches ---- */

/* The tensor of a parameter, in our layout: GPT-2's linear maps are stored [in, out] there. `out`
 * [p->n]. */
static inline void ref_tensor(const struct ref_set *set, const struct ref_file *f,
                              const struct wm_param *p, float *out)
{
    json_t *offsets = json_object_get(json_object_get(f->header, p->name), "data_offsets");
    uint64_t begin = (uint64_t)json_integer_value(json_array_get(offsets, 0));
    uint64_t end = (uint64_t)json_integer_value(json_array_get(offsets, 1));
    CHECK_(offsets && end - begin == p->n * sizeof(float), "%s has another size", p->name);
    if (!offsets || end - begin != p->n * sizeof(float))
        return;
    const unsigned char *at = f->data + begin;
    if (p->role != WM_PARAM_LINEAR || set->config.architecture != WM_ARCH_GPT2) {
        memcpy(out, at, p->n * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < p->shape[1]; i++)
        for (uint32_t j = 0; j < p->shape[0]; j++)
            memcpy(&out[(size_t)j * p->shape[1] + i],
                   at + ((size_t)i * p->shape[0] + j) * sizeof(float), sizeof(float));
}

/* All of them at their places in a flat buffer, which the caller frees. */
static inline float *ref_tensors(const struct ref_set *set, const char *name,
                                 const struct wm_params *params)
{
    struct ref_file file = ref_load(set, name);
    float *all = calloc(params->n_floats, sizeof *all);
    if (!all)
        exit(1);
    for (size_t i = 0; i < params->n; i++)
        ref_tensor(set, &file, &params->table[i], all + params->table[i].offset);
    ref_free(&file);
    return all;
}

struct ref_batches {
    struct ref_file inputs, targets;
    uint32_t *ids; /* [2, b, t] of the step at hand */
    float *weights;
    double n; /* Σ weights */
};

static inline struct wm_lm_batch ref_batch(const struct ref_set *set, struct ref_batches *all,
                                           size_t step)
{
    const size_t n = (size_t)set->b * set->t;
    memcpy(all->ids, all->inputs.data + step * n * 4, n * 4);
    memcpy(all->ids + n, all->targets.data + step * n * 4, n * 4);
    all->n = 0;
    for (size_t i = 0; i < n; i++) {
        all->weights[i] = (int32_t)all->ids[n + i] == -100 ? 0.0f : 1.0f;
        all->n += (double)all->weights[i];
    }
    return (struct wm_lm_batch){.b = set->b,
                                .t = set->t,
                                .inputs = all->ids,
                                .targets = all->ids + n,
                                .weights = all->weights};
}

static inline struct ref_batches ref_batches_open(const struct ref_set *set)
{
    const size_t n = (size_t)set->b * set->t;
    struct ref_batches all = {.inputs = ref_load(set, "inputs.npy"),
                              .targets = ref_load(set, "targets.npy"),
                              .ids = calloc(2 * n, sizeof(uint32_t)),
                              .weights = calloc(n, sizeof(float))};
    if (!all.ids || !all.weights)
        exit(1);
    return all;
}

static inline void ref_batches_close(struct ref_batches *all)
{
    ref_free(&all->inputs);
    ref_free(&all->targets);
    free(all->ids);
    free(all->weights);
}

static inline double ref_option(const struct ref_set *set, const char *name)
{
    return ref_number2(set, "optimizer", name);
}

static inline double ref_learning_rate(const struct ref_set *set, size_t step)
{
    double lr = ref_option(set, "lr"), least = ref_option(set, "min_lr");
    double warmup = ref_option(set, "warmup_steps"), at = (double)step;
    if (at < warmup)
        return lr * (at + 1) / warmup;
    double part = (at - warmup) / (ref_option(set, "total_steps") - warmup);
    return least + 0.5 * (1 + cos(3.14159265358979323846 * part)) * (lr - least);
}

#endif /* WETMILL_TESTS_TRAINER_REFERENCE_H */
