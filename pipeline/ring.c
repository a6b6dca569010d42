/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/ring.h"

#include <stdlib.h>

#include "pipeline/tally.h"

int wm_stock_init(struct wm_stock *stock, struct wm_crew *crew, const struct wm_chain *chain,
                  size_t n, size_t n_rings, size_t arena_limit, struct wm_error *err)
{
    *stock = (struct wm_stock){.crew = crew, .chain = chain, .n = n, .n_rings = n_rings};
    stock->carriers = calloc(n, sizeof *stock->carriers);
    if (!stock->carriers)
        return wm_fail_nomem(err, n * sizeof *stock->carriers, "batches");
    for (size_t i = 0; i < n; i++) {
        struct wm_carrier *carrier = &stock->carriers[i];
        int status = wm_links_new(chain, &carrier->links, err);
        if (status)
            return status;
        wm_arena_init(&carrier->batch.arena, arena_limit);
        wm_arena_init(&carrier->batch.scratch, arena_limit);
        carrier->next = stock->free;
        stock->free = carrier;
    }
    return 0;
}

void wm_stock_done(struct wm_stock *stock)
{
    for (size_t i = 0; stock->carriers && i < stock->n; i++) {
        wm_arena_done(&stock->carriers[i].batch.arena);
        wm_arena_done(&stock->carriers[i].batch.scratch);
        free(stock->carriers[i].links);
    }
    free(stock->carriers);
    *stock = (struct wm_stock){0};
}

void wm_stock_leave(struct wm_stock *stock)
{
    pthread_mutex_lock(&stock->crew->lock);
    stock->n_rings--;
    pthread_cond_broadcast(&stock->crew->stock_freed);
    pthread_mutex_unlock(&stock->crew->lock);
}

int wm_ring_init(struct wm_ring *ring, struct wm_stock *stock,
                 void (*work)(struct wm_work *, void *), void *owner, struct wm_error *err)
{
    *ring = (struct wm_ring){.stock = stock, .work = work, .owner = owner};
    ring->place = calloc(stock->n, sizeof(struct wm_carrier *));
    if (!ring->place || pthread_cond_init(&ring->ready, NULL)) {
        free(ring->place);
        return wm_fail_nomem(err, stock->n * sizeof(struct wm_carrier *), "ring of batches");
    }
    return 0;
}

void wm_ring_done(struct wm_ring *ring)
{
    (void)pthread_cond_destroy(&ring->ready);
    free(ring->place);
    *ring = (struct wm_ring){0};
}

/* Recycling empties the batch outside the lock; one that held a large document gives its memory
 * back, or the batches together would come to hold as many of those. */
static void empty(struct wm_stock *stock, struct wm_carrier *carrier)
{
    struct wm_batch *batch = &carrier->batch;
    if (batch->arena.held + batch->scratch.held > stock->keep_bytes) {
        wm_arena_done(&batch->arena);
        wm_arena_done(&batch->scratch);
    }
    wm_arena_reset(&batch->arena);
    wm_arena_reset(&batch->scratch);
    *batch = (struct wm_batch){.arena = batch->arena, .scratch = batch->scratch};
    carrier->dropped = (struct wm_dropped){0};
    carrier->rejected = (struct wm_str){0};
    wm_links_clear(stock->chain, carrier->links);
}

static void put_back(struct wm_ring *ring, struct wm_carrier *carrier)
{
    struct wm_stock *stock = ring->stock;
    stock->large -= carrier->admitted;
    carrier->admitted = 0;
    carrier->next = stock->free;
    stock->free = carrier;
    ring->in_flight--;
    pthread_cond_broadcast(&stock->crew->stock_freed);
}

struct wm_carrier *wm_ring_take(struct wm_ring *ring)
{
    struct wm_stock *stock = ring->stock;
    pthread_mutex_lock(&stock->crew->lock);
    /* all shares together are at most the stock: within its share a ring finds one */
    while (ring->in_flight >= stock->n / stock->n_rings || !stock->free)
        pthread_cond_wait(&stock->crew->stock_freed, &stock->crew->lock);
    struct wm_carrier *carrier = stock->free;
    stock->free = carrier->next;
    ring->in_flight++;
    pthread_mutex_unlock(&stock->crew->lock);
    carrier->ring = ring;
    return carrier;
}

void wm_ring_put(struct wm_ring *ring, struct wm_carrier *carrier, uint64_t large)
{
    struct wm_stock *stock = ring->stock;
    carrier->work.run = ring->work;
    pthread_mutex_lock(&stock->crew->lock);
    while (large && stock->large && large > stock->large_limit - stock->large)
        pthread_cond_wait(&stock->crew->stock_freed, &stock->crew->lock);
    if (large > stock->large_limit)
        large = stock->large_limit;
    stock->large += large;
    carrier->admitted = large;
    carrier->batch.seq = ring->n_put++;
    wm_crew_put(stock->crew, &carrier->work, false);
    pthread_mutex_unlock(&stock->crew->lock);
}

void wm_ring_drain(struct wm_ring *ring)
{
    pthread_mutex_lock(&ring->stock->crew->lock);
    while (ring->in_flight)
        pthread_cond_wait(&ring->stock->crew->stock_freed, &ring->stock->crew->lock);
    pthread_mutex_unlock(&ring->stock->crew->lock);
}

void wm_ring_end(struct wm_ring *ring, struct wm_carrier *unused)
{
    if (unused)
        empty(ring->stock, unused);
    pthread_mutex_lock(&ring->stock->crew->lock);
    if (unused)
        put_back(ring, unused);
    ring->ended = true;
    pthread_cond_signal(&ring->ready);
    pthread_mutex_unlock(&ring->stock->crew->lock);
}

void wm_ring_deliver(struct wm_carrier *carrier)
{
    struct wm_ring *ring = carrier->ring;
    pthread_mutex_lock(&ring->stock->crew->lock);
    ring->place[carrier->batch.seq % ring->stock->n] = carrier;
    if (carrier->batch.seq == ring->n_taken)
        pthread_cond_signal(&ring->ready);
    pthread_mutex_unlock(&ring->stock->crew->lock);
}

struct wm_carrier *wm_ring_next(struct wm_ring *ring)
{
    pthread_mutex_lock(&ring->stock->crew->lock);
    struct wm_carrier **place = &ring->place[ring->n_taken % ring->stock->n];
    while (!*place && !(ring->ended && ring->n_taken == ring->n_put))
        pthread_cond_wait(&ring->ready, &ring->stock->crew->lock);
    struct wm_carrier *carrier = *place;
    *place = NULL;
    ring->n_taken += carrier != NULL;
    pthread_mutex_unlock(&ring->stock->crew->lock);
    return carrier;
}

void wm_ring_recycle(struct wm_carrier *carrier)
{
    struct wm_ring *ring = carrier->ring;
    empty(ring->stock, carrier);
    pthread_mutex_lock(&ring->stock->crew->lock);
    put_back(ring, carrier);
    pthread_mutex_unlock(&ring->stock->crew->lock);
}
