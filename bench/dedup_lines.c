/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup on many made-up lines: memory and disk for each different line, CPU time for each.
 *
 *     dedup_lines [-n LINES] [-r SHARE] [-k none|first] [-m MEMORY] [-j WORKERS] [-d DIR]
 *
 * -r: share of lines that repeat an earlier one. -m: as --memory, 0 = what the full width takes.
 * Memory is the peak of anonymous resident memory (RssAnon, read 100 times a second), which is what
 * --memory covers, and of all resident memory, mapped tables included. The last figure is a hash of
 * all documents: it must be the same for every -m and -j. */
#include <getopt.h>
#include <time.h>
#include <unistd.h>

#include "tests/made_lines.h"
#include "tests/memory_watch.h"

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What making the documents twice and hashing them costs without the stage. */
static double cost_of_making(void)
{
    char text[MADE_LINE_BYTES];
    double start = cpu_seconds();
    size_t sum = 0;
    for (uint64_t i = 0; i < made.n_lines; i++)
        sum += made_put(made_line(i), text);
    return sum ? 2 * (cpu_seconds() - start) : 0;
}

static uint64_t count_unique(void)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < made.n_lines; i++)
        n += made_line(i) == i;
    return n;
}

int main(int argc, char **argv)
{
    const char *keep = "none";
    struct wm_job job = {.dir = "dedup-lines.work", .n_workers = 1};
    struct wm_error err = {0};
    made.n_lines = 50 * 1000 * 1000;
    made.docs_in_task = MADE_DOCS_IN_TASK;
    for (int c; (c = getopt(argc, argv, "n:r:k:m:j:d:")) != -1;) {
        if (c == 'n')
            made.n_lines = strtoull(optarg, NULL, 10);
        else if (c == 'r')
            made.repeats = (uint64_t)(strtod(optarg, NULL) * 1e6);
        else if (c == 'k')
            keep = optarg;
        else if (c == 'j')
            job.n_workers = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'd')
            job.dir = optarg;
        else if (c != 'm' || wm_parse_size(wm_str_of(optarg), &job.memory, &err))
            return 2;
    }
    if (!made.n_lines || wm_exists(job.dir)) {
        (void)fprintf(stderr, "no lines, or %s is there already\n", job.dir);
        return 2;
    }
    struct wm_job_result result = {0};
    double making = cost_of_making(), n_unique = (double)count_unique();
    watch_begin(job.dir);
    double start = cpu_seconds();
    int status = made_dedup(keep, &job, &result, &err);
    double seconds = cpu_seconds() - start - making;
    watch_end();
    if (status)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    else
        (void)printf("keep %s, %ju lines, %.0f different, memory %ju MiB, %u workers\n"
                     "anonymous %.1f MiB (%.2f bytes a different line), resident %.1f MiB, disk "
                     "%.1f MiB (%.2f)\nCPU %.0f ns a line for both passes, %ju documents kept, "
                     "hash %016llx\n",
                     keep, (uintmax_t)made.n_lines, n_unique, (uintmax_t)(job.memory >> 20),
                     job.n_workers, (double)(watch.anonymous - watch.before) / (1 << 20),
                     (double)(watch.anonymous - watch.before) / n_unique,
                     (double)watch.resident / (1 << 20), (double)watch.disk / (1 << 20),
                     (double)watch.disk / n_unique, seconds / (double)made.n_lines * 1e9,
                     (uintmax_t)result.tally.links[0].documents_out, atomic_load(&made_sum));
    wm_job_result_done(&result);
    (void)wm_remove_tree(job.dir, &err);
    return status != 0;
}
