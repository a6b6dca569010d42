/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus part against decompression alone, on the same files in the same run.
 *
 *     corpus [-r ROUNDS] [-s SUBJECT]… FILE.gz…
 *
 * Every round runs each subject once, so that what else the machine does falls on all of them; the
 * figures are medians over rounds, and a ratio is the median of each round's own. Time is CPU time
 * of the whole process, all threads. Wall time is that of the best round, and speed-up is the ratio
 * of two; a subject gets as many processors as it has workers, for one worker keeps more than one
 * busy: files are read and written beside it. A subject is a row of the table at the foot. */
#define _GNU_SOURCE /* processors of a process */
#include <getopt.h>
#include <libdeflate.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wetmill/job.h"

enum { ROUNDS_MOST = 99, MEMBER_FIRST = 1 << 20 };
static const uint64_t memory = (uint64_t)4 << 30;

struct instant {
    double cpu, wall; /* seconds */
};

/* What a subject works on. */
struct bench {
    const char *const *files;
    size_t n_files;
    const struct wm_inputs *inputs;
    const char *dir;   /* for output; empty before each run */
    uint64_t bytes;    /* uncompressed; libdeflate, the first subject, finds it out */
    double kept;       /* share of the text that the last subject kept; < 0: it keeps nothing */
    struct instant at; /* set by a subject that is done before its run returns */
};

struct subject {
    const char *name, *what;
    int (*run)(struct bench *bench, const struct subject *subject, struct wm_error *err);
    double target;                /* ratio to libdeflate; 0 = none is set */
    const struct wm_stage *stage; /* the chain, NULL = empty */
    const struct wm_sink *sink;
    unsigned n_workers;
    const char *alone; /* the subject that speed-up is against, or NULL */
};

struct figures {
    double cpu[ROUNDS_MOST], ratio[ROUNDS_MOST], wall[ROUNDS_MOST];
    double kept;
};

static struct instant now(void)
{
    struct timespec cpu, wall;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    (void)clock_gettime(CLOCK_MONOTONIC, &wall);
    return (struct instant){(double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9,
                            (double)wall.tv_sec + (double)wall.tv_nsec * 1e-9};
}

/* ---- processors ---- */

static cpu_set_t all_processors;

/* Threads made from now on run on `n` of the processors. */
static void use_processors(unsigned n)
{
    cpu_set_t some;
    CPU_ZERO(&some);
    for (int cpu = 0; n > 0 && cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all_processors)) {
            CPU_SET(cpu, &some);
            n--;
        }
    (void)sched_setaffinity(0, sizeof some, &some); /* if refused, speed-up tells less */
}

/* ---- libdeflate ---- */

struct inflater {
    struct libdeflate_decompressor *codec;
    unsigned char *in, *out;
    size_t in_cap, out_cap;
};

static int grow(unsigned char **buffer, size_t *cap, size_t want, struct wm_error *err)
{
    if (want <= *cap)
        return 0;
    free(*buffer);
    *buffer = malloc(want);
    *cap = *buffer ? want : 0;
    return *buffer ? 0 : wm_fail_nomem(err, want, "a buffer");
}

static int inflate_members(struct inflater *inflater, size_t size, uint64_t *ret,
                           struct wm_error *err)
{
    for (size_t at = 0; at < size;) {
        size_t used = 0, made = 0;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(inflater->codec, inflater->in + at, size - at,
                                          inflater->out, inflater->out_cap, &used, &made);
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            int status = grow(&inflater->out, &inflater->out_cap, 2 * inflater->out_cap, err);
            if (status)
                return status;
            continue;
        }
        if (result != LIBDEFLATE_SUCCESS)
            return wm_fail(err, WM_E_FORMAT, "no gzip member at byte %zu", at);
        at += used;
        *ret += made;
    }
    return 0;
}

static int inflate_file(struct inflater *inflater, const char *path, uint64_t *ret,
                        struct wm_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        if (file)
            (void)fclose(file);
        return wm_fail(err, WM_E_IO, "%s cannot be read", path);
    }
    long size = ftell(file);
    rewind(file);
    int status = size < 0 ? wm_fail(err, WM_E_IO, "%s has no size", path)
                          : grow(&inflater->in, &inflater->in_cap, (size_t)size + 1, err);
    if (!status && fread(inflater->in, 1, (size_t)size, file) != (size_t)size)
        status = wm_fail(err, WM_E_IO, "%s cannot be read", path);
    (void)fclose(file);
    return status ? status : inflate_members(inflater, (size_t)size, ret, err);
}

/* Every member, one after the other, into one buffer. */
static int run_libdeflate(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    (void)subject;
    struct inflater inflater = {.codec = libdeflate_alloc_decompressor()};
    int status = inflater.codec ? grow(&inflater.out, &inflater.out_cap, MEMBER_FIRST, err)
                                : wm_fail_nomem(err, 64 << 10, "libdeflate");
    bench->bytes = 0;
    for (size_t i = 0; !status && i < bench->n_files; i++)
        status = inflate_file(&inflater, bench->files[i], &bench->bytes, err);
    if (inflater.codec)
        libdeflate_free_decompressor(inflater.codec);
    free(inflater.in);
    free(inflater.out);
    return status;
}

/* ---- jobs ---- */

static struct {
    const struct wm_stage *stage; /* the real one */
    struct wm_cancel cancel;
    struct instant at; /* when the survey pass was over */
} surveyed;

static int stop_at_reduce(const void *shared, unsigned partition, struct wm_merge *sorted,
                          struct wm_table_out *out, struct wm_error *err)
{
    if (surveyed.at.wall == 0)
        surveyed.at = now();
    wm_cancel_raise(&surveyed.cancel, 1);
    return surveyed.stage->reduce(shared, partition, sorted, out, err);
}

static int run_job(struct bench *bench, const struct subject *subject, struct wm_cancel *cancel,
                   struct wm_error *err)
{
    struct wm_chain chain;
    struct wm_job_result result = {0};
    void *shared = NULL, *sink = NULL;
    wm_chain_init(&chain);
    int status = subject->stage ? wm_chain_add(&chain, subject->stage, &shared, err) : 0;
    if (!status && subject->sink) {
        sink = calloc(1, subject->sink->shared_size);
        if (sink)
            wm_options_default(subject->sink->options, sink);
        else
            status = wm_fail_nomem(err, subject->sink->shared_size, subject->sink->name);
    }
    struct wm_job job = {.inputs = bench->inputs,
                         .chain = &chain,
                         .sink = subject->sink,
                         .sink_shared = sink,
                         .dir = subject->stage || subject->sink ? bench->dir : NULL,
                         .identity = "00000000000000000000000000000000",
                         .n_workers = subject->n_workers,
                         .memory = memory,
                         .max_bad_files = 1,
                         .max_bad_records = 1,
                         .cancel = cancel};
    if (!status)
        status = wm_job_run(&job, &result, err);
    const struct wm_tally *tally = &result.tally;
    if (!status && tally->n_links)
        bench->kept = (double)tally->links[tally->n_links - 1].bytes_out /
                      ((double)tally->links[0].bytes_in + 1e-9);
    wm_job_result_done(&result);
    if (sink && subject->sink->close)
        subject->sink->close(sink);
    free(sink);
    wm_chain_close(&chain);
    return status;
}

static int run_whole(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    return run_job(bench, subject, NULL, err);
}

/* Up to the end of the first survey pass, told by the first partition to be reduced. */
static int run_survey(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    struct wm_stage stage = *subject->stage;
    struct subject stopping = *subject;
    memset(&surveyed, 0, sizeof surveyed);
    surveyed.stage = subject->stage;
    stage.reduce = stop_at_reduce;
    stopping.stage = &stage;
    int status = run_job(bench, &stopping, &surveyed.cancel, err);
    bench->at = surveyed.at;
    return status == WM_E_CANCELLED && surveyed.at.wall > 0 ? 0 : status;
}

/* ---- rounds ---- */

extern const struct wm_stage wm_stage_paragraph_dedup;

static const struct subject subjects[] = {
    {"libdeflate", "inflate every member", run_libdeflate, 0, NULL, NULL, 1, NULL},
    {"parse", "records to documents", run_whole, 0.8, NULL, NULL, 1, NULL},
    {"survey", "parse, normalise, hash, record", run_survey, 0.45, &wm_stage_paragraph_dedup, NULL,
     1, NULL},
    {"both", "survey, dedup, JSONL.zst", run_whole, 0.2, &wm_stage_paragraph_dedup, &wm_sink_jsonl,
     1, NULL},
    {"parse-2", "parse with two workers", run_whole, 0, NULL, NULL, 2, "parse"},
    {"both-2", "both with two workers", run_whole, 0, &wm_stage_paragraph_dedup, &wm_sink_jsonl, 2,
     "both"},
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static size_t subject_named(const char *name)
{
    size_t i = 0;
    while (i < N_SUBJECTS && strcmp(subjects[i].name, name) != 0)
        i++;
    return i;
}

static int run_subject(struct bench *bench, size_t i, unsigned round, double libdeflate,
                       struct figures *to, struct wm_error *err)
{
    int status = wm_remove_tree(bench->dir, err);
    if (!status)
        status = wm_mkdirs(bench->dir, err);
    if (status)
        return status;
    bench->kept = -1;
    bench->at = (struct instant){0, 0};
    use_processors(subjects[i].n_workers);
    struct instant from = now();
    status = subjects[i].run(bench, &subjects[i], err);
    if (status)
        return wm_error_where(err, "%s", subjects[i].name);
    struct instant end = bench->at.wall > 0 ? bench->at : now();
    to->cpu[round] = end.cpu - from.cpu;
    to->wall[round] = end.wall - from.wall;
    to->ratio[round] = i ? libdeflate / to->cpu[round] : 1;
    to->kept = bench->kept;
    return 0;
}

static int run_rounds(struct bench *bench, const bool *chosen, unsigned rounds,
                      struct figures *figures, struct wm_error *err)
{
    int status = 0;
    for (unsigned round = 0; !status && round < rounds; round++)
        for (size_t i = 0; !status && i < N_SUBJECTS; i++)
            if (chosen[i])
                status = run_subject(bench, i, round, figures[0].cpu[round], &figures[i], err);
    return status;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, unsigned n)
{
    double sorted[ROUNDS_MOST];
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double least(const double *values, unsigned n)
{
    double found = values[0];
    for (unsigned i = 1; i < n; i++)
        found = values[i] < found ? values[i] : found;
    return found;
}

static void print(const struct bench *bench, const bool *chosen, unsigned rounds,
                  const struct figures *figures)
{
    (void)printf("%zu files, %.1f MB uncompressed, %u rounds, medians\n\n", bench->n_files,
                 (double)bench->bytes * 1e-6, rounds);
    (void)printf("%-11s %9s %9s %7s %7s %7s %9s %7s  %s\n", "subject", "CPU s", "MB/CPU s", "ratio",
                 "target", "wall s", "speed-up", "kept", "what");
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        const struct figures *f = &figures[i];
        char target[32] = "-", speed_up[32] = "-", kept[32] = "-";
        size_t alone = subjects[i].alone ? subject_named(subjects[i].alone) : N_SUBJECTS;
        if (!chosen[i])
            continue;
        if (subjects[i].target > 0)
            (void)snprintf(target, sizeof target, "%.2f", subjects[i].target);
        if (alone < N_SUBJECTS && chosen[alone])
            (void)snprintf(speed_up, sizeof speed_up, "%.2f",
                           least(figures[alone].wall, rounds) / least(f->wall, rounds));
        if (f->kept >= 0)
            (void)snprintf(kept, sizeof kept, "%.1f %%", 100 * f->kept);
        (void)printf("%-11s %9.3f %9.1f %7.3f %7s %7.3f %9s %7s  %s\n", subjects[i].name,
                     median(f->cpu, rounds), (double)bench->bytes * 1e-6 / median(f->cpu, rounds),
                     median(f->ratio, rounds), target, least(f->wall, rounds), speed_up, kept,
                     subjects[i].what);
    }
}

static int bench_files(const char *const *files, size_t n_files, const bool *chosen,
                       unsigned rounds, struct wm_error *err)
{
    static struct figures figures[N_SUBJECTS];
    char dir[] = "/tmp/wetmill-bench.XXXXXX";
    struct wm_source_options options = {0};
    struct wm_inputs inputs;
    wm_options_default(wm_source_option_table, &options);
    options.paths = (struct wm_list){(const char **)(uintptr_t)files, n_files};
    int status = wm_inputs_open(&options, &inputs, err);
    if (status)
        return status;
    struct bench bench = {.files = files, .n_files = n_files, .inputs = &inputs, .dir = dir};
    if (!mkdtemp(dir))
        status = wm_fail(err, WM_E_IO, "no directory for output");
    if (!status)
        status = run_rounds(&bench, chosen, rounds, figures, err);
    if (!status)
        print(&bench, chosen, rounds, figures);
    struct wm_error ignored;
    (void)wm_remove_tree(dir, &ignored);
    wm_inputs_close(&inputs);
    return status;
}

static int usage(void)
{
    (void)fputs("usage: corpus [-r ROUNDS] [-s SUBJECT]... FILE.gz...\nsubjects:", stderr);
    for (size_t i = 0; i < N_SUBJECTS; i++)
        (void)fprintf(stderr, " %s", subjects[i].name);
    (void)fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long rounds = 5;
    bool chosen[N_SUBJECTS] = {true}, any = false;
    for (int c; (c = getopt(argc, argv, "r:s:")) != -1;) {
        size_t i = c == 's' ? subject_named(optarg) : 0;
        if (c == 'r')
            rounds = strtoul(optarg, NULL, 10);
        else if (c != 's' || i == N_SUBJECTS)
            return usage();
        else
            chosen[i] = any = true;
    }
    for (size_t i = 0; !any && i < N_SUBJECTS; i++)
        chosen[i] = true;
    if (optind == argc || rounds < 1 || rounds > ROUNDS_MOST)
        return usage();
    struct wm_error err = {0};
    CPU_ZERO(&all_processors);
    (void)sched_getaffinity(0, sizeof all_processors, &all_processors);
    int status = bench_files((const char *const *)(argv + optind), (size_t)(argc - optind), chosen,
                             (unsigned)rounds, &err);
    if (status)
        (void)fprintf(stderr, "corpus: %s: %s\n", err.where, err.what);
    return status ? 1 : 0;
}
