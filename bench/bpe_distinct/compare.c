/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* wait4; NOLINT(*-reserved-identifier,cert-dcl*) */
#include "bench/bpe_distinct/compare.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH = 4096, LOOK_EVERY_MS = 20, MOST_RATIO = 4 };

struct trained {
    double seconds, cpu_seconds;
    uint64_t anonymous; /* most bytes seen */
    unsigned long long spilled;
    bool ok;
};

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t anonymous_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
            break;
    if (f)
        (void)fclose(f);
    return (uint64_t)kib << 10;
}

/* In the child; returns only on failure. */
static void run(char *const *argv, const char *log, uint64_t limit)
{
    struct rlimit data = {limit, limit};
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return;
    if (limit && setrlimit(RLIMIT_DATA, &data) != 0)
        return;
    (void)execv(argv[0], argv);
}

static void watch(pid_t pid, double start, struct trained *ret)
{
    struct rusage usage;
    const struct timespec pause = {0, LOOK_EVERY_MS * 1000000L};
    int how;
    pid_t ended;
    while ((ended = wait4(pid, &how, WNOHANG, &usage)) == 0) {
        uint64_t bytes = anonymous_of(pid);
        ret->anonymous = bytes > ret->anonymous ? bytes : ret->anonymous;
        (void)nanosleep(&pause, NULL);
    }
    ret->seconds = now() - start;
    ret->ok = ended == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0;
    ret->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* "spilled 3.28 GB to scratch files (3284756130 bytes), merged …" */
static unsigned long long spilled_bytes(const char *log)
{
    char line[1024];
    unsigned long long bytes = 0;
    FILE *f = fopen(log, "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "to scratch files (");
        if (at)
            (void)sscanf(at, "to scratch files (%llu bytes)", &bytes);
    }
    if (f)
        (void)fclose(f);
    return bytes;
}

static struct trained train(const char *wetmill, const char *corpus, const char *dir,
                            const char *name, uint64_t memory, uint64_t limit)
{
    struct trained ret = {0};
    char out[PATH], log[PATH], size[32];
    (void)snprintf(out, sizeof out, "%s/%s", dir, name);
    (void)snprintf(log, sizeof log, "%s/%s.log", dir, name);
    (void)snprintf(size, sizeof size, "%" PRIu64, memory);
    const char *argv[] = {wetmill, "tokenizer", "train", "-o", out,    "--split",
                          "r50k",  "--memory",  size,    "--", corpus, NULL};
    double start = now();
    pid_t pid = fork();
    if (pid == 0) {
        run((char *const *)(void *)argv, log, limit);
        _exit(127);
    }
    if (pid < 0)
        return ret;
    watch(pid, start, &ret);
    ret.spilled = spilled_bytes(log);
    printf("%-10s %8.1f s, %8.1f s of processors, %8.1f MB of anonymous memory at most, %llu bytes "
           "spilled%s\n",
           name, ret.seconds, ret.cpu_seconds, (double)ret.anonymous / 1e6, ret.spilled,
           ret.ok ? "" : " — failed, see the log");
    (void)fflush(stdout);
    return ret;
}

static bool same_file(const char *dir, const char *a, const char *b)
{
    char path[PATH];
    int x = 0, y = 0;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s/tokenizer.json", dir, a);
    FILE *f = fopen(path, "re");
    (void)snprintf(path, sizeof path, "%s/%s/tokenizer.json", dir, b);
    FILE *g = fopen(path, "re");
    for (; f && g && x == y && x != EOF; n++) {
        x = getc(f);
        y = getc(g);
    }
    bool same = f && g && x == y && n > 1;
    if (f)
        (void)fclose(f);
    if (g)
        (void)fclose(g);
    return same;
}

int compare_memory(const char *wetmill, const char *corpus, const char *dir, uint64_t memory)
{
    const uint64_t plenty = UINT64_C(1) << 40;
    struct trained little = train(wetmill, corpus, dir, "little", memory, memory / 4 * 5);
    struct trained much = train(wetmill, corpus, dir, "unlimited", plenty, 0);
    bool same = little.ok && much.ok && same_file(dir, "little", "unlimited");
    double ratio = much.seconds > 0 ? little.seconds / much.seconds : 0;
    printf("%s tokenizer.json, %.2f times the time\n", same ? "the same" : "not the same", ratio);
    return same && little.spilled && ratio <= MOST_RATIO ? 0 : 1;
}
