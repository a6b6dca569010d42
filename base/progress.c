/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

double wm_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void wm_progress_init(struct wm_progress *progress)
{
    progress->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* cannot fail */
    progress->label[0] = progress->unit[0] = '\0';
    progress->start = progress->end = 0;
    progress->n_past = 0;
    atomic_init(&progress->done, 0);
    atomic_init(&progress->total, 0);
    atomic_init(&progress->skipped, 0);
}

void wm_progress_done(struct wm_progress *progress)
{
    if (progress)
        (void)pthread_mutex_destroy(&progress->lock);
}

/* Enter the present phase into `list`. With the lock held. */
static size_t add_present(struct wm_progress *progress, struct wm_phase *list, size_t n)
{
    size_t at = 0;
    if (progress->start == 0)
        return n;
    while (at < n && strcmp(list[at].label, progress->label) != 0)
        at++;
    if (at == WM_PROGRESS_PHASES)
        return n;
    memcpy(list[at].label, progress->label, sizeof list[at].label);
    memcpy(list[at].unit, progress->unit, sizeof list[at].unit);
    list[at].done = atomic_load(&progress->done);
    list[at].skipped = atomic_load(&progress->skipped);
    return at < n ? n : n + 1;
}

size_t wm_progress_phases(struct wm_progress *progress, struct wm_phase *ret)
{
    if (!progress)
        return 0;
    (void)pthread_mutex_lock(&progress->lock);
    memcpy(ret, progress->past, sizeof progress->past);
    size_t n = add_present(progress, ret, progress->n_past);
    (void)pthread_mutex_unlock(&progress->lock);
    return n;
}

void wm_progress_forget(struct wm_progress *progress)
{
    if (!progress)
        return;
    (void)pthread_mutex_lock(&progress->lock);
    progress->n_past = 0;
    progress->start = progress->end = 0;
    (void)pthread_mutex_unlock(&progress->lock);
}

void wm_progress_start(struct wm_progress *progress, const char *label, const char *unit,
                       uint64_t total)
{
    if (!progress)
        return;
    (void)pthread_mutex_lock(&progress->lock);
    progress->n_past = add_present(progress, progress->past, progress->n_past);
    (void)snprintf(progress->label, sizeof progress->label, "%s", label);
    (void)snprintf(progress->unit, sizeof progress->unit, "%s", unit);
    progress->start = wm_seconds();
    progress->end = 0;
    atomic_store(&progress->done, 0);
    atomic_store(&progress->skipped, 0);
    atomic_store(&progress->total, total);
    (void)pthread_mutex_unlock(&progress->lock);
}

void wm_progress_finish(struct wm_progress *progress)
{
    if (!progress)
        return;
    (void)pthread_mutex_lock(&progress->lock);
    if (progress->start != 0)
        progress->end = wm_seconds();
    (void)pthread_mutex_unlock(&progress->lock);
}

void wm_progress_add(struct wm_progress *progress, uint64_t n)
{
    if (progress)
        atomic_fetch_add_explicit(&progress->done, n, memory_order_relaxed);
}

void wm_progress_set(struct wm_progress *progress, uint64_t done, uint64_t total)
{
    if (!progress)
        return;
    atomic_store_explicit(&progress->done, done, memory_order_relaxed);
    atomic_store_explicit(&progress->total, total, memory_order_relaxed);
}

void wm_progress_skip(struct wm_progress *progress, uint64_t n)
{
    if (!progress)
        return;
    atomic_fetch_add_explicit(&progress->skipped, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->done, n, memory_order_relaxed);
}

/* One consistent look. */
struct view {
    char label[WM_PROGRESS_LABEL], unit[WM_PROGRESS_UNIT];
    double elapsed, rate;
    uint64_t done, total;
    bool started, finished;
};

static struct view look(struct wm_progress *progress)
{
    struct view v = {0};
    (void)pthread_mutex_lock(&progress->lock);
    memcpy(v.label, progress->label, sizeof v.label);
    memcpy(v.unit, progress->unit, sizeof v.unit);
    v.started = progress->start != 0;
    v.finished = progress->end != 0;
    v.elapsed = (v.finished ? progress->end : wm_seconds()) - progress->start;
    v.done = atomic_load(&progress->done);
    v.total = atomic_load(&progress->total);
    uint64_t skipped = atomic_load(&progress->skipped);
    (void)pthread_mutex_unlock(&progress->lock);
    uint64_t worked = v.done > skipped ? v.done - skipped : 0;
    v.rate = v.elapsed > 0 ? (double)worked / v.elapsed : 0;
    return v;
}

static int percent(const struct view *v)
{
    if (v->finished)
        return 100;
    double share = (double)v->done / (double)v->total;
    return share >= 0.99 ? 99 : (int)(share * 100);
}

static const char *amount(const struct view *v, double n, char *out, size_t size)
{
    uint64_t whole = n < 0x1p63 ? (uint64_t)n : UINT64_C(1) << 63;
    if (strcmp(v->unit, "bytes") == 0)
        return wm_format_bytes(whole, out, size);
    char digits[32];
    (void)snprintf(out, size, "%s %s", wm_format_count(whole, digits, sizeof digits), v->unit);
    return out;
}

size_t wm_progress_text(struct wm_progress *progress, char *out, size_t size)
{
    if (size)
        out[0] = '\0';
    if (!progress || !size)
        return 0;
    struct view v = look(progress);
    if (!v.started)
        return 0;
    char rate[64], far[64], end[64] = "", time[32];
    if (v.total || v.finished)
        (void)snprintf(far, sizeof far, "%d %%", percent(&v));
    else
        (void)amount(&v, (double)v.done, far, sizeof far);
    if (v.finished) {
        (void)snprintf(end, sizeof end, "  %s", wm_format_duration(v.elapsed, time, sizeof time));
    } else if (v.total > v.done && v.rate > 0) {
        double left = (double)(v.total - v.done) / v.rate;
        (void)snprintf(end, sizeof end, "  ETA %s", wm_format_duration(left, time, sizeof time));
    }
    int n = snprintf(out, size, "%s  %s/s  %s%s", v.label, amount(&v, v.rate, rate, sizeof rate),
                     far, end);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

const char *wm_format_bytes(uint64_t bytes, char *out, size_t size)
{
    size_t unit = 0;
    double v = (double)bytes;
    while (v >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        v /= 1000;
        unit++;
    }
    int decimals = unit == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    (void)snprintf(out, size, "%.*f %s", decimals, v, units[unit]);
    return out;
}

/* In integers: a figure that is exact stays as it is. */
static const char *format_whole(uint64_t bytes, bool up, char *out, size_t size)
{
    uint64_t last = 1; /* bytes that the last of three figures stands for: 10^power */
    size_t power = 0;
    while (bytes / last > 999) {
        last *= 10;
        power++;
    }
    uint64_t figures = bytes / last + (up && bytes % last != 0);
    const size_t unit = (power + 2) / 3 + (figures > 999 && power % 3 == 0);
    double v = (double)figures;
    for (size_t i = power; i < 3 * unit; i++)
        v /= 10;
    const int decimals = unit == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    (void)snprintf(out, size, "%.*f %s", decimals, v, units[unit]);
    return out;
}

const char *wm_format_bytes_up(uint64_t bytes, char *out, size_t size)
{
    return format_whole(bytes, true, out, size);
}

const char *wm_format_bytes_down(uint64_t bytes, char *out, size_t size)
{
    return format_whole(bytes, false, out, size);
}

const char *wm_format_count(uint64_t n, char *out, size_t size)
{
    char digits[24], text[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    (void)snprintf(out, size, "%.*s", (int)used, text);
    return out;
}

const char *wm_format_duration(double seconds, char *out, size_t size)
{
    if (!(seconds >= 0))
        seconds = 0;
    uint64_t s = seconds < 1e12 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e12;
    unsigned second = (unsigned)(s % 60), minute = (unsigned)(s / 60 % 60);
    unsigned hour = (unsigned)(s / 3600 % 24);
    if (s < 3600)
        (void)snprintf(out, size, "%u:%02u", minute, second);
    else if (s < 86400)
        (void)snprintf(out, size, "%u:%02u:%02u", hour, minute, second);
    else
        (void)snprintf(out, size, "%" PRIu64 " d %02u:%02u:%02u", s / 86400, hour, minute, second);
    return out;
}
