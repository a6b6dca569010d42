/* SPDX-License-Identifier: Apache-2.0 */
/* From what a sample took to what all of the input would. */
#include <math.h>

#include "run/forecast.h"

double wm_growth(double part, double whole, double part_share, double share)
{
    if (part <= 0 || whole <= part || part_share <= 0 || share <= part_share)
        return part > 0 && whole <= part ? 0 : 1;
    double e = log(whole / part) / log(share / part_share);
    return e < 0 ? 0 : e > 1 ? 1 : e;
}

uint64_t wm_grown(double whole, double share, double e)
{
    if (share <= 0) /* nothing of it could be read */
        return (uint64_t)whole;
    return share >= WM_ALL_OF_IT ? (uint64_t)whole : (uint64_t)(whole * pow(share, -e));
}

uint64_t wm_disk_peak(const struct wm_rehearsed *w, const struct wm_rehearsed *p, double share,
                      double part_share)
{
    uint64_t most = 0;
    for (size_t i = 0; i < w->n_phases; i++) {
        bool both = p && i < p->n_phases;
        double e = both ? wm_growth((double)p->disk[i], (double)w->disk[i], part_share, share) : 1;
        uint64_t peak = wm_grown((double)w->disk[i], share, e);
        most = peak > most ? peak : most;
    }
    return most;
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
    /* the more is read, the more of it is there already */
    ret->disk = wm_disk_peak(w, w->n_surveys ? p : NULL, w->share, p ? p->share : 1);
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
    double e = wm_growth((double)p->text, (double)w->text, p->share, w->share);
    double all = (double)wm_grown((double)w->text, w->share, e);
    return (double)of->text / all;
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
            wm_forecast_tokenizer(w, p, part_share, memory, &ret[id]);
        } else {
            largest_phase(w, &ret[id]);
            ret[id].disk = wm_disk_peak(w, NULL, share, 1);
        }
        ret[id].memory = with_margin(ret[id].memory, share);
    }
}
