/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup through the real job, with many spills and many merges: what is kept is the same
 * for every number of workers, memory limit, batch size and order of tasks, and it is right. */
#include "made_lines.h"
#include "scratch.h"

enum {
    LINES = 300 * 1000,
    DOCS_LARGE = 7400, /* a task that spills, and a small one */
    DOCS_SMALL = 75,   /* more tasks than are merged at once */
};

struct way {
    unsigned n_workers;
    uint64_t memory;
    size_t batch_docs;
    bool reverse;
};

static uint64_t run(const char *keep, const struct way *way, uint64_t *ret_lines)
{
    struct wm_job_result result = {0};
    struct wm_job job = {.dir = in_top("work"),
                         .n_workers = way->n_workers,
                         .memory = way->memory,
                         .batch_docs = way->batch_docs,
                         .batch_text = way->batch_docs ? 64 << 10 : 0,
                         .reverse = way->reverse};
    CHECK_OK(made_dedup(keep, &job, &result, &err), err);
    *ret_lines = result.tally.links ? result.tally.links[0].lines_out : 0;
    wm_job_result_done(&result);
    CHECK_OK(wm_remove_tree(in_top("work"), &err), err);
    return atomic_load(&made_sum);
}

/* Lines that must be left, by counting. Documents without a line left have none. */
static uint64_t count_lines(bool first)
{
    uint32_t *last = calloc(made.n_lines, sizeof *last), *docs = calloc(made.n_lines, sizeof *docs);
    uint64_t n = 0;
    for (uint64_t i = 0; i < made.n_lines; i++) { /* in how many documents is each line? */
        uint64_t line = made_line(i);
        uint32_t doc = (uint32_t)(i / MADE_LINES_IN_DOC) + 1;
        docs[line] += last[line] != doc;
        last[line] = doc;
    }
    for (uint64_t i = 0; i < made.n_lines; i++)
        n += docs[i] == 1 || (docs[i] && first);
    free(last);
    free(docs);
    return n;
}

static void check_ways(bool first, uint64_t docs_in_task)
{
    static const struct way ways[] = {{1, MADE_LEAST, 0, false},
                                      {3, 0, 7, true},
                                      {8, 160 << 20, 100, false},
                                      {2, MADE_LEAST, 1000, true}};
    uint64_t want = count_lines(first), sum = 0, lines = 0;
    made.docs_in_task = docs_in_task;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        uint64_t hash = run(first ? "first" : "none", &ways[i], &lines);
        CHECK_U64(lines, want);
        sum = i ? sum : hash;
        CHECK_U64(hash, sum);
    }
}

int main(void)
{
    made.n_lines = LINES;
    made.repeats = 250 * 1000;
    make_top("dedup-scale");
    for (int first = 0; first < 2; first++) {
        check_ways(first, DOCS_LARGE);
        check_ways(first, DOCS_SMALL);
    }
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
