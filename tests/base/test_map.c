/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are cut short, replaced or removed while they are mapped. */
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "test.h"
#include "wetmill/file.h"

enum { PAGES = 5 };

static size_t page;

static const char *make(const char *name, size_t size)
{
    const char *path = in_top(name);
    struct wm_buf buf;
    wm_buf_init(&buf, size);
    CHECK_OK(wm_buf_reserve(&buf, size, &err), err);
    if (size)
        memset(buf.ptr, 'x', size);
    buf.len = size;
    CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
    return path;
}

static size_t count(const struct wm_map *map)
{
    size_t n = 0;
    for (size_t i = 0; i < map->len; i++)
        n += map->ptr[i] == 'x';
    return n;
}

/* What is mapped stays what it was. */
static void test_others(void)
{
    struct wm_map map;
    const char *path = make("removed", PAGES * page);
    CHECK_OK(wm_map_open(path, &map, &err), err);
    CHECK(unlink(path) == 0);
    CHECK_U64(count(&map), PAGES * page);
    CHECK_OK(wm_map_check(&err), err);
    wm_map_close(&map);
    CHECK_OK(wm_map_open(make("replaced", PAGES * page), &map, &err), err);
    (void)make("replaced", 1); /* another file of that name */
    CHECK_U64(count(&map), PAGES * page);
    CHECK_OK(wm_map_check(&err), err);
    wm_map_close(&map);
    CHECK_OK(wm_map_open(make("grows", page), &map, &err), err);
    CHECK(truncate(make("empty", 0), 10) == 0);
    wm_map_close(&map);
    CHECK_OK(wm_map_check(&err), err);
}

static void test_cut(void)
{
    struct wm_map maps[3];
    char name[16];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "cut.%d", i);
        CHECK_OK(wm_map_open(make(name, PAGES * page), &maps[i], &err), err);
    }
    CHECK(truncate(in_top("cut.1"), (off_t)(2 * page)) == 0);
    CHECK_U64(count(&maps[1]), 2 * page);
    CHECK_U64(count(&maps[1]), 2 * page);
    CHECK_U64(count(&maps[2]), PAGES * page);
    CHECK_FAILS(wm_map_check(&err), WM_E_CHANGED, err, "cut short");
    CHECK(strstr(err.where, "cut.1"));
    for (int i = 0; i < 3; i++)
        wm_map_close(&maps[i]);
    CHECK_FAILS(wm_map_check(&err), WM_E_CHANGED, err, "cut short");
    CHECK(strstr(err.where, "cut.1"));
    CHECK_FAILS(wm_file_store(in_top("new"), WM_STR("x"), &err), WM_E_CHANGED, err, "cut short");
    CHECK(!wm_exists(in_top("new")));
}

/* No page is lost, so there is no signal, but bytes are. */
static void test_cut_a_little(void)
{
    struct wm_map map;
    const char *path = make("little", page / 2);
    CHECK_OK(wm_map_open(path, &map, &err), err);
    CHECK(truncate(path, (off_t)(page / 2 - 1)) == 0);
    wm_map_close(&map);
    CHECK_FAILS(wm_map_check(&err), WM_E_CHANGED, err, "cut short");
}

/* However many there are. */
static void test_many(void)
{
    enum { MANY = 2100 };
    static struct wm_map maps[MANY];
    const char *path = make("many", page);
    for (size_t i = 0; i + 1 < MANY; i++)
        CHECK_OK(wm_map_open(path, &maps[i], &err), err);
    CHECK_OK(wm_map_open(make("last", PAGES * page), &maps[MANY - 1], &err), err);
    CHECK_OK(wm_map_check(&err), err);
    CHECK(truncate(in_top("last"), (off_t)page) == 0);
    CHECK_U64(count(&maps[MANY - 1]), page);
    CHECK_FAILS(wm_map_check(&err), WM_E_CHANGED, err, "cut short");
    CHECK(strstr(err.where, "last"));
    for (size_t i = 0; i < MANY; i++)
        wm_map_close(&maps[i]);
}

/* Each test has a process of its own: one that has seen such a file commits nothing any more. */
static void alone(void (*test)(void))
{
    pid_t pid = fork();
    if (!pid) {
        test();
        _exit(test_failures ? 1 : 0);
    }
    int status = 1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(void)
{
    wm_map_guard();
    page = (size_t)sysconf(_SC_PAGESIZE);
    make_top("map");
    test_others();
    alone(test_cut_a_little);
    alone(test_many);
    test_cut();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
