/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around documents in shards is what the model's files say of beginning and end, what a
 * prompt stands behind and what a judged document does: with the tokenizer's template, and with shards
 * made without it. */
#include "train_fixture.h"
#include "trainer/evaluate.h"
#include "trainer/export.h"
#include "wetmill/gguf.h"
#include "wetmill/jansson.h"

static json_t *load_json(const char *path)
{
    struct wm_buf buf;
    json_t *json = NULL;
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    CHECK_OK(wm_json_parse(wm_buf_str(&buf), &json, NULL, &err), err);
    wm_buf_done(&buf);
    return json;
}

static uint32_t id_in(const char *dir, const char *name)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    json_t *json = load_json(path);
    const json_t *id = json_object_get(json, name);
    CHECK(json_is_integer(id));
    const uint32_t value = (uint32_t)json_integer_value(id);
    json_decref(json);
    return value;
}

/* The id of what tokenizer_config.json calls `name`. */
static uint32_t named_in(const char *dir, const struct wm_tokenizer *tok, const char *name)
{
    char path[WM_PATH_MAX];
    uint32_t id = UINT32_MAX;
    (void)snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    json_t *json = load_json(path);
    const char *text = json_string_value(json_object_get(json, name));
    CHECK(text && wm_tokenizer_special(tok, wm_str_of(text), &id));
    json_decref(json);
    return id;
}

static void train_on(const char *shards, const char *out, bool samples)
{
    struct wm_train_options options = small_options();
    struct wm_train_result result;
    char work[WM_PATH_MAX];
    (void)snprintf(work, sizeof work, "%s.work", out);
    options.steps = 2;
    options.validate_every = 0;
    options.sample_every = samples ? 1 : 0;
    const struct wm_train_job job = {
        .options = &options, .shards = shards, .out = out, .work = work};
    CHECK_OK(wm_train(&job, &result, &err), err);
}

static uint32_t first_of_prompt(const char *dir, const char *prompt)
{
    struct wm_generator *g = NULL;
    struct wm_ids ids = {0};
    uint32_t first = UINT32_MAX;
    CHECK_OK(wm_generator_open(dir, 1, &g, &err), err);
    if (g)
        CHECK_OK(
            wm_generator_prompt(g->tokenizer, g->framed, g->encoder, wm_str_of(prompt), &ids, &err),
            err);
    if (ids.n)
        first = ids.ids[0];
    CHECK(*prompt ? ids.n > 1 : ids.n == 1);
    wm_ids_done(&ids);
    wm_generator_close(g);
    return first;
}

static uint32_t begin_of_judged(const char *dir)
{
    struct wm_evaluate_options options;
    struct wm_evaluator *e = NULL;
    uint32_t begin = UINT32_MAX;
    wm_options_default(wm_evaluate_option_table, &options);
    CHECK_OK(wm_evaluator_open(dir, &options, 1, NULL, NULL, &e, &err), err);
    if (e && e->has_begin)
        begin = e->begin;
    wm_evaluator_close(e);
    return begin;
}

static void export_again(const char *dir, const char *out)
{
    struct wm_export_result result;
    const struct wm_export_job job = {
        .dir = dir, .out = out, .format = WM_EXPORT_SAFETENSORS, .type = WM_WEIGHT_BF16};
    CHECK_OK(wm_export(&job, &result, &err), err);
}

/* What llama.cpp is told to put before a prompt; the file's tokenizer is still `tok`. */
static void check_gguf(const char *dir, const struct wm_tokenizer *tok, uint32_t bos, bool adds)
{
    struct wm_export_result result;
    struct wm_tokenizer *from = NULL;
    struct wm_buf buf;
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    uint64_t is = UINT64_MAX;
    bool added = !adds;
    const struct wm_export_job job = {
        .dir = dir, .out = in_top("m.gguf"), .format = WM_EXPORT_GGUF, .type = WM_WEIGHT_F32};
    CHECK_OK(wm_export(&job, &result, &err), err);
    wm_buf_init(&buf, 64 << 20);
    CHECK_OK(wm_file_load(in_top("m.gguf"), &buf, &err), err);
    CHECK_OK(wm_gguf_open(&r, wm_buf_str(&buf), &err), err);
    while (wm_gguf_next(&r, &pair, &err) > 0) {
        if (wm_str_eq(pair.key, WM_STR("tokenizer.ggml.bos_token_id")))
            CHECK_OK(wm_gguf_u64(&pair, &is, &err), err);
        if (wm_str_eq(pair.key, WM_STR("tokenizer.ggml.add_bos_token")))
            CHECK_OK(wm_gguf_bool(&pair, &added, &err), err);
    }
    CHECK_U64(is, bos);
    CHECK(added == adds);
    CHECK_OK(wm_tokenizer_load(in_top("m.gguf"), &from, &err), err);
    CHECK(from && XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(from)));
    wm_tokenizer_free(from);
    wm_buf_done(&buf);
}

/* `begin` NULL: a tokenizer without a template. */
static void check(const char *begin, bool framed)
{
    struct wm_tokenizer *tok = train_tokenizer_with(300, begin);
    uint32_t eod = 0, bos = 0;
    CHECK(wm_tokenizer_eod(tok, &eod));
    bos = eod;
    if (begin && framed)
        CHECK(wm_tokenizer_special(tok, wm_str_of(begin), &bos) && bos != eod);
    CHECK_OK(wm_remove_tree(in_top("shards"), &err), err);
    CHECK_OK(wm_remove_tree(in_top("shards.job"), &err), err);
    make_shards_of(tok, in_top("shards"), 60, framed);
    train_on(in_top("shards"), in_top("model"), true);
    export_again(in_top("model"), in_top("again"));
    const char *dirs[] = {in_top("model"), in_top("again")};
    for (int i = 0; i < 2; i++) {
        CHECK_U64(id_in(dirs[i], "bos_token_id"), bos);
        CHECK_U64(id_in(dirs[i], "eos_token_id"), eod);
        if (framed) {
            CHECK_U64(named_in(dirs[i], tok, "bos_token"), bos);
            CHECK_U64(named_in(dirs[i], tok, "eos_token"), eod);
        }
        check_gguf(dirs[i], tok, bos, begin && framed);
        CHECK_U64(first_of_prompt(dirs[i], ""), bos);
        CHECK_U64(begin_of_judged(dirs[i]), bos);
        if (bos != eod)
            CHECK_U64(first_of_prompt(dirs[i], " one two"), bos);
        else
            CHECK(!wm_token_is_special(tok, first_of_prompt(dirs[i], " one two")));
    }
    CHECK_OK(wm_remove_tree(in_top("model"), &err), err);
    CHECK_OK(wm_remove_tree(in_top("model.work"), &err), err);
    wm_tokenizer_free(tok);
}

/* A template that stands behind documents alone tells itself by the stream's end. */
static void check_behind(bool framed)
{
    struct wm_tokenizer_options o = {.split = 0};
    const char *specials[] = {"<|endoftext|>", "<end>"};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_tokenizer *tok = NULL;
    uint32_t eod = 0, end = 0;
    wm_options_default(wm_tokenizer_option_table, &o);
    o.vocabulary = 258;
    o.specials = (struct wm_list){specials, 2};
    o.eos = "<end>";
    CHECK_OK(wm_trainer_new(&o, &trainer, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_trainer_free(trainer);
    CHECK(wm_tokenizer_eod(tok, &eod) && wm_tokenizer_special(tok, WM_STR("<end>"), &end));
    CHECK_OK(wm_remove_tree(in_top("shards"), &err), err);
    CHECK_OK(wm_remove_tree(in_top("shards.job"), &err), err);
    make_shards_of(tok, in_top("shards"), 60, framed);
    train_on(in_top("shards"), in_top("model"), false);
    CHECK_U64(id_in(in_top("model"), "bos_token_id"), eod);
    CHECK_U64(id_in(in_top("model"), "eos_token_id"), framed ? end : eod);
    CHECK_U64(named_in(in_top("model"), tok, "bos_token"), eod);
    CHECK_U64(named_in(in_top("model"), tok, "eos_token"), end);
    CHECK_OK(wm_remove_tree(in_top("model"), &err), err);
    CHECK_OK(wm_remove_tree(in_top("model.work"), &err), err);
    wm_tokenizer_free(tok);
}

int main(void)
{
    make_top("frame");
    check("<|begin_of_text|>", true);
    check("<|begin_of_text|>", false);
    check(NULL, true);
    check(NULL, false);
    check_behind(true);
    check_behind(false);
    remove_top();
    return test_summary();
}
