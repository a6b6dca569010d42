/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/frames.h"

#include <stdio.h>

/* A document's line is bounded by the limit of a record and what JSON makes of it (6 bytes for a
 * control character); this is only the last resort against a runaway. */
static const size_t max_buffer = (size_t)1 << 32;

int wm_frames_open(struct wm_frames *frames, struct wm_crew *crew, struct wm_packer *packer,
                   const char *path, struct wm_error *err)
{
    *frames = (struct wm_frames){.crew = crew, .packer = packer};
    for (size_t i = 0; i < WM_FRAMES_AT_ONCE; i++) {
        frames->frames[i].packer = packer;
        wm_buf_init(&frames->frames[i].in, max_buffer);
        wm_buf_init(&frames->frames[i].out, max_buffer);
    }
    if ((size_t)snprintf(frames->path, sizeof frames->path, "%s", path) >= sizeof frames->path)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    return 0;
}

static int compress_frame(struct wm_errand *errand, struct wm_error *err)
{
    struct wm_frame *frame = (struct wm_frame *)(void *)errand; /* its first member */
    return wm_packer_compress(frame->packer, wm_buf_str(&frame->in), &frame->out, err);
}

static void clear(struct wm_buf *buf)
{
    if (buf->cap > 2 * WM_FRAME_BYTES + (64 << 10)) /* it held a large document */
        wm_buf_done(buf);
    buf->len = 0;
}

static int write_bytes(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err)
{
    int status = frames->out ? 0 : wm_out_open(frames->path, &frames->out, err);
    return status ? status : wm_out_write(frames->out, bytes.ptr, bytes.len, err);
}

static int write_frame(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err)
{
    int status = write_bytes(frames, bytes, err);
    return status || !frames->wrote ? status : frames->wrote(frames->wrote_arg, bytes, err);
}

/* Wait for a frame that was sent off, write it, and have it empty. */
static int collect(struct wm_frames *frames, struct wm_frame *frame, struct wm_error *err)
{
    if (!frame->sent)
        return 0;
    int status = wm_errand_wait(&frame->errand, err);
    frame->sent = false;
    if (!status)
        status = write_frame(frames, wm_buf_str(&frame->out), err);
    clear(&frame->in);
    clear(&frame->out);
    return status;
}

/* The frame is sent to be compressed; go on with the oldest one, once it is written. */
int wm_frames_cut(struct wm_frames *frames, struct wm_error *err)
{
    struct wm_frame *frame = &frames->frames[frames->at];
    if (frame->in.len == 0)
        return 0;
    if (frames->packer->kind == WM_PACK_NONE) {
        int status = write_frame(frames, wm_buf_str(&frame->in), err);
        clear(&frame->in);
        return status;
    }
    frame->errand.run = compress_frame;
    frame->sent = true;
    wm_errand_start(frames->crew, &frame->errand);
    frames->at = (frames->at + 1) % WM_FRAMES_AT_ONCE;
    return collect(frames, &frames->frames[frames->at], err);
}

/* Send what there is and wait for all, oldest first. */
static int drain(struct wm_frames *frames, struct wm_error *err)
{
    int status = wm_frames_cut(frames, err);
    for (size_t i = 0; !status && i < WM_FRAMES_AT_ONCE; i++)
        status = collect(frames, &frames->frames[(frames->at + i) % WM_FRAMES_AT_ONCE], err);
    return status;
}

int wm_frames_add(struct wm_frames *frames, struct wm_str document, struct wm_error *err)
{
    bool large = document.len > WM_FRAME_BYTES;
    int status = 0;
    if (large) /* alone, and nothing beside it: memory holds one at a time */
        status = drain(frames, err);
    else if (document.len > WM_FRAME_BYTES - frames->frames[frames->at].in.len)
        status = wm_frames_cut(frames, err);
    if (!status)
        status = wm_buf_add(&frames->frames[frames->at].in, document.ptr, document.len, err);
    if (!status && large)
        status = drain(frames, err);
    frames->n_documents += !status;
    return status;
}

int wm_frames_append(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err)
{
    return wm_buf_add(&frames->frames[frames->at].in, bytes.ptr, bytes.len, err);
}

int wm_frames_put(struct wm_frames *frames, struct wm_str bytes, struct wm_error *err)
{
    int status = drain(frames, err);
    return status ? status : write_bytes(frames, bytes, err);
}

int wm_frames_commit(struct wm_frames *frames, bool *ret_written, struct wm_digest *ret,
                     struct wm_error *err)
{
    int status = drain(frames, err);
    if (status)
        return status;
    *ret_written = frames->out != NULL;
    if (!frames->out)
        return 0;
    struct wm_out *out = frames->out;
    frames->out = NULL;
    return wm_out_commit(out, ret, err);
}

int wm_frames_save(struct wm_frames *frames, struct wm_state_out *state, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 1; !status && i < WM_FRAMES_AT_ONCE; i++)
        status = collect(frames, &frames->frames[(frames->at + i) % WM_FRAMES_AT_ONCE], err);
    if (status)
        return status;
    wm_state_put(state, frames->n_documents);
    wm_state_put_str(state, wm_buf_str(&frames->frames[frames->at].in));
    wm_state_put(state, frames->out != NULL);
    return frames->out ? wm_out_save(frames->out, state, err) : 0;
}

int wm_frames_load(struct wm_frames *frames, struct wm_state_in *state, struct wm_error *err)
{
    frames->n_documents = wm_state_get(state);
    struct wm_str waiting = wm_state_get_str(state);
    bool written = wm_state_get(state) != 0;
    int status = wm_state_in_status(state, err);
    if (!status)
        status = wm_buf_add(&frames->frames[frames->at].in, waiting.ptr, waiting.len, err);
    return status || !written ? status : wm_out_load(frames->path, state, &frames->out, err);
}

void wm_frames_close(struct wm_frames *frames)
{
    struct wm_error ignored;
    for (size_t i = 0; i < WM_FRAMES_AT_ONCE; i++) {
        if (frames->frames[i].sent)
            (void)wm_errand_wait(&frames->frames[i].errand, &ignored);
        wm_buf_done(&frames->frames[i].in);
        wm_buf_done(&frames->frames[i].out);
    }
    wm_out_abandon(frames->out);
    *frames = (struct wm_frames){0};
}

size_t wm_frames_memory(void)
{
    return (size_t)WM_FRAMES_AT_ONCE * 2 * WM_FRAME_BYTES + (128 << 10);
}
