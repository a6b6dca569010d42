/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/sample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/scalar.h"

enum { DRAW_STREAM = 0x64726177 }; /* apart from other uses of a seed */

/* x = k·ln 2 + r with |r| ≤ ln 2 / 2 (Cody & Waite: ln 2 in two parts), then Taylor. */
double wm_exp_negative(double x)
{
    static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    if (!(x > -708))
        return 0;
    int k = (int)(x * 1.44269504088896340736 - 0.5);
    double r = (x - k * ln2_high) - k * ln2_low, sum = 1;
    for (int i = 13; i > 0; i--)
        sum = 1 + sum * r / i;
    return ldexp(sum, k);
}

uint64_t wm_sampler_bytes(uint32_t vocabulary)
{
    const struct wm_sampler *s = NULL;
    return (uint64_t)vocabulary * (sizeof *s->heap + sizeof *s->weights + sizeof *s->logits);
}

int wm_sampler_init(struct wm_sampler *sampler, uint32_t vocabulary, struct wm_error *err)
{
    *sampler = (struct wm_sampler){.vocabulary = vocabulary};
    sampler->heap = malloc((size_t)vocabulary * sizeof *sampler->heap);
    sampler->weights = malloc((size_t)vocabulary * sizeof *sampler->weights);
    sampler->logits = malloc((size_t)vocabulary * sizeof *sampler->logits);
    if (sampler->heap && sampler->weights && sampler->logits)
        return 0;
    wm_sampler_done(sampler);
    return wm_fail_nomem(err, (size_t)wm_sampler_bytes(vocabulary), "choosing tokens");
}

void wm_sampler_done(struct wm_sampler *sampler)
{
    free(sampler->heap);
    free(sampler->weights);
    free(sampler->logits);
    *sampler = (struct wm_sampler){0};
}

/* Is `a` the likelier token? */
static bool before(const float *logits, uint32_t a, uint32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static void sift_down(uint32_t *heap, size_t n, size_t at, const float *logits)
{
    uint32_t id = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(logits, heap[child + 1], heap[child]))
            child++;
        if (!before(logits, heap[child], id))
            break;
        heap[at] = heap[child];
    }
    heap[at] = id;
}

/* Finite logits into a heap, likeliest on top. */
static size_t make_heap(struct wm_sampler *sampler, const float *logits)
{
    size_t n = 0;
    for (uint32_t id = 0; id < sampler->vocabulary; id++) {
        if (isfinite(logits[id]))
            sampler->heap[n++] = id;
    }
    for (size_t i = n / 2; i-- > 0;)
        sift_down(sampler->heap, n, i, logits);
    return n;
}

/* Move the top behind the heap's end: the likeliest tokens gather there in order. */
static uint32_t pop(uint32_t *heap, size_t *n, const float *logits)
{
    uint32_t top = heap[0];
    heap[0] = heap[--*n];
    heap[*n] = top;
    sift_down(heap, *n, 0, logits);
    return top;
}

static double weight(const struct wm_sampler *sampler, const float *logits, uint32_t id,
                     const struct wm_generate_options *options)
{
    double below = (double)logits[id] - (double)logits[sampler->best];
    return wm_exp_negative(below / options->temperature);
}

/* Gather the candidates behind the heap's end, likeliest last, with their weights: the k likeliest,
 * of these as many as make up top_p,
 * of these those that reach min_p. Returns their number and the sum of their weights. */
static size_t gather(struct wm_sampler *sampler, const float *logits,
                     const struct wm_generate_options *options, size_t n_heap, double *ret_kept)
{
    size_t k = options->top_k && options->top_k < n_heap ? (size_t)options->top_k : n_heap, n = 0;
    double total = 0, kept = 0; /* total: what top-p is a share of */
    if (k == n_heap) {
        for (size_t i = 0; i < k; i++)
            total += weight(sampler, logits, sampler->heap[i], options);
    } else {
        for (; n < k; n++) {
            uint32_t id = pop(sampler->heap, &n_heap, logits);
            sampler->weights[n] = weight(sampler, logits, id, options);
            total += sampler->weights[n];
        }
    }
    size_t n_kept = 0;
    while (n_kept < k && (n_kept == 0 || kept < options->top_p * total)) {
        if (n_kept == n) {
            uint32_t id = pop(sampler->heap, &n_heap, logits);
            sampler->weights[n++] = weight(sampler, logits, id, options);
        }
        if (n_kept && sampler->weights[n_kept] < options->min_p)
            break;
        kept += sampler->weights[n_kept++];
    }
    *ret_kept = kept;
    return n_kept;
}

/* Each token once, however often it stands there: the second time its logit is not the model's. */
static const float *penalise(struct wm_sampler *sampler, const float *logits, const uint32_t *text,
                             size_t n_text, double penalty)
{
    memcpy(sampler->logits, logits, sampler->vocabulary * sizeof *logits);
    for (size_t i = 0; i < n_text; i++)
        if (text[i] < sampler->vocabulary) {
            const double x = (double)logits[text[i]];
            sampler->logits[text[i]] = (float)(x > 0 ? x / penalty : x * penalty);
        }
    return sampler->logits;
}

int wm_sampler_draw(struct wm_sampler *sampler, const float *logits, const uint32_t *text,
                    size_t n_text, const struct wm_generate_options *options, uint64_t n,
                    uint32_t *ret_id, struct wm_error *err)
{
    if (options->repetition_penalty > 0 && options->repetition_penalty != 1)
        logits = penalise(sampler, logits, text, n_text, options->repetition_penalty);
    size_t all = make_heap(sampler, logits);
    if (!all)
        return wm_fail(err, WM_E_FORMAT, "the model predicts no token: its weights are damaged");
    sampler->best = sampler->heap[0];
    if (!(options->temperature > 0)) {
        *ret_id = sampler->best;
        return 0;
    }
    double kept;
    size_t n_kept = gather(sampler, logits, options, all, &kept), at = 0;
    double left = wm_uniform(options->seed, DRAW_STREAM, n) * kept;
    while (at + 1 < n_kept && left >= sampler->weights[at])
        left -= sampler->weights[at++];
    *ret_id = sampler->heap[all - 1 - at];
    return 0;
}
