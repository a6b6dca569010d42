/* SPDX-License-Identifier: Apache-2.0 */
/* Exports read back by hand: every tensor of a GGUF file under its name, in its type, its rows in
 * llama.cpp's order; llama2.c's file number by number; the same bytes for any number of threads. */
#include "wetmill/export.h"

#include <math.h>
#include <stdlib.h>

#include "train_fixture.h"
#include "trainer/export.h"
#include "trainer/weight_types.h"
#include "wetmill/cancel.h"
#include "wetmill/gguf.h"

/* ---- models ---- */

static const struct wm_model_config llama = {.architecture = WM_ARCH_LLAMA,
                                             .n_layer = 2,
                                             .n_head = 4,
                                             .n_kv_head = 2,
                                             .head_dim = 24,
                                             .n_embd = 64,
                                             .n_hidden = 80,
                                             .n_ctx = 32,
                                             .vocabulary = 310,
                                             .norm_epsilon = 2e-5F,
                                             .rope_theta = 70000};

/* DIR with weights that tell their place, and a tokenizer of ten ids less unless `vocabulary` says
 * otherwise. */
static void make_model(const struct wm_model_config *config, const char *dir, bool tokenizer)
{
    struct wm_params params;
    const struct wm_hf_config hf = {.model = *config};
    struct wm_tokenizer *tok = tokenizer ? train_tokenizer(300) : NULL;
    CHECK_OK(wm_model_config_check(config, &err), err);
    CHECK_OK(wm_params_new(config, &params, &err), err);
    float *weights = calloc(params.n_floats, sizeof *weights);
    for (uint64_t i = 0; weights && i < params.n_floats; i++)
        weights[i] = sinf((float)i) + (float)(i % 97) / 97;
    const struct wm_export_text text = {tok, true};
    CHECK_OK(wm_export_params(&hf, &params, weights, &text, dir, &err), err);
    free(weights);
    wm_tokenizer_free(tok);
    wm_params_free(&params);
}

static int export_as(const char *dir, const char *out, enum wm_export_format format,
                     enum wm_weight_type type, unsigned threads)
{
    struct wm_export_result result;
    const struct wm_export_job job = {
        .dir = dir, .out = out, .format = format, .type = type, .threads = threads};
    return wm_export(&job, &result, &err);
}

/* ---- GGUF ---- */

struct info {
    struct wm_str name;
    uint32_t n_dims, type;
    uint64_t shape[2], offset;
};

static uint64_t take(struct wm_str file, size_t *at, size_t width)
{
    uint64_t v = 0;
    CHECK(*at + width <= file.len);
    for (size_t i = 0; i < width && *at + i < file.len; i++)
        v |= (uint64_t)(unsigned char)file.ptr[*at + i] << 8 * i;
    *at += width;
    return v;
}

static struct info take_info(struct wm_str file, size_t *at)
{
    struct info info = {.shape = {0}};
    const size_t len = (size_t)take(file, at, 8);
    info.name = (struct wm_str){file.ptr + *at, len};
    *at += len;
    info.n_dims = (uint32_t)take(file, at, 4);
    CHECK(info.n_dims == 1 || info.n_dims == 2);
    for (uint32_t i = 0; i < info.n_dims && i < 2; i++)
        info.shape[i] = take(file, at, 8);
    info.type = (uint32_t)take(file, at, 4);
    info.offset = take(file, at, 8);
    return info;
}

/* The parameter that llama.cpp calls `name`. */
static const struct wm_param *param_of(const struct wm_params *params, struct wm_str name)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {
        {"token_embd.weight", "embed_tokens.weight"},
        {"output_norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"attn_norm.weight", "input_layernorm.weight"},
        {"attn_q.weight", "q_proj.weight"},
        {"attn_k.weight", "k_proj.weight"},
        {"attn_v.weight", "v_proj.weight"},
        {"attn_q_norm.weight", "q_norm.weight"},
        {"attn_k_norm.weight", "k_norm.weight"},
        {"attn_output.weight", "o_proj.weight"},
        {"ffn_norm.weight", "post_attention_layernorm.weight"},
        {"ffn_gate.weight", "gate_proj.weight"},
        {"ffn_up.weight", "up_proj.weight"},
        {"ffn_down.weight", "down_proj.weight"},
        {"position_embd.weight", "transformer.wpe.weight"},
    };
    static const struct {
        const char *theirs, *ours;
    } gpt2[] = {
        {"token_embd.", "transformer.wte."},
        {"output_norm.", "transformer.ln_f."},
        {"attn_norm.", "ln_1."},
        {"attn_qkv.", "attn.c_attn."},
        {"attn_output.", "attn.c_proj."},
        {"ffn_norm.", "ln_2."},
        {"ffn_up.", "mlp.c_fc."},
        {"ffn_down.", "mlp.c_proj."},
    };
    char text[64], layer[32] = "", want[64];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    const char *rest = text;
    if (!strncmp(text, "blk.", 4)) {
        rest = strchr(text + 4, '.') + 1;
        (void)snprintf(layer, sizeof layer, ".%.*s.", (int)(rest - text - 5), text + 4);
    }
    for (size_t i = 0; i < params->n; i++) {
        const char *ours = params->table[i].name;
        if (*layer && !strstr(ours, layer))
            continue;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (!strcmp(rest, names[k].theirs) &&
                wm_str_ends(wm_str_of(ours), wm_str_of(names[k].ours)))
                return &params->table[i];
        for (size_t k = 0; k < sizeof gpt2 / sizeof *gpt2; k++) {
            const size_t len = strlen(gpt2[k].theirs);
            (void)snprintf(want, sizeof want, "%s%s", gpt2[k].ours, rest + len);
            if (!strncmp(rest, gpt2[k].theirs, len) &&
                wm_str_ends(wm_str_of(ours), wm_str_of(want)))
                return &params->table[i];
        }
    }
    CHECK_(false, "no parameter is %s", text);
    return NULL;
}

/* What the file should hold of `p`: rows of a head as 0, D/2, 1, D/2 + 1, … for LLaMA. */
static float *expected(const struct wm_weights *w, const struct wm_param *p, const float *flat)
{
    const struct wm_model_config *c = &w->config.model;
    const uint64_t columns = p->shape[1] ? p->shape[1] : 1, d = c->head_dim;
    const bool turned = c->architecture == WM_ARCH_LLAMA && strstr(p->name, "self_attn.") &&
                        (strstr(p->name, "q_proj") || strstr(p->name, "k_proj"));
    float *rows = calloc(p->n, sizeof *rows);
    for (uint64_t r = 0; rows && r < p->shape[0]; r++) {
        const uint64_t head = r / d, i = r % d; /* where row r goes */
        const uint64_t to = !turned ? r : head * d + (i < d / 2 ? 2 * i : 2 * (i - d / 2) + 1);
        memcpy(rows + to * columns, flat + p->offset + r * columns, columns * sizeof *rows);
    }
    return rows;
}

static enum wm_weight_type type_in(const struct wm_param *p, enum wm_weight_type type)
{
    if (!p->shape[1] || strstr(p->name, "wpe"))
        return WM_WEIGHT_F32;
    return type >= WM_WEIGHT_Q8_0 && p->shape[1] % 32 ? WM_WEIGHT_F16 : type;
}

static void check_tensors(const struct wm_weights *w, struct wm_str file, size_t at,
                          enum wm_weight_type type)
{
    static const uint32_t numbers[] = {0, 1, 30, 8, 2};
    float *flat = calloc(w->params.n_floats, sizeof *flat);
    struct info infos[64];
    for (size_t i = 0; i < w->params.n; i++)
        infos[i] = take_info(file, &at);
    const size_t data = (at + 31) / 32 * 32;
    size_t end = data;
    wm_weights_fill(w, flat);
    for (size_t i = 0; i < w->params.n; i++) {
        const struct wm_param *p = param_of(&w->params, infos[i].name);
        if (!p)
            continue;
        const enum wm_weight_type is = type_in(p, type);
        const uint64_t n_bytes = wm_weight_bytes(is, p->n);
        unsigned char *bytes = calloc(n_bytes, 1);
        float *rows = expected(w, p, flat);
        CHECK(infos[i].type == numbers[is] && infos[i].offset % 32 == 0);
        CHECK(infos[i].n_dims == (p->shape[1] ? 2 : 1));
        CHECK(infos[i].shape[p->shape[1] ? 1 : 0] == p->shape[0]);
        CHECK(!p->shape[1] || infos[i].shape[0] == p->shape[1]);
        CHECK(wm_weight_encode(is, rows, p->n, bytes));
        CHECK_(data + infos[i].offset + n_bytes <= file.len &&
                   memcmp(file.ptr + data + infos[i].offset, bytes, n_bytes) == 0,
               "%s: other bytes", p->name);
        end = data + infos[i].offset + n_bytes > end ? data + infos[i].offset + n_bytes : end;
        free(rows);
        free(bytes);
    }
    CHECK_U64(file.len, (end + 31) / 32 * 32);
    free(flat);
}

static void check_pair(const struct wm_model_config *c, const struct wm_gguf_pair *pair,
                       unsigned *seen)
{
    char name[64];
    uint64_t number = 0;
    struct wm_str text;
    const struct {
        const char *key;
        uint32_t value;
    } counts[] = {{"context_length", c->n_ctx},          {"embedding_length", c->n_embd},
                  {"block_count", c->n_layer},           {"feed_forward_length", c->n_hidden},
                  {"attention.head_count", c->n_head},   {"attention.head_count_kv", c->n_kv_head},
                  {"attention.key_length", c->head_dim}, {"attention.value_length", c->head_dim},
                  {"vocab_size", c->vocabulary}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        (void)snprintf(name, sizeof name, "%s.%s", wm_model_parts(c)->gguf, counts[i].key);
        if (!wm_str_eq(pair->key, wm_str_of(name)))
            continue;
        CHECK_OK(wm_gguf_u64(pair, &number, &err), err);
        CHECK_U64(number, counts[i].value);
        ++*seen;
    }
    if (wm_str_eq(pair->key, WM_STR("general.architecture"))) {
        CHECK_OK(wm_gguf_str(pair, &text, &err), err);
        CHECK_STR(text, wm_str_of(wm_model_parts(c)->gguf));
        ++*seen;
    }
    float real = 0;
    if (pair->type == WM_GGUF_F32)
        memcpy(&real, pair->data.ptr, sizeof real);
    if (wm_str_ends(pair->key, WM_STR(".rope.freq_base"))) {
        CHECK(real == c->rope_theta);
        ++*seen;
    }
    if (wm_str_ends(pair->key, WM_STR(".attention.layer_norm_rms_epsilon")) ||
        wm_str_ends(pair->key, WM_STR(".attention.layer_norm_epsilon"))) {
        CHECK(real == c->norm_epsilon);
        ++*seen;
    }
}

static void check_gguf(const struct wm_model_config *config, const char *dir,
                       enum wm_weight_type type)
{
    struct wm_buf buf;
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    struct wm_weights w;
    struct wm_tokenizer *tok = NULL, *from = NULL;
    unsigned seen = 0;
    CHECK_OK(export_as(dir, in_top("one.gguf"), WM_EXPORT_GGUF, type, 1), err);
    CHECK_OK(export_as(dir, in_top("three.gguf"), WM_EXPORT_GGUF, type, 3), err);
    CHECK(same_files(in_top("one.gguf"), in_top("three.gguf")));
    wm_buf_init(&buf, 64 << 20);
    CHECK_OK(wm_file_load(in_top("one.gguf"), &buf, &err), err);
    CHECK_OK(wm_gguf_open(&r, wm_buf_str(&buf), &err), err);
    while (wm_gguf_next(&r, &pair, &err) > 0)
        check_pair(config, &pair, &seen);
    CHECK_U64(seen, wm_model_parts(config)->positions == WM_POSITIONS_ROTARY ? 12 : 11);
    CHECK_OK(wm_weights_open(dir, &w, &err), err);
    CHECK_U64(r.n_tensors, w.params.n);
    check_tensors(&w, wm_buf_str(&buf), r.at, type);
    wm_weights_close(&w);
    wm_buf_done(&buf);
    CHECK_OK(wm_tokenizer_load(in_top("one.gguf"), &tok, &err), err);
    CHECK_OK(wm_tokenizer_load(dir, &from, &err), err);
    CHECK(tok && from && XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(from)));
    wm_tokenizer_free(tok);
    wm_tokenizer_free(from);
}

static void check_all_gguf(void)
{
    struct wm_model_config qwen3 = llama;
    qwen3.architecture = WM_ARCH_QWEN3;
    qwen3.tied = true;
    struct wm_model_config gpt2 = wm_model_config_usual(WM_ARCH_GPT2, 2, 4, 48, 32, 300);
    /* Tensors of several pieces and windows. */
    struct wm_model_config large = wm_model_config_usual(WM_ARCH_GPT2, 1, 4, 192, 16, 3000);
    const struct wm_model_config *all[] = {&llama, &qwen3, &gpt2, &large};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make_model(all[i], in_top("model"), true);
        for (int type = 0; type < WM_WEIGHT_TYPES; type++)
            check_gguf(all[i], in_top("model"), (enum wm_weight_type)type);
        CHECK_OK(wm_remove_tree(in_top("model"), &err), err);
    }
}

/* ---- llama2.c ---- */

static void check_llama2c(bool tied)
{
    struct wm_model_config c = llama;
    c.head_dim = 16;
    c.rope_theta = 10000;
    c.norm_epsilon = 1e-5F;
    c.tied = tied;
    make_model(&c, in_top("plain"), true);
    CHECK_OK(
        export_as(in_top("plain"), in_top("out/model.bin"), WM_EXPORT_LLAMA2C, WM_WEIGHT_F32, 2),
        err);
    struct wm_weights w;
    struct wm_buf buf;
    wm_buf_init(&buf, 64 << 20);
    CHECK_OK(wm_weights_open(in_top("plain"), &w, &err), err);
    CHECK_OK(wm_file_load(in_top("out/model.bin"), &buf, &err), err);
    const uint64_t rope = (uint64_t)c.n_ctx * c.head_dim;
    CHECK_U64(buf.len, 28 + 4 * (w.params.n_numbers + rope));
    const int32_t want[7] = {64, 80, 2, 4, 2, tied ? 310 : -310, 32};
    CHECK(memcmp(buf.ptr, want, sizeof want) == 0);
    static const char *const order[] = {
        "embed_tokens",   "input_layernorm", "q_proj",    "k_proj",  "v_proj",    "o_proj",
        "post_attention", "gate_proj",       "down_proj", "up_proj", "model.norm"};
    float *flat = calloc(w.params.n_floats, sizeof *flat);
    wm_weights_fill(&w, flat);
    const char *at = buf.ptr + 28;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        for (size_t i = 0; i < w.params.n; i++) {
            const struct wm_param *p = &w.params.table[i];
            if (!strstr(p->name, order[k]))
                continue;
            float *rows = expected(&w, p, flat);
            CHECK_(memcmp(at, rows, p->n * 4) == 0, "%s: other numbers", p->name);
            at += p->n * 4;
            free(rows);
        }
    }
    float one; /* cos 0, then after all of them sin 0 */
    memcpy(&one, at, 4);
    CHECK(one == 1);
    memcpy(&one, at + 4 * rope / 2, 4);
    CHECK(one == 0);
    if (!tied)
        CHECK(memcmp(at + 4 * rope, flat + w.params.table[w.params.n - 1].offset,
                     4 * w.params.table[w.params.n - 1].n) == 0);
    free(flat);
    wm_weights_close(&w);
    wm_buf_done(&buf);
}

static void check_tokenizer_bin(void)
{
    struct wm_tokenizer *tok = NULL;
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_file_load(in_top("out/tokenizer.bin"), &buf, &err), err);
    CHECK_OK(wm_tokenizer_load(in_top("plain"), &tok, &err), err);
    uint32_t longest, len, most = 0;
    size_t at = 4;
    memcpy(&longest, buf.ptr, 4);
    for (uint32_t id = 0; id < llama.vocabulary && at + 8 <= buf.len; id++, at += 8 + len) {
        memcpy(&len, buf.ptr + at + 4, 4);
        struct wm_str bytes = wm_token_bytes(tok, id);
        struct wm_str is = {buf.ptr + at + 8, len};
        CHECK_STR(is, bytes.len == 1 && !*bytes.ptr ? WM_STR("<0x00>") : bytes);
        most = len > most ? len : most;
    }
    CHECK_U64(at, buf.len);
    CHECK_U64(longest, most);
    wm_tokenizer_free(tok);
    wm_buf_done(&buf);
}

/* ---- what cannot be said ---- */

static void refused(const struct wm_model_config *config, const char *words)
{
    make_model(config, in_top("refused"), false);
    CHECK_FAILS(export_as(in_top("refused"), in_top("no.bin"), WM_EXPORT_LLAMA2C, WM_WEIGHT_F32, 1),
                WM_E_CONFIG, err, words);
    CHECK(!wm_exists(in_top("no.bin")));
}

static void check_refusals(void)
{
    struct wm_model_config c = llama;
    const struct wm_model_config gpt2 = wm_model_config_usual(WM_ARCH_GPT2, 1, 4, 48, 32, 300);
    refused(&c, "a rope theta of 10000, this model 70000");
    c.rope_theta = 10000;
    refused(&c, "a norm epsilon of 1e-5");
    c.norm_epsilon = 1e-5F;
    refused(&c, "heads of width / heads = 16, this model 24");
    c.architecture = WM_ARCH_QWEN3;
    refused(&c, "knows no qwen3");
    refused(&gpt2, "knows no gpt2");
    CHECK_FAILS(export_as(in_top("refused"), in_top("no.bin"), WM_EXPORT_LLAMA2C, WM_WEIGHT_F16, 1),
                WM_E_CONFIG, err, "f32, not f16");
    CHECK_FAILS(
        export_as(in_top("refused"), in_top("no"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_Q8_0, 1),
        WM_E_CONFIG, err, "not q8_0");
    CHECK(!wm_exists(in_top("no")));
    CHECK_FAILS(export_as(in_top("refused"), in_top("no.gguf"), WM_EXPORT_GGUF, WM_WEIGHT_F32, 1),
                WM_E_CONFIG, err, "needs a tokenizer");
}

/* A number too large for its type, and SIGINT: what stood there before still stands. */
static void check_all_or_nothing(void)
{
    struct wm_params params;
    struct wm_model_config c = llama;
    struct wm_tokenizer *tok = train_tokenizer(310);
    CHECK_OK(wm_params_new(&c, &params, &err), err);
    float *weights = calloc(params.n_floats, sizeof *weights);
    weights[params.table[5].offset + 3] = 1e6F;
    const struct wm_hf_config hf = {.model = c};
    const struct wm_export_text text = {tok, true};
    CHECK_OK(wm_export_params(&hf, &params, weights, &text, in_top("large"), &err), err);
    CHECK_OK(wm_file_store(in_top("large.gguf"), WM_STR("before"), &err), err);
    CHECK_FAILS(export_as(in_top("large"), in_top("large.gguf"), WM_EXPORT_GGUF, WM_WEIGHT_F16, 2),
                WM_E_FORMAT, err, "a number that f16 cannot hold");
    CHECK(strstr(err.what, params.table[5].name) != NULL);
    CHECK_FAILS(
        export_as(in_top("large"), in_top("large-hf"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_F16, 2),
        WM_E_FORMAT, err, "a number that f16 cannot hold");
    struct wm_cancel cancel = {0};
    struct wm_export_result result;
    const struct wm_export_job job = {
        .dir = in_top("large"), .out = in_top("large.gguf"), .cancel = &cancel};
    wm_cancel_raise(&cancel, 2);
    CHECK_FAILS(wm_export(&job, &result, &err), WM_E_CANCELLED, err, "");
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_file_load(in_top("large.gguf"), &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), WM_STR("before"));
    wm_buf_done(&buf);
    free(weights);
    wm_params_free(&params);
    wm_tokenizer_free(tok);
}

/* f32 again from a directory is the same file; bf16 is what a load rounds to. */
static void check_safetensors(void)
{
    struct wm_weights a, b;
    make_model(&llama, in_top("hf"), true);
    CHECK_OK(export_as(in_top("hf"), in_top("hf-32"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_F32, 2),
             err);
    CHECK(same_files(in_top("hf/model.safetensors"), in_top("hf-32/model.safetensors")));
    CHECK(same_files(in_top("hf/config.json"), in_top("hf-32/config.json")));
    CHECK(same_files(in_top("hf/tokenizer.json"), in_top("hf-32/tokenizer.json")));
    CHECK_OK(export_as(in_top("hf"), in_top("hf-16"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_BF16, 2),
             err);
    CHECK_FAILS(
        export_as(in_top("hf"), in_top("hf/../hf"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_BF16, 2),
        WM_E_CONFIG, err, "over itself");
    CHECK_OK(wm_file_store(in_top("hf/tokenizer.model"), WM_STR("any bytes"), &err), err);
    CHECK_OK(export_as(in_top("hf"), in_top("hf-16"), WM_EXPORT_SAFETENSORS, WM_WEIGHT_BF16, 2),
             err);
    CHECK(same_files(in_top("hf/tokenizer.model"), in_top("hf-16/tokenizer.model")));
    CHECK_OK(wm_weights_open(in_top("hf"), &a, &err), err);
    CHECK_OK(wm_weights_open(in_top("hf-16"), &b, &err), err);
    CHECK(b.notes.has_tokenizer && XXH128_isEqual(a.notes.tokenizer, b.notes.tokenizer));
    CHECK_U64(a.params.n, b.params.n);
    float *x = calloc(a.params.n_floats, sizeof *x), *y = calloc(a.params.n_floats, sizeof *y);
    unsigned char half[2];
    wm_weights_fill(&a, x);
    wm_weights_fill(&b, y);
    size_t different = 0;
    for (uint64_t i = 0; i < a.params.n_floats; i++) {
        (void)wm_weight_encode(WM_WEIGHT_BF16, &x[i], 1, half);
        wm_weight_decode(WM_WEIGHT_BF16, half, 1, &x[i]);
        different += x[i] != y[i];
    }
    CHECK_U64(different, 0);
    free(x);
    free(y);
    wm_weights_close(&a);
    wm_weights_close(&b);
}

int main(void)
{
    make_top("export");
    check_all_gguf();
    check_llama2c(false);
    check_llama2c(true);
    check_tokenizer_bin();
    check_refusals();
    check_all_or_nothing();
    check_safetensors();
    remove_top();
    return test_summary();
}
