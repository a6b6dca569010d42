/* SPDX-License-Identifier: Apache-2.0 */
/* One checkpoint file: written, checked, restored. */
#include "trainer/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>

#include "trainer/floats.h"

#define MAGIC "WETMCKPT"
enum {
    MAGIC_LEN = 8,
    ORDER = 0x01020304,
    HEAD = 136, /* up to and with the length of the options */
    HASH = sizeof(XXH128_canonical_t),
    MOST_HEAD = HEAD + WM_CHECKPOINT_OPTIONS + 8,
    STEP_BYTES = 3 * sizeof(double),
    BLOCK = 8192,
};

/* ---- layout ---- */

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

uint64_t wm_checkpoint_bytes(uint64_t n_params, uint64_t step, size_t options_len)
{
    return HEAD + padded(options_len) + step * STEP_BYTES + n_params * 3 * sizeof(float) + HASH;
}

/* The same order of fields for both ways: `move` copies out or in. */
struct cursor {
    unsigned char *bytes;
    size_t at;
    bool reading;
};

static void move(struct cursor *c, void *value, size_t width)
{
    if (c->reading)
        wm_copy_le(value, c->bytes + c->at, 1, width);
    else
        wm_copy_le(c->bytes + c->at, value, 1, width);
    c->at += width;
}

static void move_hash(struct cursor *c, XXH128_hash_t *hash)
{
    XXH128_canonical_t canonical;
    if (c->reading) {
        memcpy(&canonical, c->bytes + c->at, sizeof canonical);
        *hash = XXH128_hashFromCanonical(&canonical);
    } else {
        XXH128_canonicalFromHash(&canonical, *hash);
        memcpy(c->bytes + c->at, &canonical, sizeof canonical);
    }
    c->at += sizeof canonical;
}

struct envelope {
    uint32_t version, order;
    uint64_t length, options_len;
};

static void move_head(struct cursor *c, struct envelope *e, struct wm_checkpoint_head *h)
{
    move(c, &e->version, 4);
    move(c, &e->order, 4);
    move(c, &e->length, 8);
    move_hash(c, &h->identity);
    move_hash(c, &h->tokenizer);
    move_hash(c, &h->shards);
    move(c, &h->config.n_layer, 4);
    move(c, &h->config.n_head, 4);
    move(c, &h->config.n_embd, 4);
    move(c, &h->config.n_ctx, 4);
    move(c, &h->config.vocabulary, 4);
    move(c, &h->config.norm_epsilon, 4);
    move(c, &h->step, 8);
    move(c, &h->sample, 8);
    move(c, &h->n_steps, 8);
    move(c, &h->n_params, 8);
    move(c, &e->options_len, 8);
}

/* ---- writing ---- */

struct writer {
    struct wm_out *out;
    XXH3_state_t *hash;
};

static int put(struct writer *w, const void *bytes, size_t len, struct wm_error *err)
{
    (void)XXH3_128bits_update(w->hash, bytes, len);
    return wm_out_write(w->out, bytes, len, err);
}

static int put_numbers(struct writer *w, const void *numbers, uint64_t n, size_t width,
                       struct wm_error *err)
{
    unsigned char block[BLOCK];
    const unsigned char *from = numbers;
    for (uint64_t at = 0; at < n;) {
        size_t some = n - at < BLOCK / width ? (size_t)(n - at) : BLOCK / width;
        wm_copy_le(block, from + at * width, some, width);
        int status = put(w, block, some * width, err);
        if (status)
            return status;
        at += some;
    }
    return 0;
}

static int put_all(struct writer *w, const struct wm_checkpoint_head *head, struct wm_str options,
                   const struct wm_history *history, const struct wm_model *model,
                   struct wm_error *err)
{
    static const char zeros[8] = {0};
    unsigned char bytes[HEAD] = MAGIC;
    struct cursor c = {bytes, MAGIC_LEN, false};
    struct wm_checkpoint_head h = *head;
    struct envelope e = {WM_CHECKPOINT_VERSION, ORDER,
                         wm_checkpoint_bytes(head->n_params, head->step, options.len), options.len};
    move_head(&c, &e, &h);
    int status = put(w, bytes, HEAD, err);
    if (!status)
        status = put(w, options.ptr, options.len, err);
    if (!status)
        status = put(w, zeros, (size_t)(padded(options.len) - options.len), err);
    for (uint64_t i = 0; i < head->step && !status; i++) {
        const struct wm_step_metrics *m = &history->steps[i];
        status = put_numbers(w, (double[]){m->loss, m->grad_norm, m->validation}, 3, 8, err);
    }
    const float *arrays[] = {model->params, model->m, model->v};
    for (int i = 0; i < 3 && !status; i++)
        status = put_numbers(w, arrays[i], head->n_params, sizeof(float), err);
    if (status)
        return status;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(w->hash));
    return wm_out_write(w->out, &canonical, sizeof canonical, err);
}

int wm_checkpoint_save(const char *dir, const struct wm_checkpoint_head *head,
                       struct wm_str options, const struct wm_history *history,
                       const struct wm_model *model, struct wm_error *err)
{
    if (options.len > WM_CHECKPOINT_OPTIONS)
        return wm_fail(err, WM_E_LIMIT, "options take %zu bytes, over the limit of %d", options.len,
                       WM_CHECKPOINT_OPTIONS);
    char path[WM_PATH_MAX];
    struct writer w = {NULL, XXH3_createState()};
    int status = w.hash ? 0 : wm_fail_nomem(err, BLOCK, "hashing a checkpoint");
    if (!status)
        status = wm_checkpoint_path(path, dir, head->step, err);
    if (!status)
        status = wm_out_open(path, &w.out, err);
    if (!status) {
        (void)XXH3_128bits_reset(w.hash);
        status = put_all(&w, head, options, history, model, err);
    }
    (void)XXH3_freeState(w.hash);
    if (!status)
        return wm_out_commit(w.out, NULL, err);
    wm_out_abandon(w.out);
    return status;
}

/* ---- reading ---- */

/* Sizes first: nothing is hashed or multiplied before the head is plausible. */
static int check_sizes(struct wm_str bytes, const struct envelope *e,
                       const struct wm_checkpoint_head *h, struct wm_error *err)
{
    bool sane = e->length == bytes.len && e->options_len <= WM_CHECKPOINT_OPTIONS &&
                h->step <= h->n_steps && h->step <= bytes.len / STEP_BYTES &&
                h->n_params <= bytes.len / (3 * sizeof(float)) &&
                wm_checkpoint_bytes(h->n_params, h->step, (size_t)e->options_len) == bytes.len;
    if (sane)
        return 0;
    return wm_fail(err, WM_E_FORMAT,
                   "the checkpoint is damaged: it has %zu bytes, its head says %" PRIu64, bytes.len,
                   e->length);
}

int wm_checkpoint_parse(struct wm_str bytes, struct wm_checkpoint *ret, struct wm_error *err)
{
    unsigned char head[HEAD];
    if (bytes.len < HEAD + HASH || memcmp(bytes.ptr, MAGIC, MAGIC_LEN) != 0)
        return wm_fail(err, WM_E_FORMAT,
                       "not a checkpoint: it is too short or does not start with "
                       "\"" MAGIC "\"");
    memcpy(head, bytes.ptr, HEAD);
    struct cursor c = {head, MAGIC_LEN, true};
    struct envelope e;
    struct wm_checkpoint found = {.map = {NULL, 0}};
    move_head(&c, &e, &found.head);
    if (e.order != ORDER || e.version == 0)
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its head makes no sense");
    if (e.version > WM_CHECKPOINT_VERSION)
        return wm_fail(err, WM_E_MISMATCH,
                       "the checkpoint has format version %" PRIu32
                       ", this program reads up to version %d",
                       e.version, WM_CHECKPOINT_VERSION);
    int status = check_sizes(bytes, &e, &found.head, err);
    if (status)
        return status;
    XXH128_canonical_t canonical;
    memcpy(&canonical, bytes.ptr + bytes.len - HASH, HASH);
    if (!XXH128_isEqual(XXH3_128bits(bytes.ptr, bytes.len - HASH),
                        XXH128_hashFromCanonical(&canonical)))
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its checksum differs");
    const unsigned char *at = (const unsigned char *)bytes.ptr + HEAD;
    found.options = (struct wm_str){(const char *)at, (size_t)e.options_len};
    found.history = at + padded(e.options_len);
    found.params = found.history + found.head.step * STEP_BYTES;
    found.m = found.params + found.head.n_params * sizeof(float);
    found.v = found.m + found.head.n_params * sizeof(float);
    *ret = found;
    return 0;
}

int wm_checkpoint_open(const char *path, struct wm_checkpoint *ret, struct wm_error *err)
{
    struct wm_map map;
    int status = wm_map_open(path, &map, err);
    if (status)
        return status;
    status = wm_checkpoint_parse((struct wm_str){(const char *)map.ptr, map.len}, ret, err);
    if (status) {
        wm_map_close(&map);
        return wm_error_where(err, "%s", path);
    }
    ret->map = map;
    return 0;
}

void wm_checkpoint_close(struct wm_checkpoint *checkpoint)
{
    wm_map_close(&checkpoint->map);
}

void wm_checkpoint_restore(const struct wm_checkpoint *checkpoint, struct wm_model *model,
                           struct wm_history *history)
{
    size_t n = (size_t)checkpoint->head.n_params;
    wm_copy_le(model->params, checkpoint->params, n, sizeof(float));
    wm_copy_le(model->m, checkpoint->m, n, sizeof(float));
    wm_copy_le(model->v, checkpoint->v, n, sizeof(float));
    for (uint64_t i = 0; i < checkpoint->head.step; i++) {
        double m[3];
        wm_copy_le(m, checkpoint->history + i * STEP_BYTES, 3, sizeof *m);
        history->steps[i] = (struct wm_step_metrics){m[0], m[1], m[2]};
    }
    history->n = checkpoint->head.step;
}
