/* SPDX-License-Identifier: Apache-2.0 */
/* Every item runs exactly once, whatever the number of items and threads; slots stay in range and
 * no two items share one at a time; writes are visible afterwards. */
#include "wetmill/parallel.h"

#include <stdatomic.h>

#include "test.h"

enum { MOST = 1000 };

struct work {
    unsigned runs[MOST];
    uint64_t square[MOST];
    atomic_uint busy[64]; /* per slot: items inside a body */
    atomic_uint bad_slots, shared_slots;
    unsigned n_threads;
};

static void body(void *arg, size_t item)
{
    struct work *w = arg;
    unsigned slot = wm_team_slot();
    if (slot >= w->n_threads) {
        atomic_fetch_add(&w->bad_slots, 1);
        return;
    }
    if (atomic_fetch_add(&w->busy[slot], 1) != 0)
        atomic_fetch_add(&w->shared_slots, 1);
    w->runs[item]++;
    w->square[item] = (uint64_t)item * item;
    atomic_fetch_sub(&w->busy[slot], 1);
}

static void run_team(unsigned n_threads)
{
    static const size_t counts[] = {0, 1, 2, 3, 17, MOST};
    struct wm_error err;
    struct wm_team *team = NULL;
    CHECK_OK(wm_team_new(n_threads, &team, &err), err);
    CHECK_U64(wm_team_size(team), n_threads);
    for (unsigned round = 0; round < 30; round++) {
        size_t n = counts[round % 6];
        static struct work w;
        memset(&w, 0, sizeof w);
        w.n_threads = n_threads;
        wm_parallel(team, n, body, &w);
        unsigned wrong = 0;
        for (size_t i = 0; i < MOST; i++)
            wrong += w.runs[i] != (i < n) || w.square[i] != (i < n ? (uint64_t)i * i : 0);
        CHECK_U64(wrong, 0);
        CHECK_U64(atomic_load(&w.bad_slots), 0);
        CHECK_U64(atomic_load(&w.shared_slots), 0);
    }
    CHECK_U64(wm_team_slot(), 0);
    wm_team_free(team);
}

static void two_teams_take_turns(void)
{
    struct wm_error err;
    struct wm_team *a = NULL, *b = NULL;
    CHECK_OK(wm_team_new(2, &a, &err), err);
    CHECK_OK(wm_team_new(3, &b, &err), err);
    static struct work w;
    memset(&w, 0, sizeof w);
    w.n_threads = 3;
    for (int i = 0; i < 10; i++) {
        wm_parallel(a, MOST, body, &w);
        wm_parallel(b, MOST, body, &w);
    }
    unsigned wrong = 0;
    for (size_t i = 0; i < MOST; i++)
        wrong += w.runs[i] != 20;
    CHECK_U64(wrong, 0);
    wm_team_free(a);
    wm_team_free(b);
}

/* ---- sessions ---- */

struct step {
    struct wm_team *team;
    struct work work;
    float tiny, kept[64]; /* tiny / 2 as every item saw it */
    unsigned nested;
};

static void halve(void *arg, size_t item)
{
    struct step *s = arg;
    volatile float tiny = s->tiny;
    s->kept[item] = tiny / 2;
}

static void one_step(void *arg)
{
    struct step *s = arg;
    for (unsigned round = 0; round < 200; round++)
        wm_parallel(s->team, round % 7, body, &s->work);
    wm_parallel(s->team, 64, halve, s);
}

static void step_in_step(void *arg)
{
    struct step *s = arg;
    wm_team_session(s->team, one_step, s);
}

static void sessions(unsigned n_threads)
{
    static struct step s;
    struct wm_error err;
    memset(&s, 0, sizeof s);
    s.work.n_threads = n_threads;
    s.tiny = 0x1p-126f;
    CHECK_OK(wm_team_new(n_threads, &s.team, &err), err);
    for (unsigned i = 0; i < 20; i++) {
        wm_team_session(s.team, i % 2 ? one_step : step_in_step, &s);
        unsigned wrong = 0;
        for (unsigned j = 0; j < 64; j++)
            wrong += s.kept[j] != 0;
        CHECK_U64(wrong, 0);
        wm_parallel(s.team, 64, halve, &s); /* outside, subnormals are what they are */
        for (unsigned j = 0; j < 64; j++)
            wrong += s.kept[j] != 0x1p-127f;
        CHECK_U64(wrong, 0);
    }
    CHECK_U64(s.work.runs[0], 20 * (200 - 29)); /* of 200 rounds 29 have no items */
    CHECK_U64(atomic_load(&s.work.shared_slots), 0);
    wm_team_free(s.team);
}

static void inner(void *arg, size_t item)
{
    struct step *s = arg;
    (void)item;
    s->nested++;
}

static void outer(void *arg, size_t item)
{
    struct step *s = arg;
    if (item == 3)
        wm_parallel(s->team, 10, inner, s);
}

/* A body that calls wm_parallel of its own team gets its items done all the same. */
static void nested(void)
{
    static struct step s;
    struct wm_error err;
    memset(&s, 0, sizeof s);
    CHECK_OK(wm_team_new(3, &s.team, &err), err);
    for (unsigned i = 0; i < 10; i++)
        wm_parallel(s.team, 8, outer, &s);
    CHECK_U64(s.nested, 100);
    wm_team_free(s.team);
}

int main(void)
{
    static const unsigned sizes[] = {1, 2, 3, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        run_team(sizes[i]);
    two_teams_take_turns();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        sessions(sizes[i]);
    sessions(8);
    nested();

    struct wm_error err;
    struct wm_team *team = NULL;
    CHECK(wm_processors() >= 1);
    CHECK_OK(wm_team_new(0, &team, &err), err);
    CHECK_U64(wm_team_size(team), wm_processors());
    wm_team_free(team);
    team = NULL;
    CHECK_FAILS(wm_team_new(WM_TEAM_MAX + 1, &team, &err), WM_E_CONFIG, err, "threads");
    CHECK(team == NULL);
    wm_team_free(NULL);
    return test_summary();
}
