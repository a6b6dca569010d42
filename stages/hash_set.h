/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hash_set.h
 * Saved hashes of lines: what `wetmill corpus hashes` makes and paragraph-dedup takes as `known`.
 *
 * A file is a header of 96 bytes and the hashes in rising order, each once, 8 bytes big-endian
 * (docs/formats.md). It says what its hashes are of; sets of different kinds are never mixed. It is
 * mapped and looked up as a table is, so its size costs address space, not memory.
 *
 * Threads: an open set is read-only, for any number of them; a set being written is one thread's.
 */
#ifndef WETMILL_STAGES_HASH_SET_H
#define WETMILL_STAGES_HASH_SET_H

#include "wetmill/records.h"
#include "wetmill/ucd.h"

/** What hashes are of. A zeroed one is of no use. */
struct wm_hash_kind {
    const char *form;    /**< Normal form of a line: "ccnet-dedup". */
    const char *hash;    /**< "xxh3-64", "sha1-8" */
    const char *profile; /**< "strict", "ccnet" */
    const char *unicode; /**< "14.0" */
};

/** The kind a profile (enum wm_profile's order) makes. */
struct wm_hash_kind wm_hash_kind_of(int profile, enum wm_unicode_version unicode);
bool wm_hash_kind_equal(const struct wm_hash_kind *a, const struct wm_hash_kind *b);

/** Set the state of a paragraph-dedup stage, its options stored, to survey all hashes: its reduced
 *  tables are then records of 8 bytes, one for each different line. Returns their kind. */
struct wm_hash_kind wm_dedup_collect(void *shared);

enum { WM_HASH_SET_HEADER = 96, WM_HASH_SET_FIELD = 16 };

struct wm_hash_set {
    struct wm_map map;
    struct wm_hash_kind kind; /**< Its strings are the map's. */
    uint64_t n;               /**< Hashes. */
    struct wm_table tables[WM_PARTITIONS];
};

/** Map a set and check its checksum. WM_E_FORMAT if it is damaged or none. */
int wm_hash_set_open(const char *path, struct wm_hash_set *ret, struct wm_error *err);
void wm_hash_set_close(struct wm_hash_set *set); /**< Safe on a zeroed one. */
/** WM_E_CONFIG, naming both kinds, unless the set in `path` is of kind `want`. */
int wm_hash_set_check(const struct wm_hash_set *set, const char *path,
                      const struct wm_hash_kind *want, struct wm_error *err);

static inline void wm_hash_set_prefetch(const struct wm_hash_set *set, uint64_t hash)
{
    wm_table_prefetch(&set->tables[wm_partition(hash)], hash);
}

static inline bool wm_hash_set_has(const struct wm_hash_set *set, uint64_t hash)
{
    unsigned char key[8];
    wm_put_be64(key, hash);
    return wm_table_find(&set->tables[wm_partition(hash)], key, sizeof key) != NULL;
}

/* ---- writing ---- */

struct wm_hash_set_out;
int wm_hash_set_out_open(const char *path, const struct wm_hash_kind *kind,
                         struct wm_hash_set_out **ret, struct wm_error *err);
/** `n` more hashes as the file has them: 8 bytes each, rising (WM_E_FORMAT if not). */
int wm_hash_set_out_add(struct wm_hash_set_out *out, const unsigned char *hashes, size_t n,
                        struct wm_error *err);
int wm_hash_set_out_commit(struct wm_hash_set_out *out, uint64_t *ret_n, struct wm_error *err);
void wm_hash_set_out_abandon(struct wm_hash_set_out *out); /**< Safe on NULL. */

/** All hashes of `n` ≥ 1 sets of one kind (WM_E_CONFIG if they are not) into a set at `path`. */
int wm_hash_set_merge(const char *const *paths, size_t n, const char *path, uint64_t *ret_n,
                      struct wm_error *err);

#endif /* WETMILL_STAGES_HASH_SET_H */
