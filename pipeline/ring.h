/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring.h
 * How batches circulate: a stock of them for a pass, and a ring for each task that is running.
 *
 *        ┌────────── stock ◀── recycle ──┐
 *        ▼ take                          │
 *     reader ─▶ put ─▶ crew: workers ─▶ deliver ─▶ next: sink, in order
 *
 * The number of batches is fixed, so memory is bounded and a slow part slows the ones before it.
 * Every ring has a right to an equal share of the stock (n / rings running), so no task can starve
 * another; when a task's lane is done for good, its share goes to the others. At most n batches of
 * a task are under way, so a table of n places brings them back into order without a search.
 *
 * A batch of one document over the batch size is admitted only when the pass has room for it
 * (large_limit), or no other such document is under way. It is admitted in the order of its task,
 * and those before it need nothing more, so admission cannot block for ever.
 */
#ifndef WETMILL_PIPELINE_RING_H
#define WETMILL_PIPELINE_RING_H

#include "pipeline/chain.h"
#include "pipeline/crew.h"

struct wm_ring;

/** A batch with what travels beside it. */
struct wm_carrier {
    struct wm_work work; /**< First: the crew hands it back as this. */
    struct wm_batch batch;
    struct wm_ring *ring;
    struct wm_link_tally *links; /**< What the stages did to it. */
    struct wm_dropped dropped;
    struct wm_point_mark *mark; /**< The task is to be saved behind this batch (task.c); or NULL. */
    struct wm_str rejected;  /**< The dropped documents as the rejects file has them; arena. */
    uint64_t admitted;       /**< Bytes of the large-document allowance it holds. */
    struct wm_carrier *next; /**< In the stock. */
};

struct wm_stock {
    struct wm_crew *crew;
    const struct wm_chain *chain;
    struct wm_carrier *carriers; /**< [n] */
    size_t n;
    struct wm_carrier *free;
    size_t n_rings;              /**< Lanes that still run tasks. */
    size_t keep_bytes;           /**< Memory a batch keeps when recycled. */
    uint64_t large, large_limit; /**< Bytes of large documents under way, and most of them. */
};

/** `n` ≥ `n_rings` batches whose arenas grow to `arena_limit` at most. */
int wm_stock_init(struct wm_stock *stock, struct wm_crew *crew, const struct wm_chain *chain,
                  size_t n, size_t n_rings, size_t arena_limit, struct wm_error *err);
void wm_stock_done(struct wm_stock *stock); /**< Safe on a zeroed one. */
/** One lane will run no more tasks. */
void wm_stock_leave(struct wm_stock *stock);

struct wm_ring {
    struct wm_stock *stock;
    void (*work)(struct wm_work *work, void *worker); /**< What a worker does with a batch. */
    void *owner;                                      /**< The task. */
    struct wm_carrier **place;                        /**< [stock->n], by seq % n */
    uint64_t n_put, n_taken;                          /**< Batches put in, and taken by the sink. */
    size_t in_flight;                                 /**< Taken from the stock, not recycled. */
    bool ended;
    pthread_cond_t ready;
};
int wm_ring_init(struct wm_ring *ring, struct wm_stock *stock,
                 void (*work)(struct wm_work *, void *), void *owner, struct wm_error *err);
void wm_ring_done(struct wm_ring *ring);

/** Reader: an empty batch. Waits for one. */
struct wm_carrier *wm_ring_take(struct wm_ring *ring);
/** Reader: number a filled batch and hand it to the workers; waits for admission if `large` bytes (0 = it is of
 *  normal size) do not fit. */
void wm_ring_put(struct wm_ring *ring, struct wm_carrier *carrier, uint64_t large);
/** Reader: wait until all that was put in is written and recycled. */
void wm_ring_drain(struct wm_ring *ring);
/** Reader: no more batches. `unused` goes back to the stock; may be NULL. */
void wm_ring_end(struct wm_ring *ring, struct wm_carrier *unused);
/** Worker: done with it. */
void wm_ring_deliver(struct wm_carrier *carrier);
/** Sink: the next batch in order; NULL at the end. */
struct wm_carrier *wm_ring_next(struct wm_ring *ring);
/** Sink: done with it. */
void wm_ring_recycle(struct wm_carrier *carrier);

#endif /* WETMILL_PIPELINE_RING_H */
