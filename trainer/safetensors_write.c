/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "trainer/floats.h"
#include "trainer/safetensors.h"
#include "trainer/weight_types.h"
#include "wetmill/json.h"

enum { PREFIX = 8, ALIGNMENT = 8 };
static const size_t block_floats = 1 << 16; /* floats asked for at once */

static uint64_t elements(const struct wm_safetensors_entry *entry)
{
    return entry->n_dims == 2 ? entry->shape[0] * entry->shape[1] : entry->shape[0];
}

static void put_entry(struct wm_json_out *w, const struct wm_safetensors_entry *entry,
                      uint64_t *offset)
{
    wm_json_put_key(w, entry->name);
    wm_json_put_open(w, '{');
    wm_json_put_key(w, "dtype");
    wm_json_put_str(w, wm_str_of(entry->type == WM_WEIGHT_F16    ? "F16"
                                 : entry->type == WM_WEIGHT_BF16 ? "BF16"
                                                                 : "F32"));
    wm_json_put_key(w, "shape");
    wm_json_put_open(w, '[');
    for (unsigned i = 0; i < entry->n_dims; i++)
        wm_json_put_u64(w, entry->shape[i]);
    wm_json_put_close(w, ']');
    wm_json_put_key(w, "data_offsets");
    wm_json_put_open(w, '[');
    wm_json_put_u64(w, *offset);
    *offset += wm_weight_bytes(entry->type, elements(entry));
    wm_json_put_u64(w, *offset);
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

/* Length and header, padded, into `buf`. */
static int make_header(struct wm_buf *buf, const struct wm_safetensors_entry *entries, size_t n,
                       const struct wm_safetensors_pair *metadata, size_t n_metadata,
                       struct wm_error *err)
{
    static const char zeros[PREFIX] = {0};
    int status = wm_buf_add(buf, zeros, PREFIX, err);
    if (status)
        return status;
    struct wm_json_out w;
    uint64_t offset = 0;
    char key[64];
    wm_json_out_open(&w, buf, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "__metadata__");
    wm_json_put_open(&w, '{');
    for (size_t i = 0; i < n_metadata; i++) {
        (void)snprintf(key, sizeof key, "%.*s", (int)metadata[i].key.len, metadata[i].key.ptr);
        wm_json_put_key(&w, key);
        wm_json_put_str(&w, metadata[i].value);
    }
    wm_json_put_close(&w, '}');
    for (size_t i = 0; i < n; i++)
        put_entry(&w, &entries[i], &offset);
    wm_json_put_close(&w, '}');
    status = w.status;
    while (!status && buf->len % ALIGNMENT)
        status = wm_buf_add(buf, " ", 1, err);
    if (status)
        return status;
    uint64_t len = buf->len - PREFIX;
    wm_copy_le(buf->ptr, &len, 1, sizeof len);
    return 0;
}

static int write_tensor(struct wm_out *out, const struct wm_safetensors_entry *entry, size_t i,
                        float *block, wm_safetensors_fill *fill, void *arg, struct wm_error *err)
{
    unsigned char *bytes = (unsigned char *)(block + block_floats);
    const uint64_t all = elements(entry);
    int status = 0;
    for (uint64_t at = 0; at < all && !status; at += block_floats) {
        size_t some = all - at < block_floats ? (size_t)(all - at) : block_floats;
        fill(arg, i, at, some, block);
        if (!wm_weight_encode(entry->type, block, some, bytes))
            return wm_fail(err, WM_E_FORMAT, "tensor %s has a number that %s cannot hold",
                           entry->name, wm_weight_type_names[entry->type]);
        status = wm_out_write(out, bytes, (size_t)wm_weight_bytes(entry->type, some), err);
    }
    return status;
}

static int write_data(struct wm_out *out, const struct wm_safetensors_entry *entries, size_t n,
                      wm_safetensors_fill *fill, void *arg, struct wm_error *err)
{
    float *block = malloc(2 * block_floats * sizeof *block);
    if (!block)
        return wm_fail_nomem(err, 2 * block_floats * sizeof *block, "writing tensors");
    int status = 0;
    for (size_t i = 0; i < n && !status; i++)
        status = write_tensor(out, &entries[i], i, block, fill, arg, err);
    free(block);
    return status;
}

int wm_safetensors_write(const char *path, const struct wm_safetensors_entry *entries, size_t n,
                         const struct wm_safetensors_pair *metadata, size_t n_metadata,
                         wm_safetensors_fill *fill, void *arg, struct wm_digest *ret_digest,
                         struct wm_error *err)
{
    struct wm_buf header;
    wm_buf_init(&header, WM_SAFETENSORS_HEADER);
    struct wm_out *out = NULL;
    int status = make_header(&header, entries, n, metadata, n_metadata, err);
    if (!status)
        status = wm_out_open(path, &out, err);
    if (!status)
        status = wm_out_write(out, header.ptr, header.len, err);
    if (!status)
        status = write_data(out, entries, n, fill, arg, err);
    wm_buf_done(&header);
    if (!status)
        return wm_out_commit(out, ret_digest, err);
    wm_out_abandon(out);
    return status;
}
