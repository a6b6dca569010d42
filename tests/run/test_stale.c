/* SPDX-License-Identifier: Apache-2.0 */
/* Input that changes at equal size, and a run that dies before its result is in its place: what the
 * next run leaves is of the input as it is then. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "run_fixture.h"
#include "scratch.h"

/* The input, always of the same size; its time is the minute that is given. */
static void write_input(const char *word, int minute)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 16);
    CHECK_OK(wm_buf_printf(&buf, &err, "{\"text\":\"it says %s\"}\n", word), err);
    CHECK_OK(wm_file_store(in_top("in.jsonl"), wm_buf_str(&buf), &err), err);
    const struct timespec times[2] = {{1700000000 + 60 * minute, 0}, {1700000000 + 60 * minute, 0}};
    CHECK(utimensat(AT_FDCWD, in_top("in.jsonl"), times, 0) == 0);
    wm_buf_done(&buf);
}

static bool run(void)
{
    struct wm_run_result result = {0};
    const struct fixture_how how = {.out = "out", .jobs = 1};
    CHECK_OK(fixture_run(top, &how, &result, &err), err);
    bool ran = result.ran[WM_STEP_CORPUS];
    wm_run_result_done(&result);
    return ran;
}

/* What the corpus in its place says. */
static bool says(const char *word)
{
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    bool found = false;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(in_top("out/corpus"), &arena, &names, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        char path[WM_PATH_MAX];
        struct wm_buf buf;
        wm_buf_init(&buf, 1 << 20);
        CHECK_OK(wm_path_join(path, in_top("out/corpus"), names[i], &err), err);
        CHECK_OK(wm_file_load(path, &buf, &err), err);
        CHECK_OK(wm_buf_add(&buf, "", 1, &err), err);
        found |= wm_str_ends(wm_str_of(names[i]), WM_STR(".jsonl")) && strstr(buf.ptr, word);
        wm_buf_done(&buf);
    }
    wm_arena_done(&arena);
    return found;
}

/* A run over "old" is done, one over "new" has died right before its result took its place. */
static void die_before_publishing(void)
{
    struct wm_buf buf;
    char identity[WM_HEX128] = "";
    CHECK_OK(wm_remove_tree(in_top("out"), &err), err);
    write_input("old", 1);
    CHECK(run() && says("old"));
    CHECK(rename(in_top("out/corpus"), in_top("kept")) == 0);
    write_input("new", 2);
    CHECK(run() && says("new"));
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_file_load(in_top("out/corpus/step.json"), &buf, &err), err);
    CHECK_OK(wm_buf_add(&buf, "", 1, &err), err);
    const char *at = strstr(buf.ptr, "\"identity\":");
    CHECK(at && sscanf(at, "\"identity\": \"%32[0-9a-f]\"", identity) == 1);
    wm_buf_done(&buf);
    CHECK_OK(wm_mkdirs(in_top("out/work/corpus"), &err), err);
    CHECK_OK(wm_file_store(in_top("out/work/corpus/identity"), wm_str_of(identity), &err), err);
    CHECK(rename(in_top("out/corpus"), in_top("out/work/corpus/out")) == 0);
    CHECK(rename(in_top("kept"), in_top("out/corpus")) == 0);
}

int main(void)
{
    static const char yaml[] = "version: 1\ninput: {paths: [in.jsonl]}\n"
                               "corpus: {stages: [write-jsonl: {compression: none}]}\n";
    make_top("stale");
    CHECK_OK(wm_file_store(in_top("config.yaml"), wm_str_of(yaml), &err), err);

    die_before_publishing(); /* the same command again */
    (void)run();
    CHECK(says("new") && !says("old"));
    CHECK(!run() && says("new"));

    die_before_publishing(); /* the input has changed once more */
    write_input("now", 3);
    CHECK(run() && says("now"));
    CHECK(!run());

    die_before_publishing(); /* and back */
    write_input("old", 4);
    CHECK(!run() && says("old"));

    die_before_publishing(); /* only its time has */
    write_input("new", 5);
    (void)run();
    CHECK(says("new"));
    CHECK(!run());
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
