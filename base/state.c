/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/state.h"

#include <string.h>

#include "wetmill/records.h"

enum {
    NAMES_MAX = 64 << 20, /* bytes of names: runs of a long survey */
    TAIL = 8 + 16,        /* how long the names are; XXH3-128 of all before */
};

void wm_state_out_open(struct wm_state_out *state, size_t max)
{
    *state = (struct wm_state_out){0};
    wm_buf_init(&state->buf, max);
    wm_buf_init(&state->names, max);
}

void wm_state_out_done(struct wm_state_out *state)
{
    wm_buf_done(&state->buf);
    wm_buf_done(&state->names);
    wm_out_abandon(state->out);
    (void)XXH3_freeState(state->hash);
    *state = (struct wm_state_out){0};
}

static void put(struct wm_state_out *state, struct wm_buf *buf, const void *bytes, size_t len)
{
    if (state->status || !len)
        return;
    if (buf == &state->buf && state->out) {
        (void)XXH3_128bits_update(state->hash, bytes, len);
        state->status = wm_out_write(state->out, bytes, len, &state->error);
    } else {
        state->status = wm_buf_add(buf, bytes, len, &state->error);
    }
}

static void put_number(struct wm_state_out *state, struct wm_buf *buf, uint64_t value)
{
    unsigned char bytes[8];
    wm_put_be64(bytes, value);
    put(state, buf, bytes, sizeof bytes);
}

void wm_state_put(struct wm_state_out *state, uint64_t value)
{
    put_number(state, &state->buf, value);
}

void wm_state_put_str(struct wm_state_out *state, struct wm_str bytes)
{
    put_number(state, &state->buf, bytes.len);
    put(state, &state->buf, bytes.ptr, bytes.len);
}

void wm_state_put_hash(struct wm_state_out *state, XXH128_hash_t hash)
{
    wm_state_put(state, hash.high64);
    wm_state_put(state, hash.low64);
}

void wm_state_put_name(struct wm_state_out *state, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct wm_str name = wm_str_of(slash ? slash + 1 : path);
    put_number(state, &state->names, name.len);
    put(state, &state->names, name.ptr, name.len);
}

int wm_state_out_file(struct wm_state_out *state, const char *path, struct wm_error *err)
{
    wm_state_out_open(state, NAMES_MAX);
    state->hash = XXH3_createState();
    if (!state->hash)
        return wm_fail_nomem(err, sizeof *state, "hashing a file");
    (void)XXH3_128bits_reset(state->hash);
    return wm_out_open(path, &state->out, err);
}

int wm_state_out_commit(struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, state->names.len);
    put(state, &state->buf, state->names.ptr, state->names.len);
    wm_state_put(state, state->names.len);
    wm_state_put_hash(state, XXH3_128bits_digest(state->hash));
    int status = wm_state_out_status(state, err);
    if (!status) {
        struct wm_out *out = state->out;
        state->out = NULL;
        status = wm_out_commit(out, NULL, err);
    }
    wm_state_out_done(state);
    return status;
}

int wm_state_out_status(const struct wm_state_out *state, struct wm_error *err)
{
    if (state->status)
        *err = state->error;
    return state->status;
}

uint64_t wm_state_get(struct wm_state_in *state)
{
    if (state->rest.len < 8)
        state->bad = true;
    if (state->bad)
        return 0;
    uint64_t value = wm_get_be64((const unsigned char *)state->rest.ptr);
    state->rest.ptr += 8;
    state->rest.len -= 8;
    return value;
}

struct wm_str wm_state_get_str(struct wm_state_in *state)
{
    uint64_t len = wm_state_get(state);
    if (len > state->rest.len)
        state->bad = true;
    if (state->bad)
        return (struct wm_str){"", 0};
    struct wm_str bytes = {state->rest.ptr, (size_t)len};
    state->rest.ptr += bytes.len;
    state->rest.len -= bytes.len;
    return bytes;
}

XXH128_hash_t wm_state_get_hash(struct wm_state_in *state)
{
    XXH128_hash_t hash;
    hash.high64 = wm_state_get(state);
    hash.low64 = wm_state_get(state);
    return hash;
}

int wm_state_mismatch(struct wm_error *err, const char *what)
{
    return wm_fail(err, WM_E_MISMATCH, "the state that was kept does not fit: %s", what);
}

int wm_state_in_status(const struct wm_state_in *state, struct wm_error *err)
{
    return state->bad ? wm_state_mismatch(err, "it is cut short") : 0;
}

/* body, names as a string, length of the names, checksum. */
static bool take_apart(struct wm_state_file *file)
{
    struct wm_str all = {(const char *)file->map.ptr, file->map.len};
    if (all.len < TAIL + 8)
        return false;
    struct wm_state_in tail = {.rest = {all.ptr + all.len - TAIL, TAIL}};
    uint64_t n_names = wm_state_get(&tail);
    if (!XXH128_isEqual(wm_state_get_hash(&tail), XXH3_128bits(all.ptr, all.len - 16)) ||
        n_names > all.len - TAIL - 8)
        return false;
    size_t n_body = all.len - TAIL - (size_t)n_names;
    file->names.rest = (struct wm_str){all.ptr + n_body, (size_t)n_names};
    file->body.rest = (struct wm_str){all.ptr, n_body - 8};
    return true;
}

int wm_state_file_open(const char *path, struct wm_state_file *ret, struct wm_error *err)
{
    struct wm_error why;
    *ret = (struct wm_state_file){0};
    int status = wm_exists(path) ? wm_map_open(path, &ret->map, &why) : 0;
    if (status == WM_E_NOMEM) {
        *err = why;
        return status;
    }
    return !status && ret->map.ptr && take_apart(ret);
}

void wm_state_file_close(struct wm_state_file *file)
{
    wm_map_close(&file->map);
    *file = (struct wm_state_file){0};
}
