/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup keeps to its memory: 96 MiB and 12 bytes for each different line where all copies
 * go, 20 where the first stays, and with a limit that limit, by partitions on disk, with the same
 * result. One worker: how many buffers of several are full at once is a matter of their timing.
 * bench/dedup_lines.c measures the same at any size. */
#include "made_lines.h"
#include "memory_watch.h"
#include "sanitized.h"
#include "scratch.h"

enum {
    FEW = 3000 * 1000, /* lines */
    MANY = 6000 * 1000,
    FIXED = 96 << 20,
    BUFFERS = 32 << 20, /* of FIXED, what FEW lines may not have filled yet */
    LITTLE = 96 << 20,  /* less than the hashes of MANY lines and a sort of them */
};

static uint64_t count_different(uint64_t n_lines)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < n_lines; i++)
        n += made_line(i) == i;
    return n;
}

/* Peak of anonymous memory over what there was before, in bytes; `*ret_hash` of what is kept. */
static uint64_t run(uint64_t n_lines, const char *keep, uint64_t memory, uint64_t *ret_hash)
{
    made.n_lines = n_lines;
    made.docs_in_task = MADE_DOCS_IN_TASK;
    struct wm_job_result result = {0};
    struct wm_job job = {.dir = in_top("work"), .n_workers = 1, .memory = memory};
    watch_begin(job.dir);
    CHECK_OK(made_dedup(keep, &job, &result, &err), err);
    watch_end();
    CHECK_OK(wm_remove_tree(in_top("work"), &err), err);
    wm_job_result_done(&result);
    *ret_hash = atomic_load(&made_sum);
    return watch.anonymous > watch.before ? watch.anonymous - watch.before : 0;
}

static void check_width(const char *keep, uint64_t bytes_each)
{
    uint64_t hash, limited, n_few = count_different(FEW), n_many = count_different(MANY);
    uint64_t few = run(FEW, keep, 0, &hash), many = run(MANY, keep, 0, &hash);
    CHECK_(few <= FIXED + n_few * bytes_each, "keep %s: %ju bytes", keep, (uintmax_t)few);
    CHECK_(many <= FIXED + n_many * bytes_each, "keep %s: %ju bytes", keep, (uintmax_t)many);
    CHECK_(many <= few + BUFFERS + (n_many - n_few) * bytes_each, "keep %s: from %ju to %ju bytes",
           keep, (uintmax_t)few, (uintmax_t)many);
    uint64_t little = run(MANY, keep, LITTLE, &limited);
    CHECK_(little <= LITTLE, "keep %s: %ju bytes", keep, (uintmax_t)little);
    CHECK_(watch.tables >= 2, "%ju partitions on disk", (uintmax_t)watch.tables);
    CHECK_(watch.disk >= n_many * 8, "%ju bytes on disk", (uintmax_t)watch.disk);
    CHECK_U64(limited, hash);
}

int main(void)
{
#if SANITIZED
    SKIP("memory is measured without sanitizers");
#endif
    if (!wm_exists("/proc/self/status"))
        SKIP("no /proc");
    make_top("dedup-memory");
    made.repeats = 100 * 1000;
    check_width("none", 12);
    check_width("first", 20);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
