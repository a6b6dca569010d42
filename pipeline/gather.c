/* SPDX-License-Identifier: Apache-2.0 */
/* Parts, which are frames or members that stand alone, become files by joining them. */
#include <stdio.h>
#include <stdlib.h>

#include "wetmill/job.h"

enum { COPY_BYTES = 1 << 20 };

struct gather {
    const char *parts_dir, *dir, *stem, *ext;
    struct wm_parts *ret;
    struct wm_out *out; /* the file being filled, or NULL */
    struct wm_part file;
    char name[WM_PATH_MAX];
    unsigned char *buffer; /* [COPY_BYTES] */
};

static int start_file(struct gather *g, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    g->file = (struct wm_part){.name = g->name};
    if ((size_t)snprintf(g->name, sizeof g->name, "%s_%04zu%s", g->stem, g->ret->n, g->ext) >=
        sizeof g->name)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    int status = wm_path_join(path, g->dir, g->name, err);
    return status ? status : wm_out_open(path, &g->out, err);
}

static int end_file(struct gather *g, struct wm_error *err)
{
    struct wm_out *out = g->out;
    g->out = NULL;
    int status = wm_out_commit(out, &g->file.digest, err);
    return status ? status : wm_parts_add(g->ret, &g->file, err);
}

/* The part must still be what its task committed. */
static int copy_part(struct gather *g, const struct wm_part *part, struct wm_file *in,
                     struct wm_error *err)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash)
        return wm_fail_nomem(err, COPY_BYTES, "hashing a part");
    (void)XXH3_128bits_reset(hash);
    uint64_t size = 0;
    size_t n = 0;
    int status;
    while (!(status = wm_file_read(in, g->buffer, COPY_BYTES, &n, err)) && n) {
        size += n;
        (void)XXH3_128bits_update(hash, g->buffer, n);
        status = wm_out_write(g->out, g->buffer, n, err);
        if (status)
            break;
    }
    XXH128_hash_t digest = XXH3_128bits_digest(hash);
    (void)XXH3_freeState(hash);
    if (!status && (size != part->digest.size || !XXH128_isEqual(digest, part->digest.hash))) {
        (void)wm_fail(err, WM_E_FORMAT, "the part is not what was written to it");
        (void)wm_error_where(err, "%s", wm_file_path(in));
        return wm_part_drop(wm_file_path(in), err);
    }
    return status;
}

static int add_part(struct gather *g, const struct wm_part *part, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_file *in;
    int status = wm_path_join(path, g->parts_dir, part->name, err);
    if (!status && !g->out)
        status = start_file(g, err);
    if (!status)
        status = wm_file_open(path, &in, err);
    if (status)
        return status;
    status = copy_part(g, part, in, err);
    wm_file_close(in);
    g->file.documents += part->documents;
    g->file.lines += part->lines;
    g->file.text_bytes += part->text_bytes;
    return status;
}

int wm_gather(const char *parts_dir, const struct wm_parts *parts, const char *dir,
              const char *stem, const char *ext, uint64_t file_size, struct wm_parts *ret,
              struct wm_error *err)
{
    struct gather *g = calloc(1, sizeof *g);
    unsigned char *buffer = malloc(COPY_BYTES);
    int status = g && buffer ? 0 : wm_fail_nomem(err, COPY_BYTES, "joining parts");
    if (!status)
        *g = (struct gather){.parts_dir = parts_dir,
                             .dir = dir,
                             .stem = stem,
                             .ext = ext,
                             .ret = ret,
                             .buffer = buffer};
    for (size_t i = 0; !status && i < parts->n; i++) {
        status = add_part(g, &parts->items[i], err);
        if (!status && wm_out_size(g->out) > file_size)
            status = end_file(g, err);
    }
    if (!status && g->out)
        status = end_file(g, err);
    if (g)
        wm_out_abandon(g->out);
    free(buffer);
    free(g);
    return status;
}
