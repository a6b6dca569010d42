/* SPDX-License-Identifier: Apache-2.0 */
/* Lock files: one holder at a time; the dead are recognised, and only they. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/lock_holder.h"
#include "test.h"

static char dir[256], path[300];

/* A lock of `holder` that was last touched `age` seconds ago. */
static void put(const struct wm_holder *holder, long age)
{
    struct wm_error err = {0};
    char text[WM_HOLDER_TEXT_MAX];
    struct timespec now, times[2];
    size_t len = wm_holder_print(holder, text);
    CHECK_OK(wm_file_store(path, (struct wm_str){text, len}, &err), err);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= age;
    times[0] = times[1] = now;
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

/* Is the lock that stands there taken over, for a reason that holds `why`? */
static void expect_dead(const char *why)
{
    struct wm_error err = {0};
    struct wm_lock *lock = NULL;
    char note[WM_LOCK_TEXT];
    CHECK_OK(wm_lock_look(path, &err), err);
    CHECK_OK(wm_lock_take(path, NULL, &lock, note, &err), err);
    CHECK_(strstr(note, why) != NULL, "\"%s\" has no \"%s\"", note, why);
    CHECK_OK(wm_lock_check(lock, &err), err);
    wm_lock_release(lock);
    CHECK(!wm_exists(path));
}

static void expect_alive(const char *what)
{
    struct wm_error err = {0};
    struct wm_lock *lock = NULL;
    char note[WM_LOCK_TEXT];
    CHECK(wm_lock_look(path, &err) == WM_E_BUSY);
    CHECK(wm_lock_take(path, NULL, &lock, note, &err) == WM_E_BUSY);
    CHECK_(strstr(err.what, what) != NULL, "\"%s\" has no \"%s\"", err.what, what);
    CHECK(*err.hint && strstr(err.where, path) && !lock);
    CHECK(wm_exists(path));
}

static void test_hold(void)
{
    struct wm_error err = {0};
    struct wm_lock *lock = NULL, *second = NULL;
    char note[WM_LOCK_TEXT];
    CHECK_OK(wm_lock_take(path, NULL, &lock, note, &err), err);
    CHECK(!*note);
    expect_alive("another run is at work here");
    CHECK_OK(wm_lock_check(lock, &err), err);
    wm_lock_release(lock);
    CHECK(!wm_exists(path));
    CHECK_OK(wm_lock_take(path, NULL, &lock, note, &err), err);
    CHECK_OK(wm_remove(path, &err), err); /* somebody helps himself */
    CHECK_OK(wm_lock_take(path, NULL, &second, note, &err), err);
    CHECK(wm_lock_check(lock, &err) == WM_E_BUSY);
    CHECK(wm_lock_check(lock, &err) == WM_E_BUSY);
    wm_lock_release(lock);
    CHECK(wm_exists(path)); /* the second one's */
    CHECK_OK(wm_lock_check(second, &err), err);
    wm_lock_release(second);
    CHECK(!wm_exists(path));
    CHECK_OK(wm_lock_check(NULL, &err), err);
    wm_lock_release(NULL);
}

/* Directories are made, and go again if nothing came into them. */
static void test_directories(void)
{
    struct wm_error err = {0};
    struct wm_lock *lock = NULL;
    char deep[512], top[400], note[WM_LOCK_TEXT];
    (void)snprintf(top, sizeof top, "%s/new", dir);
    (void)snprintf(deep, sizeof deep, "%s/a/b/lock", top);
    CHECK_OK(wm_lock_take(deep, NULL, &lock, note, &err), err);
    CHECK(wm_exists(deep));
    wm_lock_release(lock);
    CHECK(!wm_exists(top) && wm_exists(dir));
    if (geteuid() == 0)
        return; /* whom no mode keeps out */
    CHECK_OK(wm_mkdirs(top, &err), err);
    CHECK(chmod(top, 0555) == 0);
    (void)snprintf(deep, sizeof deep, "%s/lock", top);
    CHECK_OK(wm_lock_take(deep, NULL, &lock, note, &err), err);
    CHECK(!lock);
    CHECK(chmod(top, 0755) == 0);
}

static void test_same_machine(void)
{
    struct wm_holder self, other;
    wm_holder_self(&self);
    CHECK(wm_holder_is_here(&self));
    put(&self, 100000); /* a stopped process gives no sign of life, and is not dead */
    expect_alive("process");
    other = self;
    other.started += 1; /* the number was used again */
    if (self.started) {
        put(&other, 0);
        expect_dead("its process is gone");
    }
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK(child > 0);
    other = self;
    other.pid = (uint64_t)child;
    other.started = 0;
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    put(&other, 0); /* ended, but still in the table of processes */
    if (self.started)
        expect_dead("its process is gone");
    CHECK(waitpid(child, NULL, 0) == child);
    put(&other, 0);
    expect_dead("its process is gone");
}

static void test_other_machines(void)
{
    struct wm_holder other;
    wm_holder_self(&other);
    (void)snprintf(other.boot, sizeof other.boot, "another-boot");
    put(&other, 0); /* a machine of the same name */
    expect_alive("process");
    put(&other, 100L * 365 * 86400 / 2);
    expect_dead("its machine has started again");
    (void)snprintf(other.host, sizeof other.host, "elsewhere");
    put(&other, WM_LOCK_STALE / 2);
    expect_alive("elsewhere");
    put(&other, WM_LOCK_STALE + 5);
    expect_dead("no sign of life for 6");
    wm_holder_self(&other); /* a container on this machine: its numbers are its own */
    (void)snprintf(other.space, sizeof other.space, "pid:[1]");
    other.pid = 1;
    put(&other, 1);
    expect_alive("process 1 ");
    put(&other, WM_LOCK_STALE + 5);
    expect_dead("no sign of life");
}

static void test_text(void)
{
    struct wm_holder self, back;
    struct wm_error err = {0};
    char text[WM_HOLDER_TEXT_MAX];
    wm_holder_self(&self);
    size_t len = wm_holder_print(&self, text);
    CHECK(wm_holder_parse((struct wm_str){text, len}, &back));
    CHECK(back.pid == self.pid && back.started == self.started);
    CHECK(!strcmp(back.host, self.host) && !strcmp(back.name, self.name));
    CHECK(!strcmp(back.boot, self.boot) && !strcmp(back.space, self.space));
    for (size_t cut = 0; cut < len; cut++)
        CHECK(!wm_holder_parse((struct wm_str){text, cut}, &back));
    static const char *const bad[] = {
        "wetmill-lock 2\nhost a\nboot b\nspace c\npid 1\nstarted 1\nsince d\nname e\n",
        "wetmill-lock 1\nhost a\nboot b\nspace c\npid 0\nstarted 1\nsince d\nname e\n",
        "wetmill-lock 1\nhost a\nboot b\nspace c\npid -1\nstarted 1\nsince d\nname e\n",
        "wetmill-lock 1\nhost a\nboot b\nspace c\npid 99999999999\nstarted 1\nsince d\nname e\n",
        "wetmill-lock 1\nhost \033[2J\nboot b\nspace c\npid 1\nstarted 1\nsince d\nname e\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!wm_holder_parse(wm_str_of(bad[i]), &back));
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    CHECK_OK(wm_file_store(path, WM_STR("what is this"), &err), err);
    CHECK(wm_lock_look(path, &err) == WM_E_BUSY); /* may be being written */
    CHECK(utimensat(AT_FDCWD, path, old, 0) == 0);
    expect_dead("left no name");
}

/* A claim left by a crash does not stop anybody for ever. */
static void test_claim(void)
{
    struct wm_error err = {0};
    struct wm_holder other;
    char claim[320];
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    wm_holder_self(&other);
    (void)snprintf(other.boot, sizeof other.boot, "another-boot");
    put(&other, WM_LOCK_STALE + 5);
    (void)snprintf(claim, sizeof claim, "%s.claim", path);
    CHECK_OK(wm_file_store(claim, WM_STR(""), &err), err);
    CHECK(utimensat(AT_FDCWD, claim, old, 0) == 0);
    expect_dead("process");
    CHECK(!wm_exists(claim));
}

/* The file at `quick`, once it has been looked at, is what another starter left of it: he has dropped
 * the old claim and made his own. For that stat() here stands in the place of the library's. */
static char quick[320];
static struct wm_cancel quick_cancel;

int stat(const char *restrict name, struct stat *restrict ret)
{
    int code = fstatat(AT_FDCWD, name, ret, 0);
    if (*quick && strcmp(name, quick) == 0) {
        int fd = -1;
        *quick = '\0';
        if (unlink(name) == 0)
            fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
        CHECK(fd >= 0 && close(fd) == 0);
        wm_cancel_raise(&quick_cancel, SIGTERM); /* nobody waits for him */
    }
    return code;
}

/* An old claim goes, but not the fresh one that stands in its place a moment later. */
static void test_fresh_claim(void)
{
    struct wm_error err = {0};
    struct wm_holder other;
    struct wm_lock *lock = NULL;
    char claim[320], note[WM_LOCK_TEXT];
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    wm_holder_self(&other);
    (void)snprintf(other.boot, sizeof other.boot, "another-boot");
    put(&other, 100000);
    (void)snprintf(claim, sizeof claim, "%s.claim", path);
    CHECK_OK(wm_file_store(claim, WM_STR(""), &err), err);
    CHECK(utimensat(AT_FDCWD, claim, old, 0) == 0);
    (void)snprintf(quick, sizeof quick, "%s", claim);
    CHECK_FAILS(wm_lock_take(path, &quick_cancel, &lock, note, &err), WM_E_CANCELLED, err, "");
    CHECK(!*quick);
    CHECK(wm_exists(claim) && wm_exists(path) && !lock);
    CHECK_OK(wm_remove(claim, &err), err);
    CHECK_OK(wm_remove(path, &err), err);
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    CHECK_U64(n, 0);
    wm_arena_done(&arena);
}

/* Many at once, again and again: never two inside, and a dead lock is taken over once. */
enum { CROWD = 8, ROUNDS = 60 };
static atomic_int inside, most, entered, took_over;

static void *crowd_thread(void *arg)
{
    struct wm_error err = {0};
    struct wm_lock *lock;
    char note[WM_LOCK_TEXT];
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (wm_lock_take(path, NULL, &lock, note, &err))
            continue;
        int now = atomic_fetch_add(&inside, 1) + 1;
        if (now > atomic_load(&most))
            atomic_store(&most, now);
        atomic_fetch_add(&entered, 1);
        atomic_fetch_add(&took_over, *note != '\0');
        atomic_fetch_sub(&inside, 1);
        wm_lock_release(lock);
    }
    return NULL;
}

static void test_crowd(void)
{
    pthread_t threads[CROWD];
    struct wm_holder other;
    wm_holder_self(&other);
    (void)snprintf(other.boot, sizeof other.boot, "another-boot");
    put(&other, 100000);
    for (int i = 0; i < CROWD; i++)
        CHECK(pthread_create(&threads[i], NULL, crowd_thread, NULL) == 0);
    for (int i = 0; i < CROWD; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_U64((uint64_t)atomic_load(&most), 1);
    CHECK(atomic_load(&took_over) <= 1); /* 0: who cleared it was not the next one in */
    CHECK(atomic_load(&entered) >= 1);
    CHECK(!wm_exists(path));
}

int main(void)
{
    struct wm_error err = {0};
    (void)snprintf(dir, sizeof dir, "lock.%ld", (long)getpid());
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK_OK(wm_mkdirs(dir, &err), err);
    test_text();
    test_hold();
    test_directories();
    test_same_machine();
    test_other_machines();
    test_claim();
    test_fresh_claim();
    test_crowd();
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
