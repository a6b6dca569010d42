/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock file says about its holder, and what the system says about him. */
#include "base/lock_holder.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char first_line[] = "wetmill-lock 1";

/* Copy what may stand in a field; the rest becomes '_', nothing becomes "-". */
static void set_field(char field[WM_HOLDER_FIELD], const char *text, size_t len)
{
    size_t n = len < WM_HOLDER_FIELD - 1 ? len : WM_HOLDER_FIELD - 1;
    for (size_t i = 0; i < n; i++)
        field[i] = text[i] > ' ' && text[i] <= '~' ? text[i] : '_';
    field[n] = '\0';
    if (!n)
        (void)snprintf(field, WM_HOLDER_FIELD, "-");
}

/* A small file of /proc; its first line without its end, or "". */
static void read_line(const char *path, char *line, size_t size)
{
    struct wm_error err = {0};
    struct wm_file *file = NULL;
    size_t len = 0;
    line[0] = '\0';
    if (wm_file_open(path, &file, &err))
        return;
    if (!wm_file_read(file, line, size - 1, &len, &err))
        line[len] = '\0';
    wm_file_close(file);
    line[strcspn(line, "\n")] = '\0';
}

/* State and start of a process: fields 3 and 22 of /proc/PID/stat, counted behind the name, which
 * may hold spaces and brackets itself. False if the system does not say. */
static bool process_stat(uint64_t pid, char *ret_state, uint64_t *ret_started)
{
    char path[64], line[2048];
    (void)snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    read_line(path, line, sizeof line);
    const char *at = strrchr(line, ')');
    if (!at || at[1] != ' ' || !at[2])
        return false;
    *ret_state = at[2];
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    *ret_started = strtoull(at, NULL, 10);
    return true;
}

static void this_boot(char boot[WM_HOLDER_FIELD])
{
    char line[WM_HOLDER_FIELD];
    read_line("/proc/sys/kernel/random/boot_id", line, sizeof line);
    set_field(boot, line, strlen(line));
}

static void this_space(char space[WM_HOLDER_FIELD])
{
    char link[WM_HOLDER_FIELD];
    ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
    set_field(space, link, n > 0 ? (size_t)n : 0);
}

static void this_host(char host[WM_HOLDER_FIELD])
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    set_field(host, name, strlen(name));
}

void wm_holder_self(struct wm_holder *ret)
{
    static atomic_uint serial;
    struct timespec now;
    struct tm tm;
    char state, name[4 * WM_HOLDER_FIELD], hex[WM_HEX128];
    *ret = (struct wm_holder){.pid = (uint64_t)getpid()};
    this_host(ret->host);
    this_boot(ret->boot);
    this_space(ret->space);
    if (!process_stat(ret->pid, &state, &ret->started))
        ret->started = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &tm) ||
        !strftime(ret->since, sizeof ret->since, "%Y-%m-%dT%H:%M:%SZ", &tm))
        set_field(ret->since, "", 0);
    int n = snprintf(name, sizeof name, "%s %s %llu %llu %lld.%09ld %u", ret->host, ret->boot,
                     (unsigned long long)ret->pid, (unsigned long long)ret->started,
                     (long long)now.tv_sec, now.tv_nsec, atomic_fetch_add(&serial, 1));
    wm_hex128(XXH3_128bits(name, n > 0 ? (size_t)n : 0), hex);
    set_field(ret->name, hex, strlen(hex));
}

size_t wm_holder_print(const struct wm_holder *holder, char text[WM_HOLDER_TEXT_MAX])
{
    int n = snprintf(text, WM_HOLDER_TEXT_MAX,
                     "%s\nhost %s\nboot %s\nspace %s\npid %llu\nstarted %llu\nsince %s\nname %s\n",
                     first_line, holder->host, holder->boot, holder->space,
                     (unsigned long long)holder->pid, (unsigned long long)holder->started,
                     holder->since, holder->name);
    return n > 0 ? (size_t)n : 0;
}

/* "key value" with just this key. */
static bool take_field(struct wm_str *rest, const char *key, char field[WM_HOLDER_FIELD])
{
    struct wm_str line = wm_str_line(rest);
    size_t n = strlen(key);
    if (line.len < n + 2 || memcmp(line.ptr, key, n) != 0 || line.ptr[n] != ' ' ||
        line.len - n - 1 >= WM_HOLDER_FIELD)
        return false;
    for (size_t i = n + 1; i < line.len; i++)
        if (line.ptr[i] <= ' ' || line.ptr[i] > '~')
            return false;
    set_field(field, line.ptr + n + 1, line.len - n - 1);
    return true;
}

static bool take_number(struct wm_str *rest, const char *key, uint64_t *ret)
{
    char field[WM_HOLDER_FIELD];
    if (!take_field(rest, key, field) || strlen(field) > 19)
        return false;
    *ret = 0;
    for (const char *c = field; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        *ret = 10 * *ret + (uint64_t)(*c - '0');
    }
    return true;
}

bool wm_holder_parse(struct wm_str text, struct wm_holder *ret)
{
    struct wm_holder h = {0};
    if (!text.len || text.ptr[text.len - 1] != '\n' ||
        !wm_str_eq(wm_str_line(&text), wm_str_of(first_line)))
        return false;
    bool good = take_field(&text, "host", h.host) && take_field(&text, "boot", h.boot) &&
                take_field(&text, "space", h.space) && take_number(&text, "pid", &h.pid) &&
                take_number(&text, "started", &h.started) && take_field(&text, "since", h.since) &&
                take_field(&text, "name", h.name) && h.pid > 0 && h.pid <= INT_MAX;
    if (good)
        *ret = h;
    return good;
}

bool wm_holder_is_here(const struct wm_holder *holder)
{
    char host[WM_HOLDER_FIELD], boot[WM_HOLDER_FIELD], space[WM_HOLDER_FIELD];
    this_host(host);
    this_boot(boot);
    this_space(space);
    return strcmp(boot, holder->boot) == 0 && strcmp(space, holder->space) == 0 &&
           (strcmp(boot, "-") != 0 || strcmp(host, holder->host) == 0);
}

static bool process_gone(const struct wm_holder *holder)
{
    char state = '?';
    uint64_t started = 0;
    if (kill((pid_t)holder->pid, 0) != 0 && errno == ESRCH)
        return true;
    if (!process_stat(holder->pid, &state, &started))
        return false;
    return state == 'Z' || state == 'X' || (holder->started && started != holder->started);
}

/* When this machine started, by the clock `now_ns` is of; before all times where it does not say. */
static int64_t boot_time(int64_t now_ns)
{
    char line[WM_HOLDER_FIELD];
    read_line("/proc/uptime", line, sizeof line);
    double uptime = strtod(line, NULL);
    return uptime > 0 && uptime < 1e9 ? now_ns - (int64_t)(uptime * 1e9) : INT64_MIN;
}

bool wm_holder_dead(const struct wm_holder *holder, int64_t beat_ns, int64_t now_ns,
                    char ret_why[WM_HOLDER_FIELD])
{
    if (wm_holder_is_here(holder)) {
        (void)snprintf(ret_why, WM_HOLDER_FIELD, "its process is gone");
        return process_gone(holder);
    }
    char host[WM_HOLDER_FIELD], boot[WM_HOLDER_FIELD];
    this_host(host);
    this_boot(boot);
    /* Machines may share a name: one that gave a sign of life since our start is another. */
    if (strcmp(host, holder->host) == 0 && strcmp(boot, holder->boot) != 0 &&
        beat_ns < boot_time(now_ns)) {
        (void)snprintf(ret_why, WM_HOLDER_FIELD, "its machine has started again since");
        return true;
    }
    int64_t age = (now_ns - beat_ns) / 1000000000;
    (void)snprintf(ret_why, WM_HOLDER_FIELD, "no sign of life for %lld seconds", (long long)age);
    return age >= WM_LOCK_STALE;
}
