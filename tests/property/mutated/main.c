/* SPDX-License-Identifier: Apache-2.0 */
/* property_mutated [--count N] [--seed S] [--from I] [--only I] [--keep]: N archives damaged at random, each read and
 * judged. A child process does the work, so that a crash or a hang costs one mutation. A file that
 * made something fail is kept, and the line that says so gives its number. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archives.h"
#include "test.h"
#include "wetmill/file.h"

enum { DEFAULT_COUNT = 500, SECONDS_MOST = 20, WHY = 400, FAILURES_MOST = 50 };

/** What the child tells the parent. */
struct progress {
    uint64_t at, passed, failed, documents, damaged;
    uint64_t slowest_us;
};

static char dir[] = "mutated.XXXXXX";

void give_up(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    abort();
}

static uint64_t cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* CPU time, not the clock: the machine may be busy. The signal ends the child. */
static void allow(long seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    (void)setitimer(ITIMER_PROF, &timer, NULL);
}

static void failed(uint64_t seed, uint64_t number, const char *path, const char *what,
                   const char *why)
{
    char kept[WM_PATH_MAX];
    const char *name = strrchr(path, '/');
    (void)snprintf(kept, sizeof kept, "%s/failed-%ju-%s", dir, (uintmax_t)number,
                   name ? name + 1 : "file");
    (void)printf("FAILED: --seed %ju --only %ju: %s\n  %s\n  %s\n", (uintmax_t)seed,
                 (uintmax_t)number, why, what, rename(path, kept) ? path : kept);
    (void)fflush(stdout);
}

static void one(const struct archives *all, struct mutation *m, struct reading *r, uint64_t seed,
                uint64_t number, struct progress *progress)
{
    static const size_t texts[] = {1, 20000, WM_BATCH_TEXT, WM_BATCH_TEXT};
    char path[WM_PATH_MAX], why[WHY];
    uint64_t rng = seed ^ number * 7919, start = cpu_us();
    mutation_make(m, all, seed, number);
    store(dir, m->base->name, wm_buf_str(&m->bytes), path);
    bool strict = rng_below(&rng, 12) > 0;
    allow(SECONDS_MOST);
    reading_take(r, path, strict ? WM_PROFILE_STRICT : WM_PROFILE_CCNET,
                 texts[rng_below(&rng, sizeof texts / sizeof *texts)]);
    allow(0);
    progress->documents += r->n;
    progress->damaged += r->tally.n_damage > 0;
    if (expect_all(m, r, strict, why, sizeof why)) {
        progress->passed++;
    } else {
        progress->failed++;
        failed(seed, number, path, m->what, why);
        (void)printf("%s", r->told);
    }
    uint64_t us = cpu_us() - start;
    if (us > progress->slowest_us)
        progress->slowest_us = us;
}

static void work(const struct archives *all, uint64_t seed, uint64_t end, struct progress *progress)
{
    struct mutation m = {.bytes = buf_new()};
    struct reading r = {0};
    wm_arena_init(&m.arena, (size_t)1 << 30);
    for (; progress->at < end && progress->failed < FAILURES_MOST; progress->at++)
        one(all, &m, &r, seed, progress->at, progress);
    reading_free(&r);
    wm_buf_done(&m.bytes);
    wm_arena_done(&m.arena);
}

/* Starts children until all is done: one dies with each crash. */
static void run(const struct archives *all, uint64_t seed, uint64_t end, struct progress *progress)
{
    while (progress->at < end && progress->failed < FAILURES_MOST) {
        int status = 0;
        (void)fflush(stdout);
        pid_t child = fork();
        if (child < 0)
            give_up("fork failed");
        if (child == 0) {
            work(all, seed, end, progress);
            (void)fflush(stdout);
            _exit(0);
        }
        if (waitpid(child, &status, 0) != child)
            give_up("waitpid failed");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        struct mutation m = {.bytes = buf_new()};
        char path[WM_PATH_MAX];
        wm_arena_init(&m.arena, (size_t)1 << 30);
        mutation_make(&m, all, seed, progress->at);
        store(dir, m.base->name, wm_buf_str(&m.bytes), path);
        bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF;
        failed(seed, progress->at, path, m.what, hung ? "it hangs" : "it crashes");
        wm_buf_done(&m.bytes);
        wm_arena_done(&m.arena);
        progress->failed++;
        progress->at++;
    }
}

static uint64_t number_of(const char *text)
{
    char *end;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;
    if (!text || *end || end == text)
        give_up("usage: property_mutated [--count N] [--seed S] [--from I] [--only I]");
    return n;
}

int main(int argc, char **argv)
{
    struct archives all = {0};
    struct wm_error err;
    uint64_t seed = 1, from = 0, count = DEFAULT_COUNT;
    for (int i = 1; i < argc; i += 2) {
        uint64_t n = number_of(i + 1 < argc ? argv[i + 1] : NULL);
        if (strcmp(argv[i], "--count") == 0)
            count = n;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = n;
        else if (strcmp(argv[i], "--from") == 0 || strcmp(argv[i], "--only") == 0)
            from = n;
        else
            (void)number_of(NULL);
        if (strcmp(argv[i], "--only") == 0)
            count = 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED || !mkdtemp(dir))
        give_up("no memory or no directory to work in");
    *progress = (struct progress){.at = from};
    archives_make(&all, dir, test_data());
    (void)printf("%zu archives: %s; seed %ju\n", all.n, all.from, (uintmax_t)seed);
    run(&all, seed, from + count, progress);
    (void)printf("%ju documents read, damage told of in %ju files, slowest %ju ms\n",
                 (uintmax_t)progress->documents, (uintmax_t)progress->damaged,
                 (uintmax_t)progress->slowest_us / 1000);
    (void)printf("%ju passed, %ju failed\n", (uintmax_t)progress->passed,
                 (uintmax_t)progress->failed);
    bool ok = progress->failed == 0 && progress->passed == count;
    if (ok)
        (void)wm_remove_tree(dir, &err);
    archives_free(&all);
    return !ok;
}
