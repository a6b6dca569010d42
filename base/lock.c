/* SPDX-License-Identifier: Apache-2.0 */
/* Taking, renewing and leaving a lock file. */
#include "wetmill/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file_open.h"
#include "base/lock_holder.h"

enum {
    /* Seconds for another that is just taking the lock: it takes moments, but one that was killed
     * then has left no name, and only time tells. */
    PATIENCE = WM_LOCK_STALE + 5,
    PAUSE_NS = 20000000, /* between tries */
};

struct wm_lock {
    char path[WM_PATH_MAX], claim[WM_PATH_MAX];
    size_t n_made; /* of `path`: what was there before; directories behind it were made for us */
    struct wm_holder self;
    struct wm_cancel *cancel;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t wake;
    bool stop;
    atomic_bool lost;
};

/* ---- the file ---- */

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* What stands in a lock file, read through one descriptor: on a network file system opening is what
 * asks the server. 0, or errno. `*ret_known` is false for what is no lock of ours (yet). */
static int read_lock(const char *path, struct wm_holder *ret, bool *ret_known, int64_t *ret_beat)
{
    char text[WM_HOLDER_TEXT_MAX];
    struct stat st;
    size_t len = 0;
    int fd = wm_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    int code = 0;
    while (!code && len < sizeof text) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        else if (errno != EINTR)
            code = errno;
    }
    if (!code && fstat(fd, &st) != 0)
        code = errno;
    (void)close(fd);
    if (code)
        return code;
    *ret_beat = mtime_ns(&st);
    *ret_known = wm_holder_parse((struct wm_str){text, len}, ret);
    return 0;
}

/* Create `path`, which must not be there, with `text`. 0, or errno; `ret` is the new file, and its
 * time the time by the file system's clock. */
static int create(const char *path, const char *text, size_t len, struct stat *ret)
{
    int fd;
    do
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    int code = 0;
    for (size_t done = 0; !code && done < len;) {
        ssize_t n = write(fd, text + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            code = n == 0 ? ENOSPC : errno;
    }
    if (!code && (fsync(fd) != 0 || fstat(fd, ret) != 0))
        code = errno;
    if (close(fd) != 0 && !code)
        code = errno;
    if (code)
        (void)unlink(path);
    return code;
}

/* Is it still our claim? By what it says: some servers round the times of a file later. */
static bool is_our_claim(const struct wm_lock *lock)
{
    char text[WM_HOLDER_FIELD + 1];
    int fd = wm_open(lock->claim, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    ssize_t n;
    do
        n = read(fd, text, sizeof text);
    while (n < 0 && errno == EINTR);
    (void)close(fd);
    return n >= 0 && wm_str_eq((struct wm_str){text, (size_t)n}, wm_str_of(lock->self.name));
}

/* Does `file` still stand at `path`, and not another one of that name? */
static bool stands(const char *path, const struct stat *file)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino &&
           mtime_ns(&st) == mtime_ns(file);
}

static void sleep_ns(long ns)
{
    const struct timespec pause = {0, ns};
    (void)nanosleep(&pause, NULL);
}

static double monotonic(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- whose it is ---- */

static int fail_busy(const char *path, const struct wm_holder *holder, struct wm_error *err)
{
    wm_fail(err, WM_E_BUSY, "another run is at work here: process %llu on %s, since %s",
            (unsigned long long)holder->pid, holder->host, holder->since);
    (void)wm_error_where(err, "%s", path);
    if (wm_holder_is_here(holder))
        return wm_error_hint(err, "wait for it, or stop it: kill %llu",
                             (unsigned long long)holder->pid);
    return wm_error_hint(err,
                         "wait for it, or stop it there; if it is dead, this is known %d s after "
                         "its last sign of life",
                         WM_LOCK_STALE);
}

static int fail_unknown(const char *path, struct wm_error *err)
{
    wm_fail(err, WM_E_BUSY, "another run is starting here");
    (void)wm_error_where(err, "%s", path);
    return wm_error_hint(err, "try again in a minute; if nothing is running, remove this file");
}

static int64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int wm_lock_look(const char *path, struct wm_error *err)
{
    struct wm_holder holder;
    bool known;
    int64_t beat;
    char why[WM_HOLDER_FIELD];
    int code = read_lock(path, &holder, &known, &beat);
    if (code == ENOENT || code == ENOTDIR)
        return 0;
    if (code) {
        errno = code;
        return wm_fail_errno(err, "read", path);
    }
    if (!known)
        return (clock_ns() - beat) / 1000000000 < WM_LOCK_STALE ? fail_unknown(path, err) : 0;
    return wm_holder_dead(&holder, beat, clock_ns(), why) ? 0 : fail_busy(path, &holder, err);
}

/* ---- taking it ---- */

enum verdict { GONE, WAIT, BUSY };

/* With the claim held: remove the lock if it is dead. */
static int judge(struct wm_lock *lock, int64_t now, enum verdict *ret, char note[WM_LOCK_TEXT],
                 struct wm_error *err)
{
    struct wm_holder holder;
    bool known;
    int64_t beat;
    char why[WM_HOLDER_FIELD];
    *ret = GONE;
    int code = read_lock(lock->path, &holder, &known, &beat);
    if (code == ENOENT)
        return 0;
    if (code) {
        errno = code;
        return wm_fail_errno(err, "read", lock->path);
    }
    if (!known && (now - beat) / 1000000000 < WM_LOCK_STALE) {
        *ret = WAIT; /* made, not written yet */
        return fail_unknown(lock->path, err);
    }
    if (known && !wm_holder_dead(&holder, beat, now, why)) {
        *ret = BUSY;
        return fail_busy(lock->path, &holder, err);
    }
    if (!is_our_claim(lock)) { /* we have slept, and were taken for dead */
        *ret = WAIT;
        return fail_unknown(lock->claim, err);
    }
    if (unlink(lock->path) != 0 && errno != ENOENT)
        return wm_fail_errno(err, "remove", lock->path);
    if (known)
        (void)snprintf(note, WM_LOCK_TEXT, "took over from process %llu on %s, here since %s: %s",
                       (unsigned long long)holder.pid, holder.host, holder.since, why);
    else
        (void)snprintf(note, WM_LOCK_TEXT, "took over from a run that has left no name");
    return 0;
}

static bool is_old(const struct stat *file, const struct stat *now)
{
    return (mtime_ns(now) - mtime_ns(file)) / 1000000000 >= WM_LOCK_STALE;
}

/* A claim is held for a moment. One that is old was left by a crash: its age is measured with a
 * file made now, by the same clock. Several may see that at once, and the quickest of them may have
 * removed it and made a claim of his own before the slowest comes to it. So one removes it at a time,
 * who has made the file that is named after that very claim, and only if it still stands then. (That
 * file is named as temporary files are: what a crash leaves of it goes with them.) */
static void drop_old_claim(struct wm_lock *lock)
{
    char probe[WM_PATH_MAX], turn[WM_PATH_MAX];
    struct stat old, now, left;
    int n = snprintf(probe, sizeof probe, "%.4000s.%s", lock->path, lock->self.name);
    if (n < 0 || (size_t)n >= sizeof probe || create(probe, "", 0, &now))
        return;
    (void)unlink(probe);
    if (stat(lock->claim, &old) != 0 || !is_old(&old, &now))
        return;
    n = snprintf(turn, sizeof turn, "%.4000s.tmp.%ju.%ju", lock->claim, (uintmax_t)old.st_ino,
                 (uintmax_t)mtime_ns(&old));
    if (n < 0 || (size_t)n >= sizeof turn)
        return;
    int code = create(turn, "", 0, &now);
    if (!code && stands(lock->claim, &old))
        (void)unlink(lock->claim);
    if (!code || (code == EEXIST && stat(turn, &left) == 0 && is_old(&left, &now)))
        (void)unlink(turn);
}

static int clear_dead(struct wm_lock *lock, enum verdict *ret, char note[WM_LOCK_TEXT],
                      struct wm_error *err)
{
    struct stat claim;
    int code = create(lock->claim, lock->self.name, strlen(lock->self.name), &claim);
    *ret = WAIT;
    if (code == EEXIST) {
        drop_old_claim(lock);
        return fail_unknown(lock->claim, err);
    }
    if (code) {
        errno = code;
        *ret = BUSY;
        return wm_fail_errno(err, "create", lock->claim);
    }
    int status = judge(lock, mtime_ns(&claim), ret, note, err);
    if (status && *ret == GONE)
        *ret = BUSY;
    if (is_our_claim(lock))
        (void)unlink(lock->claim);
    return status;
}

/* 0: ours. `*ret_closed`: the directory may not be written. */
static int take(struct wm_lock *lock, bool *ret_closed, char note[WM_LOCK_TEXT],
                struct wm_error *err)
{
    char text[WM_HOLDER_TEXT_MAX];
    size_t len = wm_holder_print(&lock->self, text);
    double until = monotonic() + PATIENCE;
    for (;;) {
        enum verdict verdict;
        struct stat made;
        int code = create(lock->path, text, len, &made);
        if (!code)
            return 0;
        *ret_closed = code == EACCES || code == EPERM || code == EROFS;
        if (*ret_closed)
            return 0;
        if (code != EEXIST) {
            errno = code;
            return wm_fail_errno(err, "create", lock->path);
        }
        int status = clear_dead(lock, &verdict, note, err);
        if (verdict == BUSY || (verdict == WAIT && monotonic() > until))
            return status;
        if (verdict == WAIT && wm_cancel_check(lock->cancel, err))
            return err->status;
        if (verdict == WAIT)
            sleep_ns(PAUSE_NS);
    }
}

/* ---- its directories ---- */

/* Make the parents of `path`; n_made: bytes of the longest part that was there. */
static int make_parents(struct wm_lock *lock, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", lock->path);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return 0;
    *slash = '\0';
    char whole[WM_PATH_MAX];
    (void)snprintf(whole, sizeof whole, "%s", dir);
    while (!wm_exists(dir) && (slash = strrchr(dir, '/')) != NULL && slash != dir)
        *slash = '\0';
    lock->n_made = wm_exists(dir) ? strlen(dir) : 0;
    return wm_mkdirs(whole, err);
}

static void remove_parents(const struct wm_lock *lock)
{
    char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", lock->path);
    for (char *slash; (slash = strrchr(dir, '/')) != NULL && slash != dir;) {
        *slash = '\0';
        if (strlen(dir) <= lock->n_made || rmdir(dir) != 0)
            return;
    }
}

/* ---- signs of life ---- */

int wm_lock_check(struct wm_lock *lock, struct wm_error *err)
{
    struct wm_holder holder;
    bool known = false;
    int64_t beat;
    if (!lock)
        return 0;
    int code = read_lock(lock->path, &holder, &known, &beat);
    bool ours = !code && known && strcmp(holder.name, lock->self.name) == 0;
    if (ours)
        (void)utimensat(AT_FDCWD, lock->path, NULL, 0);
    else if (!code || code == ENOENT) /* other trouble may pass */
        atomic_store(&lock->lost, true);
    if (!atomic_load(&lock->lost))
        return 0;
    if (!code && known && !ours)
        wm_fail(err, WM_E_BUSY, "process %llu on %s has taken over: this run gave no sign of life",
                (unsigned long long)holder.pid, holder.host);
    else
        wm_fail(err, WM_E_BUSY, "the lock of this run has been removed");
    (void)wm_error_where(err, "%s", lock->path);
    return wm_error_hint(err, "what is committed stays; the same command goes on from there");
}

static void *beat_thread(void *arg)
{
    struct wm_lock *lock = arg;
    struct wm_error err = {0};
    (void)pthread_mutex_lock(&lock->mutex);
    while (!lock->stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += WM_LOCK_BEAT;
        if (pthread_cond_timedwait(&lock->wake, &lock->mutex, &until) != ETIMEDOUT)
            continue;
        (void)pthread_mutex_unlock(&lock->mutex);
        bool lost = wm_lock_check(lock, &err) != 0;
        if (lost && lock->cancel)
            wm_cancel_raise(lock->cancel, SIGTERM);
        (void)pthread_mutex_lock(&lock->mutex);
        lock->stop |= lost;
    }
    (void)pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static int start_beat(struct wm_lock *lock, struct wm_error *err)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lock->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&lock->mutex, NULL);
    int code = pthread_create(&lock->thread, NULL, beat_thread, lock);
    if (!code)
        return 0;
    (void)pthread_cond_destroy(&lock->wake);
    (void)pthread_mutex_destroy(&lock->mutex);
    errno = code;
    return wm_fail_errno(err, "start a thread for", lock->path);
}

int wm_lock_take(const char *path, struct wm_cancel *cancel, struct wm_lock **ret,
                 char note[WM_LOCK_TEXT], struct wm_error *err)
{
    bool closed = false;
    note[0] = '\0';
    *ret = NULL;
    if (strlen(path) + WM_HOLDER_FIELD >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path of a lock is too long");
    struct wm_lock *lock = calloc(1, sizeof *lock);
    if (!lock)
        return wm_fail_nomem(err, sizeof *lock, "a lock");
    (void)snprintf(lock->path, sizeof lock->path, "%s", path);
    (void)snprintf(lock->claim, sizeof lock->claim, "%s.claim", path);
    lock->cancel = cancel;
    wm_holder_self(&lock->self);
    int status = make_parents(lock, err);
    if (!status)
        status = take(lock, &closed, note, err);
    if (!status && !closed) {
        status = start_beat(lock, err);
        if (status)
            (void)unlink(lock->path);
    }
    if (!status && !closed) {
        *ret = lock;
        return 0;
    }
    if (status)
        remove_parents(lock);
    free(lock);
    return status;
}

void wm_lock_release(struct wm_lock *lock)
{
    struct wm_error err = {0};
    if (!lock)
        return;
    (void)pthread_mutex_lock(&lock->mutex);
    lock->stop = true;
    (void)pthread_cond_signal(&lock->wake);
    (void)pthread_mutex_unlock(&lock->mutex);
    (void)pthread_join(lock->thread, NULL);
    if (!wm_lock_check(lock, &err))
        (void)unlink(lock->path);
    remove_parents(lock);
    (void)pthread_cond_destroy(&lock->wake);
    (void)pthread_mutex_destroy(&lock->mutex);
    free(lock);
}
