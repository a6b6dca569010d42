/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file frames.h
 * A part made of independent frames: documents' bytes collect until the next one would take a
 * frame over WM_FRAME_BYTES (a longer document is a frame of its own); full frames are compressed by the
 * crew and written in order. Cuts depend on the documents alone, so the bytes are the same for any
 * number of workers and any batch size.
 *
 * Whoever knows better where to cut (bundle.h) fills frames with wm_frames_append and cuts himself.
 *
 * One thread (the task's) calls. At most FRAMES_AT_ONCE frames are under way.
 */
#ifndef WETMILL_PIPELINE_FRAMES_H
#define WETMILL_PIPELINE_FRAMES_H

#include "pipeline/crew.h"
#include "pipeline/packer.h"
#include "wetmill/file.h"
#include "wetmill/state.h"

enum {
    WM_FRAME_BYTES = 4 << 20, /**< Uncompressed. */
    WM_FRAMES_AT_ONCE = 3,
};

struct wm_frame {
    struct wm_errand errand; /**< First: the errand is handed back as this. */
    struct wm_packer *packer;
    struct wm_buf in, out;
    bool sent;
};

struct wm_frames {
    struct wm_crew *crew;
    struct wm_packer *packer;
    struct wm_out *out; /**< NULL until the first frame is full. */
    char path[WM_PATH_MAX];
    struct wm_frame frames[WM_FRAMES_AT_ONCE];
    size_t at; /**< The frame that is being filled. */
    /** Told of each frame, compressed, in order, once it is written. May be NULL. */
    int (*wrote)(void *wrote_arg, struct wm_str bytes, struct wm_error *err);
    void *wrote_arg;
    uint64_t n_documents;
};

/** Nothing is made on disk before there is something to write. */
int wm_frames_open(struct wm_frames *frames, struct wm_crew *crew, struct wm_packer *packer,
                   const char *path, struct wm_error *err);
/** Add one document's bytes. */
int wm_frames_add(struct wm_frames *frames, struct wm_str document, struct wm_error *err);
/** Add bytes to the frame that is being filled, wherever that may lead. */
int wm_frames_append(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err);
/** The frame that is being filled is full; nothing happens if it is empty. */
int wm_frames_cut(struct wm_frames *frames, struct wm_error *err);
/** Write all frames there are, then `bytes` as they are. */
int wm_frames_put(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err);
/** Write the rest and commit the file; `*ret_written` is false if there were no documents, and no
 *  file then. */
int wm_frames_commit(struct wm_frames *frames, bool *ret_written, struct wm_digest *ret,
                     struct wm_error *err);
/** All full frames go to the disk, what waits for the next one into `state`. No frame is cut for it. */
int wm_frames_save(struct wm_frames *frames, struct wm_state_out *state, struct wm_error *err);
/** Go on from there: of frames just opened, for the same path. */
int wm_frames_load(struct wm_frames *frames, struct wm_state_in *state, struct wm_error *err);
/** Free; what was neither committed nor saved is removed. Safe on a zeroed one. */
void wm_frames_close(struct wm_frames *frames);
/** Bytes of memory for frames of usual size, compressed by contexts counted elsewhere. */
size_t wm_frames_memory(void);

#endif /* WETMILL_PIPELINE_FRAMES_H */
