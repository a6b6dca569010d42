/* SPDX-License-Identifier: Apache-2.0 */
/* llama2.c's version 0: seven sizes, then all weights in float32, kind by kind. What its run.c has
 * built in (theta, epsilon, head size) cannot be said in the file, so other models are refused. */
#include <math.h>
#include <stdlib.h>

#include "trainer/export_formats.h"
#include "trainer/floats.h"

enum { TOKENIZER_BYTES = 1 << 30 };

/* ---- what the format can say ---- */

static int refuse(const struct wm_export *export, struct wm_error *err)
{
    const struct wm_model_config *c = &export->weights.config.model;
    const struct wm_architecture_info *parts = wm_model_parts(c);
    if (export->job->type != WM_WEIGHT_F32)
        return wm_fail(err, WM_E_CONFIG, "llama2.c holds f32, not %s",
                       wm_weight_type_names[export->job->type]);
    if (c->architecture != WM_ARCH_LLAMA)
        return wm_fail(err, WM_E_CONFIG, "llama2.c knows no %s, only llama", parts->name);
    if (c->rope_theta != 10000)
        return wm_fail(err, WM_E_CONFIG, "llama2.c has a rope theta of 10000, this model %g",
                       (double)c->rope_theta);
    if (c->norm_epsilon != 1e-5F)
        return wm_fail(err, WM_E_CONFIG, "llama2.c has a norm epsilon of 1e-5, this model %g",
                       (double)c->norm_epsilon);
    if ((uint64_t)c->head_dim * c->n_head != c->n_embd)
        return wm_fail(err, WM_E_CONFIG, "llama2.c has heads of width / heads = %g, this model %u",
                       (double)c->n_embd / c->n_head, c->head_dim);
    return 0;
}

/* ---- weights ---- */

static int write_numbers(struct wm_out *out, const void *numbers, size_t n, struct wm_error *err)
{
    unsigned char bytes[4 * 256];
    const unsigned char *from = numbers;
    int status = 0;
    for (size_t at = 0; at < n && !status; at += 256) {
        size_t some = n - at < 256 ? n - at : 256;
        wm_copy_le(bytes, from + 4 * at, some, 4);
        status = wm_out_write(out, bytes, 4 * some, err);
    }
    return status;
}

static int write_head(const struct wm_model_config *c, struct wm_out *out, struct wm_error *err)
{
    const int32_t vocabulary = (int32_t)c->vocabulary;
    const int32_t head[7] = {(int32_t)c->n_embd,    (int32_t)c->n_hidden,
                             (int32_t)c->n_layer,   (int32_t)c->n_head,
                             (int32_t)c->n_kv_head, c->tied ? vocabulary : -vocabulary,
                             (int32_t)c->n_ctx};
    return write_numbers(out, head, 7, err);
}

/* cos, then sin, of position × theta^(−2i/D), [n_ctx, D/2]: newer readers skip them. */
static int write_rope(const struct wm_model_config *c, struct wm_out *out, struct wm_error *err)
{
    const uint32_t half = c->head_dim / 2;
    float *row = malloc((half + 1) * sizeof *row);
    int status = row ? 0 : wm_fail_nomem(err, half * sizeof *row, "rope tables");
    for (int table = 0; table < 2; table++) {
        for (uint32_t t = 0; t < c->n_ctx && !status; t++) {
            for (uint32_t i = 0; i < half; i++) {
                double angle = t * pow((double)c->rope_theta, -2.0 * i / c->head_dim);
                row[i] = (float)(table ? sin(angle) : cos(angle));
            }
            status = write_numbers(out, row, half, err);
        }
    }
    free(row);
    return status;
}

static int write_weights(struct wm_export *export, struct wm_out *out, struct wm_error *err)
{
    /* Kind by kind; each of all layers. */
    static const enum wm_param_place order[] = {
        WM_P_TOKENS,     WM_P_NORM1_GAIN, WM_P_Q,    WM_P_K,  WM_P_V,        WM_P_MIX,
        WM_P_NORM2_GAIN, WM_P_GATE,       WM_P_DOWN, WM_P_UP, WM_P_LAST_GAIN};
    const struct wm_params *params = &export->weights.params;
    const struct wm_model_config *c = &export->weights.config.model;
    struct wm_tensor_stream stream = {.weights = &export->weights,
                                      .team = export->team,
                                      .out = out,
                                      .progress = export->job->progress,
                                      .cancel = export->job->cancel};
    int status = wm_tensor_stream_open(&stream, err);
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        const bool inside = order[k] >= WM_P_NORM1_GAIN && order[k] <= WM_P_DOWN_BIAS;
        const bool turned = order[k] == WM_P_Q || order[k] == WM_P_K;
        for (uint32_t layer = 0; layer < (inside ? c->n_layer : 1) && !status; layer++)
            status = wm_tensor_stream_put(&stream, (size_t)wm_params_at(params, order[k], layer),
                                          WM_WEIGHT_F32, turned ? c->head_dim : 0, err);
    }
    if (!status)
        status = write_rope(c, out, err);
    const int32_t head = wm_params_at(params, WM_P_HEAD, 0);
    if (!status && head >= 0)
        status = wm_tensor_stream_put(&stream, (size_t)head, WM_WEIGHT_F32, 0, err);
    wm_tensor_stream_close(&stream);
    return status;
}

static int write_model(struct wm_export *export, struct wm_error *err)
{
    struct wm_out *out;
    struct wm_digest digest;
    int status = wm_out_open(export->job->out, &out, err);
    if (status)
        return status;
    wm_progress_start(export->job->progress, "export", "bytes",
                      export->weights.params.n_numbers * sizeof(float));
    status = write_head(&export->weights.config.model, out, err);
    if (!status)
        status = write_weights(export, out, err);
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    status = wm_out_commit(out, &digest, err);
    export->result.bytes += status ? 0 : digest.size;
    return status;
}

/* ---- tokenizer.bin ---- */

static int put_u32(struct wm_buf *buf, uint32_t v, struct wm_error *err)
{
    unsigned char bytes[4];
    wm_copy_le(bytes, &v, 1, sizeof v);
    return wm_buf_add(buf, bytes, sizeof bytes, err);
}

/* A score, a length, the bytes. Its strings end at a NUL, so that byte has the form its decoder
 * knows for bytes. A merge has the better score the earlier it was learnt. */
static int put_token(struct wm_buf *buf, const struct wm_tokenizer *tok, uint32_t id,
                     uint32_t *longest, struct wm_error *err)
{
    struct wm_str bytes = wm_token_bytes(tok, id);
    float score = -(float)id;
    uint32_t number;
    memcpy(&number, &score, sizeof number);
    if (bytes.len == 1 && !bytes.ptr[0])
        bytes = WM_STR("<0x00>");
    if (bytes.len && memchr(bytes.ptr, 0, bytes.len))
        return wm_fail(err, WM_E_FORMAT, "llama2.c cannot say token %lu, which has a NUL byte",
                       (unsigned long)id);
    *longest = bytes.len > *longest ? (uint32_t)bytes.len : *longest;
    int status = put_u32(buf, number, err);
    if (!status)
        status = put_u32(buf, (uint32_t)bytes.len, err);
    return status ? status : wm_buf_add(buf, bytes.ptr, bytes.len, err);
}

static int make_tokenizer(const struct wm_export *export, struct wm_buf *buf, struct wm_error *err)
{
    uint32_t longest = 0;
    int status = put_u32(buf, 0, err);
    for (uint32_t id = 0; id < export->weights.config.model.vocabulary && !status; id++)
        status = put_token(buf, export->tokenizer, id, &longest, err);
    if (!status)
        wm_copy_le(buf->ptr, &longest, 1, sizeof longest);
    return status;
}

/* The path of tokenizer.bin beside OUT. */
static int tokenizer_path(const char *out, char path[WM_PATH_MAX], struct wm_error *err)
{
    const char *slash = strrchr(out, '/');
    char dir[WM_PATH_MAX] = ".";
    size_t len = slash ? (size_t)(slash - out) + 1 : 0;
    if (len >= sizeof dir)
        return wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1);
    if (slash) {
        memcpy(dir, out, len);
        dir[len] = 0;
    }
    return wm_path_join(path, dir, "tokenizer.bin", err);
}

int wm_export_write_llama2c(struct wm_export *export, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    int status = refuse(export, err);
    if (status)
        return status;
    wm_buf_init(&buf, TOKENIZER_BYTES);
    if (export->tokenizer) {
        status = make_tokenizer(export, &buf, err);
        if (!status)
            status = tokenizer_path(export->job->out, path, err);
    }
    if (!status)
        status = write_model(export, err);
    if (!status && export->tokenizer)
        status = wm_file_store(path, wm_buf_str(&buf), err);
    export->result.n_tensors = export->weights.params.n;
    export->result.bytes += buf.len;
    wm_buf_done(&buf);
    return status;
}
