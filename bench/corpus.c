/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus part, whole and stage by stage, beside decompression alone and others' programs, on the
 * same files in the same run. bench/corpus.sh adds what needs more than one command.
 *
 *     corpus [-r ROUNDS] [-s SUBJECT]… [-l LID.bin] [-p LANG.sp.model -n LANG.arpa.bin] FILE.gz…
 *     corpus -t TEXT FILE.gz…
 *
 * -l: a fastText model; -p and -n: models of stage perplexity. What lacks its model or program is
 * left out, and said to be. -t only writes the documents' text to a file, a line each.
 *
 * Every round runs each subject once, so that what else the machine does falls on all of them; the
 * figures are medians over rounds, and a ratio is the median of each round's own. Time is CPU time
 * of the whole process, all threads, and of the programs it runs. From a stage's time is taken what
 * reading alone took in the same round, so it is the stage's own; MB are always those of the
 * uncompressed files. Wall time is that of the best round, and speed-up is the ratio of two; a
 * subject gets as many processors as it has workers, for one worker keeps more than one busy: files
 * are read and written beside it. A subject is a row of the table at the foot. */
#define _GNU_SOURCE /* processors of a process */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/corpus/corpus.h"

enum { ROUNDS_MOST = 99 };

struct instant {
    double cpu, wall; /* seconds */
};

struct figures {
    double cpu[ROUNDS_MOST], own[ROUNDS_MOST], ratio[ROUNDS_MOST], wall[ROUNDS_MOST];
    double kept;
};

/* ---- subjects ---- */

static const char *const normalize[] = {"normalize", NULL};
static const char *const length[] = {"length:min_characters=300", NULL};
static const char *const line_repeat[] = {"line-repeat", NULL};
static const char *const symbols[] = {"symbols", NULL};
static const char *const dedup[] = {"paragraph-dedup", NULL};
static const char *const language[] = {"language", NULL};
static const char *const perplexity[] = {"language", "perplexity", NULL};
/* as samples/ccnet.yaml */
#define CCNET                                                                                \
    "length:min_characters=300", "paragraph-dedup:scope=groups:shards=1600:group_shards=50", \
        "language:min_score=0.5"
#define CCNET_FILES "layout=ccnet:compression=gzip:file_size=4 GiB:split=language"
static const char *const ccnet[] = {CCNET, NULL};
static const char *const ccnet_scored[] = {CCNET, "perplexity", "bucket", NULL};

/* clang-format off */
static const struct subject subjects[] = {
    {.name = "libdeflate", .what = "inflate every member", .run = bench_libdeflate},
    {.name = "gzip", .what = "gzip -dc", .run = bench_gzip, .program = "gzip"},
    {.name = "parse", .what = "records to documents", .target = 0.8},
    {.name = "survey", .what = "parse, normalise, hash, record", .target = 0.45, .stages = dedup, .passes = SURVEY},
    {.name = "both", .what = "survey, dedup, JSONL.zst", .target = 0.2, .stages = dedup, .sink = "compression=zstd"},
    {.name = "parse-2", .what = "parse with two workers", .n_workers = 2, .alone = "parse"},
    {.name = "both-2", .what = "both with two workers", .stages = dedup, .sink = "compression=zstd", .n_workers = 2, .alone = "both"},
    {.name = "normalize", .what = "stage alone", .stages = normalize, .less = "parse"},
    {.name = "length", .what = "stage alone", .stages = length, .less = "parse"},
    {.name = "line-repeat", .what = "stage alone", .stages = line_repeat, .less = "parse"},
    {.name = "symbols", .what = "stage alone", .stages = symbols, .less = "parse"},
    {.name = "dedup-survey", .what = "paragraph-dedup alone: survey, reduce", .stages = dedup, .passes = SURVEY, .less = "parse"},
    {.name = "dedup", .what = "paragraph-dedup alone: both passes", .stages = dedup, .less = "parse", .less_times = 2},
    {.name = "fasttext", .what = "fasttext predict-prob, the documents' text", .run = bench_fasttext, .program = "fasttext", .needs = "l"},
    {.name = "language", .what = "stage alone", .target = 3.5, .against = "fasttext", .stages = language, .less = "parse", .needs = "l"},
    {.name = "perplexity", .what = "stage alone", .stages = perplexity, .less = "language", .needs = "lsn"},
    {.name = "chain", .what = "samples/ccnet.yaml to language, strict", .stages = ccnet, .sink = CCNET_FILES, .needs = "l"},
    {.name = "chain-ccnet", .what = "the same, profile ccnet", .stages = ccnet, .sink = CCNET_FILES, .profile = WM_PROFILE_CCNET, .needs = "l"},
    {.name = "scored", .what = "samples/ccnet.yaml, strict", .stages = ccnet_scored, .sink = CCNET_FILES ",bucket", .needs = "lsn"},
    {.name = "scored-ccnet", .what = "the same, profile ccnet", .stages = ccnet_scored, .sink = CCNET_FILES ",bucket", .profile = WM_PROFILE_CCNET, .needs = "lsn"},
};
/* clang-format on */
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static size_t subject_named(const char *name)
{
    size_t i = 0;
    while (i < N_SUBJECTS && strcmp(subjects[i].name, name) != 0)
        i++;
    return i;
}

/* What the subject's ratio is to. */
static size_t other_of(size_t i)
{
    return subjects[i].against ? subject_named(subjects[i].against) : 0;
}

/* Those that a subject's figures refer to must be measured too; they stand before it. */
static void choose(bool *chosen, size_t i)
{
    const char *const others[] = {subjects[i].less, subjects[i].against, subjects[i].alone};
    if (chosen[i])
        return;
    chosen[0] = chosen[i] = true;
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (others[k])
            choose(chosen, subject_named(others[k]));
}

static bool given(const struct bench *bench, char model)
{
    return model == 'l'   ? bench->language != NULL
           : model == 's' ? bench->sentencepiece != NULL
                          : bench->lm != NULL;
}

/* Leave out what cannot be run here, and say so. */
static void leave_out(const struct bench *bench, bool *chosen)
{
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        const struct subject *s = &subjects[i];
        bool models = true;
        for (const char *c = s->needs; c && *c; c++)
            models = models && given(bench, *c);
        if (chosen[i] && !models)
            (void)printf("%s: left out, its models are not given\n", s->name);
        else if (chosen[i] && s->program && !bench_has_program(s->program))
            (void)printf("%s: left out, it is not installed\n", s->name);
        else
            continue;
        chosen[i] = false;
    }
}

/* ---- time and processors ---- */

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static struct instant now(void)
{
    struct timespec cpu, wall;
    struct rusage programs;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    (void)clock_gettime(CLOCK_MONOTONIC, &wall);
    (void)getrusage(RUSAGE_CHILDREN, &programs);
    return (struct instant){(double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9 +
                                seconds(programs.ru_utime) + seconds(programs.ru_stime),
                            (double)wall.tv_sec + (double)wall.tv_nsec * 1e-9};
}

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

/* ---- rounds ---- */

static int run_subject(struct bench *bench, size_t i, unsigned round, struct figures *all,
                       struct wm_error *err)
{
    struct subject subject = subjects[i];
    struct figures *to = &all[i];
    subject.n_workers = subject.n_workers ? subject.n_workers : 1;
    int status = wm_remove_tree(bench->dir, err);
    if (!status)
        status = wm_mkdirs(bench->dir, err);
    if (status)
        return status;
    bench->kept = -1;
    use_processors(subject.n_workers);
    struct instant from = now();
    status = subject.run ? subject.run(bench, &subject, err) : bench_job(bench, &subject, err);
    if (status)
        return wm_error_where(err, "%s", subject.name);
    struct instant end = now();
    to->own[round] = to->cpu[round] = end.cpu - from.cpu;
    to->wall[round] = end.wall - from.wall;
    if (subject.less)
        to->own[round] -= (subject.less_times ? subject.less_times : 1) *
                          all[subject_named(subject.less)].cpu[round];
    if (to->own[round] < 1e-3) /* less than the machine's noise */
        to->own[round] = 1e-3;
    to->ratio[round] = all[other_of(i)].own[round] / to->own[round];
    to->kept = bench->kept;
    return 0;
}

/* Files with newer headers hold no record that cc_net could read. */
static bool unreadable(size_t i, unsigned round, const struct wm_error *err)
{
    if (subjects[i].profile != WM_PROFILE_CCNET || round > 0 || err->status != WM_E_FORMAT)
        return false;
    (void)printf("%s: left out: %s\n", subjects[i].name, err->what);
    return true;
}

static int run_rounds(struct bench *bench, bool *chosen, unsigned rounds, struct figures *figures,
                      struct wm_error *err)
{
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < N_SUBJECTS; i++) {
            if (!chosen[i] || !run_subject(bench, i, round, figures, err))
                continue;
            if (!unreadable(i, round, err))
                return err->status;
            chosen[i] = false;
        }
    return 0;
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

static void print_subject(const struct bench *bench, const bool *chosen, unsigned rounds,
                          const struct figures *figures, size_t i)
{
    const struct figures *f = &figures[i];
    const struct subject *s = &subjects[i];
    char ratio[32] = "-", target[32] = "-", speed_up[32] = "-", kept[32] = "-";
    double own = median(f->own, rounds);
    if (chosen[other_of(i)])
        (void)snprintf(ratio, sizeof ratio, "%.3f", median(f->ratio, rounds));
    if (s->target > 0)
        (void)snprintf(target, sizeof target, "%.2f", s->target);
    if (s->alone)
        (void)snprintf(speed_up, sizeof speed_up, "%.2f",
                       least(figures[subject_named(s->alone)].wall, rounds) /
                           least(f->wall, rounds));
    if (f->kept >= 0)
        (void)snprintf(kept, sizeof kept, "%.1f %%", 100 * f->kept);
    (void)printf("%-12s %8.3f %9.1f %8s  %-10s %7s %7.3f %9s %8s  %s\n", s->name, own,
                 (double)bench->bytes * 1e-6 / own, ratio, subjects[other_of(i)].name, target,
                 least(f->wall, rounds), speed_up, kept, s->what);
}

static void print(const struct bench *bench, const bool *chosen, unsigned rounds,
                  const struct figures *figures)
{
    (void)printf("%zu files, %.1f MB uncompressed, %u rounds, medians\n\n", bench->n_files,
                 (double)bench->bytes * 1e-6, rounds);
    (void)printf("%-12s %8s %9s %8s  %-10s %7s %7s %9s %8s  %s\n", "subject", "CPU s", "MB/CPU s",
                 "ratio", "to", "target", "wall s", "speed-up", "kept", "what");
    for (size_t i = 0; i < N_SUBJECTS; i++)
        if (chosen[i])
            print_subject(bench, chosen, rounds, figures, i);
}

/* ---- the whole ---- */

static int bench_all(struct bench *bench, bool *chosen, unsigned rounds, struct wm_error *err)
{
    static struct figures figures[N_SUBJECTS];
    char dir[] = "/tmp/wetmill-bench.XXXXXX", text[sizeof dir + sizeof ".txt"];
    if (!mkdtemp(dir))
        return wm_fail(err, WM_E_IO, "no directory for output");
    (void)snprintf(text, sizeof text, "%s.txt", dir);
    bench->dir = dir;
    bench->text = text;
    leave_out(bench, chosen);
    int status = 0;
    if (chosen[subject_named("fasttext")])
        status = bench_write_text(bench, text, err);
    if (!status)
        status = run_rounds(bench, chosen, rounds, figures, err);
    if (!status)
        print(bench, chosen, rounds, figures);
    struct wm_error ignored;
    (void)wm_remove_tree(dir, &ignored);
    (void)remove(text);
    return status;
}

static int bench_files(struct bench *bench, bool *chosen, unsigned rounds, const char *text,
                       struct wm_error *err)
{
    struct wm_inputs inputs[2] = {0};
    int status = 0;
    size_t n = 0;
    for (; !status && n < 2; n += !status) { /* by enum wm_profile */
        struct wm_source_options options = {0};
        wm_options_default(wm_source_option_table, &options);
        options.paths = (struct wm_list){(const char **)(uintptr_t)bench->files, bench->n_files};
        options.profile = (int)n;
        status = wm_inputs_open(&options, &inputs[n], err);
        bench->inputs[n] = &inputs[n];
    }
    if (!status)
        status = text ? bench_write_text(bench, text, err) : bench_all(bench, chosen, rounds, err);
    while (n)
        wm_inputs_close(&inputs[--n]);
    return status;
}

static int usage(void)
{
    (void)fputs("usage: corpus [-r ROUNDS] [-s SUBJECT]... [-l LID.bin] "
                "[-p LANG.sp.model -n LANG.arpa.bin] FILE.gz...\n"
                "       corpus -t TEXT FILE.gz...\nsubjects:",
                stderr);
    for (size_t i = 0; i < N_SUBJECTS; i++)
        (void)fprintf(stderr, " %s", subjects[i].name);
    (void)fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long rounds = 5;
    const char *text = NULL;
    struct bench bench = {0};
    bool chosen[N_SUBJECTS] = {false}, any = false;
    for (int c; (c = getopt(argc, argv, "r:s:l:p:n:t:")) != -1;) {
        size_t i = c == 's' ? subject_named(optarg) : 0;
        const char **const path = c == 'l'   ? &bench.language
                                  : c == 'p' ? &bench.sentencepiece
                                  : c == 'n' ? &bench.lm
                                  : c == 't' ? &text
                                             : NULL;
        if (path)
            *path = optarg;
        else if (c == 'r')
            rounds = strtoul(optarg, NULL, 10);
        else if (c != 's' || i == N_SUBJECTS)
            return usage();
        if (c == 's')
            choose(chosen, i);
        any = any || c == 's';
    }
    for (size_t i = 0; !any && i < N_SUBJECTS; i++)
        chosen[i] = true;
    bench.files = (const char *const *)(argv + optind);
    bench.n_files = (size_t)(argc - optind);
    if (!bench.n_files || rounds < 1 || rounds > ROUNDS_MOST)
        return usage();
    struct wm_error err = {0};
    CPU_ZERO(&all_processors);
    (void)sched_getaffinity(0, sizeof all_processors, &all_processors);
    int status = bench_files(&bench, chosen, (unsigned)rounds, text, &err);
    if (status)
        (void)fprintf(stderr, "corpus: %s: %s\n", err.where, err.what);
    return status ? 1 : 0;
}
