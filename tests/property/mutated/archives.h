/* SPDX-License-Identifier: Apache-2.0 */
/* What archives.c and pack.c share. */
#ifndef WETMILL_TESTS_MUTATED_ARCHIVES_H
#define WETMILL_TESTS_MUTATED_ARCHIVES_H

#include "mutated.h"

/** A record of plain bytes, with the line ends behind it; or a member, where `head` is the place
 *  of its content in the plain bytes. */
struct cut {
    uint64_t from, head, to;
};
struct cuts {
    struct cut *items;
    size_t n, cap;
};
void cut_add(struct cuts *c, uint64_t from, uint64_t head, uint64_t to);

/** Records, from which archives of all layouts are made. */
struct source {
    const char *name;
    bool warc, digests_hold, large;
    unsigned weight;
    struct wm_buf plain;
    struct cuts cuts;
};

struct form {
    const char *name, *ending;
    enum layout layout;
    size_t group; /**< Records in a member; 0: all. */
    unsigned weight;
    bool skips; /**< A skippable zstd frame stands before each member. */
};

struct wm_buf buf_new(void);
void buf_put(struct wm_buf *buf, const void *bytes, size_t len);

/** Append `bytes` as a member: "", ".gz", ".zst", ".xz". */
void pack(struct wm_buf *out, struct wm_str bytes, const char *ending);
/** For each 64 bytes of a packed member: how many bytes those before give. malloc'ed. */
uint64_t *map_output(struct wm_str packed, const char *ending);
/** Up to `most` bytes of a file, false if it is not there; load_plain decompresses. */
bool load_file(const char *path, size_t most, struct wm_buf *ret);
bool load_plain(const char *path, size_t most, struct wm_buf *ret);
/** Write DIR/NAME; `path` [WM_PATH_MAX] says where. */
void store(const char *dir, const char *name, struct wm_str bytes, char *path);

#endif /* WETMILL_TESTS_MUTATED_ARCHIVES_H */
