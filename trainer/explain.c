/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a model, told to people. */
#include <stdio.h>
#include <string.h>

#include "trainer/activations.h"
#include "wetmill/progress.h"

struct teller {
    const struct wm_model *model;
    uint64_t rows;
    bool training;
    struct wm_buf *out;
};

/* "[3C, C]" of each map. */
static void write_shapes(const struct wm_model *model, const struct wm_op *op, char *out,
                         size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < op->n_maps && at < size; i++) {
        const struct wm_param *p = &model->layout.table[op->weight[i]];
        const char *bias = op->bias[i] >= 0 ? "+bias" : "";
        int n = p->shape[1]
                    ? snprintf(out + at, size - at, " [%u, %u]%s", p->shape[0], p->shape[1], bias)
                    : snprintf(out + at, size - at, " [%u]%s", p->shape[0], bias);
        at += n > 0 ? (size_t)n : 0;
    }
}

static const char *fate(const struct teller *t, const struct wm_op *op)
{
    const struct wm_plan *plan = &t->model->acts->plan;
    if (op->out < 0 || op->out == op->in)
        return "in place";
    if (!t->training)
        return "";
    if (plan->kept[op->out])
        return "kept";
    for (size_t i = plan->n_forward; i < plan->n; i++)
        if (plan->items[i].pass == WM_PASS_AGAIN &&
            t->model->acts->ops.ops[plan->items[i].op].out == op->out)
            return "made again";
    return "passing";
}

static int write_op(const struct teller *t, const struct wm_op *op, struct wm_error *err)
{
    char shapes[160], bytes[32] = "", flops[32] = "", name[48];
    const uint32_t width =
        op->out < 0 ? t->model->config.vocabulary : t->model->acts->ops.activations[op->out].width;
    write_shapes(t->model, op, shapes, sizeof shapes);
    (void)snprintf(name, sizeof name, "%s%s", op->name, op->added >= 0 ? " + stream" : "");
    if (op->out >= 0 && op->out != op->in)
        (void)wm_format_bytes(t->rows * width * sizeof(float), bytes, sizeof bytes);
    if (op->flops > 0)
        (void)wm_format_count((uint64_t)op->flops, flops, sizeof flops);
    return wm_buf_printf(t->out, err, "  %-10s %-16s %8u %10s %10s  %-10s%s\n",
                         wm_op_kind_name(op->kind), name, width, bytes, flops, fate(t, op), shapes);
}

/* The first op of a layer; layer n_layer: of what stands behind the layers. */
static size_t first_of(const struct wm_ops *ops, uint32_t layer)
{
    size_t i = 1; /* behind the embedding */
    while (i < ops->n && ops->ops[i].layer != layer)
        i++;
    return i;
}

/* A layer is told anew only where its fate differs from the one before. */
static bool same_fate(const struct teller *t, size_t a, size_t b, size_t n)
{
    const struct wm_op *ops = t->model->acts->ops.ops;
    for (size_t i = 0; i < n; i++)
        if (strcmp(fate(t, &ops[a + i]), fate(t, &ops[b + i])) != 0)
            return false;
    return true;
}

static int write_ops(const struct teller *t, struct wm_error *err)
{
    const struct wm_ops *ops = &t->model->acts->ops;
    const uint32_t n_layer = t->model->config.n_layer;
    int status = wm_buf_printf(t->out, err, "  %-10s %-16s %8s %10s %10s  %-10s %s\n", "operation",
                               "", "channels", "bytes", "FLOP/token", "", "parameters");
    if (!status)
        status = write_op(t, &ops->ops[0], err);
    for (uint32_t layer = 0; layer < n_layer && !status;) {
        const size_t begin = first_of(ops, layer), n = first_of(ops, layer + 1) - begin;
        uint32_t end = layer + 1;
        while (end < n_layer && same_fate(t, begin, first_of(ops, end), n))
            end++;
        status = end == layer + 1
                     ? wm_buf_printf(t->out, err, "layer %u\n", layer)
                     : wm_buf_printf(t->out, err, "layers %u to %u, each\n", layer, end - 1);
        for (size_t i = 0; i < n && !status; i++)
            status = write_op(t, &ops->ops[begin + i], err);
        layer = end;
    }
    if (!status)
        status = wm_buf_printf(t->out, err, "end\n");
    for (size_t i = first_of(ops, n_layer); i < ops->n && !status; i++)
        status = write_op(t, &ops->ops[i], err);
    return status;
}

static int write_bytes(const struct teller *t, const char *what, uint64_t bytes,
                       struct wm_error *err)
{
    char text[32];
    return wm_buf_printf(t->out, err, "  %-40s %10s\n", what,
                         wm_format_bytes(bytes, text, sizeof text));
}

static int write_memory(const struct teller *t, uint64_t all, struct wm_error *err)
{
    const struct wm_model *model = t->model;
    const struct wm_plan *plan = &model->acts->plan;
    const uint64_t flat = model->n_params * sizeof(float);
    const uint64_t kept = plan->kept_floats * sizeof(float);
    const uint64_t passing = plan->floats * sizeof(float) - kept;
    const uint64_t stored = t->training ? 2 * flat : flat;
    int status = wm_buf_printf(t->out, err, "memory\n");
    if (!status)
        status = write_bytes(t, "parameters", flat, err);
    if (!status && t->training)
        status = write_bytes(t, "gradients", flat, err);
    if (!status && t->training)
        status = write_bytes(t, "activations kept for the backward pass", kept, err);
    if (!status)
        status = write_bytes(t, "activations and gradients in passing", passing, err);
    if (!status)
        status =
            write_bytes(t, "packed factors, scratch, tables", all - stored - kept - passing, err);
    return status ? status : write_bytes(t, "the model", all, err);
}

int wm_model_explain(const struct wm_model_config *config, const struct wm_model_options *options,
                     unsigned n_threads, struct wm_buf *out, struct wm_error *err)
{
    struct wm_model *model = NULL;
    uint64_t bytes;
    char parameters[32], flops[32];
    int status = wm_model_frame(config, options, n_threads, &model, &bytes, err);
    if (status)
        return status;
    const struct teller t = {
        .model = model, .rows = model->max_rows, .training = options->training, .out = out};
    status = wm_buf_printf(
        out, err, "%s: %s parameters, %s FLOP a token forward and backward\n",
        wm_model_parts(config)->name,
        wm_format_count(model->layout.n_numbers, parameters, sizeof parameters),
        wm_format_count((uint64_t)wm_ops_flops(&model->acts->ops), flops, sizeof flops));
    if (!status)
        status = write_ops(&t, err);
    if (!status)
        status = write_memory(&t, bytes, err);
    wm_model_free(model);
    return status;
}

double wm_model_flops_per_token(const struct wm_model_config *config)
{
    struct wm_error err;
    struct wm_params params;
    struct wm_ops ops;
    double flops = 0;
    if (wm_model_config_check(config, &err) || wm_params_new(config, &params, &err))
        return 0;
    if (!wm_ops_new(config, &params, true, &ops, &err)) {
        flops = wm_ops_flops(&ops);
        wm_ops_free(&ops);
    }
    wm_params_free(&params);
    return flops;
}
