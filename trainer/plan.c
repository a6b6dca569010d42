/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/plan.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, NEVER = -1 };

/* What of an activation lives in memory of its own. */
enum version { FIRST, AGAIN, GRADIENT, LOGITS, N_VERSIONS };

/* A buffer's life, in items. */
struct life {
    int64_t begin, end; /* both are items that touch it; NEVER */
    uint64_t floats;
    uint64_t *offset;
    bool kept;
};

struct candidate {
    int32_t activation;
    uint32_t layer;
    double cost; /* work to make it again, for each float */
};

struct planner {
    const struct wm_ops *ops;
    const struct wm_plan_wish *wish;
    struct wm_plan *plan;
    struct life *lives;           /* [N_VERSIONS × n_activations] */
    struct life **order;          /* by begin */
    struct life **active;         /* by offset */
    struct candidate *candidates; /* cheapest first */
    size_t n_candidates;
    bool *read_back;  /* [n_activations] the backward pass reads it */
    bool *there;      /* [n_activations] made again already */
    uint32_t *writer; /* [n_activations] the first op that writes it */
};

static uint64_t round_up(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- the items ---- */

static void push(struct planner *p, size_t op, enum wm_pass pass)
{
    p->plan->items[p->plan->n++] = (struct wm_plan_item){(uint32_t)op, pass};
}

/* The ops that write an activation stand next to one another: its maker, and what works on it in
 * place. Their inputs come before them, so this ends. */
static void need(struct planner *p, int32_t activation)
{
    if (activation < 0 || p->plan->kept[activation] || p->there[activation])
        return;
    p->there[activation] = true;
    for (size_t i = p->writer[activation]; p->ops->ops[i].out == activation; i++) {
        const struct wm_op *op = &p->ops->ops[i];
        if (op->in != activation)
            need(p, op->in);
        need(p, op->added);
        push(p, i, WM_PASS_AGAIN);
    }
}

static void list_items(struct planner *p)
{
    const struct wm_ops *ops = p->ops;
    p->plan->n = 0;
    memset(p->there, 0, ops->n_activations * sizeof *p->there);
    for (size_t i = 0; i < ops->n; i++)
        push(p, i, WM_PASS_FORWARD);
    p->plan->n_forward = p->plan->n;
    if (!p->wish->training)
        return;
    for (size_t i = ops->n - 1; i--;) { /* the last is the head */
        const struct wm_op *op = &ops->ops[i];
        if (op->fused) /* its gradient is made with that of the op behind it */
            continue;
        if (i > 0 && op[-1].fused)
            need(p, op[-1].in);
        if (op->needs_in)
            need(p, op->in);
        if (op->needs_out)
            need(p, op->out);
        push(p, i, WM_PASS_BACKWARD);
    }
}

/* ---- lives ---- */

static void touch(struct planner *p, enum version version, int32_t activation, size_t item)
{
    if (activation < 0)
        return;
    struct life *life = &p->lives[(size_t)version * p->ops->n_activations + (size_t)activation];
    if (life->begin == NEVER)
        life->begin = (int64_t)item;
    life->end = (int64_t)item;
}

static void touch_forward(struct planner *p, const struct wm_op *op, size_t item, bool again)
{
    const struct wm_plan *plan = p->plan;
    const int32_t all[] = {op->in, op->added, op->out, op->statistics};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            touch(p, again && !plan->kept[all[i]] ? AGAIN : FIRST, all[i], item);
    if (!again && op->kind == WM_OP_HEAD) {
        touch(p, LOGITS, 0, item);
        if (p->wish->training)
            touch(p, GRADIENT, p->ops->activations[op->in].gradient, item);
    }
}

static void touch_backward(struct planner *p, const struct wm_op *op, size_t item)
{
    const struct wm_activation *all = p->ops->activations;
    const int32_t fused_in = item && op->in >= 0 && op[-1].fused ? op[-1].in : -1;
    const int32_t reads[] = {op->needs_in ? op->in : -1, op->needs_out ? op->out : -1, fused_in};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        if (reads[i] >= 0)
            touch(p, p->plan->kept[reads[i]] ? FIRST : AGAIN, reads[i], item);
    touch(p, FIRST, op->statistics, item);
    touch(p, GRADIENT, all[op->out].gradient, item);
    if (op->in >= 0)
        touch(p, GRADIENT, all[op->in].gradient, item);
}

static void find_lives(struct planner *p)
{
    const struct wm_ops *ops = p->ops;
    struct wm_plan *plan = p->plan;
    uint64_t *const offsets[N_VERSIONS] = {plan->first, plan->again, plan->gradient, NULL};
    for (size_t v = 0; v < N_VERSIONS; v++)
        for (size_t a = 0; a < ops->n_activations; a++) {
            p->lives[v * ops->n_activations + a] = (struct life){
                .begin = NEVER,
                .floats = v == LOGITS ? p->wish->logit_floats
                                      : round_up(p->wish->rows * ops->activations[a].width),
                .offset = v == LOGITS ? &plan->logits : offsets[v] + a,
                .kept = v == FIRST && plan->kept[a],
            };
        }
    for (size_t i = 0; i < plan->n; i++) {
        const struct wm_op *op = &ops->ops[plan->items[i].op];
        if (plan->items[i].pass == WM_PASS_BACKWARD)
            touch_backward(p, op, i);
        else
            touch_forward(p, op, i, plan->items[i].pass == WM_PASS_AGAIN);
        if (op->fused && plan->items[i].pass == WM_PASS_FORWARD) { /* done with the op before */
            struct life *life = &p->lives[op->out];
            life->begin = life->begin == (int64_t)i ? life->begin - 1 : life->begin;
        }
    }
}

/* ---- places ---- */

static int earlier(const void *a, const void *b)
{
    const struct life *x = *(struct life *const *)a, *y = *(struct life *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->floats != y->floats)
        return x->floats > y->floats ? -1 : 1;
    return (x > y) - (x < y);
}

/* Into the smallest gap between the buffers that live at the same time. */
static size_t place(struct planner *p, size_t n_active, struct life *life, uint64_t base)
{
    size_t still = 0;
    for (size_t i = 0; i < n_active; i++)
        if (p->active[i]->end >= life->begin)
            p->active[still++] = p->active[i];
    uint64_t low = base, best_gap = UINT64_MAX, at = 0;
    size_t slot = still;
    for (size_t i = 0; i < still; i++) {
        const uint64_t gap = *p->active[i]->offset - low;
        if (gap >= life->floats && gap < best_gap) {
            best_gap = gap;
            at = low;
            slot = i;
        }
        low = *p->active[i]->offset + p->active[i]->floats;
    }
    *life->offset = slot < still ? at : low;
    memmove(p->active + slot + 1, p->active + slot, (still - slot) * sizeof(struct life *));
    p->active[slot] = life;
    const uint64_t end = *life->offset + life->floats;
    p->plan->floats = end > p->plan->floats ? end : p->plan->floats;
    return still + 1;
}

static void place_all(struct planner *p)
{
    struct wm_plan *plan = p->plan;
    const size_t n_lives = N_VERSIONS * p->ops->n_activations;
    size_t n = 0, n_active = 0;
    plan->floats = 0;
    for (size_t i = 0; i < n_lives; i++) {
        struct life *life = &p->lives[i];
        if (life->begin == NEVER)
            continue;
        if (life->kept) {
            *life->offset = plan->floats;
            plan->floats += life->floats;
        } else {
            p->order[n++] = life;
        }
    }
    plan->kept_floats = plan->floats;
    qsort(p->order, n, sizeof(struct life *), earlier);
    for (size_t i = 0; i < n; i++)
        n_active = place(p, n_active, p->order[i], plan->kept_floats);
    for (size_t a = 0; a < p->ops->n_activations; a++) {
        if (plan->kept[a])
            plan->again[a] = plan->first[a];
        if (p->ops->activations[a].gradient >= 0)
            plan->gradient[a] = plan->gradient[p->ops->activations[a].gradient];
    }
}

/* ---- what to keep ---- */

static int cheaper(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->layer > y->layer) - (x->layer < y->layer);
}

static void look_back(struct planner *p)
{
    const struct wm_ops *ops = p->ops;
    for (size_t i = ops->n; i--;) {
        const struct wm_op *op = &ops->ops[i];
        if (op->out >= 0)
            p->writer[op->out] = (uint32_t)i;
        if (op->needs_in && op->kind != WM_OP_HEAD)
            p->read_back[op->in] = true;
        if (op->needs_out)
            p->read_back[op->out] = true;
        if (op->statistics >= 0)
            p->read_back[op->statistics] = true;
    }
}

/* A state of the residual stream that the norm of its own layer reads can be made again like any
 * other activation; what one layer hands to the next is where making again begins. */
static bool may_go(const struct planner *p, size_t activation)
{
    const struct wm_activation *x = &p->ops->activations[activation];
    const struct wm_op *writer = &p->ops->ops[p->writer[activation]];
    if (!p->read_back[activation] || x->statistics)
        return false;
    return !x->stream || (writer[1].kind == WM_OP_NORM && writer[1].layer == x->layer);
}

static void list_candidates(struct planner *p)
{
    look_back(p);
    for (size_t a = 0; a < p->ops->n_activations; a++) {
        const struct wm_activation *x = &p->ops->activations[a];
        struct candidate c = {(int32_t)a, x->layer, 0};
        if (!may_go(p, a))
            continue;
        for (size_t i = p->writer[a]; p->ops->ops[i].out == (int32_t)a; i++)
            c.cost += p->ops->ops[i].work / x->width;
        p->candidates[p->n_candidates++] = c;
    }
    qsort(p->candidates, p->n_candidates, sizeof *p->candidates, cheaper);
}

/* The plan that makes the first n candidates again. */
static void lay_out(struct planner *p, size_t n)
{
    memcpy(p->plan->kept, p->read_back, p->ops->n_activations * sizeof *p->read_back);
    if (!p->wish->training)
        memset(p->plan->kept, 0, p->ops->n_activations * sizeof *p->read_back);
    for (size_t i = 0; i < n; i++)
        p->plan->kept[p->candidates[i].activation] = false;
    p->plan->n_again = n;
    list_items(p);
    find_lives(p);
    place_all(p);
}

/* What a pass over its input makes again is never kept: that takes no time to be measured, and saves
 * a third of the activations of GPT-2. */
static size_t n_cheap(const struct planner *p)
{
    size_t n = 0;
    while (n < p->n_candidates && p->candidates[n].cost <= WM_OP_ELEMENT_WORK)
        n++;
    return n;
}

static void choose(struct planner *p)
{
    size_t low = n_cheap(p), high = p->n_candidates;
    lay_out(p, low);
    if (!p->wish->training || p->plan->floats <= p->wish->most_floats)
        return;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        lay_out(p, middle);
        if (p->plan->floats <= p->wish->most_floats)
            high = middle;
        else
            low = middle + 1;
    }
    lay_out(p, low);
}

/* ---- */

static bool open_planner(struct planner *p)
{
    const size_t n = p->ops->n_activations, n_lives = N_VERSIONS * n;
    struct wm_plan *plan = p->plan;
    plan->items = calloc(3 * p->ops->n, sizeof *plan->items);
    plan->first = calloc(n, sizeof *plan->first);
    plan->again = calloc(n, sizeof *plan->again);
    plan->gradient = calloc(n, sizeof *plan->gradient);
    plan->kept = calloc(n, sizeof *plan->kept);
    p->lives = calloc(n_lives, sizeof *p->lives);
    p->order = calloc(n_lives, sizeof(struct life *));
    p->active = calloc(n_lives, sizeof(struct life *));
    p->candidates = calloc(n, sizeof *p->candidates);
    p->read_back = calloc(n, sizeof *p->read_back);
    p->there = calloc(n, sizeof *p->there);
    p->writer = calloc(n, sizeof *p->writer);
    return plan->items && plan->first && plan->again && plan->gradient && plan->kept && p->lives &&
           p->order && p->active && p->candidates && p->read_back && p->there && p->writer;
}

int wm_plan_new(const struct wm_ops *ops, const struct wm_plan_wish *wish, struct wm_plan *ret,
                struct wm_error *err)
{
    struct planner p = {.ops = ops, .wish = wish, .plan = ret};
    *ret = (struct wm_plan){0};
    int status = 0;
    if (open_planner(&p)) {
        list_candidates(&p);
        choose(&p);
    } else {
        wm_plan_free(ret);
        status = wm_fail_nomem(err, ops->n_activations * sizeof *p.lives, "plan of memory");
    }
    free(p.lives);
    free(p.order);
    free(p.active);
    free(p.candidates);
    free(p.read_back);
    free(p.there);
    free(p.writer);
    return status;
}

void wm_plan_free(struct wm_plan *plan)
{
    free(plan->items);
    free(plan->first);
    free(plan->again);
    free(plan->gradient);
    free(plan->kept);
    *plan = (struct wm_plan){0};
}
