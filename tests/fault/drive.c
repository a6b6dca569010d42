/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the calls of the program one by one, and looks what becomes of it. run.sh prepares the
 * directory and says how:
 *
 *   drive WETMILL inject.so DIR JOBS ALLOWED [all|SAMPLE [SEED [JOB [CASE]]]]
 *
 * DIR holds in/ (input) and base/ (what earlier steps made). A line of JOBS is `NAME: ARGUMENT…`; the
 * command runs in a directory of its own beside those two. `copy=PATH` first copies base/PATH there,
 * `<PATH` gives standard input. A line of ALLOWED is `FUNCTION LIBRARY WHY`: a failure of FUNCTION
 * called by LIBRARY may end the program otherwise than by its own error.
 *
 * For every place (see inject.c) the first, the last and a random hit fail. Wanted: no signal, no
 * hang, nothing left allocated that is freed otherwise; either the same output and exit code as
 * without the fault, or exit 1 and an error; and after the same command again, without a fault, the
 * same files as ever.
 */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

enum { JOBS = 128, ARGUMENTS = 64, LIVE = 4096, TEXT = 1 << 16, RECORDS = 2, PARALLEL = 64 };
/* Threads take turns as they like, so some places are not come to again; of a sample that says
 * anything that must be few. */
enum { FEW = 100, NOT_REACHED_SHARE = 10 };

struct live {
    unsigned long long site;
    unsigned count;
};

struct job {
    char *name, *copy, *input, *line;
    char *argv[ARGUMENTS];
    int code; /* of the run without faults */
    struct live live[LIVE];
    size_t n_live;
};

struct fault {
    struct job *job;
    char kind[24], hash[20], action[8];
    unsigned hit;
    const char *stack; /* frames of the place */
};

static const char *wetmill, *preload, *dir, *allowed_path;
static char allowed[TEXT];
static struct job jobs[JOBS];
static size_t n_jobs;
static struct fault *faults;
static size_t n_faults, fault_room, n_places;

static uint64_t random_number(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* ---- jobs ---- */

static void read_jobs(const char *path, const char *only)
{
    char *text = load(path), *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!*line || *line == '#')
            continue;
        struct job *job = &jobs[n_jobs];
        *job = (struct job){.line = line};
        job->name = strsep(&line, ":");
        if (!line || n_jobs == JOBS)
            die("a line of the jobs");
        size_t n = 0;
        job->argv[n++] = (char *)wetmill;
        for (char *word; (word = strsep(&line, " "));) {
            if (strncmp(word, "copy=", 5) == 0)
                job->copy = word + 5;
            else if (*word == '<')
                job->input = word + 1;
            else if (*word && n < ARGUMENTS - 1)
                job->argv[n++] = word;
        }
        if (!only || !*only || strcmp(only, job->name) == 0)
            n_jobs++;
    }
}

/* A new directory for a run: DIR/NAME/{in,base,job}; `own`: input that may be damaged. */
static char *prepare(const struct job *job, const char *name, bool own)
{
    char *top = say("%s/%s", dir, name), *work = say("%s/job", top);
    remove_tree(top);
    if (mkdir(top, 0777) || mkdir(work, 0777))
        die(top);
    static const char *const parts[] = {"in", "base"};
    for (size_t i = 0; i < 2; i++) {
        char *from = say("%s/%s", dir, parts[i]), *to = say("%s/%s", top, parts[i]);
        if (own)
            copy(from, to);
        else if (symlink(from, to))
            die(to);
        free(from);
        free(to);
    }
    if (job->copy) {
        char *from = say("%s/base/%s", dir, job->copy), *to = say("%s/out", work);
        copy(from, to);
        free(from);
        free(to);
    }
    free(top);
    return work;
}

static void restore_input(const char *name)
{
    static const char *const parts[] = {"in", "base"};
    for (size_t i = 0; i < 2; i++) {
        char *from = say("%s/%s", dir, parts[i]), *to = say("%s/%s/%s", dir, name, parts[i]);
        remove_tree(to);
        if (symlink(from, to))
            die(to);
        free(from);
        free(to);
    }
}

static int run(struct job *job, const char *work, char *const env[])
{
    return spawn(job->argv, work, job->input, true, env);
}

static unsigned live_of(const struct job *job, unsigned long long site)
{
    for (size_t i = 0; i < job->n_live; i++)
        if (job->live[i].site == site)
            return job->live[i].count;
    return 0;
}

static void take_live(struct job *job, char *report)
{
    for (char *line; (line = strsep(&report, "\n"));) {
        struct live l;
        if (sscanf(line, "live %llx %u", &l.site, &l.count) != 2)
            continue;
        size_t i = 0;
        while (i < job->n_live && job->live[i].site != l.site)
            i++;
        if (i == LIVE)
            return;
        if (i == job->n_live)
            job->live[job->n_live++] = l;
        else if (job->live[i].count < l.count)
            job->live[i].count = l.count;
    }
}

/* ---- the cases ---- */

static void add_fault(const struct fault *fault, const char *action)
{
    if (n_faults == fault_room) {
        fault_room = fault_room ? fault_room * 2 : 4096;
        faults = realloc(faults, fault_room * sizeof *faults);
        if (!faults)
            die("memory");
    }
    faults[n_faults] = *fault;
    (void)snprintf(faults[n_faults].action, sizeof faults->action, "%s", action);
    n_faults++;
}

/* What a function fails with. Interruptions and short counts must go unnoticed. */
static const struct {
    const char *kind, *actions[5];
} failing[] = {
    {"malloc", {"12"}},
    {"calloc", {"12"}},
    {"realloc", {"12"}},
    {"aligned_alloc", {"12"}},
    {"posix_memalign", {"12"}},
    {"mmap", {"12", "shrink", "vanish"}},
    {"open", {"24", "shrink", "vanish"}},
    {"openat", {"24"}},
    {"fopen", {"24"}},
    {"opendir", {"24"}},
    {"fdopendir", {"12"}},
    {"mkstemp", {"24"}},
    {"mkdtemp", {"28"}},
    {"read", {"5", "4", "short", "shrink", "vanish"}},
    {"pread", {"5", "4", "short", "shrink", "vanish"}},
    {"write", {"28", "4", "short"}},
    {"pwrite", {"28", "4", "short"}},
    {"mkdir", {"28"}},
    {"link", {"5"}},
    {"pthread_create", {"11"}},
    {"pthread_mutex_init", {"11"}},
    {"pthread_cond_init", {"11"}},
};

static void add_place(struct job *job, char *line, uint64_t *random)
{
    struct fault f = {.job = job};
    unsigned hits;
    int at = 0;
    if (sscanf(line, "%23s %19s %u%n", f.kind, f.hash, &hits, &at) != 3)
        die(line);
    f.stack = line + at;
    n_places++;
    const char *const usual[5] = {"5"}, *const *actions = usual;
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++)
        if (strcmp(failing[i].kind, f.kind) == 0)
            actions = failing[i].actions;
    for (size_t i = 0; i < 5 && actions[i]; i++) {
        f.hit = 1;
        add_fault(&f, actions[i]);
        if (hits > 1) {
            f.hit = hits;
            add_fault(&f, actions[i]);
        }
        if (hits > 2) {
            f.hit = 2 + (unsigned)(random_number(random) % (hits - 2));
            add_fault(&f, actions[i]);
        }
    }
}

/* Runs without faults: the exit code, the files and the blocks that stay are what is right. */
static void record(struct job *job, uint64_t *random)
{
    char *name = say("ref.%s", job->name), *work = NULL;
    char *places = say("%s/%s.places", dir, job->name);
    char *report = say("%s/%s.live", dir, job->name);
    for (int i = 0; i < RECORDS; i++) {
        (void)unlink(report);
        (void)unlink(places);
        free(work);
        work = prepare(job, name, false);
        char *env[] = {say("LD_PRELOAD=%s", preload), say("WM_FAULT_REPORT=%s", report),
                       say("WM_FAULT_RECORD=%s", places), NULL};
        int status = run(job, work, env);
        if (status == -1 || !WIFEXITED(status) ||
            (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
            (void)fprintf(stderr, "%s does not work: status %x\n", job->line, status);
            exit(2);
        }
        job->code = WEXITSTATUS(status);
        char *text = load(report);
        take_live(job, text);
        free(text);
        for (size_t k = 0; env[k]; k++)
            free(env[k]);
    }
    char *text = load(places);
    const size_t before = n_places;
    for (char *line; (line = strsep(&text, "\n"));)
        if (*line)
            add_place(job, line, random);
    printf("%-20s %6zu places, exit %d\n", job->name, n_places - before, job->code);
    free(work);
    free(name);
    free(places);
    free(report);
}

static void shuffle(uint64_t *random)
{
    for (size_t i = n_faults; i > 1; i--) {
        const size_t k = random_number(random) % i;
        const struct fault f = faults[i - 1];
        faults[i - 1] = faults[k];
        faults[k] = f;
    }
}

/* ---- one case ---- */

/* "malloc libgomp.so.1 WHY": where that library is among those the program called for this. */
static bool is_allowed(const struct fault *f)
{
    char libraries[1024];
    bool found = false;
    const char *ours = strstr(f->stack, " +");
    (void)snprintf(libraries, sizeof libraries, "%.*s",
                   ours ? (int)(ours - f->stack) : (int)strlen(f->stack), f->stack);
    char *text = strdup(allowed), *rest = text;
    for (char *line; !found && (line = strsep(&rest, "\n"));) {
        char kind[32], name[64], of[72];
        if (*line == '#' || sscanf(line, "%31s %63s", kind, name) != 2)
            continue;
        (void)snprintf(of, sizeof of, " %s+", name);
        found = strcmp(kind, f->kind) == 0 && strstr(libraries, of);
    }
    free(text);
    return found;
}

static char *find_leak(const struct job *job, char *report)
{
    for (char *line; (line = strsep(&report, "\n"));) {
        struct live l;
        size_t bytes;
        int at = 0;
        if (sscanf(line, "live %llx %u %zu%n", &l.site, &l.count, &bytes, &at) == 3 &&
            l.count > live_of(job, l.site))
            return say("leaks %u blocks, %zu bytes%s", l.count, bytes, line + at);
    }
    return NULL;
}

enum outcome { TOLERATED, FAILED_WELL, ALLOWED, NOT_REACHED, WRONG, OUTCOMES };

/* Nothing stands in the directory but what was copied there. */
static bool untouched(const struct job *job, const char *work)
{
    char *out = say("%s/out", work), *base = say("%s/base/%s", dir, job->copy ? job->copy : "");
    struct stat st;
    char *differs = job->copy ? difference(base, out) : NULL;
    const bool same = job->copy ? !differs : stat(out, &st) != 0;
    free(differs);
    free(out);
    free(base);
    return same;
}

/* Input that the system does not give is damaged input: it is named, and the rest is done. */
static bool says_skipped(const char *work)
{
    char *path = say("%s/.stderr", work), *text = load(path);
    const bool says = strstr(text, ": cannot ");
    free(path);
    free(text);
    return says;
}

/* Name, without its directories, of the file that was cut or removed; NULL: none was. */
static char *harmed(const char *work)
{
    char *path = say("%s/.report", work), *text = load(path), *name = NULL;
    char *line = strstr(text, "harmed ");
    if (line) {
        line[strcspn(line, "\n")] = '\0';
        name = say("%s", strrchr(line, '/') ? strrchr(line, '/') + 1 : line);
    }
    free(path);
    free(text);
    return name;
}

/* Is it told that this file was harmed? Text that is cut looks like text that is shorter. */
static bool tells_harm(const struct fault *f, const char *work, const char *name)
{
    static const char *const text_endings[] = {".txt", ".csv", ".yaml"};
    const size_t len = strlen(name);
    for (size_t i = 0; i < sizeof text_endings / sizeof *text_endings; i++) {
        const size_t ending = strlen(text_endings[i]);
        if (strcmp(f->action, "shrink") == 0 && len > ending &&
            strcmp(name + len - ending, text_endings[i]) == 0)
            return true;
    }
    char *path = say("%s/.stderr", work), *text = load(path);
    const bool tells = strstr(text, name) != NULL;
    free(path);
    free(text);
    return tells;
}

/* NULL if what happened is right; else what is wrong. */
static char *judge(const struct fault *f, const char *work, int status, enum outcome *ret)
{
    char *hit = harmed(work); /* only what others may change is; else the call was left alone */
    const bool harmful = hit != NULL,
               harms = strcmp(f->action, "shrink") == 0 || strcmp(f->action, "vanish") == 0;
    const bool transparent =
        strcmp(f->action, "4") == 0 || strcmp(f->action, "short") == 0 || (harms && !harmful);
    char *reference = say("%s/ref.%s/job", dir, f->job->name), *wrong = NULL;
    *ret = FAILED_WELL;
    if (status == -1)
        wrong = say("hangs");
    else if (WIFSIGNALED(status))
        wrong = say("killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) == f->job->code && !(wrong = difference(reference, work)))
        *ret = TOLERATED;
    else if (WEXITSTATUS(status) == f->job->code && !harmful &&
             (transparent || !says_skipped(work)))
        wrong = say("exit %d as if all was well, but %s", f->job->code, wrong);
    else if (harmful && (WEXITSTATUS(status) == f->job->code || WEXITSTATUS(status) == 3) &&
             !tells_harm(f, work, hit))
        wrong = say("exit %d without a word of %s, which was harmed", WEXITSTATUS(status), hit);
    else if (WEXITSTATUS(status) == 2 && untouched(f->job, work))
        ; /* what was asked for cannot be had: nothing was begun */
    else if (WEXITSTATUS(status) > 3 || (!harmful && WEXITSTATUS(status) != 1 &&
                                         !(WEXITSTATUS(status) == 3 && says_skipped(work))))
        wrong = say("exit %d", WEXITSTATUS(status));
    else if (transparent)
        wrong = say("exit %d, but this should go unnoticed", WEXITSTATUS(status));
    else {
        wrong = NULL;
        char *path = say("%s/.stderr", work), *text = load(path);
        if (WEXITSTATUS(status) == 1 && !strstr(text, "wetmill: error: "))
            wrong = say("exit 1 without an error");
        free(path);
        free(text);
    }
    free(reference);
    free(hit);
    return wrong;
}

static char *judge_report(const struct fault *f, const char *work, enum outcome *ret)
{
    char *path = say("%s/.report", work), *text = load(path);
    char *wrong = NULL;
    if (!strstr(text, "fired"))
        *ret = NOT_REACHED;
    else if (*ret <= FAILED_WELL)
        wrong = find_leak(f->job, text);
    free(path);
    free(text);
    return wrong;
}

static char *again(const struct fault *f, const char *name, const char *work)
{
    restore_input(name);
    char *stderr_path = say("%s/.stderr", work), *kept = say("%s/../stderr", work);
    (void)rename(stderr_path, kept);
    int status = run(f->job, work, NULL);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != f->job->code) {
        char *text = load(stderr_path), *error = strstr(text, "wetmill: error: ");
        return say("the same command again gives status %x: %.200s", status, error ? error : "");
    }
    char *reference = say("%s/ref.%s/job", dir, f->job->name);
    char *wrong = difference(reference, work);
    return wrong ? say("after the same command again, %s", wrong) : NULL;
}

static void print_names(const char *stack)
{
    char command[TEXT];
    size_t len = (size_t)snprintf(command, sizeof command, "addr2line -sfpe %s", wetmill);
    for (const char *p = stack; (p = strstr(p, " +")) && len < sizeof command - 32; p++)
        len += (size_t)snprintf(command + len, sizeof command - len, " %lx",
                                strtoul(p + 2, NULL, 16) - 1);
    (void)snprintf(command + len, sizeof command - len, " | sed 's/^/        /' | head -n 14");
    (void)fflush(stdout);
    if (system(command))
        printf("        (no addr2line)\n");
}

static enum outcome try_fault(const struct fault *f, const char *name)
{
    const bool harmful = strcmp(f->action, "shrink") == 0 || strcmp(f->action, "vanish") == 0;
    char *work = prepare(f->job, name, harmful);
    char *env[] = {say("LD_PRELOAD=%s", preload), say("WM_FAULT_REPORT=%s/.report", work),
                   say("WM_FAULT=%s:%s:%u:%s", f->kind, f->hash, f->hit, f->action), NULL};
    const int status = run(f->job, work, env);
    enum outcome outcome;
    char *wrong = judge(f, work, status, &outcome);
    char *leak = judge_report(f, work, &outcome);
    if (!wrong)
        wrong = leak;
    if (wrong && outcome != NOT_REACHED && is_allowed(f)) {
        outcome = ALLOWED;
        wrong = NULL;
    }
    if (!wrong && outcome != TOLERATED)
        wrong = again(f, name, work);
    if (wrong) {
        char *path = say("%s/../stderr", work), *text = load(path);
        if (!*text) {
            char *first = say("%s/.stderr", work);
            text = load(first);
        }
        char *error = strstr(text, "wetmill: error: ");
        printf("FAILED %s %s: %s\n      %.300s\n      frames:%.100s\n", f->job->name,
               env[2] + strlen("WM_FAULT="), wrong, error ? error : "", f->stack);
        print_names(f->stack);
        outcome = WRONG;
    }
    char *top = say("%s/%s", dir, name);
    if (!getenv("WM_FAULT_KEEP"))
        remove_tree(top);
    return outcome;
}

static void try_all(size_t n, size_t results[OUTCOMES])
{
    pid_t pids[PARALLEL] = {0};
    size_t n_parallel = (size_t)sysconf(_SC_NPROCESSORS_ONLN), next = 0, done = 0;
    n_parallel = n_parallel > PARALLEL ? PARALLEL : n_parallel;
    while (done < n) {
        for (size_t i = 0; i < n_parallel && next < n; i++) {
            if (pids[i])
                continue;
            (void)fflush(stdout);
            pid_t pid = fork();
            if (pid < 0)
                die("fork");
            if (!pid) {
                char name[32];
                (void)snprintf(name, sizeof name, "case.%zu", i);
                const enum outcome outcome = try_fault(&faults[next], name);
                (void)fflush(stdout);
                _exit((int)outcome);
            }
            pids[i] = pid;
            next++;
        }
        int status;
        const pid_t pid = wait(&status);
        for (size_t i = 0; i < n_parallel; i++)
            if (pids[i] == pid) {
                pids[i] = 0;
                results[WIFEXITED(status) && WEXITSTATUS(status) < OUTCOMES ? WEXITSTATUS(status)
                                                                            : WRONG]++;
                if (++done % 500 == 0)
                    printf("%zu of %zu\n", done, n);
            }
    }
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    wetmill = argv[1];
    preload = argv[2];
    dir = argv[3];
    allowed_path = argv[5];
    const char *many = argc > 6 ? argv[6] : "300";
    uint64_t random = argc > 7 ? strtoull(argv[7], NULL, 10) : 1;
    char *text = load(allowed_path);
    (void)snprintf(allowed, sizeof allowed, "%s", text);
    read_jobs(argv[4], argc > 8 ? argv[8] : NULL);
    for (size_t i = 0; i < n_jobs; i++)
        record(&jobs[i], &random);
    shuffle(&random);
    size_t n = strcmp(many, "all") == 0 ? n_faults : (size_t)strtoull(many, NULL, 10);
    if (argc > 9) { /* one case by its name */
        struct fault want = {.job = jobs};
        if (sscanf(argv[9], "%23[^:]:%19[^:]:%u:%7s", want.kind, want.hash, &want.hit,
                   want.action) != 4)
            return 2;
        want.stack = "";
        for (size_t i = 0; i < n_faults; i++)
            if (strcmp(faults[i].hash, want.hash) == 0)
                want.stack = faults[i].stack;
        faults[0] = want;
        n = 1;
    }
    n = n < n_faults ? n : n_faults;
    printf("%zu injection points in %zu commands, %zu faults of them; %zu are tried\n", n_places,
           n_jobs, n_faults, n);
    size_t results[OUTCOMES] = {0};
    try_all(n, results);
    printf("%zu failed with an error and were mended by the same command, %zu changed nothing, "
           "%zu ended in a library as allowed, %zu were not reached\n",
           results[FAILED_WELL], results[TOLERATED], results[ALLOWED], results[NOT_REACHED]);
    printf("%zu passed, %zu failed\n", n - results[WRONG], results[WRONG]);
    if (n >= FEW && results[NOT_REACHED] > n / NOT_REACHED_SHARE) {
        printf("too many were not reached\n");
        return 1;
    }
    return results[WRONG] || !n;
}
