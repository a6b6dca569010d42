/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the calls of the program one by one, and looks what becomes of it. run.sh prepares the
 * directory and says how:
 *
 *   drive WETMILL inject.so DIR JOBS ALLOWED [all|SAMPLE [SEED [JOB [CASE]]]]
 *
 * DIR holds in/ (input) and base/ (what earlier steps made). A line of JOBS is `NAME: ARGUMENT…`; the
 * command runs in a directory of its own beside those two. `copy=PATH` first copies base/PATH there,
 * `<PATH` gives standard input. A line of ALLOWED is `FUNCTION LIBRARY ENTRY END WHY`: if FUNCTION
 * fails that LIBRARY calls on behalf of its own function ENTRY, the program may be ended by END,
 * which is signal:N, or says:WORD for exit code 1 and WORD on standard error. With LIBRARY "-" ENTRY
 * is a function of the program that does without what the system does not tell or do, and END is
 * prints: the command prints something else, or locks: it leaves a lock. FUNCTION may be "*".
 *
 * A place is a call with the way to it (see inject.c); one that several commands pass is tried in
 * the quickest. Of every place the first, the last and a random hit fail. Wanted: no signal, no
 * hang, nothing left allocated that is freed otherwise; either the same output and exit code as
 * without the fault, or exit 1 and an error; and after the same command again, without a fault, the
 * same files as ever. Where another fault of the command left just the same behind, and the command
 * went on with that, it is not tried again.
 */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"

enum { TEXT = 1 << 16, PARALLEL = 64, TRIES = 3, STATES = 1 << 17, OUTCOME = 100 };

/* Threads take turns as they like, so some places are not come to again; of a sample that says
 * anything that must be few. */
enum { FEW = 100, NOT_REACHED_SHARE = 10 };

/* What the processes that try faults share. */
static struct shared {
    _Atomic uint64_t states[STATES]; /* of directories that were gone on with; 0: free */
    atomic_size_t n_again, n_known;
} *shared;

static uint64_t state_after(const struct fault *f, const char *work)
{
    const uint64_t h = state_of(add_bytes(1469598103934665603u, f->job->name, strlen(f->job->name)),
                                work, 0);
    return h ? h : 1;
}

/* Is it in the table? With `add` it is from now on. */
static bool known_state(uint64_t state, bool add)
{
    for (size_t i = state % STATES, tried = 0; tried < STATES; i = (i + 1) % STATES, tried++) {
        uint64_t there = atomic_load(&shared->states[i]);
        if (!there && !add)
            return false;
        if (there == state ||
            (!there && atomic_compare_exchange_strong(&shared->states[i], &there, state)))
            return true;
        if (there == state)
            return true;
    }
    return false;
}

static char *again(const struct fault *f, const char *name, const char *work)
{
    const uint64_t state = state_after(f, work);
    if (known_state(state, false)) {
        atomic_fetch_add(&shared->n_known, 1);
        return NULL;
    }
    atomic_fetch_add(&shared->n_again, 1);
    link_input(name, false);
    char *stderr_path = say("%s/.stderr", work), *kept = say("%s/../stderr", work);
    (void)rename(stderr_path, kept);
    int status = run(f->job, work, NULL);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != f->job->code) {
        char *text = load(stderr_path), *error = strstr(text, "wetmill: error: ");
        return say("the same command again gives status %x: %.200s", status, error ? error : "");
    }
    char *reference = say("%s/ref.%s/job", dir, f->job->name);
    char *wrong = difference(reference, work);
    if (wrong)
        return say("after the same command again, %s", wrong);
    (void)known_state(state, true);
    return NULL;
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

static void tell(const struct fault *f, const char *how, const char *work, const char *wrong)
{
    char *path = say("%s/../stderr", work), *text = load(path);
    if (!*text) {
        char *first = say("%s/.stderr", work);
        text = load(first);
    }
    char *error = strstr(text, "wetmill: error: ");
    printf("FAILED %s %s: %s\n      %.300s\n      frames:%.300s\n", f->job->name, how, wrong,
           error ? error : text, f->place->stack);
    print_names(f->place->stack);
}

static enum outcome try_fault(const struct fault *f, const char *name)
{
    char *work = NULL, *wrong = NULL;
    char *how = say("%s:%s:%u:%s", f->place->kind, f->place->hash, f->hit, f->action);
    enum outcome outcome = NOT_REACHED;
    /* Which thread does what differs: the last hits are not reached each time. */
    for (int i = 0; i < TRIES && outcome == NOT_REACHED && !wrong; i++) {
        free(work);
        work = prepare(f->job, name, is_harmful(f));
        char *env[] = {say("LD_PRELOAD=%s", preload), say("WM_FAULT_REPORT=%s/.report", work),
                       say("WM_FAULT=%s", how), say("WM_FAULT_FRAME=%s", f->place->frame), NULL};
        const int status = run(f->job, work, env);
        wrong = judge(f, work, status, &outcome);
        char *leak = judge_report(work, &outcome);
        if (!wrong)
            wrong = leak;
        if (wrong && outcome != NOT_REACHED && is_allowed(f, status, work, wrong)) {
            outcome = ALLOWED;
            wrong = NULL;
        }
    }
    if (!wrong && outcome != TOLERATED && outcome != NOT_REACHED)
        wrong = again(f, name, work);
    if (wrong) {
        tell(f, how, work, wrong);
        outcome = WRONG;
    }
    char *top = say("%s/%s", dir, name);
    if (!getenv("WM_FAULT_KEEP"))
        remove_tree(top);
    return outcome;
}

static pid_t begin_fault(const struct fault *f, size_t slot)
{
    (void)fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid)
        return pid;
    char name[32];
    (void)snprintf(name, sizeof name, "case.%zu", slot);
    const enum outcome outcome = try_fault(f, name);
    (void)fflush(stdout);
    _exit(OUTCOME + (int)outcome);
}

/* Of a process of begin_fault; anything else that ends it is wrong, too. */
static enum outcome outcome_of(int status)
{
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) - OUTCOME : -1;
    return code >= 0 && code < OUTCOMES ? (enum outcome)code : WRONG;
}

/* Of all that has run and ended, seconds. */
static double cpu_time(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void try_all(size_t n, size_t results[OUTCOMES])
{
    pid_t pids[PARALLEL] = {0};
    /* A half more than there are processors: the program waits for its threads, and for files. */
    size_t n_parallel = (size_t)sysconf(_SC_NPROCESSORS_ONLN) * 3 / 2, next = 0, done = 0;
    n_parallel = n_parallel > PARALLEL ? PARALLEL : n_parallel ? n_parallel : 1;
    const double start = now();
    while (done < n) {
        for (size_t i = 0; i < n_parallel && next < n; i++)
            if (!pids[i])
                pids[i] = begin_fault(&faults[next++], i);
        int status;
        const pid_t pid = wait(&status);
        for (size_t i = 0; i < n_parallel; i++)
            if (pids[i] == pid) {
                pids[i] = 0;
                results[outcome_of(status)]++;
                if (++done % 500 == 0)
                    printf("%zu of %zu, %.0f s\n", done, n, now() - start);
            }
    }
}

/* One case by its name, on top of the list. */
static size_t pick(const char *text)
{
    char kind[24], hash[20], action[8];
    unsigned hit;
    if (sscanf(text, "%23[^:]:%19[^:]:%u:%7s", kind, hash, &hit, action) != 4)
        exit(2);
    for (size_t i = 0; i < n_places; i++)
        if (strcmp(places[i].hash, hash) == 0 && strcmp(places[i].kind, kind) == 0) {
            n_faults = 0;
            add_fault(&places[i], hit, action);
            return 1;
        }
    (void)fprintf(stderr, "%s: the command does not pass that place\n", text);
    exit(2);
}

static void record_all(void)
{
    for (size_t i = 0; i < n_jobs; i++) {
        record(&jobs[i]);
        const struct fault none = {.job = &jobs[i]};
        char *work = prepare(&jobs[i], "begin", false);
        (void)known_state(state_after(&none, work), true);
        free(work);
    }
    const size_t before = choose_places();
    for (size_t i = 0; i < n_jobs; i++)
        printf("%-20s %6zu places, %6zu tried here, exit %d, %4.0f ms\n", jobs[i].name,
               jobs[i].n_places, jobs[i].n_chosen, jobs[i].code, jobs[i].seconds * 1e3);
    printf("%zu places in %zu commands, %zu of them distinct\n", before, n_jobs, n_places);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    wetmill = argv[1];
    preload = argv[2];
    dir = argv[3];
    allowed = load(argv[5]);
    const char *many = argc > 6 ? argv[6] : "300";
    uint64_t random = argc > 7 ? strtoull(argv[7], NULL, 10) : 1;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("memory");
    read_jobs(argv[4], argc > 8 ? argv[8] : NULL);
    record_all();
    for (size_t i = 0; i < n_places; i++)
        add_faults(&places[i], &random);
    shuffle(&random);
    size_t n = strcmp(many, "all") == 0 ? n_faults : (size_t)strtoull(many, NULL, 10);
    if (argc > 9)
        n = pick(argv[9]);
    n = n < n_faults ? n : n_faults;
    printf("%zu injection points in %zu commands, %zu faults of them; %zu are tried\n", n_places,
           n_jobs, n_faults, n);
    size_t results[OUTCOMES] = {0};
    const double start = now(), cpu = cpu_time(), faults_tried = n ? (double)n : 1;
    try_all(n, results);
    printf("%zu failed with an error and were mended by the same command, %zu changed nothing, "
           "%zu ended in a library as allowed, %zu were not reached\n",
           results[FAILED_WELL], results[TOLERATED], results[ALLOWED], results[NOT_REACHED]);
    printf("%zu commands were given again, %zu left what others had left\n",
           atomic_load(&shared->n_again), atomic_load(&shared->n_known));
    printf("%.0f s; a fault takes %.0f ms of them, and %.0f ms of processor time\n", now() - start,
           (now() - start) * 1e3 / faults_tried, (cpu_time() - cpu) * 1e3 / faults_tried);
    printf("%zu passed, %zu failed\n", n - results[WRONG], results[WRONG]);
    if (n >= FEW && results[NOT_REACHED] > n / NOT_REACHED_SHARE) {
        printf("too many were not reached\n");
        return 1;
    }
    return results[WRONG] || !n;
}
