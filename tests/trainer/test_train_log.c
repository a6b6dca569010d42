/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.jsonl, samples.jsonl and the events grow while it trains, and are cut where a resumed
 * training goes on. */
#include <sys/stat.h>

#include "train_fixture.h"
#include "trainer/checkpoint.h"
#include "wetmill/cancel.h"

enum { STEPS = 12, FILES = 3 };
static const char *const names[FILES] = {"metrics.jsonl", "events.out.tfevents.0.wetmill",
                                         "samples.jsonl"};
static struct wm_train_options options;

/* What the files of the work directory held when the line of a step was told. */
struct snapshot {
    struct wm_buf files[FILES];
    ino_t inodes[FILES];
};

struct watcher {
    const char *work;
    struct wm_cancel cancel;
    unsigned stop_at; /* 0: never */
    struct snapshot at[STEPS + 1];
};

static void look(struct snapshot *s, const char *work)
{
    for (int i = 0; i < FILES; i++) {
        char path[WM_PATH_MAX];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s/%s", top, work, names[i]);
        wm_buf_init(&s->files[i], 1 << 20);
        if (stat(path, &st))
            continue;
        s->inodes[i] = st.st_ino;
        CHECK_OK(wm_file_load(path, &s->files[i], &err), err);
    }
}

static void on_line(void *arg, const char *text)
{
    struct watcher *w = arg;
    unsigned step = 0;
    if (sscanf(text, "step %u/", &step) != 1 || step > STEPS)
        return;
    look(&w->at[step], w->work);
    if (step == w->stop_at)
        wm_cancel_raise(&w->cancel, 2);
}

static int train(const char *out, struct watcher *w)
{
    struct wm_train_result result;
    const struct wm_train_job job = {.options = &options,
                                     .shards = in_top("shards"),
                                     .out = in_top(out),
                                     .work = in_top(w->work),
                                     .threads = 1,
                                     .line = on_line,
                                     .arg = w,
                                     .cancel = &w->cancel};
    return wm_train(&job, &result, &err);
}

static void forget(struct watcher *w)
{
    for (unsigned step = 0; step <= STEPS; step++)
        for (int i = 0; i < FILES; i++)
            wm_buf_done(&w->at[step].files[i]);
}

static size_t count_lines(const struct wm_buf *file)
{
    size_t n = 0;
    for (size_t i = 0; i < file->len; i++)
        n += file->ptr[i] == '\n';
    return n;
}

static void check_prefix(const struct wm_buf *part, const struct wm_buf *whole, const char *name)
{
    CHECK_(part->len <= whole->len && (!part->len || !memcmp(part->ptr, whole->ptr, part->len)),
           "%s: %zu bytes do not begin %zu", name, part->len, whole->len);
}

/* When a step's line is told, all before it stand in the files; no checkpoint is needed for that. */
static void check_growth(void)
{
    static struct watcher w = {.work = "work-grow"};
    struct snapshot end = {0};
    options = small_options();
    options.checkpoint_every = 0;
    CHECK_OK(train("grow", &w), err);
    look(&end, "work-grow");
    for (unsigned step = 1; step <= STEPS; step++) {
        CHECK_U64(count_lines(&w.at[step].files[0]), step - 1);
        CHECK_U64(count_lines(&w.at[step].files[2]), (step - 1) / 2);
        for (int i = 0; i < FILES; i++)
            check_prefix(&w.at[step].files[i], &end.files[i], names[i]);
        for (int i = 0; i < 2; i++) /* in place: nobody's open file is left behind */
            CHECK(w.at[step].inodes[i] == end.inodes[i]);
        if (step > 1)
            CHECK(w.at[step].files[1].len > w.at[step - 1].files[1].len);
    }
    for (int i = 0; i < FILES; i++) {
        char out[64], work[64];
        (void)snprintf(out, sizeof out, "grow/%s", names[i]);
        (void)snprintf(work, sizeof work, "work-grow/%s", names[i]);
        CHECK(same_files(in_top(out), in_top(work)));
        wm_buf_done(&end.files[i]);
    }
    forget(&w);
}

/* Killed at step 11, the newest checkpoint of step 8: the files end where it goes on, whatever stood
 * in them. */
static void check_cut(void)
{
    static struct watcher first = {.work = "work-cut", .stop_at = 11};
    static struct watcher second = {.work = "work-cut", .stop_at = 9};
    char path[WM_PATH_MAX];
    options = small_options(); /* a checkpoint every 4 steps */
    CHECK_FAILS(train("cut", &first), WM_E_CANCELLED, err, "");
    CHECK_OK(wm_checkpoint_path(path, in_top("work-cut"), 11, &err), err);
    CHECK_OK(wm_remove(path, &err), err);
    struct snapshot killed = {0};
    look(&killed, "work-cut");
    CHECK_U64(count_lines(&killed.files[0]), 11);
    for (int i = 0; i < FILES; i++) { /* half a line, and bytes that were changed */
        char at[64];
        struct wm_buf torn = killed.files[i];
        (void)snprintf(at, sizeof at, "work-cut/%s", names[i]);
        memset(torn.ptr + torn.len / 3, '#', 7);
        FILE *out = fopen(in_top(at), "r+");
        CHECK(out && fwrite(torn.ptr, 1, torn.len, out) == torn.len && fputs("{\"st", out) >= 0);
        if (out)
            (void)fclose(out);
        wm_buf_done(&torn);
    }
    CHECK_FAILS(train("cut", &second), WM_E_CANCELLED, err, "");
    const struct snapshot *going_on = &second.at[9];
    CHECK_U64(count_lines(&going_on->files[0]), 8);
    CHECK_U64(count_lines(&going_on->files[2]), 4);
    for (int i = 0; i < FILES; i++) {
        char whole[64];
        struct wm_buf all;
        wm_buf_init(&all, 1 << 20);
        (void)snprintf(whole, sizeof whole, "grow/%s", names[i]);
        CHECK_OK(wm_file_load(in_top(whole), &all, &err), err);
        check_prefix(&going_on->files[i], &all, names[i]);
        CHECK(going_on->files[i].len == first.at[9].files[i].len);
        CHECK(going_on->inodes[i] == first.at[11].inodes[i]);
        wm_buf_done(&all);
    }
    forget(&first);
    forget(&second);
    static struct watcher rest = {.work = "work-cut"};
    CHECK_OK(train("cut", &rest), err);
    CHECK(same_models(in_top("grow"), in_top("cut")));
    CHECK(same_files(in_top("work-cut/metrics.jsonl"), in_top("cut/metrics.jsonl")));
    forget(&rest);
}

/* A directory in the way is told of before anything is trained. */
static void check_in_the_way(void)
{
    static struct watcher w = {.work = "work-way"};
    CHECK_OK(wm_mkdirs(in_top("work-way/metrics.jsonl/x"), &err), err);
    CHECK_FAILS(train("way", &w), WM_E_IO, err, "cannot write");
    CHECK(strstr(err.where, "work-way/metrics.jsonl") != NULL);
    forget(&w);
}

int main(void)
{
    make_top("train-log");
    make_shards(in_top("shards"), 60, 300);
    if (test_failures)
        return test_summary();
    check_growth();
    check_cut();
    check_in_the_way();
    remove_top();
    return test_summary();
}
