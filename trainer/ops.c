/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/ops.h"

#include <stdlib.h>

enum {
    MOST_OPS = 10,         /* of a layer */
    MOST_ACTIVATIONS = 14, /* of a layer */
    MOST_OUTSIDE = 4,
};

struct builder {
    const struct wm_model_config *config;
    const struct wm_params *params;
    struct wm_ops *ops;
    uint32_t layer;
    bool training;
};

static int32_t activation(struct builder *b, const char *name, uint32_t width)
{
    const int32_t at = (int32_t)b->ops->n_activations++;
    b->ops->activations[at] =
        (struct wm_activation){.name = name, .layer = b->layer, .width = width, .gradient = at};
    return at;
}

static int32_t statistics(struct builder *b, const char *name, uint32_t width)
{
    const int32_t at = activation(b, name, width);
    b->ops->activations[at].statistics = true;
    b->ops->activations[at].gradient = -1;
    return at;
}

/* A state of the residual stream; the first one's gradient serves all. */
static int32_t stream(struct builder *b, const char *name)
{
    const int32_t at = activation(b, name, b->config->n_embd);
    b->ops->activations[at].stream = true;
    b->ops->activations[at].gradient = 0;
    return at;
}

static struct wm_op *op(struct builder *b, enum wm_op_kind kind, const char *name, int32_t in,
                        int32_t out)
{
    struct wm_op *o = &b->ops->ops[b->ops->n++];
    *o = (struct wm_op){.kind = kind,
                        .name = name,
                        .layer = b->layer,
                        .in = in,
                        .out = out,
                        .added = -1,
                        .statistics = -1,
                        .weight = {-1, -1, -1},
                        .bias = {-1, -1, -1}};
    if (out >= 0)
        o->work = WM_OP_ELEMENT_WORK * (double)b->ops->activations[out].width;
    return o;
}

static int32_t param(const struct builder *b, enum wm_param_place place)
{
    return wm_params_at(b->params, place, b->layer);
}

/* One more map of an op, if the model has it; a bias stands behind its weight. */
static void map(const struct builder *b, struct wm_op *o, enum wm_param_place place, bool bias)
{
    const int32_t weight = param(b, place);
    if (weight < 0)
        return;
    const double flops = 2.0 * (double)b->params->table[weight].n;
    o->weight[o->n_maps] = weight;
    o->bias[o->n_maps] = bias && wm_model_parts(b->config)->biases ? param(b, place + 1) : -1;
    o->n_maps++;
    o->flops += flops;
    o->work += flops;
}

static struct wm_op *linear(struct builder *b, const char *name, int32_t in, int32_t out,
                            int32_t added)
{
    struct wm_op *o = op(b, WM_OP_LINEAR, name, in, out);
    o->added = added;
    o->needs_in = true;
    return o;
}

static int32_t norm(struct builder *b, const char *name, int32_t in, enum wm_param_place gain)
{
    const bool layer_norm = wm_model_parts(b->config)->norm == WM_NORM_LAYER;
    struct wm_op *o = op(b, WM_OP_NORM, name, in, activation(b, name, b->config->n_embd));
    o->statistics = statistics(b, "statistics", layer_norm ? 2 : 1);
    o->needs_in = true;
    o->weight[0] = param(b, gain);
    o->bias[0] = layer_norm ? param(b, gain + 1) : -1;
    o->n_maps = 1;
    return o->out;
}

/* ---- a layer ---- */

static int32_t qkv(struct builder *b, int32_t in)
{
    const struct wm_model_config *config = b->config;
    const uint32_t heads = config->n_head + config->n_kv_head;
    const uint32_t width = (heads + config->n_kv_head) * config->head_dim;
    const bool normed = wm_model_parts(config)->qk_norm;
    struct wm_op *o = linear(b, "qkv", in, activation(b, normed ? "raw qkv" : "qkv", width), -1);
    map(b, o, WM_P_QKV, true);
    map(b, o, WM_P_Q, false);
    map(b, o, WM_P_K, false);
    map(b, o, WM_P_V, false);
    int32_t out = o->out;
    if (normed) {
        o = op(b, WM_OP_QK_NORM, "qk-norm", out, activation(b, "qkv", width));
        o->statistics = statistics(b, "statistics", heads);
        o->needs_in = true;
        o->weight[0] = param(b, WM_P_Q_NORM);
        o->weight[1] = param(b, WM_P_K_NORM);
        o->n_maps = 2;
        b->ops->activations[out].gradient = o->out;
        out = o->out;
    }
    if (wm_model_parts(config)->positions == WM_POSITIONS_ROTARY)
        (void)op(b, WM_OP_ROPE, "rope", out, out);
    return out;
}

static int32_t attention(struct builder *b, int32_t in)
{
    const struct wm_model_config *config = b->config;
    const uint32_t width = config->n_head * config->head_dim;
    struct wm_op *o = op(b, WM_OP_ATTENTION, "attention", in, activation(b, "mixed", width));
    o->statistics = statistics(b, "statistics", config->n_head);
    o->needs_in = o->needs_out = true;
    /* scores and mixing: 2 × 2 × width × keys, of which the causal mask leaves half */
    o->flops = 2.0 * width * config->n_ctx;
    o->work += o->flops;
    return o->out;
}

static int32_t mlp(struct builder *b, int32_t in)
{
    const bool gelu = wm_model_parts(b->config)->mlp == WM_MLP_GELU;
    const uint32_t hidden = b->config->n_hidden;
    struct wm_op *o =
        linear(b, gelu ? "up" : "gate, up", in,
               activation(b, gelu ? "up" : "gate, up", gelu ? hidden : 2 * hidden), -1);
    if (gelu) {
        map(b, o, WM_P_UP, true);
    } else {
        map(b, o, WM_P_GATE, false);
        map(b, o, WM_P_UP, false);
    }
    const int32_t wide = o->out;
    const bool over = gelu && !b->training;
    const int32_t act = over ? wide : activation(b, gelu ? "gelu" : "swiglu", hidden);
    o = op(b, gelu ? WM_OP_GELU : WM_OP_SWIGLU, gelu ? "gelu" : "swiglu", wide, act);
    o->needs_in = true;
    o->fused = gelu;
    if (gelu)
        b->ops->activations[act].gradient = wide;
    return act;
}

static int32_t layer(struct builder *b, int32_t in)
{
    const int32_t mixed = attention(b, qkv(b, norm(b, "norm1", in, WM_P_NORM1_GAIN)));
    const int32_t middle = stream(b, "middle");
    map(b, linear(b, "mix", mixed, middle, in), WM_P_MIX, true);
    const int32_t act = mlp(b, norm(b, "norm2", middle, WM_P_NORM2_GAIN));
    const int32_t out = stream(b, "stream");
    map(b, linear(b, "down", act, out, middle), WM_P_DOWN, true);
    return out;
}

static void build(struct builder *b)
{
    const struct wm_model_config *config = b->config;
    b->layer = config->n_layer;
    int32_t at = stream(b, "embedded");
    struct wm_op *o = op(b, WM_OP_EMBED, "embed", -1, at);
    o->weight[0] = param(b, WM_P_TOKENS);
    o->weight[1] = param(b, WM_P_POSITIONS);
    o->n_maps = o->weight[1] < 0 ? 1 : 2;
    for (b->layer = 0; b->layer < config->n_layer; b->layer++)
        at = layer(b, at);
    at = norm(b, "last norm", at, WM_P_LAST_GAIN);
    o = op(b, WM_OP_HEAD, "head", at, -1);
    o->weight[0] = param(b, config->tied ? WM_P_TOKENS : WM_P_HEAD);
    o->n_maps = 1;
    o->needs_in = true;
    o->flops = 2.0 * (double)b->params->table[o->weight[0]].n;
    o->work = o->flops;
}

int wm_ops_new(const struct wm_model_config *config, const struct wm_params *params, bool training,
               struct wm_ops *ret, struct wm_error *err)
{
    const size_t layers = config->n_layer;
    *ret = (struct wm_ops){0};
    ret->ops = calloc(layers * MOST_OPS + MOST_OUTSIDE, sizeof *ret->ops);
    ret->activations = calloc(layers * MOST_ACTIVATIONS + MOST_OUTSIDE, sizeof *ret->activations);
    if (!ret->ops || !ret->activations) {
        wm_ops_free(ret);
        return wm_fail_nomem(err, layers * MOST_OPS * sizeof *ret->ops, "table of operations");
    }
    struct builder b = {.config = config, .params = params, .ops = ret, .training = training};
    build(&b);
    return 0;
}

void wm_ops_free(struct wm_ops *ops)
{
    free(ops->ops);
    free(ops->activations);
    *ops = (struct wm_ops){0};
}

const char *wm_op_kind_name(enum wm_op_kind kind)
{
    static const char *const names[WM_N_OP_KINDS] = {
        "embed", "norm", "linear", "qk-norm", "rope", "attention", "gelu", "swiglu", "head"};
    return names[kind];
}

double wm_ops_flops(const struct wm_ops *ops)
{
    double sum = 0;
    for (size_t i = 0; i < ops->n; i++)
        sum += 3 * ops->ops[i].flops;
    return sum;
}
