/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bundle.h
 * What one task writes for many groups of documents (languages × buckets) into one file:
 * independent frames, each of one group, and an index of them at the end.
 *
 * Documents wait in memory, group by group, until their group has WM_FRAME_BYTES, or all groups
 * together have `max_pending` bytes (counted in blocks of WM_BUNDLE_BLOCK): then the group that
 * holds most (the one seen first of equals) is cut to a frame, until there is room. So cuts depend on
 * the documents and their order alone, memory is bounded for any number of groups, and a task keeps
 * one file open. Within a group the order of documents is that of their adding.
 *
 * File (numbers are big-endian):
 *
 *     frames        compressed, one behind the other
 *     entries       [n_frames] × {u32 group, u32 0, u64 size of the frame, u64 documents, u64 lines,
 *                   u64 text bytes, u64 XXH3-64 of the frame}, in the order of the frames
 *     names         [n_groups] × {u32 length, bytes}
 *     trailer       {u64 n_frames, u64 n_groups, u64 bytes of names, u32 version 1, u32 0,
 *                   u64 XXH3-64 of entries, names and trailer up to here, "wmbundle"}
 *
 * One thread (the task's) at a time.
 */
#ifndef WETMILL_PIPELINE_BUNDLE_H
#define WETMILL_PIPELINE_BUNDLE_H

#include "pipeline/frames.h"
#include "pipeline/split_name.h"

enum {
    WM_BUNDLE_BLOCK = 16 << 10, /**< Unit of memory for documents that wait. */
    WM_BUNDLE_GROUPS = 16384,   /**< Most groups in one bundle, and in a whole corpus. */
    WM_BUNDLE_FRAMES = 1 << 17, /**< Most frames in one bundle. */
    WM_BUNDLE_VERSION = 1,
    WM_BUNDLE_ENTRY = 48,   /**< Bytes of an entry … */
    WM_BUNDLE_TRAILER = 48, /**< … and of the trailer. */
};

#define WM_BUNDLE_MAGIC "wmbundle"
/** Longest index, bytes. */
static const size_t WM_BUNDLE_INDEX = (size_t)WM_BUNDLE_FRAMES * WM_BUNDLE_ENTRY +
                                      (size_t)WM_BUNDLE_GROUPS * (4 + WM_SPLIT_NAME) +
                                      WM_BUNDLE_TRAILER;

/** What a document, or several, come to. */
struct wm_bundle_count {
    uint64_t documents, lines, text_bytes;
};

/* ---- writing ---- */

struct wm_bundle {
    struct wm_frames frames;
    struct wm_bundle_group *groups; /**< [n_groups], in the order they were first seen */
    size_t n_groups, cap_groups;
    uint32_t *slots; /**< Hash table: 1 + group, 0 = free. */
    struct wm_arena names;
    struct wm_bundle_block *idle;
    size_t max_blocks, n_blocks; /**< Blocks that may be, and are, filled. */
    size_t frame_bytes;
    struct wm_buf entries;
    size_t n_sent, n_written;     /**< Frames. */
    struct wm_bundle_count total; /**< Of all documents added. */
};

/** Nothing is made on disk before there is something to write. `max_pending` ≥ 4 blocks. */
int wm_bundle_open(struct wm_bundle *bundle, struct wm_crew *crew, struct wm_packer *packer,
                   const char *path, uint64_t max_pending, struct wm_error *err);
/** Add one document's bytes to a group; the name must be valid. WM_E_LIMIT if there are more than
 *  WM_BUNDLE_GROUPS. */
int wm_bundle_add(struct wm_bundle *bundle, struct wm_str group, struct wm_str document,
                  const struct wm_bundle_count *count, struct wm_error *err);
/** Is there no room for another document's frames, so that the next must go to another bundle? */
bool wm_bundle_full(const struct wm_bundle *bundle);
/** Write the rest and the index, and commit the file; `*ret_written` is false if there were no
 *  documents, and no file then. `*ret_index` is the trailer's checksum. */
int wm_bundle_commit(struct wm_bundle *bundle, bool *ret_written, struct wm_digest *ret,
                     uint64_t *ret_index, struct wm_error *err);
/** As wm_frames_save and _load, with the documents that wait and the index so far. */
int wm_bundle_save(struct wm_bundle *bundle, struct wm_state_out *state, struct wm_error *err);
int wm_bundle_load(struct wm_bundle *bundle, struct wm_state_in *state, struct wm_error *err);
/** Free; what was neither committed nor saved is removed. Safe on a zeroed one. */
void wm_bundle_close(struct wm_bundle *bundle);
/** Bytes of memory for documents of usual size, compressed by contexts counted elsewhere. */
size_t wm_bundle_memory(uint64_t max_pending);

/* ---- reading the index ---- */

struct wm_bundle_frame {
    uint32_t group;
    uint64_t offset, size, hash;
    struct wm_bundle_count count;
};

struct wm_bundle_index {
    struct wm_str *names;           /**< [n_groups] */
    struct wm_bundle_frame *frames; /**< [n_frames] */
    size_t n_groups, n_frames;
    uint64_t checksum;
};

/** Read the index of the bundle of `size` bytes into `arena`. WM_E_FORMAT if anything of it is not
 *  as described above, names that wm_split_name could not have made included. */
int wm_bundle_read(struct wm_file *file, uint64_t size, struct wm_arena *arena,
                   struct wm_bundle_index *ret, struct wm_error *err);
/** The two halves of it, for bytes in memory. How long is the index that ends in `trailer`
 *  (WM_BUNDLE_TRAILER bytes), if the file has `size`? And, the whole index given: what is in it? */
int wm_bundle_index_size(const unsigned char *trailer, uint64_t size, size_t *ret,
                         struct wm_error *err);
int wm_bundle_parse(struct wm_str index, uint64_t size, struct wm_arena *arena,
                    struct wm_bundle_index *ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_BUNDLE_H */
