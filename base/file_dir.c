/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and directories. */
#include "base/file_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int wm_path_join(char out[WM_PATH_MAX], const char *dir, const char *name, struct wm_error *err)
{
    size_t len = name[0] == '/' ? 0 : strlen(dir), name_len = strlen(name);
    size_t slash = len && dir[len - 1] != '/';
    if (len >= WM_PATH_MAX || name_len >= WM_PATH_MAX - len - slash)
        return wm_fail(err, WM_E_LIMIT, "the path \"%.60s/%.60s\" is longer than %d bytes", dir,
                       name, WM_PATH_MAX - 1);
    memcpy(out, dir, len);
    if (slash)
        out[len] = '/';
    memcpy(out + len + slash, name, name_len + 1);
    return 0;
}

/* Some network file systems cannot sync a directory and say EINVAL; what was done stands anyway. */
int wm_sync_dir(const char *dir, struct wm_error *err)
{
    int fd = wm_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wm_fail_errno(err, "open", dir);
    int status = 0;
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = wm_fail_errno(err, "sync", dir);
    (void)close(fd);
    return status;
}

/* Synced files are lost all the same if the name of a directory above them is. One that may be
 * written but not read cannot be synced. */
static int sync_above(const char *path, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    const char *slash = strrchr(path, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (access(*dir ? dir : "/", R_OK) != 0)
        return 0;
    return wm_sync_dir(*dir ? dir : "/", err);
}

static int make_one(const char *path, struct wm_error *err)
{
    if (mkdir(path, 0777) == 0)
        return sync_above(path, err);
    int code = errno;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    errno = code == EEXIST ? ENOTDIR : code;
    return wm_fail_errno(err, "make the directory", path);
}

int wm_mkdirs(const char *path, struct wm_error *err)
{
    char part[WM_PATH_MAX];
    size_t len = strlen(path);
    if (len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
    for (size_t i = 0; i <= len; i++) {
        part[i] = path[i];
        if (i == 0 || path[i - 1] == '/' || (path[i] != '/' && path[i] != '\0'))
            continue;
        part[i] = '\0';
        int status = make_one(part, err);
        if (status)
            return status;
        part[i] = path[i];
    }
    return 0;
}

int wm_remove(const char *path, struct wm_error *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return wm_fail_errno(err, "remove", path);
    return 0;
}

static int empty_dir(int parent, const char *name, const char *top, int depth,
                     struct wm_error *err);

static int remove_entry(int dir, const char *name, const char *top, int depth, struct wm_error *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : wm_fail_errno(err, "remove files of", top);
    int status = S_ISDIR(st.st_mode) ? empty_dir(dir, name, top, depth, err) : 0;
    if (status)
        return status;
    if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
        return wm_fail_errno(err, "remove files of", top);
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Names may be skipped by readdir when others vanish, so passes repeat until one finds nothing.
 * Descriptors are opened without following links: nobody can lead us out of the tree. */
static int empty_dir(int parent, const char *name, const char *top, int depth, struct wm_error *err)
{
    if (depth > WM_TREE_DEPTH) {
        wm_fail(err, WM_E_LIMIT, "directories are nested deeper than %d", WM_TREE_DEPTH);
        return wm_error_where(err, "%s", top);
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int status = errno == ENOENT ? 0 : wm_fail_errno(err, "open", top);
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    int status = 0;
    for (bool again = true; again && !status; rewinddir(dir)) {
        again = false;
        for (struct dirent *e; !status && (e = readdir(dir)) != NULL;)
            if (!is_dots(e->d_name)) {
                again = true;
                status = remove_entry(fd, e->d_name, top, depth + 1, err);
            }
    }
    (void)closedir(dir);
    return status;
}

int wm_remove_tree(const char *path, struct wm_error *err)
{
    return remove_entry(AT_FDCWD, path, path, 0, err);
}

/* ---- listing ---- */

struct names {
    const char **items;
    size_t n, cap;
};

static int names_add(struct names *names, const char *name, struct wm_arena *arena,
                     struct wm_error *err)
{
    if (names->n == WM_NAMES_MAX)
        return wm_fail(err, WM_E_LIMIT, "the directory holds more than %d names", WM_NAMES_MAX);
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 256;
        const char **items = realloc(names->items, cap * sizeof *items);
        if (!items)
            return wm_fail_nomem(err, cap * sizeof *items, "names in a directory");
        names->items = items;
        names->cap = cap;
    }
    const char *copy = wm_arena_cstr(arena, wm_str_of(name));
    if (!copy)
        return wm_fail_nomem(err, strlen(name) + 1, "names in a directory");
    names->items[names->n++] = copy;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect(DIR *dir, const char *path, struct names *names, struct wm_arena *arena,
                   struct wm_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e && errno)
            return wm_fail_errno(err, "list", path);
        if (!e)
            return 0;
        int status = is_dots(e->d_name) ? 0 : names_add(names, e->d_name, arena, err);
        if (status) {
            wm_error_where(err, "%s", path);
            return status;
        }
    }
}

int wm_list_dir(const char *path, struct wm_arena *arena, const char ***ret_names, size_t *ret_n,
                struct wm_error *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return wm_fail_errno(err, "list", path);
    struct names names = {0};
    int status = collect(dir, path, &names, arena, err);
    (void)closedir(dir);
    const char **copy = NULL;
    if (!status && !(copy = wm_arena_alloc(arena, names.n, sizeof *copy)))
        status = wm_fail_nomem(err, names.n * sizeof *copy, "names in a directory");
    if (!status) {
        if (names.n) {
            qsort(names.items, names.n, sizeof *names.items, by_bytes);
            memcpy(copy, names.items, names.n * sizeof *copy);
        }
        *ret_names = copy;
        *ret_n = names.n;
    }
    free(names.items);
    return status;
}

/* NAME.tmp.PID.N, as wm_out_open makes them. */
static bool is_leftover(const char *name)
{
    struct wm_str rest = wm_str_of(name);
    for (int field = 0; field < 2; field++) {
        size_t digits = 0;
        while (digits < rest.len && rest.ptr[rest.len - 1 - digits] >= '0' &&
               rest.ptr[rest.len - 1 - digits] <= '9')
            digits++;
        if (!digits || digits == rest.len || rest.ptr[rest.len - 1 - digits] != '.')
            return false;
        rest.len -= digits + 1;
    }
    return rest.len > 4 && wm_str_ends(rest, WM_STR(".tmp"));
}

int wm_remove_leftovers(const char *dir, struct wm_error *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : wm_fail_errno(err, "list", dir);
    int status = 0;
    for (const struct dirent *e; !status && (e = readdir(d)) != NULL;)
        if (is_leftover(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) != 0 && errno != ENOENT)
            status = wm_fail_errno(err, "remove leftovers in", dir);
    (void)closedir(d);
    return status;
}

static bool is_like(const char *name, const char *const *patterns)
{
    while (*patterns && fnmatch(*patterns, name, 0) != 0)
        patterns++;
    return *patterns != NULL;
}

static int refuse_work_dir(const char *dir, const char *name, struct wm_error *err)
{
    wm_fail(err, WM_E_CONFIG, "half-done work would be kept here, but %s%s",
            name ? name : "it is not a directory", name ? " is not of it" : "");
    (void)wm_error_where(err, "%s", dir);
    return wm_error_hint(err, "move it away, or choose another output");
}

int wm_check_work_dir(const char *dir, const char *const *ours, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_stat st;
    const char **names = NULL;
    size_t n = 0;
    bool there;
    int status = wm_is_there(dir, &there, err);
    if (status || !there)
        return status;
    status = wm_stat(dir, &st, err);
    if (status || !st.is_dir)
        return status ? status : refuse_work_dir(dir, NULL, err);
    wm_arena_init(&arena, (size_t)1 << 36);
    status = wm_list_dir(dir, &arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        if (!is_like(names[i], ours) && !is_leftover(names[i]))
            status = refuse_work_dir(dir, names[i], err);
    wm_arena_done(&arena);
    return status;
}

int wm_disk_free(const char *path, uint64_t *ret_bytes, struct wm_error *err)
{
    char at[WM_PATH_MAX];
    int status = wm_path_join(at, "", path, err);
    if (status)
        return status;
    struct statvfs fs;
    while (statvfs(at, &fs) != 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || strcmp(at, ".") == 0 || (slash && !slash[1] && slash == at))
            return wm_fail_errno(err, "ask for free space of", path);
        if (slash && slash != at)
            *slash = '\0';
        else
            (void)snprintf(at, sizeof at, slash ? "/" : ".");
    }
    *ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}
