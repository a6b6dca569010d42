/* SPDX-License-Identifier: Apache-2.0 */
/* Points behind the counting: adjusted counts of all orders, and each order that is written. */
#include "scorers/lm_train_trainer.h"

static size_t record_size(unsigned n)
{
    return n * sizeof(uint32_t) + sizeof(uint64_t);
}

static int read_counts(struct wm_lm_train *t, unsigned n, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    wm_spool_close(&t->counts[n - 1]);
    int status = lm_keep_read(k, &k->counts[n - 1], "counts", n, err);
    return status ? status
                  : wm_spool_from(&t->counts[n - 1], t->pool, record_size(n), k->counts[n - 1].in,
                                  0, k->n_counts[n - 1], err);
}

int lm_keep_counts(struct wm_lm_train *t, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    const bool keep = k->made || lm_keep_due(k, t->cancel);
    const unsigned order = t->settings.order;
    int status = 0;
    for (unsigned n = 2; !status && n <= order; n++)
        status = keep ? lm_keep_drain(k, &k->counts[n - 1], "counts", n, &t->counts[n - 1],
                                      &k->n_counts[n - 1], err)
                      : wm_spool_rewind(&t->counts[n - 1], err);
    if (status || !keep)
        return status;
    k->phase = LM_ESTIMATING;
    status = lm_keep_save(t, err);
    if (!status)
        status = lm_keep_remove(k, &k->runs, "runs", 0, err);
    return status ? status : lm_keep_reopen(t, err);
}

int lm_keep_reopen(struct wm_lm_train *t, struct wm_error *err)
{
    int status = 0;
    for (unsigned n = t->keep.done < 2 ? 2 : t->keep.done + 1; !status && n <= t->settings.order;
         n++)
        status = read_counts(t, n, err);
    return status;
}

/* Files that orders up to n, of which `before` were done, no longer need. */
static int remove_done(struct lm_keep *k, unsigned before, unsigned n, struct wm_error *err)
{
    int status = 0;
    for (unsigned i = before < 2 ? 2 : before + 1; !status && i <= n; i++)
        status = lm_keep_remove(k, &k->counts[i - 1], "counts", i, err);
    return status;
}

int lm_keep_order(void *train, unsigned n, struct wm_spool *below, struct wm_error *err)
{
    struct wm_lm_train *t = train;
    struct lm_keep *k = &t->keep;
    struct lm_arpa_start start = {0};
    if (k->phase != LM_ESTIMATING || !lm_keep_due(k, t->cancel))
        return wm_spool_rewind(below, err);
    struct lm_file last = k->below;
    const unsigned before = k->done;
    k->below = (struct lm_file){0};
    k->n_below = 0;
    int status = lm_arpa_flush(t->arpa, &start, err);
    if (!status)
        status = lm_keep_drain(k, &k->below, "below", n, below, &k->n_below, err);
    k->done = n;
    k->section = start.n;
    k->put = start.put;
    if (!status)
        status = lm_keep_save(t, err);
    if (status || !before)
        lm_keep_close(&last);
    else
        status = lm_keep_remove(k, &last, "below", before, err);
    if (!status)
        status = remove_done(k, before, n, err);
    wm_spool_close(below);
    return status ? status : lm_keep_below(t, below, err);
}

int lm_keep_below(struct wm_lm_train *t, struct wm_spool *ret, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    if (!k->done)
        return 0;
    int status = lm_keep_read(k, &k->below, "below", k->done, err);
    return status ? status
                  : wm_spool_from(ret, t->pool, k->done * sizeof(uint32_t) + sizeof(float),
                                  k->below.in, 0, k->n_below, err);
}

int lm_keep_model(struct wm_lm_train *t, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    if (!k->made && !lm_keep_due(k, t->cancel))
        return 0;
    k->phase = LM_WRITTEN;
    return lm_keep_save(t, err);
}
