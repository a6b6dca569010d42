/* SPDX-License-Identifier: Apache-2.0 */
/* What the system does not give is counted, however much else there is to complain about; and a job
 * that goes on knows it still. */
#include "job_fixture.h"
#include "reading_help.h"

static struct wm_error err;

enum { BAD_LINES = 1500, UNREAD = 3 /* one gone, one shorter, a link to nothing */ };

static const char *make_files(void)
{
    struct wm_buf bytes = help_buf();
    CHECK_OK(wm_mkdirs(help_path("in/sub"), &err), err);
    for (int i = 0; i < BAD_LINES; i++)
        help_text(&bytes, i ? "no JSON\n" : "{\"text\":\"some\"}\n");
    (void)help_store("in/a.jsonl", &bytes);
    for (const char *name = "bcd"; *name; name++) {
        char path[32];
        (void)snprintf(path, sizeof path, "in/%c.jsonl", *name);
        help_text(&bytes, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
        (void)help_store(path, &bytes);
    }
    CHECK(symlink("nowhere", help_path("in/e.jsonl")) == 0);
    CHECK(symlink("../../in", help_path("in/sub/circle")) == 0);
    help_text(&bytes, "{\"text\":\"bad\"}\nno JSON\n");
    (void)help_store("in/f.jsonl", &bytes);
    wm_buf_done(&bytes);
    return help_path("in");
}

static void check_job(const struct wm_inputs *inputs, uint64_t unread, bool reused)
{
    struct wm_chain chain;
    struct wm_job_result result;
    wm_chain_init(&chain);
    const struct wm_job job = {.inputs = inputs,
                               .chain = &chain,
                               .dir = help_path(unread ? "unread" : "read"),
                               .identity = "0000000000000000000000000000000a",
                               .n_workers = 1,
                               .max_bad_files = 1,
                               .max_bad_records = 1};
    CHECK_OK(wm_job_run(&job, &result, &err), err);
    CHECK_U64(result.tally.read.unread, unread);
    CHECK_U64(result.tally.tasks_reused, reused ? inputs->n_tasks : 0);
    CHECK_U64(result.n_damage, WM_DAMAGE_MAX);
    for (size_t i = 0; i < result.n_damage; i++) /* the words of it are not listed any more */
        CHECK(strstr(result.damage[i].what, "cannot") == NULL);
    wm_job_result_done(&result);
    wm_chain_close(&chain);
}

/* ---- between two passes ---- */

static unsigned n_opened;
static const char *gone, *other; /* removed, and written anew, before the second pass */

static int open_late(const struct wm_inputs *inputs, const struct wm_task *task,
                     struct wm_reader **ret, struct wm_error *e)
{
    if (++n_opened == 2) {
        CHECK_OK(wm_remove(gone, &err), err);
        if (other)
            CHECK_OK(wm_file_store(other, WM_STR("{\"text\":\"some\"}\nno JSON\nno JSOM\n"), &err),
                     err);
    }
    return wm_reader_open(inputs, task, ret, e);
}

static void put_lines(const char *name, unsigned n_bad)
{
    struct wm_buf bytes = help_buf();
    help_text(&bytes, "{\"text\":\"some\"}\n");
    for (unsigned i = 0; i < n_bad; i++)
        help_text(&bytes, "no JSON\n");
    (void)help_store(name, &bytes);
    wm_buf_done(&bytes);
}

/* What is quoted is about the file that is named, and about its being read. */
static void check_passes(const struct wm_source_options *options, const char *name, int status,
                         const char *where, const char *words, const char *not_words)
{
    struct wm_inputs inputs;
    struct wm_chain chain;
    struct wm_job_result result;
    struct wm_reading late = wm_reading_inputs;
    void *shared;
    late.open = open_late;
    n_opened = 0;
    CHECK_OK(wm_inputs_open(options, &inputs, &err), err);
    wm_chain_init(&chain);
    CHECK_OK(wm_chain_add(&chain, &copies_stage, &shared, &err), err);
    const struct wm_job job = {.inputs = &inputs,
                               .chain = &chain,
                               .dir = help_path(name),
                               .identity = "0000000000000000000000000000000b",
                               .n_workers = 1,
                               .max_bad_files = 1,
                               .max_bad_records = 1};
    CHECK_FAILS(wm_job_run_with(&job, &late, &result, &err), status, err, words);
    CHECK_(strstr(err.where, where), "%s: %s", err.where, err.what);
    CHECK_(!not_words || !strstr(err.what, not_words), "%s", err.what);
    if (status == WM_E_IO) { /* nothing is lost of the first pass */
        put_lines("two/b.jsonl", 2);
        CHECK_OK(wm_job_run_with(&job, &late, &result, &err), err);
        CHECK_U64(n_opened, 3);
        CHECK_U64(result.tally.read.unread, 0);
        wm_job_result_done(&result);
    }
    wm_chain_close(&chain);
    wm_inputs_close(&inputs);
}

static void test_passes(void)
{
    struct wm_source_options options = help_options();
    const char *path = help_path("two");
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_mkdirs(path, &err), err);
    put_lines("two/a.jsonl", 2);
    put_lines("two/b.jsonl", 2);
    gone = help_path("two/b.jsonl");
    check_passes(&options, "words", WM_E_IO, "b.jsonl", "cannot open: No such file", NULL);
    /* one changed, another cannot be read: it is not the first one's damage that is quoted */
    put_lines("two/b.jsonl", 2);
    other = help_path("two/a.jsonl");
    check_passes(&options, "changed", WM_E_CHANGED, "a.jsonl",
                 "the file changed between two passes", "JSON");
    /* its words are not listed any more */
    other = NULL;
    put_lines("two/a.jsonl", BAD_LINES);
    put_lines("two/b.jsonl", 2);
    check_passes(&options, "full", WM_E_CHANGED, "b.jsonl", "or could not be read again", "JSON");
}

int main(void)
{
    help_open();
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    const char *path = make_files();
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_inputs_open(&options, &inputs, &err), err);
    CHECK_U64(inputs.n_rows, 7);
    CHECK_U64(inputs.n_tasks, 1);
    CHECK_OK(wm_remove(help_path("in/b.jsonl"), &err), err);
    CHECK(truncate(help_path("in/c.jsonl"), 14) == 0);
    check_job(&inputs, UNREAD, false);
    check_job(&inputs, UNREAD, true);
    wm_inputs_close(&inputs);

    /* what is bad itself is no matter of reading */
    CHECK_OK(wm_remove(help_path("in/e.jsonl"), &err), err);
    CHECK_OK(wm_inputs_open(&options, &inputs, &err), err);
    check_job(&inputs, 0, false);
    wm_inputs_close(&inputs);
    test_passes();
    help_close();
    return test_summary();
}
