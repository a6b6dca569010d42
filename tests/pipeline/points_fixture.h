/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file points_fixture.h
 * A job over made files that is killed, or asked to stop, after so many batches: what comes out in
 * the end is byte for byte what an undisturbed run gives, and hardly more than what was under way is
 * read twice.
 */
#ifndef WETMILL_TEST_POINTS_FIXTURE_H
#define WETMILL_TEST_POINTS_FIXTURE_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "pipeline/reading.h"
#include "reading_help.h"
#include "sort_stage.h"

static struct wm_error err;

enum { BATCH = 10, IN_FLIGHT = 8 /* batches of a task: ring, reader, sink */, RUNS_MAX = 400 };

/** Bytes of input between points; 0: one behind every batch, so that nothing is ever written behind
 *  the last one. */
static uint64_t point_bytes;

/** In memory that survives who is killed. */
static struct control {
    atomic_long fills_left; /* until SIGKILL, or cancel; never reached: LONG_MAX */
    atomic_ullong documents;
    atomic_bool cancels;
} * control;
static struct wm_cancel cancel;
static size_t batch_text; /* 0 = as usual */

static inline int counted_fill(struct wm_reader *reader, struct wm_batch *batch, size_t n_values,
                               size_t max_text, size_t max_docs, struct wm_error *e)
{
    int status = wm_reader_fill(reader, batch, n_values, max_text, max_docs, e);
    if (status <= 0)
        return status;
    atomic_fetch_add(&control->documents, batch->n_docs);
    if (atomic_fetch_sub(&control->fills_left, 1) == 1) {
        if (!atomic_load(&control->cancels))
            (void)raise(SIGKILL);
        wm_cancel_raise(&cancel, SIGTERM);
    }
    return status;
}

/** A program of `n` tests: with a number only that one, since they take their time. */
static inline int points_main(int argc, char **argv, void (*const *tests)(void), size_t n)
{
    control =
        mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        abort();
    help_open();
    for (size_t i = 0; i < n; i++)
        if (argc < 2 || strtoul(argv[1], NULL, 10) == i)
            tests[i]();
    help_close();
    return test_summary();
}

/* ---- one job ---- */

struct setup {
    struct wm_chain chain;
    void *sink;
    struct wm_inputs inputs;
    struct wm_job job;
    char dir[WM_PATH_MAX], rejects[WM_PATH_MAX];
};

static inline void set(struct setup *s, const char *name, const char *value)
{
    const struct wm_option *option = wm_option_find(wm_sink_jsonl.options, wm_str_of(name));
    CHECK_OK(wm_option_set(option, s->sink, wm_str_of(value), &s->inputs.arena, &err), err);
}

static inline void set_up(struct setup *s, const char *path, const char *dir, bool split)
{
    void *shared;
    memset(s, 0, sizeof *s);
    struct wm_source_options options = help_options();
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_inputs_open(&options, &s->inputs, &err), err);
    wm_chain_init(&s->chain);
    CHECK_OK(wm_chain_add(&s->chain, &sort_stage, &shared, &err), err);
    s->sink = calloc(1, wm_sink_jsonl.shared_size);
    wm_options_default(wm_sink_jsonl.options, s->sink);
    if (split) {
        set(s, "split", "group");
        set(s, "split_memory", "1MiB");
    } else if (point_bytes) {
        set(s, "compression", "none"); /* frames are written as they are full */
    }
    (void)snprintf(s->dir, sizeof s->dir, "%s", dir);
    (void)snprintf(s->rejects, sizeof s->rejects, "%.*s-rejects", WM_PATH_MAX - 16, dir);
    s->job = (struct wm_job){.inputs = &s->inputs,
                             .chain = &s->chain,
                             .sink = &wm_sink_jsonl,
                             .sink_shared = s->sink,
                             .dir = s->dir,
                             .rejects = s->rejects,
                             .identity = "00000000000000000000000000000007",
                             .n_workers = 2,
                             .max_bad_files = 1,
                             .max_bad_records = 1,
                             .batch_docs = BATCH,
                             .batch_text = batch_text,
                             .point_bytes = point_bytes,
                             .point_seconds = point_bytes ? 1e9 : 1e-9};
}

static inline void tear_down(struct setup *s)
{
    wm_chain_close(&s->chain);
    wm_inputs_close(&s->inputs);
    free(s->sink);
}

static inline int run(struct setup *s, struct wm_job_result *ret)
{
    struct wm_reading counted = wm_reading_inputs;
    counted.fill = counted_fill;
    int status = wm_job_run_with(&s->job, &counted, ret, &err);
    wm_sink_jsonl.close(s->job.sink_shared);
    return status;
}

/* Names and bytes of all files in a directory, and how many documents lie in the parts. */
static inline XXH128_hash_t hash_dir(const char *dir, XXH128_hash_t hash)
{
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        char path[WM_PATH_MAX];
        struct wm_digest digest;
        CHECK_OK(wm_path_join(path, dir, names[i], &err), err);
        CHECK_OK(wm_file_digest(path, &digest, &err), err);
        XXH128_hash_t all[3] = {hash, digest.hash, XXH3_128bits(names[i], strlen(names[i]))};
        hash = XXH3_128bits(all, sizeof all);
    }
    wm_arena_done(&arena);
    return hash;
}

/** What a finished job left and said. */
struct outcome {
    XXH128_hash_t hash;
    struct wm_read_tally read;
    uint64_t n_damage, dropped;
};

static inline struct outcome look(const struct setup *s, const struct wm_job_result *result)
{
    char parts[WM_PATH_MAX];
    struct outcome o = {.read = result->tally.read,
                        .n_damage = result->n_damage,
                        .dropped = result->tally.links[0].reasons[0]};
    CHECK_OK(wm_path_join(parts, s->dir, "parts", &err), err);
    o.hash = hash_dir(parts, result->inputs);
    o.hash = hash_dir(s->rejects, o.hash);
    for (size_t i = 0; i < result->n_damage; i++) {
        const struct wm_damage *d = &result->damage[i];
        uint64_t all[4] = {o.hash.high64, XXH3_64bits(d->what, strlen(d->what)), d->at, d->record};
        o.hash = XXH3_128bits(all, sizeof all);
    }
    return o;
}

static inline void check_same(const struct outcome *got, const struct outcome *want,
                              const char *what)
{
    CHECK_(XXH128_isEqual(got->hash, want->hash), "%s: other bytes", what);
    CHECK_(memcmp(&got->read, &want->read, sizeof got->read) == 0, "%s: other counts", what);
    CHECK_(got->n_damage == want->n_damage && got->dropped == want->dropped, "%s: other counts",
           what);
}

static inline struct outcome finish(const char *path, const char *dir, bool split, bool points)
{
    struct setup s;
    struct wm_job_result result;
    set_up(&s, path, dir, split);
    if (!points) {
        s.job.point_bytes = UINT64_MAX;
        s.job.point_seconds = 1e9;
    }
    atomic_store(&control->fills_left, LONG_MAX);
    CHECK_OK(run(&s, &result), err);
    struct outcome o = look(&s, &result);
    wm_job_result_done(&result);
    tear_down(&s);
    return o;
}

/* One process that lives for `fills` batches. False: it came to its end. */
static inline bool die_after(const char *path, const char *dir, bool split, long fills,
                             unsigned n_workers)
{
    atomic_store(&control->fills_left, fills);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct setup s;
        struct wm_job_result result;
        set_up(&s, path, dir, split);
        s.job.n_workers = n_workers;
        int status = run(&s, &result);
        if (status)
            (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
        _exit(status || test_failures ? 1 : 0); /* the parent cleans up */
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "status %x", status);
    return killed;
}

/* A process lives for more batches than can be under way, and for several times the `apart` between two
 * points, so that something of its work is kept, and it shows if all of it is lost. */
static inline void test_kills_apart(const char *path, bool split, unsigned apart, const char *what)
{
    char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/plain", help_dir);
    struct outcome want = finish(path, dir, split, false);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    (void)snprintf(dir, sizeof dir, "%s/plain-rejects", help_dir);
    CHECK_OK(wm_remove_tree(dir, &err), err);

    (void)snprintf(dir, sizeof dir, "%s/killed", help_dir);
    atomic_store(&control->documents, 0);
    uint64_t kills = 0, seed = XXH3_64bits(what, strlen(what)), n = 0, once = want.read.documents;
    uint64_t lost = BATCH * (IN_FLIGHT + (uint64_t)apart); /* by a kill, at most */
    for (unsigned i = 0; i < RUNS_MAX && n <= once + kills * lost; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (!die_after(path, dir, split, 6 + 3 * (long)apart + (long)(seed >> 62), 1 + i % 3))
            break;
        kills++;
        n = atomic_load(&control->documents);
    }
    n = atomic_load(&control->documents);
    CHECK_(kills >= (apart ? 2 : 3), "%s: only %" PRIu64 " kills", what, kills);
    CHECK_(kills < RUNS_MAX, "%s: never comes to its end", what);
    CHECK_(n >= once && n - once <= kills * lost,
           "%s: %" PRIu64 " documents read for %" PRIu64 ", %" PRIu64 " kills", what, n, once,
           kills);
    struct outcome got = finish(path, dir, split, true);
    check_same(&got, &want, what);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    (void)snprintf(dir, sizeof dir, "%s/killed-rejects", help_dir);
    CHECK_OK(wm_remove_tree(dir, &err), err);
}

static inline void test_kills(const char *path, bool split, const char *what)
{
    test_kills_apart(path, split, 0, what);
}

/* ---- inputs ---- */

enum { PAGES = 330, PAGE = 12000 };
static unsigned n_lines = PAGES, n_words = PAGE / 8; /* of a line */

static inline void add_line(struct wm_buf *out, unsigned i)
{
    uint64_t x = i * 2654435761u + 1;
    help_text(out, "{\"url\":\"u\",\"text\":\"");
    for (unsigned n = 0; n < n_words; n++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        if (wm_buf_printf(out, &err, "w%" PRIx64 " ", x >> 24))
            abort();
    }
    help_text(out, i % 50 == 7 ? "\"\n" : "\"}\n"); /* some are no JSON */
}

static const char *make_crawl(const char *name, const char *ending, unsigned pages, bool members,
                              bool damaged)
{
    struct wm_buf record = help_buf(), out = help_buf();
    for (unsigned i = 0; i < pages; i++) {
        help_page(&record, i, PAGE + i % 7 * 1000);
        if (!members && i + 1 < pages)
            continue;
        size_t at = out.len;
        help_pack(&out, wm_buf_str(&record), ending);
        if (damaged && i % 90 == 60)
            out.ptr[at + (out.len - at) / 2] ^= 0x55;
        record.len = 0;
    }
    wm_buf_done(&record);
    const char *path = help_store(name, &out);
    wm_buf_done(&out);
    return path;
}

static const char *make_lines(const char *name, const char *ending, unsigned frames)
{
    struct wm_buf lines = help_buf(), out = help_buf();
    for (unsigned f = 0; f < frames; f++) { /* frames end within lines */
        for (unsigned i = 0; i < n_lines / frames; i++)
            add_line(&lines, f * 1000 + i);
        size_t n = f + 1 < frames ? lines.len - 100 : lines.len;
        help_pack(&out, (struct wm_str){lines.ptr, n}, ending);
        memmove(lines.ptr, lines.ptr + n, lines.len - n);
        lines.len -= n;
    }
    wm_buf_done(&lines);
    const char *path = help_store(name, &out);
    wm_buf_done(&out);
    return path;
}

#endif /* WETMILL_TEST_POINTS_FIXTURE_H */
