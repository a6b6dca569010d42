/* SPDX-License-Identifier: Apache-2.0 */
/* Discounts from counts of counts (Chen and Goodman, An Empirical Study of Smoothing Techniques for
 * Language Modeling, 1998, eq. 26). */
#include "scorers/lm_train.h"

/* false if the counts allow none. Without n4 there is a D3+, namely 3. */
static bool estimate(struct lm_order *o)
{
    for (unsigned k = 1; k <= 3; k++)
        if (!o->n_of[k])
            return false;
    double y = (double)o->n_of[1] / ((double)o->n_of[1] + 2.0 * (double)o->n_of[2]);
    for (unsigned k = 1; k <= 3; k++) {
        o->discount[k] = k - (k + 1) * y * (double)o->n_of[k + 1] / (double)o->n_of[k];
        if (o->discount[k] < 0 || o->discount[k] > k)
            return false;
    }
    return true;
}

static int no_discount(const struct lm_order *o, unsigned n, struct wm_error *err)
{
    unsigned missing = 1;
    while (missing <= 3 && o->n_of[missing])
        missing++;
    if (missing <= 3)
        wm_fail(err, WM_E_FORMAT,
                "the discounts of order %u cannot be estimated: no n-gram has adjusted count %u", n,
                missing);
    else
        wm_fail(err, WM_E_FORMAT,
                "the discounts of order %u cannot be estimated: they come out as %g, %g, %g", n,
                o->discount[1], o->discount[2], o->discount[3]);
    return wm_error_hint(err, "natural text without duplicates has them; else --discount-fallback "
                              "takes fixed ones");
}

int lm_discounts(struct lm_order *orders, unsigned order, const double *fallback,
                 struct wm_error *err)
{
    for (unsigned n = 1; n <= order; n++) {
        struct lm_order *o = &orders[n - 1];
        if (estimate(o))
            continue;
        if (!fallback)
            return no_discount(o, n, err);
        memcpy(&o->discount[1], fallback, 3 * sizeof *fallback);
        o->fell_back = true;
    }
    return 0;
}
