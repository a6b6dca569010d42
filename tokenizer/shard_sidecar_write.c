/* SPDX-License-Identifier: Apache-2.0 */
/* Writing sidecars: rows collect into zstd frames, an index of the frames closes the file. */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "tokenizer/shard_sidecar.h"

enum {
    LEVEL = 3, /* of zstd: rows shrink to a quarter; higher levels gain under a tenth */
    FRAME_MAX = WM_SIDECAR_FRAME_TEXT + WM_SIDECAR_ROW_MAX + WM_PATH_MAX + 32,
    VARINT_MAX = 10,
    HASH_PIECE = 64 << 10,
    ZSTD_MEMORY = 2 << 20, /* of a context at LEVEL for frames of this size, rounded up */
};

static const unsigned char magic[8] = WM_SIDECAR_MAGIC;

struct wm_sidecar_out {
    struct wm_out *out;
    XXH3_state_t *hash; /* over everything written */
    ZSTD_CCtx *zstd;
    struct wm_buf frame;   /* rows not yet compressed */
    struct wm_buf packed;  /* room for a compressed frame */
    struct wm_buf entries; /* index */
    struct wm_buf path;    /* of the last row */
    uint64_t n_rows, n_frames, first_row;
};

static int put_varint(struct wm_buf *buf, uint64_t v, struct wm_error *err)
{
    unsigned char bytes[VARINT_MAX];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    return wm_buf_add(buf, bytes, n, err);
}

static int put_str(struct wm_buf *buf, struct wm_str s, struct wm_error *err)
{
    int status = put_varint(buf, s.len, err);
    return status ? status : wm_buf_add(buf, s.ptr, s.len, err);
}

int wm_sidecar_row(const struct wm_doc *doc, struct wm_buf *row, struct wm_error *err)
{
    const struct wm_location *at = &doc->location;
    const uint64_t numbers[] = {doc->key.file,     doc->key.record,   doc->key.part,
                                at->member_offset, at->member_length, at->offset,
                                doc->source_lines, doc->lines.n_runs};
    int status = put_str(row, doc->url, err);
    if (!status)
        status = put_str(row, at->tar_member, err);
    for (size_t i = 0; !status && i < sizeof numbers / sizeof *numbers; i++)
        status = put_varint(row, numbers[i], err);
    uint64_t end = 0;
    for (size_t i = 0; !status && i < doc->lines.n_runs; i++) {
        const struct wm_line_run *run = &doc->lines.runs[i];
        status = put_varint(row, run->first - end, err);
        if (!status)
            status = put_varint(row, run->count, err);
        end = (uint64_t)run->first + run->count;
    }
    return status;
}

static int put(struct wm_sidecar_out *out, const void *bytes, size_t len, struct wm_error *err)
{
    (void)XXH3_64bits_update(out->hash, bytes, len);
    return wm_out_write(out->out, bytes, len, err);
}

/* Compress `plain` into a frame of its own and note it in the index. */
static int put_frame(struct wm_sidecar_out *out, struct wm_str plain, struct wm_error *err)
{
    size_t bound = ZSTD_compressBound(plain.len);
    unsigned char entry[WM_SIDECAR_ENTRY];
    out->packed.len = 0;
    int status = wm_buf_reserve(&out->packed, bound, err);
    if (status)
        return status;
    size_t n = ZSTD_compress2(out->zstd, out->packed.ptr, bound, plain.ptr, plain.len);
    if (ZSTD_isError(n))
        return wm_fail(err, WM_E_NOMEM, "zstd cannot compress: %s", ZSTD_getErrorName(n));
    wm_set_le64(entry, wm_out_size(out->out));
    wm_set_le32(entry + 8, (uint32_t)n);
    wm_set_le32(entry + 12, (uint32_t)plain.len);
    wm_set_le64(entry + 16, out->first_row);
    status = wm_buf_add(&out->entries, entry, sizeof entry, err);
    return status ? status : put(out, out->packed.ptr, n, err);
}

static int end_frame(struct wm_sidecar_out *out, struct wm_error *err)
{
    int status = put_frame(out, wm_buf_str(&out->frame), err);
    out->frame.len = 0;
    out->first_row = out->n_rows;
    out->n_frames++;
    return status;
}

static int put_header(struct wm_sidecar_out *out, struct wm_error *err)
{
    unsigned char header[WM_SIDECAR_HEADER];
    wm_set_le32(header, WM_SIDECAR_HEAD_FRAME);
    wm_set_le32(header + 4, WM_SIDECAR_HEADER - 8);
    memcpy(header + 8, magic, sizeof magic);
    wm_set_le32(header + 16, WM_SIDECAR_VERSION);
    wm_set_le32(header + 20, WM_SIDECAR_ORDER);
    return put(out, header, sizeof header, err);
}

static int prepare(struct wm_sidecar_out *out, struct wm_error *err)
{
    wm_buf_init(&out->frame, FRAME_MAX);
    wm_buf_init(&out->packed, ZSTD_compressBound(FRAME_MAX));
    wm_buf_init(&out->entries, (size_t)WM_SIDECAR_ENTRY * WM_SIDECAR_FRAMES_MAX);
    wm_buf_init(&out->path, WM_SIDECAR_ROW_MAX);
    out->hash = XXH3_createState();
    out->zstd = ZSTD_createCCtx();
    if (!out->hash || !out->zstd)
        return wm_fail_nomem(err, sizeof *out, "writing a sidecar");
    (void)XXH3_64bits_reset(out->hash);
    (void)ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_checksumFlag, 1);
    return 0;
}

int wm_sidecar_out_open(const char *path, struct wm_str recipe, struct wm_sidecar_out **ret,
                        struct wm_error *err)
{
    if (recipe.len > WM_SIDECAR_RECIPE_MAX)
        return wm_fail(err, WM_E_LIMIT, "the recipe has %zu bytes, over the limit of %d",
                       recipe.len, WM_SIDECAR_RECIPE_MAX);
    struct wm_sidecar_out *out = calloc(1, sizeof *out);
    if (!out)
        return wm_fail_nomem(err, sizeof *out, "writing a sidecar");
    int status = prepare(out, err);
    if (!status)
        status = wm_out_open(path, &out->out, err);
    if (!status)
        status = put_header(out, err);
    if (!status)
        status = put_frame(out, recipe, err);
    if (status)
        wm_sidecar_out_abandon(out);
    else
        *ret = out;
    return status;
}

/* A row starts with 0 if its path is that of the row before in the frame, else with 1 + the path's
 * length and the path. So a frame is read alone, and no table of paths grows with the input. */
static int put_path(struct wm_sidecar_out *out, struct wm_str path, struct wm_error *err)
{
    if (out->frame.len && wm_str_eq(path, wm_buf_str(&out->path)))
        return put_varint(&out->frame, 0, err);
    out->path.len = 0;
    int status = wm_buf_add(&out->path, path.ptr, path.len, err);
    if (!status)
        status = put_varint(&out->frame, (uint64_t)path.len + 1, err);
    return status ? status : wm_buf_add(&out->frame, path.ptr, path.len, err);
}

int wm_sidecar_out_add(struct wm_sidecar_out *out, struct wm_str path, struct wm_str row,
                       struct wm_error *err)
{
    if (path.len >= WM_PATH_MAX || row.len > WM_SIDECAR_ROW_MAX)
        return wm_fail(err, WM_E_LIMIT, "a document's provenance is over its limit of %d bytes",
                       WM_SIDECAR_ROW_MAX);
    int status = put_path(out, path, err);
    if (!status)
        status = wm_buf_add(&out->frame, row.ptr, row.len, err);
    out->n_rows++;
    if (status || (out->n_rows - out->first_row < WM_SIDECAR_FRAME_ROWS &&
                   out->frame.len < WM_SIDECAR_FRAME_TEXT))
        return status;
    return end_frame(out, err);
}

static int put_index(struct wm_sidecar_out *out, struct wm_error *err)
{
    unsigned char head[8], foot[WM_SIDECAR_FOOTER];
    wm_set_le32(head, WM_SIDECAR_TAIL_FRAME);
    wm_set_le32(head + 4, (uint32_t)(out->entries.len + WM_SIDECAR_FOOTER));
    int status = put(out, head, sizeof head, err);
    if (!status)
        status = put(out, out->entries.ptr, out->entries.len, err);
    wm_set_le64(foot, out->n_rows);
    wm_set_le64(foot + 8, out->n_frames);
    (void)XXH3_64bits_update(out->hash, foot, 16);
    wm_set_le64(foot + 16, XXH3_64bits_digest(out->hash));
    memcpy(foot + 24, magic, sizeof magic);
    return status ? status : wm_out_write(out->out, foot, sizeof foot, err);
}

int wm_sidecar_out_commit(struct wm_sidecar_out *out, struct wm_digest *ret, struct wm_error *err)
{
    int status = out->frame.len ? end_frame(out, err) : 0;
    if (!status)
        status = put_index(out, err);
    if (!status) {
        status = wm_out_commit(out->out, ret, err);
        out->out = NULL;
    }
    wm_sidecar_out_abandon(out);
    return status;
}

int wm_sidecar_out_save(struct wm_sidecar_out *out, struct wm_state_out *state,
                        struct wm_error *err)
{
    wm_state_put(state, out->n_rows);
    wm_state_put(state, out->n_frames);
    wm_state_put(state, out->first_row);
    wm_state_put_str(state, wm_buf_str(&out->frame));
    wm_state_put_str(state, wm_buf_str(&out->entries));
    wm_state_put_str(state, wm_buf_str(&out->path));
    return wm_out_save(out->out, state, err);
}

/* The checksum at the end is over all bytes: those that are there are read once more. */
static int hash_again(struct wm_sidecar_out *out, const char *path, struct wm_error *err)
{
    char part[WM_PATH_MAX + sizeof WM_OUT_PART];
    unsigned char piece[HASH_PIECE];
    struct wm_file *file;
    size_t got = 1;
    (void)snprintf(part, sizeof part, "%s" WM_OUT_PART, path);
    int status = wm_file_open(part, &file, err);
    if (status)
        return status;
    while (!status && got) {
        status = wm_file_read(file, piece, sizeof piece, &got, err);
        if (!status)
            (void)XXH3_64bits_update(out->hash, piece, got);
    }
    wm_file_close(file);
    return status;
}

int wm_sidecar_out_load(const char *path, struct wm_state_in *state, struct wm_sidecar_out **ret,
                        struct wm_error *err)
{
    struct wm_sidecar_out *out = calloc(1, sizeof *out);
    if (!out)
        return wm_fail_nomem(err, sizeof *out, "writing a sidecar");
    int status = prepare(out, err);
    out->n_rows = wm_state_get(state);
    out->n_frames = wm_state_get(state);
    out->first_row = wm_state_get(state);
    struct wm_buf *const bufs[] = {&out->frame, &out->entries, &out->path};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        struct wm_str bytes = wm_state_get_str(state);
        if (!status)
            status = wm_buf_add(bufs[i], bytes.ptr, bytes.len, err);
    }
    if (!status)
        status = wm_out_load(path, state, &out->out, err);
    if (!status)
        status = hash_again(out, path, err);
    if (status)
        wm_sidecar_out_abandon(out);
    else
        *ret = out;
    return status;
}

void wm_sidecar_out_abandon(struct wm_sidecar_out *out)
{
    if (!out)
        return;
    wm_out_abandon(out->out);
    (void)XXH3_freeState(out->hash);
    (void)ZSTD_freeCCtx(out->zstd);
    wm_buf_done(&out->frame);
    wm_buf_done(&out->packed);
    wm_buf_done(&out->entries);
    wm_buf_done(&out->path);
    free(out);
}

size_t wm_sidecar_out_memory(void)
{
    size_t frame = 2 * (size_t)WM_SIDECAR_FRAME_TEXT;
    return ZSTD_MEMORY + frame + ZSTD_compressBound(frame) + (64 << 10);
}
