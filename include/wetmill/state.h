/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file state.h
 * Where work in progress stands, as bytes: numbers and strings, one after the other, read back in the
 * order they were put. Whoever can be gone on with puts what he needs, and says which files must stay
 * for it.
 *
 * Both sides remember the first thing that went wrong, so that a long list of puts or gets is
 * checked once, at its end. A state that does not read as it should is WM_E_MISMATCH: the work is
 * then done from its beginning. Strings that are read are slices of the state. One thread.
 */
#ifndef WETMILL_STATE_H
#define WETMILL_STATE_H

#include "wetmill/file.h"

struct wm_state_out {
    struct wm_buf buf;  /**< Of a state in memory. */
    struct wm_out *out; /**< Of one that is a file … */
    XXH3_state_t *hash; /**< … with a checksum behind it. */
    struct wm_buf
        names; /**< Of the files that must stay, without directory; as strings of a state. */
    int status;
    struct wm_error error;
};
/** In memory, of `max` bytes at most. */
void wm_state_out_open(struct wm_state_out *state, size_t max);
/** Into a file at `path`, which is there only once it is committed. */
int wm_state_out_file(struct wm_state_out *state, const char *path, struct wm_error *err);
/** Put the file in place, with the names; the state is done with in any case. */
int wm_state_out_commit(struct wm_state_out *state, struct wm_error *err);
void wm_state_out_done(struct wm_state_out *state); /**< Safe on a zeroed one. */
void wm_state_put(struct wm_state_out *state, uint64_t value);
void wm_state_put_str(struct wm_state_out *state, struct wm_str bytes);
void wm_state_put_hash(struct wm_state_out *state, XXH128_hash_t hash);
/** The file at `path` must stay. */
void wm_state_put_name(struct wm_state_out *state, const char *path);
/** 0, or what went wrong first: WM_E_NOMEM, WM_E_LIMIT. */
int wm_state_out_status(const struct wm_state_out *state, struct wm_error *err);

struct wm_state_in {
    struct wm_str rest;
    bool bad; /**< Something was not there. */
};
uint64_t wm_state_get(struct wm_state_in *state); /**< 0 once it is bad. */
struct wm_str wm_state_get_str(struct wm_state_in *state);
XXH128_hash_t wm_state_get_hash(struct wm_state_in *state);
/** 0, or WM_E_MISMATCH. */
int wm_state_in_status(const struct wm_state_in *state, struct wm_error *err);

/** A state from its file, mapped. */
struct wm_state_file {
    struct wm_map map;
    struct wm_state_in body, names;
};
/** 1 = it stands and is whole; 0 = it is not there, or damaged; < 0 = out of memory. Close it in any
 *  case. */
int wm_state_file_open(const char *path, struct wm_state_file *ret, struct wm_error *err);
void wm_state_file_close(struct wm_state_file *file); /**< Safe on a zeroed one. */

/** What a state says is not so. */
int wm_state_mismatch(struct wm_error *err, const char *what);

/* ---- files that are being written (file.h) ---- */

/**
 * All bytes so far are on the disk, in PATH.part from now on, and stay there whatever happens to
 * `out`: only commit takes the file away, to `path`. Nothing of it may be rewritten.
 */
int wm_out_save(struct wm_out *out, struct wm_state_out *state, struct wm_error *err);
/** Go on behind the bytes that were saved; what had been written behind them is lost. A file that is
 *  at `path` already is taken back. WM_E_MISMATCH if they are no longer there. */
int wm_out_load(const char *path, struct wm_state_in *state, struct wm_out **ret,
                struct wm_error *err);
#define WM_OUT_PART ".part"
/** Wait until a file's bytes are on the disk, whoever wrote them. */
int wm_file_sync(const char *path, struct wm_error *err);

#endif /* WETMILL_STATE_H */
