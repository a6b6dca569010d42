/* SPDX-License-Identifier: Apache-2.0 */
/* From the mean of a text's rows to its likeliest labels, for each loss a model can be trained
 * with. Scores are logarithms, log(p + 1e-5), until the end: that is how fastText compares them. */
#include <math.h>
#include <stdlib.h>

#include "scorers/fasttext.h"

enum { SIGMOID_STEPS = 512, SIGMOID_MOST = 8 };

static float safe_log(double x)
{
    return (float)log(x + 1e-5);
}

int wm_ft_tree_make(struct wm_fasttext *model, struct wm_error *err)
{
    static const int64_t unbuilt = (int64_t)1e15; /* fastText's count of a node not made yet */
    const struct wm_ft_dictionary *d = &model->dictionary;
    size_t n_leaves = d->n_labels, n = 2 * n_leaves - 1;
    int64_t total = 0, *counts = wm_ft_alloc(n, sizeof *counts, "label tree", err);
    int status = counts ? 0 : WM_E_NOMEM;
    model->tree = status ? NULL : wm_ft_alloc(n, sizeof *model->tree, "label tree", err);
    if (!model->tree)
        status = WM_E_NOMEM;
    for (size_t i = 0; !status && i < n; i++) {
        model->tree[i] = (struct wm_ft_node){-1, -1};
        counts[i] = i < n_leaves ? d->label_counts[i] : unbuilt;
        if (i >= n_leaves)
            continue;
        if (counts[i] < 0 || counts[i] >= unbuilt - total)
            status =
                wm_fail(err, WM_E_FORMAT, "label %zu was seen %jd times", i, (intmax_t)counts[i]);
        else
            total += counts[i];
    }
    size_t leaf = n_leaves, node = n_leaves; /* leaf: one behind the next to take */
    for (size_t i = n_leaves; !status && i < n; i++) {
        size_t child[2];
        for (int j = 0; j < 2; j++)
            child[j] = leaf > 0 && counts[leaf - 1] < counts[node] ? --leaf : node++;
        model->tree[i] = (struct wm_ft_node){(int32_t)child[0], (int32_t)child[1]};
        counts[i] = counts[child[0]] + counts[child[1]];
    }
    free(counts);
    return status;
}

/* The best `k` so far, best first. */
struct best {
    struct wm_fasttext_guess *items;
    size_t n, k;
};

static bool wanted(const struct best *best, float score)
{
    return best->n < best->k || score > best->items[best->n - 1].score;
}

static void insert(struct best *best, uint32_t label, float score)
{
    if (!wanted(best, score))
        return;
    size_t at = best->n < best->k ? best->n++ : best->n - 1;
    for (; at > 0 && best->items[at - 1].score < score; at--)
        best->items[at] = best->items[at - 1];
    best->items[at] = (struct wm_fasttext_guess){label, score};
}

/* Depth first, the likelier side first, leaving out what can no longer get among the best. The
 * visits that wait are at most one for each level and one more. */
static void search_tree(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                        struct best *best)
{
    uint32_t n_labels = model->dictionary.n_labels;
    const float least = safe_log(0);
    size_t n = 0;
    s->visits[n++] = (struct wm_ft_visit){(int32_t)(2 * n_labels - 2), 0};
    while (n > 0) {
        struct wm_ft_visit at = s->visits[--n];
        if (at.score < least || !wanted(best, at.score))
            continue;
        struct wm_ft_node node = model->tree[at.node];
        if (node.left < 0) {
            insert(best, (uint32_t)at.node, at.score);
            continue;
        }
        float dot = wm_ft_matrix_dot(&model->output, (uint32_t)at.node - n_labels, s->hidden);
        float right = (float)(1.0 / (1.0 + exp(-(double)dot)));
        struct wm_ft_visit to_left = {node.left, at.score + safe_log(1.0 - (double)right)};
        struct wm_ft_visit to_right = {node.right, at.score + safe_log((double)right)};
        bool left_first = to_left.score > to_right.score;
        s->visits[n++] = left_first ? to_right : to_left;
        s->visits[n++] = left_first ? to_left : to_right;
    }
}

static void softmax(float *values, size_t n)
{
    float most = values[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = values[i] > most ? values[i] : most;
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)exp((double)(values[i] - most));
        sum += values[i];
    }
    for (size_t i = 0; i < n; i++)
        values[i] /= sum;
}

/* fastText reads this sigmoid from a table of 513 values over -8 … 8. */
static float table_sigmoid(float x)
{
    if (!(x >= -SIGMOID_MOST))
        return 0;
    if (x > SIGMOID_MOST)
        return 1;
    int step = (int)((x + SIGMOID_MOST) * SIGMOID_STEPS / SIGMOID_MOST / 2);
    float at = (float)(step * 2 * SIGMOID_MOST) / SIGMOID_STEPS - SIGMOID_MOST;
    return (float)(1.0 / (1.0 + exp(-(double)at)));
}

static void score_labels(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                         struct best *best)
{
    uint32_t n = model->dictionary.n_labels;
    struct wm_ft_matrix labels = model->output;
    labels.rows = n;
    wm_ft_matrix_times(&labels, s->hidden, s->output);
    if (model->loss == WM_FT_SOFTMAX)
        softmax(s->output, n);
    else
        for (uint32_t i = 0; i < n; i++)
            s->output[i] = table_sigmoid(s->output[i]);
    for (uint32_t i = 0; i < n; i++)
        insert(best, i, s->output[i]);
    for (size_t i = 0; i < best->n; i++)
        best->items[i].score = safe_log((double)best->items[i].score);
}

size_t wm_fasttext_predict(const struct wm_fasttext *model, struct wm_fasttext_scratch *scratch,
                           struct wm_str text, size_t k, struct wm_fasttext_guess *ret)
{
    if (k == 0 || wm_ft_features(model, scratch, text) == 0)
        return 0;
    struct best best = {.items = ret, .k = k};
    if (model->loss == WM_FT_HIERARCHICAL)
        search_tree(model, scratch, &best);
    else
        score_labels(model, scratch, &best);
    for (size_t i = 0; i < best.n; i++)
        ret[i].score = (float)exp((double)ret[i].score);
    return best.n;
}

int wm_fasttext_scratch_new(const struct wm_fasttext *model, struct wm_fasttext_scratch **ret,
                            struct wm_error *err)
{
    static const char what[] = "fastText scratch";
    size_t n_labels = model->dictionary.n_labels, n_slots = wm_ft_cache_slots(model);
    struct wm_fasttext_scratch *s = wm_ft_alloc(1, sizeof *s, what, err);
    if (!s)
        return WM_E_NOMEM;
    s->cache_mask = (uint32_t)(n_slots - 1);
    s->total = wm_ft_alloc(model->dim, sizeof *s->total, what, err);
    s->hidden = wm_ft_alloc(model->dim, sizeof(float), what, err);
    s->sum = wm_ft_alloc(model->dim, sizeof(float), what, err);
    s->output = wm_ft_alloc(n_labels, sizeof(float), what, err);
    s->visits = wm_ft_alloc(n_labels + 1, sizeof *s->visits, what, err);
    s->cached = wm_ft_alloc(n_slots, sizeof *s->cached, what, err);
    s->cached_sums = wm_ft_alloc(n_slots * model->dim, sizeof(float), what, err);
    if (!s->total || !s->hidden || !s->sum || !s->output || !s->visits || !s->cached ||
        !s->cached_sums) {
        wm_fasttext_scratch_free(s);
        return WM_E_NOMEM;
    }
    *ret = s;
    return 0;
}

void wm_fasttext_scratch_free(struct wm_fasttext_scratch *scratch)
{
    if (!scratch)
        return;
    free(scratch->total);
    free(scratch->hidden);
    free(scratch->sum);
    free(scratch->output);
    free(scratch->visits);
    free(scratch->cached);
    free(scratch->cached_sums);
    free(scratch);
}

size_t wm_fasttext_scratch_memory(const struct wm_fasttext *model)
{
    size_t n_labels = model->dictionary.n_labels, n_slots = wm_ft_cache_slots(model);
    return sizeof(struct wm_fasttext_scratch) + model->dim * (2 * sizeof(float) + sizeof(double)) +
           n_labels * (sizeof(float) + sizeof(struct wm_ft_visit)) +
           n_slots * (sizeof(struct wm_ft_cached) + model->dim * sizeof(float));
}
