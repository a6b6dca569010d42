/* SPDX-License-Identifier: Apache-2.0 */
/* A job that is asked to stop, that finds what it kept damaged, and that is killed far behind its last
 * point. */
#include "points_fixture.h"

/* Asked to stop: all that was read is kept, nothing is read again. */
static void test_cancel(void)
{
    const char *path = make_crawl("cancel.warc.wet.gz", ".gz", PAGES, true, false);
    char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/plain", help_dir);
    struct outcome want = finish(path, dir, false, false);
    (void)snprintf(dir, sizeof dir, "%s/cancelled", help_dir);
    atomic_store(&control->documents, 0);
    atomic_store(&control->cancels, true);
    for (long fills = 2; fills < 8; fills += 2) {
        struct setup s;
        struct wm_job_result result;
        set_up(&s, path, dir, false);
        s.job.cancel = &cancel;
        s.job.point_bytes = UINT64_MAX;
        s.job.point_seconds = 1e9;
        memset(&cancel, 0, sizeof cancel);
        atomic_store(&control->fills_left, fills);
        CHECK_U64(run(&s, &result), WM_E_CANCELLED);
        tear_down(&s);
    }
    atomic_store(&control->cancels, false);
    struct outcome got = finish(path, dir, false, true);
    check_same(&got, &want, "cancelled");
    CHECK_U64(atomic_load(&control->documents), want.read.documents);
}

static void spoil(const char *path, uint64_t at)
{
    struct wm_buf buf = help_buf();
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    CHECK(at < buf.len);
    buf.ptr[at % buf.len] ^= 1;
    CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

/* A point that is damaged, or whose files are, or whose input has changed: all is done again. */
static void test_unfit(void)
{
    static const char *const hurt[] = {"unfit/commits/pass0/000000.point",
                                       "unfit/parts/corpus_000000.jsonl.zst.part",
                                       "unfit-rejects/000000.jsonl.zst.part"};
    n_words *= 3; /* a frame is full before the first stop */
    const char *path = make_lines("unfit.jsonl", "", 1);
    char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/unfit", help_dir);
    struct outcome want = finish(path, dir, false, false);
    for (unsigned i = 0; i < 6; i++) {
        CHECK_OK(wm_remove_tree(dir, &err), err);
        CHECK_OK(wm_remove_tree(help_path("unfit-rejects"), &err), err);
        CHECK(die_after(path, dir, false, PAGES / BATCH - 1, 2));
        const char *file = help_path(hurt[i % 3]);
        bool there = wm_exists(file);
        CHECK_(there || i % 3 == 2, "%s is not there", file);
        if (there && i < 3)
            spoil(file, 20);
        else if (there)
            CHECK_OK(wm_remove(file, &err), err);
        struct outcome got = finish(path, dir, false, true);
        check_same(&got, &want, hurt[i % 3]);
    }
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK(die_after(path, dir, false, PAGES / BATCH - 1, 2));
    spoil(path, 500);
    struct outcome got = finish(path, dir, false, true);
    CHECK(!XXH128_isEqual(got.hash, want.hash));
    want = finish(path, help_path("fresh"), false, false);
    CHECK(XXH128_isEqual(got.hash, want.hash));
}

/* Frames of output are written behind a point before the next one comes: they are cut off again, and
 * no more is done twice than lies between two points and under way. */
static void test_behind(bool split, const char *what)
{
    enum { APART = 6 };
    n_lines = 2 * PAGES;
    n_words = 8000; /* a frame is full every few batches */
    const char *path = make_lines("behind.jsonl", "", 1);
    struct wm_stat st;
    CHECK_OK(wm_stat(path, &st, &err), err);
    point_bytes = st.size / n_lines * BATCH * APART;
    CHECK(point_bytes > (uint64_t)4 << 20);
    test_kills_apart(path, split, APART + 2, what);
    point_bytes = 0;
    n_lines = PAGES;
    n_words = PAGE / 8;
}

static void test_behind_points(void)
{
    test_behind(false, "written behind points");
    test_behind(true, "groups written behind points");
}

int main(int argc, char **argv)
{
    static void (*const tests[])(void) = {test_cancel, test_unfit, test_behind_points};
    return points_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
