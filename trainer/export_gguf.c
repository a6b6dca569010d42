/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF as llama.cpp reads it: pairs, tensor infos with dimensions the other way round, then data,
 * each tensor aligned. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "trainer/export_formats.h"
#include "trainer/floats.h"
#include "trainer/weight_types.h"
#include "wetmill/gguf.h"
#include "wetmill/tokenizer_formats.h"

enum {
    ALIGNMENT = 32,
    HEAD_BYTES = 1 << 30, /* most bytes before the data: a vocabulary */
    QUANTISATION_VERSION = 2
};

/* By enum wm_weight_type: ggml's number of the type, llama.cpp's of a file mostly of it. */
static const struct {
    uint32_t tensor, file;
} numbers[WM_WEIGHT_TYPES] = {[WM_WEIGHT_F32] = {0, 0},
                              [WM_WEIGHT_F16] = {1, 1},
                              [WM_WEIGHT_BF16] = {30, 32},
                              [WM_WEIGHT_Q8_0] = {8, 7},
                              [WM_WEIGHT_Q4_0] = {2, 2}};

/* llama.cpp's names; those of a layer stand behind "blk.N.". */
static const char *const names[WM_N_PLACES] = {
    [WM_P_TOKENS] = "token_embd.weight",
    [WM_P_POSITIONS] = "position_embd.weight",
    [WM_P_NORM1_GAIN] = "attn_norm.weight",
    [WM_P_NORM1_BIAS] = "attn_norm.bias",
    [WM_P_QKV] = "attn_qkv.weight",
    [WM_P_QKV_BIAS] = "attn_qkv.bias",
    [WM_P_Q] = "attn_q.weight",
    [WM_P_K] = "attn_k.weight",
    [WM_P_V] = "attn_v.weight",
    [WM_P_Q_NORM] = "attn_q_norm.weight",
    [WM_P_K_NORM] = "attn_k_norm.weight",
    [WM_P_MIX] = "attn_output.weight",
    [WM_P_MIX_BIAS] = "attn_output.bias",
    [WM_P_NORM2_GAIN] = "ffn_norm.weight",
    [WM_P_NORM2_BIAS] = "ffn_norm.bias",
    [WM_P_GATE] = "ffn_gate.weight",
    [WM_P_UP] = "ffn_up.weight",
    [WM_P_UP_BIAS] = "ffn_up.bias",
    [WM_P_DOWN] = "ffn_down.weight",
    [WM_P_DOWN_BIAS] = "ffn_down.bias",
    [WM_P_LAST_GAIN] = "output_norm.weight",
    [WM_P_LAST_BIAS] = "output_norm.bias",
    [WM_P_HEAD] = "output.weight",
};

/* ---- pairs ---- */

/* Puts under "ARCHITECTURE.name". */
static const char *key(char out[96], const struct wm_model_config *c, const char *name)
{
    (void)snprintf(out, 96, "%s.%s", wm_model_parts(c)->gguf, name);
    return out;
}

static void put_sizes(struct wm_gguf_out *w, const struct wm_model_config *c)
{
    const struct {
        const char *name;
        uint32_t value;
    } sizes[] = {{"context_length", c->n_ctx},          {"embedding_length", c->n_embd},
                 {"block_count", c->n_layer},           {"feed_forward_length", c->n_hidden},
                 {"attention.head_count", c->n_head},   {"attention.head_count_kv", c->n_kv_head},
                 {"attention.key_length", c->head_dim}, {"attention.value_length", c->head_dim},
                 {"vocab_size", c->vocabulary}};
    char name[96];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        wm_gguf_put_u32(w, key(name, c, sizes[i].name), sizes[i].value);
    const bool rms = wm_model_parts(c)->norm == WM_NORM_RMS;
    wm_gguf_put_f32(
        w, key(name, c, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"),
        c->norm_epsilon);
    if (wm_model_parts(c)->positions == WM_POSITIONS_ROTARY) {
        /* Without it llama.cpp takes 10000 in silence. */
        wm_gguf_put_f32(w, key(name, c, "rope.freq_base"), c->rope_theta);
        wm_gguf_put_u32(w, key(name, c, "rope.dimension_count"), c->head_dim);
    }
}

/* The directory's last part. */
static struct wm_str base_name(const char *dir)
{
    size_t len = strlen(dir), begin;
    while (len && dir[len - 1] == '/')
        len--;
    for (begin = len; begin && dir[begin - 1] != '/'; begin--)
        ;
    return len > begin ? (struct wm_str){dir + begin, len - begin} : WM_STR("model");
}

static int put_pairs(struct wm_gguf_out *w, const struct wm_export *export)
{
    const struct wm_model_config *c = &export->weights.config.model;
    const enum wm_weight_type type = export->job->type;
    wm_gguf_put_str(w, "general.architecture", wm_str_of(wm_model_parts(c)->gguf));
    wm_gguf_put_str(w, "general.type", WM_STR("model"));
    wm_gguf_put_str(w, "general.name", base_name(export->job->dir));
    wm_gguf_put_u32(w, "general.file_type", numbers[type].file);
    wm_gguf_put_u32(w, "general.alignment", ALIGNMENT);
    if (wm_weight_is_quantised(type))
        wm_gguf_put_u32(w, "general.quantization_version", QUANTISATION_VERSION);
    put_sizes(w, c);
    (void)wm_tokenizer_put_gguf(export->tokenizer, c->vocabulary, export->weights.notes.framed, w);
    return wm_gguf_out_close(w, export->weights.params.n);
}

/* ---- tensors ---- */

/* Vectors, and positions, which are only added, stay as exact as they are. */
static enum wm_weight_type type_for(const struct wm_param *p, enum wm_weight_type type)
{
    if (!p->shape[1] || p->role == WM_PARAM_POSITION)
        return WM_WEIGHT_F32;
    return wm_weight_is_quantised(type) && p->shape[1] % WM_QUANT_BLOCK ? WM_WEIGHT_F16 : type;
}

/* llama.cpp turns LLaMA's pairs (2i, 2i + 1), Qwen's (i, i + D/2) as Hugging Face does. */
static uint32_t permuted_heads(const struct wm_model_config *c, const struct wm_param *p)
{
    const bool turned = p->place == WM_P_Q || p->place == WM_P_K;
    return c->architecture == WM_ARCH_LLAMA && turned ? c->head_dim : 0;
}

static uint64_t padding(uint64_t size)
{
    return (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
}

static int put_le(struct wm_buf *buf, uint64_t value, size_t width, struct wm_error *err)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    return wm_buf_add(buf, bytes, width, err);
}

static int put_info(struct wm_buf *buf, const struct wm_param *p, enum wm_weight_type type,
                    uint64_t offset, struct wm_error *err)
{
    char name[64];
    const bool inside = p->place >= WM_P_NORM1_GAIN && p->place <= WM_P_DOWN_BIAS;
    int len = inside ? snprintf(name, sizeof name, "blk.%" PRIu32 ".%s", p->layer, names[p->place])
                     : snprintf(name, sizeof name, "%s", names[p->place]);
    const unsigned n_dims = p->shape[1] ? 2 : 1;
    int status = put_le(buf, (uint64_t)len, 8, err);
    if (!status)
        status = wm_buf_add(buf, name, (size_t)len, err);
    if (!status)
        status = put_le(buf, n_dims, 4, err);
    for (unsigned i = n_dims; i > 0 && !status; i--)
        status = put_le(buf, p->shape[i - 1], 8, err);
    if (!status)
        status = put_le(buf, numbers[type].tensor, 4, err);
    return status ? status : put_le(buf, offset, 8, err);
}

/* All before the data, padded; how long the data is. */
static int make_head(struct wm_export *export, struct wm_buf *buf, uint64_t *ret_data,
                     struct wm_error *err)
{
    const struct wm_params *params = &export->weights.params;
    struct wm_gguf_out w;
    uint64_t offset = 0;
    wm_gguf_out_open(&w, buf, err);
    int status = put_pairs(&w, export);
    for (size_t i = 0; i < params->n && !status; i++) {
        const struct wm_param *p = &params->table[i];
        const enum wm_weight_type type = type_for(p, export->job->type);
        status = put_info(buf, p, type, offset, err);
        offset += wm_weight_bytes(type, p->n);
        offset += padding(offset);
        export->result.n_fallbacks += type == WM_WEIGHT_F16 && type != export->job->type;
    }
    static const char zeros[ALIGNMENT] = {0};
    if (!status)
        status = wm_buf_add(buf, zeros, padding(buf->len), err);
    *ret_data = offset;
    return status;
}

static int write_tensors(struct wm_export *export, struct wm_out *out, struct wm_error *err)
{
    static const char zeros[ALIGNMENT] = {0};
    const struct wm_params *params = &export->weights.params;
    struct wm_tensor_stream stream = {.weights = &export->weights,
                                      .team = export->team,
                                      .out = out,
                                      .progress = export->job->progress,
                                      .cancel = export->job->cancel};
    int status = wm_tensor_stream_open(&stream, err);
    if (status)
        return status;
    for (size_t i = 0; i < params->n && !status; i++) {
        const struct wm_param *p = &params->table[i];
        const enum wm_weight_type type = type_for(p, export->job->type);
        status = wm_tensor_stream_put(&stream, i, type,
                                      permuted_heads(&export->weights.config.model, p), err);
        if (!status)
            status = wm_out_write(out, zeros, padding(wm_weight_bytes(type, p->n)), err);
    }
    wm_tensor_stream_close(&stream);
    return status;
}

int wm_export_write_gguf(struct wm_export *export, struct wm_error *err)
{
    struct wm_buf head;
    struct wm_out *out = NULL;
    uint64_t data = 0;
    if (!export->tokenizer) {
        wm_fail(err, WM_E_CONFIG, "a GGUF file needs a tokenizer, and there is none");
        return wm_error_where(err, "%s", export->job->dir);
    }
    wm_buf_init(&head, HEAD_BYTES);
    int status = make_head(export, &head, &data, err);
    if (!status)
        status = wm_out_open(export->job->out, &out, err);
    if (!status)
        status = wm_out_write(out, head.ptr, head.len, err);
    if (!status) {
        wm_progress_start(export->job->progress, "export", "bytes", data);
        status = write_tensors(export, out, err);
    }
    export->result.n_tensors = export->weights.params.n;
    export->result.bytes = head.len + data;
    wm_buf_done(&head);
    if (!status)
        return wm_out_commit(out, NULL, err);
    wm_out_abandon(out);
    return status;
}
