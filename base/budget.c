/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/budget.h"

#include "wetmill/progress.h"

int wm_budget_init(struct wm_budget *budget, uint64_t limit, struct wm_error *err)
{
    *budget = (struct wm_budget){.limit = limit};
    if (pthread_mutex_init(&budget->lock, NULL) != 0)
        return wm_fail_nomem(err, sizeof budget->lock, "memory budget");
    if (pthread_cond_init(&budget->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&budget->lock);
        return wm_fail_nomem(err, sizeof budget->changed, "memory budget");
    }
    return 0;
}

void wm_budget_done(struct wm_budget *budget)
{
    (void)pthread_cond_destroy(&budget->changed);
    (void)pthread_mutex_destroy(&budget->lock);
}

static bool fits(const struct wm_budget *budget, uint64_t bytes)
{
    return bytes <= budget->limit - budget->used;
}

static void count(struct wm_budget *budget, uint64_t bytes)
{
    budget->used += bytes;
    if (budget->used > budget->peak)
        budget->peak = budget->used;
}

static int too_large(const struct wm_budget *budget, uint64_t bytes, const char *purpose,
                     struct wm_error *err)
{
    char need[32], limit[32];
    wm_fail(err, WM_E_NOMEM, "%s needs %s, the memory limit is %s", purpose,
            wm_format_bytes(bytes, need, sizeof need),
            wm_format_bytes(budget->limit, limit, sizeof limit));
    return wm_error_hint(err, "raise --memory or use fewer workers (-j)");
}

int wm_budget_take(struct wm_budget *budget, uint64_t bytes, const char *purpose,
                   struct wm_error *err)
{
    if (bytes > budget->limit)
        return too_large(budget, bytes, purpose, err);
    (void)pthread_mutex_lock(&budget->lock);
    uint64_t ticket = budget->next_ticket++;
    while (!budget->stopped && (ticket != budget->serving || !fits(budget, bytes)))
        (void)pthread_cond_wait(&budget->changed, &budget->lock);
    bool stopped = budget->stopped;
    if (!stopped) {
        count(budget, bytes);
        budget->serving++;
        (void)pthread_cond_broadcast(&budget->changed); /* the next in line may fit as well */
    }
    (void)pthread_mutex_unlock(&budget->lock);
    return stopped ? wm_fail(err, WM_E_CANCELLED, "stopped while waiting for memory") : 0;
}

bool wm_budget_try(struct wm_budget *budget, uint64_t bytes)
{
    (void)pthread_mutex_lock(&budget->lock);
    bool good = !budget->stopped && budget->next_ticket == budget->serving && fits(budget, bytes);
    if (good)
        count(budget, bytes);
    (void)pthread_mutex_unlock(&budget->lock);
    return good;
}

void wm_budget_give(struct wm_budget *budget, uint64_t bytes)
{
    (void)pthread_mutex_lock(&budget->lock);
    budget->used -= bytes < budget->used ? bytes : budget->used;
    (void)pthread_cond_broadcast(&budget->changed);
    (void)pthread_mutex_unlock(&budget->lock);
}

void wm_budget_stop(struct wm_budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    budget->stopped = true;
    (void)pthread_cond_broadcast(&budget->changed);
    (void)pthread_mutex_unlock(&budget->lock);
}

uint64_t wm_budget_peak(struct wm_budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    uint64_t peak = budget->peak;
    (void)pthread_mutex_unlock(&budget->lock);
    return peak;
}
