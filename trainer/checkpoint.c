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
    HEAD = 176, /* up to and with the number of arrays */
    HASH = sizeof(XXH128_canonical_t),
    STEP_BYTES = 3 * sizeof(double),
    BLOCK = 8192,
    ALIGN = 64, /* of arrays in the file */
};

/* ---- layout ---- */

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

/* Where the directory begins. */
static uint64_t directory_at(uint64_t options_len, uint64_t state_len, uint64_t step)
{
    return padded(HEAD) + padded(options_len) + padded(state_len) + step * STEP_BYTES;
}

static uint64_t file_bytes(const struct wm_params *params, const struct wm_optimizer_config *config,
                           uint64_t directory, uint64_t *ret_n)
{
    uint64_t first = wm_checkpoint_arrays_end(params, config, 0, ret_n);
    first = directory + *ret_n * WM_CHECKPOINT_ENTRY;
    return wm_checkpoint_arrays_end(params, config, first, ret_n) + HASH;
}

uint64_t wm_checkpoint_bytes(const struct wm_params *params,
                             const struct wm_optimizer_config *config, uint64_t step)
{
    uint64_t n;
    return file_bytes(params, config, directory_at(1024, 1024, step), &n);
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
    uint64_t length, options_len, state_len, n_arrays;
};

static void move_config(struct cursor *c, struct wm_model_config *config)
{
    uint32_t architecture = (uint32_t)config->architecture, tied = config->tied;
    move(c, &architecture, 4);
    move(c, &config->n_layer, 4);
    move(c, &config->n_head, 4);
    move(c, &config->n_kv_head, 4);
    move(c, &config->head_dim, 4);
    move(c, &config->n_embd, 4);
    move(c, &config->n_hidden, 4);
    move(c, &config->n_ctx, 4);
    move(c, &config->vocabulary, 4);
    move(c, &config->norm_epsilon, 4);
    move(c, &config->rope_theta, 4);
    move(c, &tied, 4);
    config->architecture = (enum wm_architecture)architecture;
    config->tied = tied != 0;
}

static void move_head(struct cursor *c, struct envelope *e, struct wm_checkpoint_head *h)
{
    move(c, &e->version, 4);
    move(c, &e->order, 4);
    move(c, &e->length, 8);
    move_hash(c, &h->identity);
    move_hash(c, &h->tokenizer);
    move_hash(c, &h->shards);
    move_config(c, &h->config);
    move(c, &h->step, 8);
    move(c, &h->sample, 8);
    move(c, &h->n_steps, 8);
    move(c, &h->n_averaged, 8);
    move(c, &e->options_len, 8);
    move(c, &e->state_len, 8);
    move(c, &e->n_arrays, 8);
}

/* ---- writing ---- */

struct writer {
    struct wm_out *out;
    XXH3_state_t *hash;
    uint64_t at; /* bytes written */
};

static int put(struct writer *w, const void *bytes, size_t len, struct wm_error *err)
{
    (void)XXH3_128bits_update(w->hash, bytes, len);
    w->at += len;
    return wm_out_write(w->out, bytes, len, err);
}

static int put_padding(struct writer *w, size_t align, struct wm_error *err)
{
    static const char zeros[ALIGN] = {0};
    return put(w, zeros, (size_t)((align - w->at % align) % align), err);
}

static int put_text(struct writer *w, struct wm_str text, struct wm_error *err)
{
    int status = put(w, text.ptr, text.len, err);
    return status ? status : put_padding(w, 8, err);
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

static int put_directory(struct writer *w, const struct wm_checkpoint_content *content,
                         uint64_t n_arrays, struct wm_error *err)
{
    struct wm_checkpoint_cursor cursor = {0};
    struct wm_checkpoint_array array;
    uint64_t offset = w->at + n_arrays * WM_CHECKPOINT_ENTRY;
    while (wm_checkpoint_next(&content->model->layout, &content->optimizer->config, content,
                              &cursor, &array)) {
        unsigned char entry[WM_CHECKPOINT_ENTRY] = {0};
        offset = (offset + ALIGN - 1) / ALIGN * ALIGN;
        (void)snprintf((char *)entry, WM_CHECKPOINT_NAME, "%s", array.tensor);
        (void)snprintf((char *)entry + WM_CHECKPOINT_NAME, WM_CHECKPOINT_SLOT, "%s", array.slot);
        const uint32_t dtype = array.dtype;
        unsigned char *numbers = entry + WM_CHECKPOINT_NAME + WM_CHECKPOINT_SLOT;
        wm_copy_le(numbers, &dtype, 1, 4);
        wm_copy_le(numbers + 8, &array.n, 1, 8);
        wm_copy_le(numbers + 16, &offset, 1, 8);
        int status = put(w, entry, sizeof entry, err);
        if (status)
            return status;
        offset += wm_weight_bytes(array.dtype, array.n);
    }
    return 0;
}

static int put_arrays(struct writer *w, const struct wm_checkpoint_content *content,
                      struct wm_error *err)
{
    struct wm_checkpoint_cursor cursor = {0};
    struct wm_checkpoint_array array;
    int status = 0;
    while (!status && wm_checkpoint_next(&content->model->layout, &content->optimizer->config,
                                         content, &cursor, &array)) {
        status = put_padding(w, ALIGN, err);
        if (!status)
            status =
                put_numbers(w, array.at, array.n, (size_t)wm_weight_bytes(array.dtype, 1), err);
    }
    return status;
}

static int put_head(struct writer *w, const struct wm_checkpoint_head *head,
                    const struct wm_checkpoint_content *content, uint64_t *ret_n_arrays,
                    struct wm_error *err)
{
    unsigned char bytes[HEAD] = MAGIC;
    struct cursor c = {bytes, MAGIC_LEN, false};
    struct wm_checkpoint_head h = *head;
    struct envelope e = {.version = WM_CHECKPOINT_VERSION,
                         .order = ORDER,
                         .options_len = content->options.len,
                         .state_len = content->state.len};
    e.length = file_bytes(&content->model->layout, &content->optimizer->config,
                          directory_at(e.options_len, e.state_len, head->step), &e.n_arrays);
    move_head(&c, &e, &h);
    *ret_n_arrays = e.n_arrays;
    int status = put(w, bytes, HEAD, err);
    return status ? status : put_padding(w, 8, err);
}

static int put_all(struct writer *w, const struct wm_checkpoint_head *head,
                   const struct wm_checkpoint_content *content, struct wm_error *err)
{
    uint64_t n_arrays = 0;
    int status = put_head(w, head, content, &n_arrays, err);
    if (!status)
        status = put_text(w, content->options, err);
    if (!status)
        status = put_text(w, content->state, err);
    for (uint64_t i = 0; i < head->step && !status; i++) {
        const struct wm_step_metrics *m = &content->history->steps[i];
        status = put_numbers(w, (double[]){m->loss, m->grad_norm, m->validation}, 3, 8, err);
    }
    if (!status)
        status = put_directory(w, content, n_arrays, err);
    if (!status)
        status = put_arrays(w, content, err);
    if (status)
        return status;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(w->hash));
    return wm_out_write(w->out, &canonical, sizeof canonical, err);
}

int wm_checkpoint_save(const char *path, const struct wm_checkpoint_head *head,
                       const struct wm_checkpoint_content *content, struct wm_error *err)
{
    if (content->options.len > WM_CHECKPOINT_OPTIONS)
        return wm_fail(err, WM_E_LIMIT, "options take %zu bytes, over the limit of %d",
                       content->options.len, WM_CHECKPOINT_OPTIONS);
    if (content->state.len > WM_CHECKPOINT_STATE)
        return wm_fail(err, WM_E_LIMIT, "the state takes %zu bytes, over the limit of %d",
                       content->state.len, WM_CHECKPOINT_STATE);
    struct writer w = {NULL, XXH3_createState(), 0};
    int status = w.hash ? 0 : wm_fail_nomem(err, BLOCK, "hashing a checkpoint");
    if (!status)
        status = wm_out_open(path, &w.out, err);
    if (!status) {
        (void)XXH3_128bits_reset(w.hash);
        status = put_all(&w, head, content, err);
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
                e->state_len <= WM_CHECKPOINT_STATE && h->step <= h->n_steps &&
                h->step <= bytes.len / STEP_BYTES &&
                e->n_arrays <= bytes.len / WM_CHECKPOINT_ENTRY &&
                directory_at(e->options_len, e->state_len, h->step) +
                        e->n_arrays * WM_CHECKPOINT_ENTRY + HASH <=
                    bytes.len;
    if (sane)
        return 0;
    return wm_fail(err, WM_E_FORMAT,
                   "the checkpoint is damaged: it has %zu bytes, its head says %" PRIu64, bytes.len,
                   e->length);
}

/* The parts of a file whose sizes are checked. */
static void find_parts(struct wm_str bytes, const struct envelope *e, struct wm_checkpoint *ret)
{
    const char *at = bytes.ptr + padded(HEAD);
    ret->file = bytes;
    ret->options = (struct wm_str){at, (size_t)e->options_len};
    at += padded(e->options_len);
    ret->state = (struct wm_str){at, (size_t)e->state_len};
    at += padded(e->state_len);
    ret->history = (const unsigned char *)at;
    at += ret->head.step * STEP_BYTES;
    ret->n_arrays = e->n_arrays;
    ret->directory = (struct wm_str){at, (size_t)(e->n_arrays * WM_CHECKPOINT_ENTRY)};
}

/* Every version ends with the hash of what stands before. */
static bool is_sealed(struct wm_str bytes)
{
    XXH128_canonical_t canonical;
    memcpy(&canonical, bytes.ptr + bytes.len - HASH, HASH);
    return XXH128_isEqual(XXH3_128bits(bytes.ptr, bytes.len - HASH),
                          XXH128_hashFromCanonical(&canonical));
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
    struct envelope e = {0};
    struct wm_checkpoint found = {.map = {NULL, 0}};
    move_head(&c, &e, &found.head);
    if (e.order != ORDER || e.version == 0)
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its head makes no sense");
    if (e.version != WM_CHECKPOINT_VERSION && !is_sealed(bytes))
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its checksum differs");
    if (e.version != WM_CHECKPOINT_VERSION)
        return wm_fail(err, WM_E_MISMATCH,
                       "the checkpoint has format version %" PRIu32
                       ", this program reads version %d",
                       e.version, WM_CHECKPOINT_VERSION);
    int status = check_sizes(bytes, &e, &found.head, err);
    if (status)
        return status;
    if (!is_sealed(bytes))
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its checksum differs");
    find_parts(bytes, &e, &found);
    if (!wm_checkpoint_directory_sane(&found))
        return wm_fail(err, WM_E_FORMAT, "the checkpoint is damaged: its directory makes no sense");
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

int wm_checkpoint_restore(const struct wm_checkpoint *checkpoint,
                          const struct wm_checkpoint_content *content, struct wm_error *err)
{
    int status = wm_checkpoint_read_arrays(checkpoint, content, err);
    if (status)
        return status;
    for (uint64_t i = 0; i < checkpoint->head.step; i++) {
        double m[3];
        wm_copy_le(m, checkpoint->history + i * STEP_BYTES, 3, sizeof *m);
        content->history->steps[i] = (struct wm_step_metrics){m[0], m[1], m[2]};
    }
    content->history->n = checkpoint->head.step;
    content->optimizer->n_averaged = checkpoint->head.n_averaged;
    return 0;
}
