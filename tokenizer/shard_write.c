/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/shard_write.h"

#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/shard_sidecar.h"

enum { CHUNK = 8192, FILE_MEMORY = 80 << 10 /* of one wm_out */ };

struct wm_shard_out {
    char *path; /* base + room for the longest ending */
    size_t base_len;
    unsigned width;
    uint64_t n_tokens, n_documents;
    bool saved; /* a state names the files */
    struct wm_out *bin, *lengths;
    struct wm_sidecar_out *sidecar;
};

/* The file with that ending; valid until the next call. */
static const char *file(const struct wm_shard_out *out, const char *ending)
{
    memcpy(out->path + out->base_len, ending, strlen(ending) + 1);
    return out->path;
}

static int out_new(const char *base, unsigned width, struct wm_shard_out **ret,
                   struct wm_error *err)
{
    struct wm_shard_out *out = calloc(1, sizeof *out);
    size_t len = strlen(base), size = len + sizeof ".prov.zst";
    if (!out || !(out->path = calloc(1, size))) {
        free(out);
        return wm_fail_nomem(err, size, "writing a shard");
    }
    memcpy(out->path, base, len + 1);
    out->base_len = len;
    out->width = width;
    *ret = out;
    return 0;
}

int wm_shard_out_open(const char *base, unsigned width, struct wm_str recipe,
                      struct wm_shard_out **ret, struct wm_error *err)
{
    struct wm_shard_out *out;
    int status = out_new(base, width, &out, err);
    if (status)
        return status;
    status = wm_out_open(file(out, ".bin"), &out->bin, err);
    if (!status)
        status = wm_out_open(file(out, ".lengths"), &out->lengths, err);
    if (!status)
        wm_out_scratch(out->lengths);
    if (!status)
        status = wm_sidecar_out_open(file(out, ".prov.zst"), recipe, &out->sidecar, err);
    if (status)
        wm_shard_out_free(out, false);
    else
        *ret = out;
    return status;
}

int wm_shard_out_add(struct wm_shard_out *out, const struct wm_shard_doc *doc, struct wm_error *err)
{
    unsigned char length[4];
    size_t n = doc->ids.len / out->width;
    if (n > INT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "a sequence of %zu tokens is over the format's limit of %d",
                       n, INT32_MAX);
    wm_set_le32(length, (uint32_t)n);
    int status = wm_out_write(out->bin, doc->ids.ptr, n * out->width, err);
    if (!status)
        status = wm_out_write(out->lengths, length, sizeof length, err);
    if (!status)
        status = wm_sidecar_out_add(out->sidecar, doc->path, doc->row, err);
    out->n_tokens += n;
    out->n_documents++;
    return status;
}

int wm_shard_out_save(struct wm_shard_out *out, struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, out->n_tokens);
    wm_state_put(state, out->n_documents);
    out->saved = true;
    int status = wm_out_save(out->bin, state, err);
    if (!status)
        status = wm_out_save(out->lengths, state, err);
    return status ? status : wm_sidecar_out_save(out->sidecar, state, err);
}

int wm_shard_out_load(const char *base, unsigned width, struct wm_state_in *state,
                      struct wm_shard_out **ret, struct wm_error *err)
{
    struct wm_shard_out *out;
    int status = out_new(base, width, &out, err);
    if (status)
        return status;
    out->saved = true;
    out->n_tokens = wm_state_get(state);
    out->n_documents = wm_state_get(state);
    status = wm_out_load(file(out, ".bin"), state, &out->bin, err);
    if (!status)
        status = wm_out_load(file(out, ".lengths"), state, &out->lengths, err);
    if (!status) {
        wm_out_scratch(out->lengths);
        status = wm_sidecar_out_load(file(out, ".prov.zst"), state, &out->sidecar, err);
    }
    if (status)
        wm_shard_out_free(out, false);
    else
        *ret = out;
    return status;
}

uint64_t wm_shard_out_tokens(const struct wm_shard_out *out)
{
    return out->n_tokens;
}

uint64_t wm_shard_out_documents(const struct wm_shard_out *out)
{
    return out->n_documents;
}

/* 64-bit numbers on their way into a file. */
struct numbers {
    struct wm_out *out;
    size_t n;
    unsigned char bytes[8 * CHUNK];
};

static int flush_numbers(struct numbers *numbers, struct wm_error *err)
{
    size_t n = numbers->n;
    numbers->n = 0;
    return wm_out_write(numbers->out, numbers->bytes, 8 * n, err);
}

static int put_number(struct numbers *numbers, uint64_t v, struct wm_error *err)
{
    wm_set_le64(numbers->bytes + 8 * numbers->n++, v);
    return numbers->n == CHUNK ? flush_numbers(numbers, err) : 0;
}

/* Offsets in bytes, then document boundaries: 0, 1 … n, as every document is one sequence. */
static int put_tables(const struct wm_shard_out *out, const unsigned char *lengths,
                      struct wm_out *idx, struct wm_error *err)
{
    struct numbers *numbers = malloc(sizeof *numbers);
    if (!numbers)
        return wm_fail_nomem(err, sizeof *numbers, "writing an index");
    numbers->out = idx;
    numbers->n = 0;
    int status = 0;
    uint64_t offset = 0;
    for (uint64_t i = 0; !status && i < out->n_documents; i++) {
        status = put_number(numbers, offset, err);
        offset += (uint64_t)wm_le32(lengths + 4 * i) * out->width;
    }
    for (uint64_t i = 0; !status && i <= out->n_documents; i++)
        status = put_number(numbers, i, err);
    if (!status)
        status = flush_numbers(numbers, err);
    free(numbers);
    return status;
}

static int put_index(const struct wm_shard_out *out, const struct wm_map *lengths,
                     struct wm_out *idx, struct wm_error *err)
{
    unsigned char header[WM_IDX_HEADER];
    memcpy(header, WM_IDX_MAGIC, WM_IDX_MAGIC_LEN);
    wm_set_le64(header + 9, WM_IDX_VERSION);
    header[17] = out->width == 2 ? WM_IDX_UINT16 : WM_IDX_INT32;
    wm_set_le64(header + 18, out->n_documents);
    wm_set_le64(header + 26, out->n_documents + 1);
    int status = wm_out_write(idx, header, sizeof header, err);
    if (!status)
        status = wm_out_write(idx, lengths->ptr, lengths->len, err);
    return status ? status : put_tables(out, lengths->ptr, idx, err);
}

static int commit_index(struct wm_shard_out *out, struct wm_digest *ret, struct wm_error *err)
{
    struct wm_out *lengths = out->lengths, *idx = NULL;
    struct wm_map map = {0};
    out->lengths = NULL;
    int status = wm_out_commit(lengths, NULL, err);
    if (!status)
        status = wm_map_open(file(out, ".lengths"), &map, err);
    if (!status)
        status = wm_out_open(file(out, ".idx"), &idx, err);
    if (!status)
        status = put_index(out, &map, idx, err);
    if (!status) {
        status = wm_out_commit(idx, ret, err);
        idx = NULL;
    }
    wm_out_abandon(idx);
    wm_map_close(&map);
    return status;
}

int wm_shard_out_commit(struct wm_shard_out *out, struct wm_shard_digests *ret,
                        struct wm_error *err)
{
    struct wm_out *bin = out->bin;
    struct wm_sidecar_out *sidecar = out->sidecar;
    out->bin = NULL;
    int status = wm_out_commit(bin, &ret->bin, err);
    if (!status)
        status = commit_index(out, &ret->idx, err);
    if (status)
        return status;
    out->sidecar = NULL;
    return wm_sidecar_out_commit(sidecar, &ret->sidecar, err);
}

void wm_shard_out_free(struct wm_shard_out *out, bool keep)
{
    if (!out)
        return;
    wm_out_abandon(out->bin);
    wm_out_abandon(out->lengths);
    wm_sidecar_out_abandon(out->sidecar);
    static const char *const endings[] = {".lengths", ".bin", ".idx", ".prov.zst"};
    struct wm_error ignored;
    size_t n = keep ? 1 : out->saved ? 0 : sizeof endings / sizeof *endings;
    for (size_t i = 0; i < n; i++)
        (void)wm_remove(file(out, endings[i]), &ignored);
    free(out->path);
    free(out);
}

size_t wm_shard_out_memory(void)
{
    return 4 * (size_t)FILE_MEMORY + sizeof(struct numbers) + wm_sidecar_out_memory();
}
