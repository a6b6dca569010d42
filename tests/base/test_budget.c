/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "wetmill/budget.h"
#include "wetmill/cancel.h"

static struct wm_error err;

static void test_simple(void)
{
    struct wm_budget b;
    CHECK_OK(wm_budget_init(&b, 100, &err), err);
    CHECK_OK(wm_budget_take(&b, 60, "a", &err), err);
    CHECK(!wm_budget_try(&b, 41));
    CHECK(wm_budget_try(&b, 40));
    wm_budget_give(&b, 60);
    CHECK(wm_budget_try(&b, 60));
    wm_budget_give(&b, 100);
    CHECK_U64(b.used, 0);
    CHECK_U64(wm_budget_peak(&b), 100);
    CHECK_FAILS(wm_budget_take(&b, 2000000, "the piece table", &err), WM_E_NOMEM, err,
                "the piece table needs 2.00 MB, the memory limit is 100 B");
    CHECK(err.hint[0] != '\0');
    wm_budget_stop(&b);
    CHECK_FAILS(wm_budget_take(&b, 1, "x", &err), WM_E_CANCELLED, err, "stopped");
    CHECK(!wm_budget_try(&b, 1));
    wm_budget_done(&b);
}

struct worker {
    struct wm_budget *budget;
    atomic_uint_fast64_t *held, *worst;
    uint64_t seed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct wm_error e;
    for (int i = 0; i < 3000; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = 1 + (w->seed >> 33) % 100;
        if (wm_budget_take(w->budget, n, "work", &e))
            break;
        uint64_t now = atomic_fetch_add(w->held, n) + n, worst = atomic_load(w->worst);
        while (now > worst && !atomic_compare_exchange_weak(w->worst, &worst, now))
            ;
        atomic_fetch_sub(w->held, n);
        wm_budget_give(w->budget, n);
    }
    return NULL;
}

static void test_threads(void)
{
    struct wm_budget b;
    pthread_t threads[4];
    struct worker workers[4];
    atomic_uint_fast64_t held = 0, worst = 0;
    CHECK_OK(wm_budget_init(&b, 100, &err), err);
    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){&b, &held, &worst, i + 1};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    CHECK_U64(b.used, 0);
    CHECK(wm_budget_peak(&b) <= 100 && atomic_load(&worst) <= 100);
    wm_budget_done(&b);
}

static void *wait_for_all(void *arg)
{
    struct wm_error e;
    return wm_budget_take(arg, 100, "all", &e) == WM_E_CANCELLED ? arg : NULL;
}

static void wait_until_queued(struct wm_budget *b)
{
    for (bool queued = false; !queued;) {
        (void)pthread_mutex_lock(&b->lock);
        queued = b->next_ticket != b->serving;
        (void)pthread_mutex_unlock(&b->lock);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void test_waiters(void)
{
    struct wm_budget b;
    pthread_t thread;
    void *cancelled = NULL;
    CHECK_OK(wm_budget_init(&b, 100, &err), err);
    CHECK_OK(wm_budget_take(&b, 1, "one", &err), err);
    CHECK(pthread_create(&thread, NULL, wait_for_all, &b) == 0);
    wait_until_queued(&b);
    CHECK(!wm_budget_try(&b, 1)); /* there is room, but somebody waits */
    wm_budget_give(&b, 1);
    (void)pthread_join(thread, &cancelled);
    CHECK(cancelled == NULL && b.used == 100);

    CHECK(pthread_create(&thread, NULL, wait_for_all, &b) == 0);
    wait_until_queued(&b);
    wm_budget_stop(&b);
    (void)pthread_join(thread, &cancelled);
    CHECK(cancelled == &b);
    wm_budget_done(&b);
}

static void test_cancel(void)
{
    struct wm_cancel cancel = {0};
    CHECK_OK(wm_cancel_check(NULL, &err), err);
    CHECK_OK(wm_cancel_check(&cancel, &err), err);
    wm_cancel_raise(&cancel, SIGTERM);
    wm_cancel_raise(&cancel, SIGINT);
    CHECK_FAILS(wm_cancel_check(&cancel, &err), WM_E_CANCELLED, err, "SIGTERM");
    CHECK_U64(atomic_load(&cancel.signal), SIGTERM);
    CHECK(err.hint[0] != '\0');
}

int main(void)
{
    test_simple();
    test_threads();
    test_waiters();
    test_cancel();
    return test_summary();
}
