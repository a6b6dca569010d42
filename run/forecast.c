/* SPDX-License-Identifier: Apache-2.0 */
/* From what a sample took to what all of the input would. */
#include <math.h>

#include "run/rehearse.h"

static const double all_of_it = 0.999; /* of the input: as good as all of it */

/* How a quantity grows: x(share) = x(1) share^exponent, through two points. Lines and pieces that
 * are new become rarer the more is read (Heaps' law), nothing grows faster than the input. */
static double exponent(double part, double whole, double part_share, double share)
{
    if (part <= 0 || whole <= part || part_share <= 0 || share <= part_share)
        return part > 0 && whole <= part ? 0 : 1;
    double e = log(whole / part) / log(share / part_share);
    return e < 0 ? 0 : e > 1 ? 1 : e;
}

static uint64_t grown(double whole, double share, double e)
{
    return share >= all_of_it ? (uint64_t)whole : (uint64_t)(whole * pow(share, -e));
}

/* ---- corpus ---- */

/* Survey records wait in memory until there are as many as it may hold. */
static uint64_t more_records(const struct wm_rehearsed *w, size_t survey)
{
    double most = (double)w->width.survey_bytes, at_once = w->width.n_tasks;
    double sampled = (double)w->records[survey];
    double now = sampled * (at_once < w->n_sampled ? at_once / w->n_sampled : 1);
    double all = sampled / w->share * (at_once < w->n_tasks ? at_once / w->n_tasks : 1);
    now = now < most ? now : most;
    all = all < most ? all : most;
    return all > now ? (uint64_t)(all - now) : 0;
}

static void forecast_corpus(const struct wm_rehearsed *w, const struct wm_rehearsed *p,
                            struct wm_forecast *ret)
{
    double e = 1;
    if (p && w->n_surveys) /* the more is read, the more of it is there already */
        e = exponent((double)p->disk, (double)w->disk, p->share, w->share);
    ret->disk = grown((double)w->disk, w->share, e) + w->scratch;
    for (size_t i = 0; i < w->n_phases; i++) {
        uint64_t more = i < w->n_surveys ? more_records(w, i) : 0;
        uint64_t peak = w->phases[i] + more;
        ret->memory = peak > ret->memory ? peak : ret->memory;
    }
}

/* Share of the corpus's text that the rehearsal's corpus has. */
static double text_share(const struct wm_rehearsed *w, const struct wm_rehearsed *p,
                         const struct wm_rehearsed *of)
{
    if (!w->text_known || !w->n_surveys || !p || of->text == 0)
        return of->share;
    double e = exponent((double)p->text, (double)w->text, p->share, w->share);
    double all = (double)grown((double)w->text, w->share, e);
    return (double)of->text / all;
}

/* ---- tokenizer ---- */

/* Bytes of a table of pieces (tokenizer/pieces.c): slots are doubled when three quarters of them are
 * taken, and for a moment old and new ones are there. */
static double table_bytes(double n, double bytes)
{
    enum { SLOT = 24, FIRST = 1024 };
    double slots = FIRST;
    while (slots * 3 / 4 < n)
        slots *= 2;
    return slots * SLOT * 3 / 2 + bytes;
}

/* Bytes of the table of pairs (tokenizer/pair_table.c): never more than half full. */
static double pairs_bytes(double n)
{
    enum { SLOT = 32, FIRST = 4096 };
    double slots = FIRST;
    while (slots / 2 < n)
        slots *= 2;
    return slots * SLOT;
}

/* Merging: what was not given back after counting, a share for each piece, of which two points tell
 * how much it is, and the table of pairs. */
static double merging_bytes(const struct wm_rehearsed *w, const struct wm_rehearsed *p,
                            size_t phase, double grows)
{
    double n = (double)w->pieces.distinct_pieces;
    double pairs = w->pieces.spilled ? 0 : (double)w->pieces.pairs; /* in rounds: of parts alone */
    double table = pairs_bytes(pairs), peak = (double)w->phases[phase] - table;
    double each = n > 0 ? (peak - (double)w->before) / n : 0, e = 1;
    double fewer = p ? n - (double)p->pieces.distinct_pieces : 0;
    each = each > 0 ? each : 0;
    if (p && fewer > 0 && phase < p->n_phases) {
        double less = peak - ((double)p->phases[phase] -
                              pairs_bytes(pairs > 0 ? (double)p->pieces.pairs : 0));
        each = less < 0 ? 0 : less / fewer < each ? less / fewer : each;
        e = exponent((double)p->pieces.pairs, pairs, (double)p->pieces.distinct_pieces, n);
    }
    return peak + each * n * (grows - 1) + pairs_bytes(pairs * pow(grows, e));
}

static void forecast_tokenizer(const struct wm_rehearsed *w, const struct wm_rehearsed *p,
                               double share, double part_share, uint64_t memory,
                               struct wm_forecast *ret)
{
    double n = (double)w->pieces.distinct_pieces, bytes = (double)w->pieces.piece_bytes;
    double e = p ? exponent((double)p->pieces.distinct_pieces, n, part_share, share) : 1;
    double grows = share >= all_of_it ? 1 : pow(share, -e);
    double now = table_bytes(n, bytes), all = table_bytes(n * grows, bytes * grows);
    double most = (double)memory / 4;
    ret->spills = w->pieces.spilled || all > most;
    for (size_t i = 0; i < w->n_phases; i++) {
        double peak = (double)w->phases[i];
        if (i > 0)
            peak = merging_bytes(w, p, i, grows);
        else if (!w->pieces.spilled) /* counting: the table grows beside what reads */
            peak += (all < most ? all : most) - (now < most ? now : most);
        if (peak > (double)memory)
            peak = (double)memory;
        ret->memory = peak > (double)ret->memory ? (uint64_t)peak : ret->memory;
    }
    double spilled =
        p && p->scratch ? exponent((double)p->scratch, (double)w->scratch, part_share, share) : 1;
    double files = p ? exponent((double)p->disk, (double)w->disk, part_share, share) : 0;
    ret->disk = grown((double)w->disk, share, files) + grown((double)w->scratch, share, spilled);
}

/* ---- all ---- */

/* How full rings and their batches get differs from moment to moment: the longer it goes, the more of
 * the worst moments there are. */
static uint64_t with_margin(uint64_t memory, double share)
{
    enum { MARGIN = 20 /* a twentieth at most */ };
    return share < 1 ? memory + (uint64_t)((double)memory * (1 - share) / MARGIN) : memory;
}

static void largest_phase(const struct wm_rehearsed *w, struct wm_forecast *ret)
{
    for (size_t i = 0; i < w->n_phases; i++)
        ret->memory = w->phases[i] > ret->memory ? w->phases[i] : ret->memory;
}

void wm_forecast(uint64_t memory, const struct wm_rehearsal *whole, const struct wm_rehearsal *part,
                 struct wm_forecast ret[WM_STEPS])
{
    const struct wm_rehearsed *corpus = &whole->steps[WM_STEP_CORPUS];
    for (int id = 0; id < WM_STEPS; id++) {
        const struct wm_rehearsed *w = &whole->steps[id], *p = part ? &part->steps[id] : NULL;
        const struct wm_rehearsed *part_corpus = part ? &part->steps[WM_STEP_CORPUS] : NULL;
        bool behind = id != WM_STEP_CORPUS && corpus->known;
        p = p && p->known ? p : NULL;
        part_corpus = part_corpus && part_corpus->known ? part_corpus : NULL;
        ret[id] = (struct wm_forecast){.known = w->known};
        if (!w->known)
            continue;
        double share = behind ? text_share(corpus, part_corpus, corpus) : w->share;
        double part_share = !p                      ? 1
                            : behind && part_corpus ? text_share(corpus, part_corpus, part_corpus)
                                                    : p->share;
        ret[id].share = share;
        if (id == WM_STEP_CORPUS) {
            forecast_corpus(w, p, &ret[id]);
        } else if (id == WM_STEP_TOKENIZER) {
            forecast_tokenizer(w, p, share, part_share, memory, &ret[id]);
        } else {
            largest_phase(w, &ret[id]);
            ret[id].disk = grown((double)w->disk, share, 1);
        }
        ret[id].memory = with_margin(ret[id].memory, share);
    }
}
