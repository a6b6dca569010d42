/* SPDX-License-Identifier: Apache-2.0 */
/* Reading sidecars. Nothing in the file is believed before it is checked; a row costs one frame. */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "tokenizer/shard_sidecar.h"

enum { FRAME_MAX = WM_SIDECAR_FRAME_TEXT + WM_SIDECAR_ROW_MAX + WM_PATH_MAX + 32 };

struct wm_sidecar {
    struct wm_map map; /* len 0: the bytes are borrowed */
    struct wm_str bytes;
    const unsigned char *frames; /* entries of the row frames */
    uint64_t n_rows, n_frames;
    struct wm_buf recipe, plain;
    uint64_t decoded; /* frame held in `frame`; n_frames: none */
    struct wm_sidecar_frame frame;
};

/* ---- rows of a decoded frame ---- */

static int bad_row(size_t i, const char *what, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "sidecar: row %zu of a frame %s", i, what);
}

/* False at the end of the bytes, or where it does not fit 64 bits. */
static bool take_varint(struct wm_str *rest, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && rest->len; shift += 7) {
        uint64_t byte = (unsigned char)rest->ptr[0];
        rest->ptr++;
        rest->len--;
        if (shift == 63 && byte > 1)
            return false;
        v |= (byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct wm_str *rest, uint64_t len, struct wm_str *ret)
{
    if (len > rest->len)
        return false;
    *ret = (struct wm_str){rest->ptr, (size_t)len};
    rest->ptr += len;
    rest->len -= (size_t)len;
    return true;
}

static bool take_str(struct wm_str *rest, struct wm_str *ret)
{
    uint64_t len;
    return take_varint(rest, &len) && take_bytes(rest, len, ret);
}

static bool take_u32(struct wm_str *rest, uint32_t *ret)
{
    uint64_t v;
    if (!take_varint(rest, &v) || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* Fields behind the path. `runs` NULL: only checked. */
static bool take_runs(struct wm_str *rest, uint64_t n, struct wm_line_run *runs)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t gap, count;
        if (!take_varint(rest, &gap) || !take_varint(rest, &count) || gap > UINT32_MAX - end ||
            count > UINT32_MAX - end - gap)
            return false;
        if (runs)
            runs[i] = (struct wm_line_run){(uint32_t)(end + gap), (uint32_t)count};
        end += gap + count;
    }
    return true;
}

static bool take_fields(struct wm_str *rest, struct wm_provenance *ret, uint64_t *ret_runs)
{
    struct wm_location *at = &ret->location;
    /* A run takes two bytes at least: what this bounds may be allocated. */
    return take_str(rest, &ret->url) && take_str(rest, &at->tar_member) &&
           take_u32(rest, &ret->key.file) && take_varint(rest, &ret->key.record) &&
           take_u32(rest, &ret->key.part) && take_varint(rest, &at->member_offset) &&
           take_varint(rest, &at->member_length) && take_varint(rest, &at->offset) &&
           take_u32(rest, &ret->source_lines) && take_varint(rest, ret_runs) &&
           *ret_runs <= rest->len / 2;
}

static bool take_path(struct wm_str *rest, bool first, struct wm_str *path)
{
    uint64_t n;
    if (!take_varint(rest, &n))
        return false;
    if (n == 0)
        return !first;
    return n <= WM_PATH_MAX && take_bytes(rest, n - 1, path);
}

int wm_sidecar_frame_parse(struct wm_str bytes, size_t n_rows, struct wm_sidecar_frame *ret,
                           struct wm_error *err)
{
    struct wm_str rest = bytes, path = {0};
    ret->bytes = bytes;
    ret->n_rows = 0;
    if (n_rows > WM_SIDECAR_FRAME_ROWS)
        return wm_fail(err, WM_E_LIMIT, "sidecar: a frame has %zu rows, over the limit of %d",
                       n_rows, WM_SIDECAR_FRAME_ROWS);
    for (size_t i = 0; i < n_rows; i++) {
        struct wm_provenance row = {0};
        uint64_t n_runs;
        if (!take_path(&rest, i == 0, &path))
            return bad_row(i, "has no path", err);
        ret->rows[i].path = path;
        ret->rows[i].at = bytes.len - rest.len;
        if (!take_fields(&rest, &row, &n_runs))
            return bad_row(i, "is cut short or out of range", err);
        if (!take_runs(&rest, n_runs, NULL))
            return bad_row(i, "has a line map out of range", err);
        ret->rows[i].end = bytes.len - rest.len;
    }
    if (rest.len)
        return wm_fail(err, WM_E_FORMAT, "sidecar: %zu bytes behind the rows of a frame", rest.len);
    ret->n_rows = n_rows;
    return 0;
}

static bool copy_str(struct wm_arena *arena, struct wm_str *s)
{
    size_t len = s->len;
    *s = wm_arena_str(arena, *s);
    return s->len == len;
}

int wm_sidecar_frame_row(const struct wm_sidecar_frame *frame, size_t i, struct wm_arena *arena,
                         struct wm_provenance *ret, struct wm_error *err)
{
    struct wm_provenance row = {.path = frame->rows[i].path};
    struct wm_str rest = {frame->bytes.ptr + frame->rows[i].at,
                          frame->rows[i].end - frame->rows[i].at};
    uint64_t n_runs;
    if (!take_fields(&rest, &row, &n_runs))
        return bad_row(i, "is cut short or out of range", err);
    row.lines.n_runs = (size_t)n_runs;
    if (n_runs) {
        row.lines.runs = wm_arena_alloc(arena, row.lines.n_runs, sizeof *row.lines.runs);
        if (!row.lines.runs)
            return wm_fail_nomem(err, row.lines.n_runs * sizeof *row.lines.runs, "line map");
    }
    if (!take_runs(&rest, n_runs, row.lines.runs))
        return bad_row(i, "has a line map out of range", err);
    if (!copy_str(arena, &row.url) || !copy_str(arena, &row.path) ||
        !copy_str(arena, &row.location.tar_member))
        return wm_fail_nomem(err, row.url.len + row.path.len, "provenance");
    *ret = row;
    return 0;
}

/* ---- the file ---- */

static const unsigned char *at(const struct wm_sidecar *sidecar, size_t offset)
{
    return (const unsigned char *)sidecar->bytes.ptr + offset;
}

static int check_header(const struct wm_sidecar *sidecar, struct wm_error *err)
{
    const unsigned char *p = at(sidecar, 0);
    size_t least = WM_SIDECAR_HEADER + 8 + WM_SIDECAR_ENTRY + WM_SIDECAR_FOOTER;
    if (sidecar->bytes.len < least || wm_le32(p) != WM_SIDECAR_HEAD_FRAME ||
        wm_le32(p + 4) != WM_SIDECAR_HEADER - 8 || memcmp(p + 8, WM_SIDECAR_MAGIC, 8) != 0)
        return wm_fail(err, WM_E_FORMAT, "not a wetmill sidecar");
    uint32_t version = wm_le32(p + 16);
    if (version != WM_SIDECAR_VERSION)
        return wm_fail(err, WM_E_FORMAT, "sidecar version is %u, this program reads %d", version,
                       WM_SIDECAR_VERSION);
    if (wm_le32(p + 20) != WM_SIDECAR_ORDER)
        return wm_fail(err, WM_E_FORMAT, "sidecar: byte order mark is 0x%08x, want 0x%08x",
                       wm_le32(p + 20), WM_SIDECAR_ORDER);
    return 0;
}

/* Footer, checksum, and that the index has just the place it says. */
static int check_footer(struct wm_sidecar *sidecar, size_t *ret_index, struct wm_error *err)
{
    size_t len = sidecar->bytes.len;
    const unsigned char *foot = at(sidecar, len - WM_SIDECAR_FOOTER);
    if (memcmp(foot + 24, WM_SIDECAR_MAGIC, 8) != 0)
        return wm_fail(err, WM_E_FORMAT, "sidecar: the end is missing");
    if (XXH3_64bits(sidecar->bytes.ptr, len - 16) != wm_le64(foot + 16))
        return wm_fail(err, WM_E_FORMAT, "sidecar: checksum does not match");
    sidecar->n_rows = wm_le64(foot);
    sidecar->n_frames = wm_le64(foot + 8);
    size_t room = len - WM_SIDECAR_HEADER - 8 - WM_SIDECAR_FOOTER;
    if (sidecar->n_frames >= WM_SIDECAR_FRAMES_MAX ||
        (sidecar->n_frames + 1) * WM_SIDECAR_ENTRY > room)
        return wm_fail(err, WM_E_FORMAT, "sidecar: %llu frames do not fit the file",
                       (unsigned long long)sidecar->n_frames);
    size_t entries = (size_t)(sidecar->n_frames + 1) * WM_SIDECAR_ENTRY;
    size_t index = len - WM_SIDECAR_FOOTER - entries - 8;
    if (wm_le32(at(sidecar, index)) != WM_SIDECAR_TAIL_FRAME ||
        wm_le32(at(sidecar, index + 4)) != entries + WM_SIDECAR_FOOTER)
        return wm_fail(err, WM_E_FORMAT, "sidecar: the index is not where it should be");
    *ret_index = index;
    return 0;
}

static uint64_t first_row(const struct wm_sidecar *sidecar, uint64_t frame)
{
    return frame < sidecar->n_frames ? wm_le64(sidecar->frames + frame * WM_SIDECAR_ENTRY + 16)
                                     : sidecar->n_rows;
}

/* Frames lie end to end from the header to the index; row numbers rise by 1 … 512. */
static int check_index(struct wm_sidecar *sidecar, size_t index, struct wm_error *err)
{
    uint64_t offset = WM_SIDECAR_HEADER;
    const unsigned char *entry = at(sidecar, index + 8);
    sidecar->frames = entry + WM_SIDECAR_ENTRY;
    for (uint64_t i = 0; i <= sidecar->n_frames; i++, entry += WM_SIDECAR_ENTRY) {
        uint32_t most = i ? FRAME_MAX : WM_SIDECAR_RECIPE_MAX;
        if (wm_le64(entry) != offset || wm_le32(entry + 8) > index - offset ||
            wm_le32(entry + 12) > most)
            return wm_fail(err, WM_E_FORMAT, "sidecar: frame %llu is out of place or too long",
                           (unsigned long long)i);
        offset += wm_le32(entry + 8);
    }
    if (offset != index || first_row(sidecar, 0) != 0)
        return wm_fail(err, WM_E_FORMAT, "sidecar: frames do not fill the file");
    for (uint64_t i = 0; i < sidecar->n_frames; i++) {
        uint64_t first = first_row(sidecar, i), next = first_row(sidecar, i + 1);
        if (next <= first || next - first > WM_SIDECAR_FRAME_ROWS)
            return wm_fail(err, WM_E_FORMAT, "sidecar: frame %llu has rows %llu to %llu",
                           (unsigned long long)i + 1, (unsigned long long)first,
                           (unsigned long long)next);
    }
    return 0;
}

static int decode(const struct wm_sidecar *sidecar, const unsigned char *entry,
                  struct wm_buf *plain, struct wm_error *err)
{
    const unsigned char *packed = at(sidecar, (size_t)wm_le64(entry));
    size_t len = wm_le32(entry + 8), want = wm_le32(entry + 12);
    /* Zstandard's own word must be the same before any memory is taken. */
    if (ZSTD_findFrameCompressedSize(packed, len) != len ||
        ZSTD_getFrameContentSize(packed, len) != want)
        return wm_fail(err, WM_E_FORMAT, "sidecar: the frame at byte %llu is damaged",
                       (unsigned long long)wm_le64(entry));
    plain->len = 0;
    int status = wm_buf_reserve(plain, want + 1, err);
    if (status)
        return status;
    size_t got = ZSTD_decompress(plain->ptr, want, packed, len);
    if (ZSTD_isError(got) || got != want)
        return wm_fail(err, WM_E_FORMAT, "sidecar: the frame at byte %llu is damaged: %s",
                       (unsigned long long)wm_le64(entry), ZSTD_getErrorName(got));
    plain->len = got;
    return 0;
}

static int open_checked(struct wm_sidecar *sidecar, struct wm_error *err)
{
    size_t index = 0;
    int status = check_header(sidecar, err);
    if (!status)
        status = check_footer(sidecar, &index, err);
    if (!status)
        status = check_index(sidecar, index, err);
    if (!status)
        status = decode(sidecar, at(sidecar, index + 8), &sidecar->recipe, err);
    sidecar->decoded = sidecar->n_frames;
    return status;
}

static struct wm_sidecar *sidecar_new(struct wm_error *err)
{
    struct wm_sidecar *sidecar = calloc(1, sizeof *sidecar);
    if (!sidecar) {
        wm_fail_nomem(err, sizeof *sidecar, "sidecar");
        return NULL;
    }
    wm_buf_init(&sidecar->recipe, (size_t)WM_SIDECAR_RECIPE_MAX + 1);
    wm_buf_init(&sidecar->plain, (size_t)FRAME_MAX + 1);
    return sidecar;
}

int wm_sidecar_open_bytes(struct wm_str bytes, struct wm_sidecar **ret, struct wm_error *err)
{
    struct wm_sidecar *sidecar = sidecar_new(err);
    if (!sidecar)
        return WM_E_NOMEM;
    sidecar->bytes = bytes;
    int status = open_checked(sidecar, err);
    if (status)
        wm_sidecar_close(sidecar);
    else
        *ret = sidecar;
    return status;
}

int wm_sidecar_open(const char *base, struct wm_sidecar **ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s.prov.zst", base);
    if (n < 0 || n >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
    struct wm_map map;
    int status = wm_map_open(path, &map, err);
    if (status)
        return status;
    status = wm_sidecar_open_bytes((struct wm_str){(const char *)map.ptr, map.len}, ret, err);
    if (status) {
        wm_map_close(&map);
        return wm_error_where(err, "%s", path);
    }
    (*ret)->map = map;
    return 0;
}

void wm_sidecar_close(struct wm_sidecar *sidecar)
{
    if (!sidecar)
        return;
    wm_map_close(&sidecar->map);
    wm_buf_done(&sidecar->recipe);
    wm_buf_done(&sidecar->plain);
    free(sidecar);
}

uint64_t wm_sidecar_rows(const struct wm_sidecar *sidecar)
{
    return sidecar->n_rows;
}

struct wm_str wm_sidecar_recipe(const struct wm_sidecar *sidecar)
{
    return wm_buf_str(&sidecar->recipe);
}

static int load_frame(struct wm_sidecar *sidecar, uint64_t frame, struct wm_error *err)
{
    if (sidecar->decoded == frame)
        return 0;
    sidecar->decoded = sidecar->n_frames;
    int status = decode(sidecar, sidecar->frames + frame * WM_SIDECAR_ENTRY, &sidecar->plain, err);
    if (!status)
        status = wm_sidecar_frame_parse(
            wm_buf_str(&sidecar->plain),
            (size_t)(first_row(sidecar, frame + 1) - first_row(sidecar, frame)), &sidecar->frame,
            err);
    if (!status)
        sidecar->decoded = frame;
    return status;
}

int wm_sidecar_read(struct wm_sidecar *sidecar, uint64_t row, struct wm_arena *arena,
                    struct wm_provenance *ret, struct wm_error *err)
{
    if (row >= sidecar->n_rows)
        return wm_fail(err, WM_E_LIMIT, "sidecar: there is no row %llu among %llu",
                       (unsigned long long)row, (unsigned long long)sidecar->n_rows);
    uint64_t low = 0, high = sidecar->n_frames;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (first_row(sidecar, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    int status = load_frame(sidecar, low, err);
    if (status)
        return status;
    return wm_sidecar_frame_row(&sidecar->frame, (size_t)(row - first_row(sidecar, low)), arena,
                                ret, err);
}

int wm_sidecar_check(struct wm_sidecar *sidecar, struct wm_error *err)
{
    int status = 0;
    for (uint64_t i = 0; !status && i < sidecar->n_frames; i++)
        status = load_frame(sidecar, i, err);
    return status;
}
