/* SPDX-License-Identifier: Apache-2.0 */
/* Part of drive.c: the commands, the places each passes, and the faults there are of those. */
#ifndef WETMILL_FAULT_JOBS_H
#define WETMILL_FAULT_JOBS_H

#include "files.h"

enum { JOBS = 128, ARGUMENTS = 64, LIVE = 4096, RECORDS = 2 };

struct live {
    unsigned long long site;
    unsigned count;
};

struct job {
    char *name, *copy, *input, *line;
    char *argv[ARGUMENTS];
    int code;       /* of the run without faults */
    double seconds; /* it took */
    struct live live[LIVE];
    size_t n_live, n_places, n_chosen;
};

/* A call with the way to it. */
struct place {
    struct job *job;
    char kind[24], hash[20], frame[64]; /* frame: the innermost one */
    unsigned hits;
    const char *stack;
};

struct fault {
    const struct place *place;
    struct job *job;
    char action[8];
    unsigned hit;
};

static const char *wetmill, *preload, *dir;
static struct job jobs[JOBS];
static size_t n_jobs;
static struct place *places;
static size_t n_places, place_room;
static struct fault *faults;
static size_t n_faults, fault_room;

static uint64_t random_number(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void *room(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 4096;
    items = realloc(items, *cap * size);
    if (!items)
        die("memory");
    return items;
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
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

static void link_input(const char *name, bool own)
{
    static const char *const parts[] = {"in", "base"};
    for (size_t i = 0; i < 2; i++) {
        char *from = say("%s/%s", dir, parts[i]), *to = say("%s/%s/%s", dir, name, parts[i]);
        remove_tree(to);
        if (own)
            copy(from, to);
        else if (symlink(from, to))
            die(to);
        free(from);
        free(to);
    }
}

/* A new directory for a run: DIR/NAME/{in,base,job}; `own`: input that may be damaged. */
static char *prepare(const struct job *job, const char *name, bool own)
{
    char *top = say("%s/%s", dir, name), *work = say("%s/job", top);
    remove_tree(top);
    if (mkdir(top, 0777) || mkdir(work, 0777))
        die(top);
    link_input(name, own);
    if (job->copy) {
        char *from = say("%s/base/%s", dir, job->copy), *to = say("%s/out", work);
        copy(from, to);
        free(from);
        free(to);
    }
    free(top);
    return work;
}

static int run(struct job *job, const char *work, char *const env[])
{
    return spawn(job->argv, work, job->input, env);
}

/* Blocks of a site that stay in any command: a fault may make one do what only others do, such as
 * fill a table that is kept for good. */
static unsigned live_of(unsigned long long site)
{
    unsigned most = 0;
    for (size_t j = 0; j < n_jobs; j++)
        for (size_t i = 0; i < jobs[j].n_live; i++)
            if (jobs[j].live[i].site == site && jobs[j].live[i].count > most)
                most = jobs[j].live[i].count;
    return most;
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

/* ---- places ---- */

static void add_place(struct job *job, char *line)
{
    struct place p = {.job = job};
    int at = 0;
    if (sscanf(line, "%23s %19s %u%n %63s", p.kind, p.hash, &p.hits, &at, p.frame) != 4)
        die(line);
    p.stack = line + at;
    p.frame[strcspn(p.frame, "(")] = '\0';
    places = room(places, n_places, &place_room, sizeof *places);
    places[n_places++] = p;
    job->n_places++;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = strcmp(x->hash, y->hash);
    if (!order)
        order = strcmp(x->kind, y->kind);
    if (!order)
        order = (x->job->seconds > y->job->seconds) - (x->job->seconds < y->job->seconds);
    return order ? order : (x->job > y->job) - (x->job < y->job);
}

/* A place that several commands pass is tried in the quickest of them. Returns the number of places
 * before. */
static size_t choose_places(void)
{
    const size_t before = n_places;
    size_t n = 0;
    qsort(places, n_places, sizeof *places, by_place);
    for (size_t i = 0; i < n_places; i++)
        if (!n || strcmp(places[i].hash, places[n - 1].hash) != 0 ||
            strcmp(places[i].kind, places[n - 1].kind) != 0) {
            places[n++] = places[i];
            places[n - 1].job->n_chosen++;
        }
    n_places = n;
    return before;
}

/* Runs without faults: the exit code, the files and the blocks that stay are what is right. */
static void record(struct job *job)
{
    char *name = say("ref.%s", job->name), *work = NULL;
    char *list = say("%s/%s.places", dir, job->name), *report = say("%s/%s.live", dir, job->name);
    for (int i = 0; i < RECORDS; i++) {
        (void)unlink(report);
        (void)unlink(list);
        free(work);
        work = prepare(job, name, false);
        char *env[] = {say("LD_PRELOAD=%s", preload), say("WM_FAULT_REPORT=%s", report),
                       say("WM_FAULT_RECORD=%s", list), NULL};
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
    free(prepare(job, "time", false));
    char *timed = say("%s/time/job", dir);
    const double start = now();
    (void)run(job, timed, NULL);
    job->seconds = now() - start;
    free(timed);
    char *text = load(list);
    for (char *line; (line = strsep(&text, "\n"));)
        if (*line)
            add_place(job, line);
    free(work);
    free(name);
    free(list);
    free(report);
}

/* ---- faults ---- */

static void add_fault(const struct place *place, unsigned hit, const char *action)
{
    struct fault f = {.place = place, .job = place->job, .hit = hit};
    (void)snprintf(f.action, sizeof f.action, "%s", action);
    faults = room(faults, n_faults, &fault_room, sizeof *faults);
    faults[n_faults++] = f;
}

/* What a function fails with. Interruptions and short counts must go unnoticed. */
static const struct {
    const char *kind, *actions[5];
} failing[] = {
    {"malloc", {"12"}},        {"calloc", {"12"}},
    {"realloc", {"12"}},       {"aligned_alloc", {"12"}},
    {"posix_memalign", {"12"}}, {"mmap", {"12", "shrink", "vanish"}},
    {"open", {"24", "shrink", "vanish"}},
    {"openat", {"24"}},        {"fopen", {"24"}},
    {"opendir", {"24"}},       {"fdopendir", {"12"}},
    {"mkstemp", {"24"}},       {"mkdtemp", {"28"}},
    {"read", {"5", "4", "short", "shrink", "vanish"}},
    {"pread", {"5", "4", "short", "shrink", "vanish"}},
    {"write", {"28", "4", "short"}},
    {"pwrite", {"28", "4", "short"}},
    {"mkdir", {"28"}},         {"link", {"5"}},
    {"pthread_create", {"11"}}, {"pthread_mutex_init", {"11"}},
    {"pthread_cond_init", {"11"}},
};

static void add_faults(const struct place *p, uint64_t *random)
{
    const char *const usual[5] = {"5"}, *const *actions = usual;
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++)
        if (strcmp(failing[i].kind, p->kind) == 0)
            actions = failing[i].actions;
    for (size_t i = 0; i < 5 && actions[i]; i++) {
        add_fault(p, 1, actions[i]);
        if (p->hits > 1)
            add_fault(p, p->hits, actions[i]);
        if (p->hits > 2)
            add_fault(p, 2 + (unsigned)(random_number(random) % (p->hits - 2)), actions[i]);
    }
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

#endif /* WETMILL_FAULT_JOBS_H */
