/* SPDX-License-Identifier: Apache-2.0 */
/* A step: the plan's items, one after the other, and what surrounds them. */
#include <string.h>

#include "trainer/activations.h"

/* ---- a batch may be anything ---- */

static int check_ids(const struct wm_model *model, const struct wm_lm_batch *batch, bool targets,
                     struct wm_error *err)
{
    const uint32_t vocabulary = model->config.vocabulary;
    for (size_t i = 0; i < (size_t)batch->b * batch->t; i++) {
        bool scored = targets && (!batch->weights || batch->weights[i] != 0);
        uint32_t id =
            batch->inputs[i] < vocabulary && scored ? batch->targets[i] : batch->inputs[i];
        if (id >= vocabulary)
            return wm_fail(err, WM_E_FORMAT, "token %u is outside the vocabulary of %u", id,
                           vocabulary);
    }
    return 0;
}

static int check_places(const struct wm_model *model, const struct wm_lm_batch *batch,
                        struct wm_error *err)
{
    for (size_t i = 0; i < (size_t)batch->b * batch->t; i++) {
        const uint32_t t = (uint32_t)(i % batch->t);
        if (batch->positions && batch->positions[i] >= model->config.n_ctx)
            return wm_fail(err, WM_E_FORMAT, "position %u is outside the context of %u",
                           batch->positions[i], model->config.n_ctx);
        if (batch->first_key && batch->first_key[i] > t)
            return wm_fail(err, WM_E_FORMAT, "token %u of a sequence looks from token %u on", t,
                           batch->first_key[i]);
        if (batch->prefix && batch->prefix[i / batch->t] > batch->t)
            return wm_fail(err, WM_E_FORMAT, "a prefix of %u tokens in a sequence of %u",
                           batch->prefix[i / batch->t], batch->t);
    }
    return 0;
}

static int check_batch(const struct wm_model *model, const struct wm_lm_batch *batch, bool targets,
                       struct wm_error *err)
{
    const struct wm_model_config *config = &model->config;
    if (batch->b < 1 || batch->b > model->max_batch || batch->t < 1 || batch->t > config->n_ctx ||
        (uint64_t)batch->b * batch->t > model->max_rows)
        return wm_fail(err, WM_E_LIMIT,
                       "a batch of %u × %u tokens; the model was planned for %u × %u, %llu in all",
                       batch->b, batch->t, model->max_batch, config->n_ctx,
                       (unsigned long long)model->max_rows);
    int status = check_ids(model, batch, targets, err);
    return status ? status : check_places(model, batch, err);
}

/* ---- what is done to a product's block while it is in cache ---- */

struct finish {
    const struct wm_pass_state *s;
    const struct wm_op *op;
    const struct wm_kernels *kernels;
    const float *from; /* [rows, n] */
    float *to;
    size_t n;
};

/* to += from: the residual connection. */
static void finish_residual(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finish *f = arg;
    for (size_t at = row * f->n + col; n_rows; n_rows--, at += f->n) {
        if (wm_drops(f->s))
            wm_drop(f->s, f->op, at, n_cols, f->to + at, f->to + at);
        f->kernels->add(f->to + at, f->from + at, n_cols);
    }
}

/* to = gelu(from) */
static void finish_gelu(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finish *f = arg;
    for (size_t at = row * f->n + col; n_rows; n_rows--, at += f->n)
        f->kernels->gelu(f->from + at, f->to + at, n_cols);
}

/* A block of the gradient behind GELU becomes that before it. */
static void finish_gelu_back(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finish *f = arg;
    for (size_t at = row * f->n + col; n_rows; n_rows--, at += f->n)
        f->kernels->gelu_back(f->from + at, f->to + at, n_cols);
}

static void linear_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct finish finish = {s, op, s->model->acts->shop.kernels, NULL, NULL, wm_width(s, op->out)};
    wm_finish *how = NULL;
    if (op->added >= 0) {
        finish.from = wm_at(s, op->added);
        finish.to = wm_at(s, op->out);
        how = finish_residual;
    } else if (op[1].fused && s->pass == WM_PASS_FORWARD) {
        finish.from = wm_at(s, op[1].in);
        finish.to = wm_at(s, op[1].out);
        how = finish_gelu;
    }
    wm_linear_forward(s, op, how, &finish);
}

static void linear_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct finish finish = {s, op, s->model->acts->shop.kernels, NULL, NULL, wm_width(s, op->in)};
    const bool fused = op[-1].fused;
    if (fused) {
        finish.from = wm_at(s, op[-1].in);
        finish.to = wm_gradient_at(s, op->in);
    }
    wm_linear_backward(s, op, fused ? finish_gelu_back : NULL, &finish);
}

/* ---- the table runs ---- */

static void forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    switch (op->kind) {
    case WM_OP_EMBED:
        wm_embed_forward(s, op);
        break;
    case WM_OP_NORM:
        wm_norm_forward(s, op);
        break;
    case WM_OP_LINEAR:
        linear_forward(s, op);
        break;
    case WM_OP_QK_NORM:
        wm_qk_norm_forward(s, op);
        break;
    case WM_OP_ROPE:
        wm_rope(s, op);
        break;
    case WM_OP_ATTENTION:
        wm_attend_forward(s, op);
        break;
    case WM_OP_GELU:
        if (s->pass != WM_PASS_FORWARD)
            wm_activate_forward(s, op);
        break;
    case WM_OP_SWIGLU:
        wm_activate_forward(s, op);
        break;
    case WM_OP_HEAD:
    case WM_N_OP_KINDS:
        break;
    }
}

static void backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    switch (op->kind) {
    case WM_OP_EMBED:
        wm_embed_backward(s, op);
        break;
    case WM_OP_NORM:
        wm_norm_backward(s, op);
        break;
    case WM_OP_LINEAR:
        linear_backward(s, op);
        break;
    case WM_OP_QK_NORM:
        wm_qk_norm_backward(s, op);
        break;
    case WM_OP_ROPE:
        wm_rope(s, op);
        break;
    case WM_OP_ATTENTION:
        wm_attend_backward(s, op);
        break;
    case WM_OP_SWIGLU:
        wm_swiglu_backward(s, op);
        break;
    case WM_OP_GELU: /* with the map behind it */
    case WM_OP_HEAD:
    case WM_N_OP_KINDS:
        break;
    }
}

/* The first op that has something to learn; below it no gradient is wanted. */
static size_t first_trainable(const struct wm_model *model)
{
    const struct wm_ops *ops = &model->acts->ops;
    for (size_t i = 0; i < ops->n; i++)
        for (uint32_t map = 0; map < ops->ops[i].n_maps; map++)
            if (wm_trains(model, ops->ops[i].weight[map]) ||
                wm_trains(model, ops->ops[i].bias[map]))
                return i;
    return ops->n;
}

static void run_forward(const struct wm_pass_state *s)
{
    const struct wm_activations *acts = s->model->acts;
    for (size_t i = 0; i < acts->plan.n_forward; i++)
        forward(s, &acts->ops.ops[acts->plan.items[i].op]);
}

static const struct wm_op *head_of(const struct wm_model *model)
{
    return &model->acts->ops.ops[model->acts->ops.n - 1];
}

/* Everything below the head. The items end with the last that reaches `first`. */
static void run_backward(struct wm_pass_state *s, size_t first)
{
    const struct wm_activations *acts = s->model->acts;
    const struct wm_plan *plan = &acts->plan;
    size_t end = plan->n;
    while (end > plan->n_forward && plan->items[end - 1].op < first)
        end--;
    memset(wm_gradient_at(s, 0), 0, s->rows * s->model->config.n_embd * sizeof(float));
    for (size_t i = plan->n_forward; i < end; i++) {
        const struct wm_op *op = &acts->ops.ops[plan->items[i].op];
        s->pass = plan->items[i].pass;
        s->input_wanted = plan->items[i].op > first;
        if (s->pass == WM_PASS_AGAIN)
            forward(s, op);
        else
            backward(s, op);
    }
}

/* ---- what is asked of a model; each is one session of its team ---- */

struct job {
    struct wm_pass_state s;
    size_t first; /* first op that has something to learn */
    float *logits;
    double nll;
};

static struct job begin(const struct wm_model *model, const struct wm_lm_batch *batch, float scale)
{
    return (struct job){.s = {.model = model,
                              .batch = batch,
                              .rows = (size_t)batch->b * batch->t,
                              .pass = WM_PASS_FORWARD,
                              .scale = scale}};
}

static void run_loss(void *arg)
{
    struct job *job = arg;
    run_forward(&job->s);
    job->nll = wm_head(&job->s, head_of(job->s.model));
}

static void run_logits(void *arg)
{
    const struct job *job = arg;
    run_forward(&job->s);
    wm_head_logits(&job->s, head_of(job->s.model), job->logits);
}

static void run_step(void *arg)
{
    struct job *job = arg;
    job->s.fresh = job->s.scale != 0 && wm_zero_due_grads(job->s.model, false);
    run_loss(arg);
    if (job->s.scale != 0 && job->s.input_wanted)
        run_backward(&job->s, job->first);
}

int wm_model_loss(struct wm_model *model, const struct wm_lm_batch *batch, double *ret_nll,
                  struct wm_error *err)
{
    int status = check_batch(model, batch, true, err);
    if (status)
        return status;
    struct job job = begin(model, batch, 0);
    wm_team_session(model->team, run_loss, &job);
    *ret_nll = job.nll;
    return 0;
}

const double *wm_model_target_nats(const struct wm_model *model)
{
    return model->acts->row_nll;
}

int wm_model_logits(struct wm_model *model, const struct wm_lm_batch *batch, float *ret_logits,
                    struct wm_error *err)
{
    int status = check_batch(model, batch, false, err);
    if (status)
        return status;
    struct job job = begin(model, batch, 0);
    job.logits = ret_logits;
    wm_team_session(model->team, run_logits, &job);
    return 0;
}

int wm_model_forward_backward(struct wm_model *model, const struct wm_lm_batch *batch, float scale,
                              double *ret_nll, struct wm_error *err)
{
    if (!model->grads)
        return wm_fail(err, WM_E_CONFIG, "the model was made for inference: it has no gradients");
    int status = check_batch(model, batch, true, err);
    if (status)
        return status;
    struct job job = begin(model, batch, scale);
    job.first = first_trainable(model);
    job.s.input_wanted = job.first + 1 < model->acts->ops.n;
    wm_team_session(model->team, run_step, &job);
    *ret_nll = job.nll;
    return 0;
}
