/* SPDX-License-Identifier: Apache-2.0 */
/* Model directories: PyTorch's load and are saved with equal tensors and configuration, GPT-2's
 * published layout and sharded half-precision ones load as well; what cannot be computed is named. */
#include "trainer/weights.h"

#include "reference.h"
#include "scratch.h"
#include "trainer/export.h"
#include "trainer/init_from.h"
#include "wetmill/train.h"

static float *filled(const struct wm_weights *w)
{
    float *flat = calloc(w->params.n_floats, sizeof *flat);
    if (!flat)
        exit(1);
    wm_weights_fill(w, flat);
    return flat;
}

static bool same_config(const struct wm_model_config *a, const struct wm_model_config *b)
{
    return a->architecture == b->architecture && a->n_layer == b->n_layer &&
           a->n_head == b->n_head && a->n_kv_head == b->n_kv_head && a->head_dim == b->head_dim &&
           a->n_embd == b->n_embd && a->n_hidden == b->n_hidden && a->n_ctx == b->n_ctx &&
           a->vocabulary == b->vocabulary && a->norm_epsilon == b->norm_epsilon &&
           a->rope_theta == b->rope_theta && a->tied == b->tied;
}

/* ---- both ways ---- */

static void same_fields(const char *a, const char *b)
{
    json_t *x = json_load_file(a, 0, NULL), *y = json_load_file(b, 0, NULL), *value;
    const char *key;
    CHECK(json_object_size(x) > 10 && json_object_size(y) > 10);
    json_object_foreach(x, key, value)
        CHECK_(json_equal(value, json_object_get(y, key)), "%s: field %s differs", a, key);
    json_decref(x);
    json_decref(y);
}

static void same_tensors(const char *a, const char *b)
{
    struct wm_safetensors x = {0}, y = {0};
    CHECK_OK(wm_safetensors_open(a, &x, &err), err);
    CHECK_OK(wm_safetensors_open(b, &y, &err), err);
    CHECK(x.n > 10 && x.n == y.n);
    for (size_t i = 0; i < x.n; i++) {
        const struct wm_safetensor *t = &x.tensors[i], *u = wm_safetensors_find(&y, t->name);
        CHECK_(u && u->n_dims == t->n_dims && u->shape[0] == t->shape[0] &&
                   (t->n_dims < 2 || u->shape[1] == t->shape[1]) && u->n == t->n &&
                   memcmp(u->bytes, t->bytes, 4 * t->n) == 0,
               "tensor %.*s differs", (int)t->name.len, t->name.ptr);
    }
    wm_safetensors_close(&x);
    wm_safetensors_close(&y);
}

static void check_both_ways(const struct ref_set *set)
{
    struct wm_weights w;
    char path[WM_PATH_MAX];
    CHECK_OK(wm_weights_open(set->dir, &w, &err), err);
    CHECK(!w.notes.has_tokenizer && same_config(&w.config.model, &set->config));
    float *flat = filled(&w), *want = ref_tensors(set, "model.safetensors", &w.params);
    CHECK(memcmp(flat, want, w.params.n_floats * sizeof *flat) == 0);
    CHECK_OK(wm_export_params(&w.config, &w.params, flat,
                              &(struct wm_export_text){.tokenizer = NULL}, in_top("saved"), &err),
             err);
    free(flat);
    free(want);
    wm_weights_close(&w);
    CHECK_OK(wm_path_join(path, set->dir, "config.json", &err), err);
    same_fields(path, in_top("saved/config.json"));
    CHECK_OK(wm_path_join(path, set->dir, "model.safetensors", &err), err);
    same_tensors(path, in_top("saved/model.safetensors"));
}

/* ---- GPT-2's published layout, half precision in several files ---- */

struct layout {
    const struct wm_weights *from;
    size_t first; /* parameter that is tensor 0 of the file */
};

static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    const struct layout *layout = arg;
    size_t param = layout->first + i;
    if (param < layout->from->params.n)
        wm_weights_numbers(layout->from, param, first, n, dst);
    else
        for (size_t k = 0; k < n; k++)
            dst[k] = 1; /* a mask */
}

enum { MOST = 4096 };
static struct wm_safetensors_entry entries[MOST];

static struct wm_safetensors_entry entry_of(const struct wm_weights *w, size_t i, size_t skip,
                                            enum wm_weight_type type)
{
    const struct wm_safetensor *t = w->tensors[i];
    return (struct wm_safetensors_entry){.name = w->params.table[i].name + skip,
                                         .n_dims = t->n_dims,
                                         .shape = {t->shape[0], t->shape[1]},
                                         .type = type};
}

static void write_hub(const struct wm_weights *w, const char *dir)
{
    struct layout layout = {w, 0};
    const size_t n = w->params.n;
    char path[WM_PATH_MAX];
    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(w, i, sizeof "transformer." - 1, WM_WEIGHT_F32);
    entries[n] =
        (struct wm_safetensors_entry){.name = "h.0.attn.bias", .n_dims = 2, .shape = {32, 32}};
    CHECK_OK(wm_mkdirs(dir, &err), err);
    CHECK_OK(wm_hf_config_write(dir, &w->config, WM_WEIGHT_F32, &err), err);
    CHECK_OK(wm_path_join(path, dir, "model.safetensors", &err), err);
    CHECK_OK(wm_safetensors_write(path, entries, n + 1, NULL, 0, fill, &layout, NULL, &err), err);
}

static void write_sharded(const struct wm_weights *w, const char *dir)
{
    static const char *const files[] = {"a.safetensors", "b.safetensors"};
    const size_t half = w->params.n / 2;
    char path[WM_PATH_MAX];
    json_t *map = json_object();
    CHECK_OK(wm_mkdirs(dir, &err), err);
    CHECK_OK(wm_hf_config_write(dir, &w->config, WM_WEIGHT_F16, &err), err);
    for (size_t f = 0; f < 2; f++) {
        struct layout layout = {w, f * half};
        const size_t n = f ? w->params.n - half : half;
        for (size_t i = 0; i < n; i++) {
            entries[i] = entry_of(w, layout.first + i, 0, f ? WM_WEIGHT_BF16 : WM_WEIGHT_F16);
            json_object_set_new(map, entries[i].name, json_string(files[f]));
        }
        CHECK_OK(wm_path_join(path, dir, files[f], &err), err);
        CHECK_OK(wm_safetensors_write(path, entries, n, NULL, 0, fill, &layout, NULL, &err), err);
    }
    json_t *index = json_pack("{s:o}", "weight_map", map);
    CHECK_OK(wm_path_join(path, dir, "model.safetensors.index.json", &err), err);
    CHECK(json_dump_file(index, path, 0) == 0);
    json_decref(index);
}

static void check_hub(const struct ref_set *set)
{
    struct wm_weights w, again;
    CHECK_OK(wm_weights_open(set->dir, &w, &err), err);
    write_hub(&w, in_top("hub"));
    CHECK_OK(wm_weights_open(in_top("hub"), &again, &err), err);
    float *a = filled(&w), *b = filled(&again);
    CHECK(memcmp(a, b, w.params.n_floats * sizeof *a) == 0);
    free(a);
    free(b);
    wm_weights_close(&w);
    wm_weights_close(&again);
}

static void check_sharded(const struct ref_set *set)
{
    struct wm_weights w, again;
    CHECK_OK(wm_weights_open(set->dir, &w, &err), err);
    write_sharded(&w, in_top("sharded"));
    CHECK_OK(wm_weights_open(in_top("sharded"), &again, &err), err);
    CHECK_U64(again.n_files, 2);
    CHECK_U64(wm_params_bytes(&w.params), 4 * w.params.n_numbers);
    CHECK_U64(wm_params_bytes(&again.params), 2 * w.params.n_numbers);
    float *a = filled(&w), *b = filled(&again);
    for (size_t i = 0; i < w.params.n; i++) {
        const struct wm_param *p = &w.params.table[i];
        CHECK_U64(p->dtype, WM_WEIGHT_F32);
        CHECK_U64(again.params.table[i].dtype, i < w.params.n / 2 ? WM_WEIGHT_F16 : WM_WEIGHT_BF16);
        const double most = i < w.params.n / 2 ? 0x1p-11 : 0x1p-8;
        double worst = 0;
        for (uint64_t k = p->offset; k < p->offset + p->n; k++)
            worst = fmax(worst, fabs((double)a[k] - (double)b[k]) - most * fabs((double)a[k]));
        CHECK_(worst <= 0x1p-25, "%s is off by %g", p->name, worst);
    }
    free(a);
    free(b);
    wm_weights_close(&w);
    wm_weights_close(&again);
    CHECK_OK(wm_remove(in_top("sharded/b.safetensors"), &err), err);
    CHECK_FAILS(wm_weights_open(in_top("sharded"), &again, &err), WM_E_IO, err, "");
}

/* ---- starting from them ---- */

static double first_loss(const struct ref_set *set, const char *dir,
                         const struct wm_model_config *config)
{
    struct ref_batches batches = ref_batches_open(set);
    const struct wm_lm_batch batch = ref_batch(set, &batches, 0);
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    double nll = NAN;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    CHECK_OK(wm_model_new(config, set->b, true, team, &model, &err), err);
    CHECK_OK(wm_init_from_load(dir, (XXH128_hash_t){1, 2}, model->params, &err), err);
    CHECK_OK(wm_model_loss(model, &batch, &nll, &err), err);
    wm_model_free(model);
    wm_team_free(team);
    nll /= batches.n;
    ref_batches_close(&batches);
    return nll;
}

static void check_start(const struct ref_set *set, const char *dir)
{
    const double want = ref_number(set->manifest, (const char *const[]){"loss_f64", NULL});
    struct wm_model_config asked = set->config;
    asked.vocabulary -= 1; /* the shards' may be smaller */
    asked.norm_epsilon = 0.5F;
    CHECK_OK(wm_init_from_config(dir, &asked, &err), err);
    CHECK(same_config(&asked, &set->config));
    const double got = first_loss(set, dir, &asked);
    CHECK_(fabs(got - want) < 2e-6, "%s: loss %.9f, want %.9f", dir, got, want);
}

static void check_mismatches(const struct ref_set *set)
{
    const bool learned = wm_model_parts(&set->config)->positions == WM_POSITIONS_LEARNED;
    struct wm_model_config c = set->config;
    char words[64];
    c.architecture = learned ? WM_ARCH_LLAMA : WM_ARCH_GPT2;
    CHECK_FAILS(wm_init_from_config(set->dir, &c, &err), WM_E_MISMATCH, err,
                learned ? "is a gpt2, this training makes a llama" : "this training makes a gpt2");
    c = set->config;
    c.n_layer += 7;
    (void)snprintf(words, sizeof words, "has layers %u, this training %u",
                   (unsigned)set->config.n_layer, (unsigned)c.n_layer);
    CHECK_FAILS(wm_init_from_config(set->dir, &c, &err), WM_E_MISMATCH, err, words);
    c = set->config;
    c.vocabulary++;
    CHECK_FAILS(wm_init_from_config(set->dir, &c, &err), WM_E_MISMATCH, err, "has vocabulary ");
    c = set->config;
    c.n_ctx--; /* rotary positions know no context */
    if (learned)
        CHECK_FAILS(wm_init_from_config(set->dir, &c, &err), WM_E_MISMATCH, err, "has context ");
    else
        CHECK_OK(wm_init_from_config(set->dir, &c, &err), err);
    CHECK_U64(c.n_ctx, set->config.n_ctx - 1);
}

/* A file that says its tokenizer goes with that one alone. */
static void check_tokenizer(const struct ref_set *set)
{
    struct wm_weights w;
    CHECK_OK(wm_weights_open(set->dir, &w, &err), err);
    struct layout layout = {&w, 0};
    const struct wm_safetensors_pair note = {WM_STR(WM_WEIGHTS_TOKENIZER_KEY),
                                             WM_STR("00000000000000010000000000000002")};
    float *flat = calloc(w.params.n_floats, sizeof *flat);
    for (size_t i = 0; i < w.params.n; i++)
        entries[i] = entry_of(&w, i, 0, WM_WEIGHT_F32);
    CHECK_OK(wm_mkdirs(in_top("known"), &err), err);
    CHECK_OK(wm_hf_config_write(in_top("known"), &w.config, WM_WEIGHT_F32, &err), err);
    CHECK_OK(wm_safetensors_write(in_top("known/model.safetensors"), entries, w.params.n, &note, 1,
                                  fill, &layout, NULL, &err),
             err);
    CHECK_OK(wm_init_from_load(in_top("known"), (XXH128_hash_t){2, 1}, flat, &err), err);
    CHECK_FAILS(wm_init_from_load(in_top("known"), (XXH128_hash_t){3, 1}, flat, &err),
                WM_E_MISMATCH, err, "was trained with tokenizer 00000000000000010000000000000002");
    free(flat);
    wm_weights_close(&w);
}

/* What shapes a training has the digest of what it starts from. */
static void check_identity(const struct ref_set *set)
{
    XXH128_hash_t one, other;
    struct wm_train_options options = {.init_from = NULL};
    struct wm_buf without, with;
    char hex[WM_HEX128];
    wm_buf_init(&without, 1 << 16);
    wm_buf_init(&with, 1 << 16);
    CHECK_OK(wm_weights_digest(set->dir, &one, &err), err);
    CHECK_OK(wm_weights_digest(in_top("known"), &other, &err), err);
    CHECK(!XXH128_isEqual(one, other));
    wm_options_default(wm_train_option_table, &options);
    CHECK_OK(wm_train_describe(&options, &without, &err), err);
    options.init_from = set->dir;
    CHECK_OK(wm_train_describe(&options, &with, &err), err);
    CHECK_OK(wm_buf_add(&with, "", 1, &err), err);
    wm_hex128(one, hex);
    CHECK(strstr(with.ptr, hex) && with.len > without.len);
    wm_buf_done(&without);
    wm_buf_done(&with);
}

static void check_set(const struct ref_set *set)
{
    make_top("weights");
    check_both_ways(set);
    check_sharded(set);
    check_start(set, set->dir);
    if (set->config.architecture == WM_ARCH_GPT2) {
        check_hub(set);
        check_start(set, in_top("hub"));
    }
    check_mismatches(set);
    check_tokenizer(set);
    check_identity(set);
    CHECK_OK(wm_remove_tree(top, &err), err);
}

int main(void)
{
    if (!ref_each(check_set))
        SKIP("there are no vectors at %s", test_vectors());
    return test_summary();
}
