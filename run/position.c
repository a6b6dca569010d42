/* SPDX-License-Identifier: Apache-2.0 */
#include "run/position.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 16 << 10 /* bytes of a position: phases have short labels */ };

static const char end_line[] = "end"; /* without it a power cut has left a part */

/* "DONE UNIT LABEL"; false for anything else. */
static bool parse(struct wm_str line, struct wm_phase *ret)
{
    char text[128], *end;
    if (line.len >= sizeof text || !line.len || line.ptr[0] < '0' || line.ptr[0] > '9')
        return false;
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    *ret = (struct wm_phase){.done = strtoull(text, &end, 10)};
    char *unit = end + 1, *label = *end == ' ' ? strchr(unit, ' ') : NULL;
    if (!label || label == unit || !label[1] || (size_t)(label - unit) >= sizeof ret->unit ||
        strlen(label + 1) >= sizeof ret->label)
        return false;
    memcpy(ret->unit, unit, (size_t)(label - unit));
    (void)snprintf(ret->label, sizeof ret->label, "%s", label + 1);
    return true;
}

static void load(struct wm_position *p)
{
    struct wm_error none = {0};
    struct wm_buf buf;
    wm_buf_init(&buf, TEXT_MAX);
    p->resumed = wm_exists(p->path) && !wm_file_load(p->path, &buf, &none);
    struct wm_str rest = wm_buf_str(&buf), line = {0};
    while (p->resumed && rest.len) {
        line = wm_str_line(&rest);
        if (p->n_before < WM_PROGRESS_PHASES && parse(line, &p->before[p->n_before]))
            p->n_before++;
    }
    if (!wm_str_eq(line, wm_str_of(end_line)))
        p->n_before = 0;
    wm_buf_done(&buf);
}

/* Not waiting for the disk: an older position only says less. */
static void store(struct wm_position *p)
{
    struct wm_phase phases[WM_PROGRESS_PHASES];
    struct wm_error none = {0};
    struct wm_buf buf;
    struct wm_out *out = NULL;
    size_t n = wm_progress_phases(p->progress, phases);
    int status = 0;
    wm_buf_init(&buf, TEXT_MAX);
    for (size_t i = 0; !status && i < n; i++)
        status = wm_buf_printf(&buf, &none, "%llu %s %s\n", (unsigned long long)phases[i].done,
                               phases[i].unit, phases[i].label);
    if (!status)
        status = wm_buf_printf(&buf, &none, "%s\n", end_line);
    if (!status)
        status = wm_out_open(p->path, &out, &none);
    if (!status) {
        wm_out_scratch(out);
        status = wm_out_write(out, buf.ptr ? buf.ptr : "", buf.len, &none);
        if (!status)
            (void)wm_out_commit(out, NULL, &none);
        else
            wm_out_abandon(out);
    }
    wm_buf_done(&buf);
}

static void *store_thread(void *arg)
{
    struct wm_position *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += p->milliseconds / 1000;
        until.tv_nsec += p->milliseconds % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        if (pthread_cond_timedwait(&p->wake, &p->lock, &until) == ETIMEDOUT && !p->stop)
            store(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

void wm_position_again(struct wm_position *p)
{
    wm_progress_forget(p->progress);
    if (!p->path[0])
        return;
    p->stop = false;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, NULL);
    p->running = pthread_create(&p->thread, NULL, store_thread, p) == 0;
    if (!p->running) {
        (void)pthread_cond_destroy(&p->wake);
        (void)pthread_mutex_destroy(&p->lock);
    }
}

void wm_position_begin(struct wm_position *p, const char *work_dir, unsigned milliseconds,
                       struct wm_progress *progress)
{
    struct wm_error none = {0};
    *p = (struct wm_position){.progress = progress,
                              .milliseconds = milliseconds ? milliseconds : 1000};
    if (!wm_path_join(p->path, work_dir, "position", &none))
        load(p);
    wm_position_again(p);
}

/* Of what had been done, what this run did not find kept but came to do. */
static void compare(const struct wm_position *p, struct wm_redone *ret)
{
    struct wm_phase now[WM_PROGRESS_PHASES];
    size_t n = wm_progress_phases(p->progress, now);
    *ret = (struct wm_redone){.resumed = true, .n = p->n_before};
    for (size_t b = 0; b < p->n_before; b++) {
        const struct wm_phase *old = &p->before[b];
        ret->phases[b].was = *old;
        for (size_t i = 0; i < n; i++) {
            uint64_t least = old->done < now[i].done ? old->done : now[i].done;
            if (strcmp(now[i].label, old->label) == 0 && least > now[i].skipped)
                ret->phases[b].again = least - now[i].skipped;
        }
    }
}

void wm_position_end(struct wm_position *p, struct wm_redone *ret)
{
    if (p->running) {
        (void)pthread_mutex_lock(&p->lock);
        p->stop = true;
        (void)pthread_cond_signal(&p->wake);
        (void)pthread_mutex_unlock(&p->lock);
        (void)pthread_join(p->thread, NULL);
        (void)pthread_cond_destroy(&p->wake);
        (void)pthread_mutex_destroy(&p->lock);
    }
    if (p->path[0])
        store(p);
    if (p->resumed)
        compare(p, ret);
}
