/* SPDX-License-Identifier: Apache-2.0 */
/* Are the models a chain works with those it is described by? */
#include <stdlib.h>
#include <time.h>

#include "pipeline/chain.h"
#include "wetmill/file.h"

static const int64_t second = 1000000000;

void wm_link_forget_files(struct wm_link *link)
{
    free(link->files);
    link->files = NULL;
    link->n_files = 0;
}

static size_t count_files(const struct wm_link *link)
{
    size_t n = 0;
    while (link->stage->file && link->stage->file(link->shared, n))
        n++;
    return n;
}

/* A second write within the grain of a file's times would not show in them. */
static bool is_fresh(const struct wm_stat *stat)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t latest = stat->mtime_ns > stat->ctime_ns ? stat->mtime_ns : stat->ctime_ns;
    return latest > (now.tv_sec - 2) * second + now.tv_nsec;
}

static int take_link(struct wm_link *link, struct wm_error *err)
{
    size_t n = count_files(link);
    wm_link_forget_files(link);
    link->files = calloc(n + 1, sizeof *link->files);
    if (!link->files)
        return wm_fail_nomem(err, n * sizeof *link->files, "digests of models");
    link->n_files = n;
    for (size_t i = 0; i < n; i++) {
        struct wm_link_file *file = &link->files[i];
        const char *path = link->stage->file(link->shared, i);
        int status = wm_stat(path, &file->stat, err);
        file->fresh = !status && is_fresh(&file->stat);
        if (!status)
            status = wm_file_digest(path, &file->digest, err);
        if (status)
            return status;
    }
    return 0;
}

int wm_chain_take_files(struct wm_chain *chain, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < chain->n; i++) {
        status = take_link(&chain->links[i], err);
        if (status)
            (void)wm_error_where(err, "stage %s", chain->links[i].stage->name);
    }
    for (size_t i = 0; status && i < chain->n; i++)
        wm_link_forget_files(&chain->links[i]);
    return status;
}

static bool same_file(const struct wm_stat *a, const struct wm_stat *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns;
}

static int check_file(const char *path, const struct wm_link_file *file, struct wm_error *err)
{
    struct wm_stat now;
    struct wm_digest digest = file->digest;
    int status = wm_stat(path, &now, err);
    if (status)
        return status;
    bool same = same_file(&now, &file->stat);
    if (same && (file->fresh || now.ctime_ns != file->stat.ctime_ns))
        status = wm_file_digest(path, &digest, err);
    if (status)
        return status;
    if (same && digest.size == file->digest.size && XXH128_isEqual(digest.hash, file->digest.hash))
        return 0;
    (void)wm_fail(err, WM_E_CHANGED, "the file changed since its digest was taken");
    (void)wm_error_where(err, "%s", path);
    return wm_error_hint(err, "start again once nothing writes to it");
}

int wm_chain_check_files(const struct wm_chain *chain, struct wm_error *err)
{
    for (size_t i = 0; i < chain->n; i++) {
        const struct wm_link *link = &chain->links[i];
        for (size_t k = 0; k < link->n_files; k++) {
            int status = check_file(link->stage->file(link->shared, k), &link->files[k], err);
            if (status)
                return wm_error_where(err, "stage %s", link->stage->name);
        }
    }
    return 0;
}
