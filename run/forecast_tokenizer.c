/* SPDX-License-Identifier: Apache-2.0 */
/* What training a tokenizer takes of memory and disk: tables whose growth is known, filled with
 * pieces whose number grows by Heaps' law. */
#include <math.h>

#include "run/forecast.h"

/* The phases of the step that are looked at. */
enum { COUNT, LOAD, MERGE };

struct growth {
    const struct wm_rehearsed *w, *p; /* p may be NULL */
    double heaps;                     /* how the number of distinct pieces grows with the text */
    double grows;                     /* … and by what, from the sample to all of it */
    double n, bytes;                  /* distinct pieces of the sample, and their bytes */
};

/* Bytes of a table of pieces (tokenizer/pieces.c): slots are doubled when three quarters of them are
 * taken, and for a moment old and new ones are there, with the bytes there are by then. */
static double table_bytes(double n, double bytes)
{
    enum { SLOT = 24, FIRST = 1024 };
    double slots = FIRST;
    while (slots * 3 / 4 < n)
        slots *= 2;
    double settled = slots * SLOT + bytes;
    double growing = slots * SLOT * 3 / 2 + (n > 0 ? bytes * (slots * 3 / 8) / n : 0);
    return slots > FIRST && growing > settled ? growing : settled;
}

/* The same as bpe_pieces_add reckons it, before it says that a table is full. */
static double table_need(double n, double bytes)
{
    enum { SLOT = 24, FIRST = 1024 };
    double slots = FIRST;
    while (slots * 3 / 4 < n)
        slots *= 2;
    return slots * SLOT * 3 / 2 + 2 * bytes;
}

/* Bytes of the table of pairs (tokenizer/pair_table.c): never more than half full, and old and new
 * one are there for a moment. */
static double pairs_bytes(double n)
{
    enum { SLOT = 32, FIRST = 4096 };
    double slots = FIRST;
    while (slots / 2 < n)
        slots *= 2;
    return slots * SLOT * 3 / 2;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* Of the trainer's table, and of each of several tasks', with `grows` times the pieces. A guess that is
 * a tenth too low must not miss that the table doubles. */
static double table_of(const struct growth *g, double grows, double limit)
{
    double doubt = grows > 1 ? 1.1 : 1;
    return smaller(table_bytes(g->n * grows * doubt, g->bytes * grows), limit);
}

/* ---- counting ---- */

/* What of a task's text is counted together before it goes to the disk, as a share of what the
 * sample counted: of a task of the whole input, or as much as is done until the next point; `ret_n`:
 * how many such stretches there are in all. */
static double stretch(const struct growth *g, double share, double *ret_n)
{
    const struct wm_rehearsed *w = g->w;
    double n_tasks = w->n_tasks ? w->n_tasks : 1, at_once = w->width.n_tasks;
    double task = 1 / share / n_tasks; /* in units of the sample */
    double until =
        w->first_seconds > 0 && at_once > 0 ? w->keeps / w->first_seconds / at_once : task;
    double pieces = until > 0 && until < task ? ceil(task / until) : 1;
    *ret_n = n_tasks * pieces;
    return task / pieces;
}

/* What was read, and a table for each task at once, or the trainer's. */
static double counting_bytes(const struct growth *g, double share)
{
    const struct wm_rehearsed *w = g->w;
    double most = (double)w->table_memory, n, peak = (double)w->phases[COUNT];
    if (w->keeps <= 0 && w->pieces.spilled && w->pieces.piece_bytes == 0)
        return peak; /* full already */
    if (w->keeps <= 0)
        return peak + table_of(g, g->grows, most) - table_of(g, 1, most);
    double at_once = w->width.n_tasks ? w->width.n_tasks : 1;
    double sampled = w->n_sampled ? w->n_sampled : 1, now = pow(1 / sampled, g->heaps);
    double then = pow(stretch(g, share, &n), g->heaps);
    then = then > now ? then : now;
    return peak + at_once * (table_of(g, then, most / at_once) - table_of(g, now, most / at_once));
}

/* Files of counts: each stretch of text has its own pieces. */
static double kept_bytes(const struct growth *g, double share, double part_share)
{
    const struct wm_rehearsed *w = g->w, *p = g->p;
    double sampled = w->n_sampled ? w->n_sampled : 1, n;
    double e = p ? wm_growth((double)p->disk[COUNT], (double)w->disk[COUNT], part_share, share) : 1;
    double each = stretch(g, share, &n);
    return (double)w->disk[COUNT] / sampled * pow(each * sampled, e) * n;
}

/* ---- merging ---- */

/* What was not given back after counting, a share for each piece, of which two points tell how much it
 * is, and the table of pairs. Pieces that were spilled are merged in rounds, each of as many as fit:
 * where one round is not enough, more pieces take more rounds, and no more memory. */
static double merging_bytes(const struct growth *g)
{
    const struct wm_rehearsed *w = g->w, *p = g->p;
    double peak = (double)w->phases[MERGE], pairs = (double)w->pieces.pairs;
    if (w->pieces.rounds > 1)
        return peak;
    peak -= pairs_bytes(pairs);
    double each = g->n > 0 ? (peak - (double)w->before) / g->n : 0, e = 1;
    double fewer = p ? g->n - (double)p->pieces.distinct_pieces : 0;
    each = each > 0 ? each : 0;
    if (fewer > 0 && p->n_phases > MERGE && !p->pieces.rounds) {
        double less = peak - ((double)p->phases[MERGE] - pairs_bytes((double)p->pieces.pairs));
        each = less < 0 ? 0 : smaller(less / fewer, each);
        e = wm_growth((double)p->pieces.pairs, pairs, (double)p->pieces.distinct_pieces, g->n);
    }
    peak += each * g->n * (g->grows - 1) + pairs_bytes(pairs * pow(g->grows, e));
    return smaller(peak, (double)(w->before + w->merge_memory));
}

/* ---- all ---- */

static void forecast_disk(const struct growth *g, double share, double part_share,
                          struct wm_forecast *ret)
{
    const struct wm_rehearsed *w = g->w, *p = g->p;
    ret->disk = wm_disk_peak(w, p, share, part_share);
    if (w->keeps <= 0 || share >= WM_ALL_OF_IT)
        return;
    /* files of counts stay until the end, beside what is spilled later */
    double most = 0, kept = kept_bytes(g, share, part_share);
    for (size_t i = COUNT; i < w->n_phases; i++) {
        double later = (double)w->disk[i] - (double)w->disk[COUNT];
        double then = p && i < p->n_phases ? (double)p->disk[i] - (double)p->disk[COUNT] : 0;
        double e = p ? wm_growth(then, later, part_share, share) : 1;
        double peak = kept + (later > 0 ? (double)wm_grown(later, share, e) : 0);
        most = peak > most ? peak : most;
    }
    ret->disk = (uint64_t)most;
}

void wm_forecast_tokenizer(const struct wm_rehearsed *w, const struct wm_rehearsed *p,
                           double part_share, uint64_t memory, struct wm_forecast *ret)
{
    double share = ret->share;
    struct growth g = {.w = w,
                       .p = p,
                       .n = (double)w->pieces.distinct_pieces,
                       .bytes = (double)w->pieces.piece_bytes};
    g.heaps = p ? wm_growth((double)p->pieces.distinct_pieces, g.n, part_share, share) : 1;
    g.grows = share >= WM_ALL_OF_IT ? 1 : pow(share, -g.heaps);
    double peaks[] = {counting_bytes(&g, share),
                      (double)w->phases[LOAD] - table_of(&g, 1, (double)w->table_memory) +
                          table_of(&g, g.grows, (double)w->table_memory),
                      w->n_phases > MERGE ? merging_bytes(&g) : 0};
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        double peak = smaller(peaks[i], (double)memory);
        peak = share >= WM_ALL_OF_IT && i < w->n_phases ? (double)w->phases[i] : peak;
        ret->memory = peak > (double)ret->memory ? (uint64_t)peak : ret->memory;
    }
    ret->spills =
        w->pieces.spilled || table_need(g.n * g.grows, g.bytes * g.grows) > (double)w->table_memory;
    forecast_disk(&g, share, part_share, ret);
}
