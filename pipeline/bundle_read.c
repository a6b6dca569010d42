/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a bundle. A bundle is a working file of ours, but what a damaged disk makes of one must
 * not be believed either: sizes add up, groups and names are those a bundle can have. */
#include "pipeline/bundle.h"
#include "wetmill/records.h"

static int damaged(struct wm_error *err, const char *what)
{
    return wm_fail(err, WM_E_FORMAT, "the index of the part is damaged: %s", what);
}

int wm_bundle_index_size(const unsigned char *trailer, uint64_t size, size_t *ret,
                         struct wm_error *err)
{
    uint64_t n_frames = wm_get_be64(trailer), n_groups = wm_get_be64(trailer + 8);
    uint64_t names = wm_get_be64(trailer + 16);
    if (memcmp(trailer + 40, WM_BUNDLE_MAGIC, 8) != 0)
        return damaged(err, "it has no end");
    if (wm_get_be32(trailer + 24) != WM_BUNDLE_VERSION)
        return wm_fail(err, WM_E_FORMAT, "the part has version %u, this program knows %d",
                       (unsigned)wm_get_be32(trailer + 24), WM_BUNDLE_VERSION);
    if (n_frames > WM_BUNDLE_FRAMES || n_groups > WM_BUNDLE_GROUPS ||
        names > n_groups * (4 + WM_SPLIT_NAME))
        return damaged(err, "it is too long");
    *ret = (size_t)(n_frames * WM_BUNDLE_ENTRY + names + WM_BUNDLE_TRAILER);
    return *ret <= size ? 0 : damaged(err, "it is longer than the file");
}

static int parse_frames(const unsigned char *entry, uint64_t data, struct wm_bundle_index *ret,
                        struct wm_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < ret->n_frames; i++, entry += WM_BUNDLE_ENTRY) {
        struct wm_bundle_frame *frame = &ret->frames[i];
        *frame = (struct wm_bundle_frame){.group = wm_get_be32(entry),
                                          .offset = at,
                                          .size = wm_get_be64(entry + 8),
                                          .hash = wm_get_be64(entry + 40),
                                          .count = {.documents = wm_get_be64(entry + 16),
                                                    .lines = wm_get_be64(entry + 24),
                                                    .text_bytes = wm_get_be64(entry + 32)}};
        if (frame->group >= ret->n_groups)
            return damaged(err, "a frame of no group");
        if (frame->size > data - at)
            return damaged(err, "frames that end behind the file");
        at += frame->size;
    }
    return at == data ? 0 : damaged(err, "bytes that belong to no frame");
}

static int parse_names(struct wm_str names, struct wm_arena *arena, struct wm_bundle_index *ret,
                       struct wm_error *err)
{
    for (size_t i = 0; i < ret->n_groups; i++) {
        size_t len = names.len < 4 ? SIZE_MAX : wm_get_be32((const unsigned char *)names.ptr);
        if (len > names.len - 4 || names.len < 4)
            return damaged(err, "a name is cut");
        struct wm_str name = {names.ptr + 4, len};
        if (!wm_split_name_valid(name))
            return damaged(err, "a name that no group has");
        ret->names[i] = wm_arena_str(arena, name);
        if (!ret->names[i].ptr)
            return wm_fail_nomem(err, len, "index of a part");
        names.ptr += 4 + len;
        names.len -= 4 + len;
    }
    return names.len ? damaged(err, "bytes behind the names") : 0;
}

int wm_bundle_parse(struct wm_str index, uint64_t size, struct wm_arena *arena,
                    struct wm_bundle_index *ret, struct wm_error *err)
{
    if (index.len < WM_BUNDLE_TRAILER)
        return damaged(err, "it has no end");
    const unsigned char *bytes = (const unsigned char *)index.ptr;
    const unsigned char *trailer = bytes + index.len - WM_BUNDLE_TRAILER;
    size_t len;
    int status = wm_bundle_index_size(trailer, size, &len, err);
    if (status)
        return status;
    if (len != index.len)
        return damaged(err, "it has another length");
    *ret = (struct wm_bundle_index){.n_frames = (size_t)wm_get_be64(trailer),
                                    .n_groups = (size_t)wm_get_be64(trailer + 8),
                                    .checksum = wm_get_be64(trailer + 32)};
    if (XXH3_64bits(bytes, len - 16) != ret->checksum)
        return damaged(err, "its checksum does not fit");
    ret->frames = wm_arena_alloc(arena, ret->n_frames, sizeof *ret->frames);
    ret->names = wm_arena_alloc(arena, ret->n_groups, sizeof *ret->names);
    if (!ret->frames || !ret->names)
        return wm_fail_nomem(err, ret->n_frames * sizeof *ret->frames, "index of a part");
    status = parse_frames(bytes, size - len, ret, err);
    size_t entries = ret->n_frames * WM_BUNDLE_ENTRY;
    struct wm_str names = {index.ptr + entries, len - WM_BUNDLE_TRAILER - entries};
    return status ? status : parse_names(names, arena, ret, err);
}

static int read_at(struct wm_file *file, void *dst, size_t len, uint64_t at, struct wm_error *err)
{
    size_t n;
    int status = wm_file_pread(file, dst, len, at, &n, err);
    return status || n == len ? status : damaged(err, "the file is too short");
}

int wm_bundle_read(struct wm_file *file, uint64_t size, struct wm_arena *arena,
                   struct wm_bundle_index *ret, struct wm_error *err)
{
    unsigned char trailer[WM_BUNDLE_TRAILER];
    size_t len = 0;
    int status = size < sizeof trailer
                     ? damaged(err, "the file is too short")
                     : read_at(file, trailer, sizeof trailer, size - sizeof trailer, err);
    if (!status)
        status = wm_bundle_index_size(trailer, size, &len, err);
    if (status)
        return status;
    char *index = wm_arena_bytes(arena, len);
    if (!index)
        return wm_fail_nomem(err, len, "index of a part");
    status = read_at(file, index, len, size - len, err);
    return status ? status : wm_bundle_parse((struct wm_str){index, len}, size, arena, ret, err);
}
