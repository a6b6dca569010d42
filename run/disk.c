/* SPDX-License-Identifier: Apache-2.0 */
/* What a directory takes. */
#include <sys/stat.h>

#include "run/step.h"

enum { NAMES = 1 << 30 /* bytes of the names in one directory */ };

static int add_tree(const char *path, int depth, uint64_t *sum, struct wm_error *err);

static int add_names(const char *path, int depth, uint64_t *sum, struct wm_error *err)
{
    const char **names;
    size_t n = 0;
    struct wm_arena arena;
    char below[WM_PATH_MAX];
    wm_arena_init(&arena, NAMES);
    int status = wm_list_dir(path, &arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        status = wm_path_join(below, path, names[i], err);
        if (!status)
            status = add_tree(below, depth + 1, sum, err);
    }
    wm_arena_done(&arena);
    return status;
}

/* What goes while we look took nothing. A file of several names: each counts for its part. */
static int add_tree(const char *path, int depth, uint64_t *sum, struct wm_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    if (S_ISREG(st.st_mode))
        *sum += (uint64_t)st.st_size / (st.st_nlink ? (uint64_t)st.st_nlink : 1);
    return S_ISDIR(st.st_mode) && depth < WM_TREE_DEPTH ? add_names(path, depth, sum, err) : 0;
}

int wm_tree_size(const char *dir, uint64_t *ret, struct wm_error *err)
{
    *ret = 0;
    return add_tree(dir, 0, ret, err);
}
