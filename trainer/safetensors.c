/* SPDX-License-Identifier: Apache-2.0 */
/* The reader. It allocates in proportion to the header's real length, never to a number in it. */
#include "trainer/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>

#include "trainer/floats.h"
#include "wetmill/json.h"

enum { PREFIX = 8 }; /* bytes of the header's length */

static const struct {
    const char *name;
    unsigned bytes;
} dtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
              {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
              {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};

/* ---- one tensor's entry ---- */

static int read_shape(struct wm_json *r, struct wm_safetensor *t, struct wm_error *err)
{
    int more, status = wm_json_array(r, err);
    if (status)
        return status;
    while ((more = wm_json_item(r, err)) > 0) {
        if (t->n_dims == WM_SAFETENSORS_DIMS)
            return wm_fail(err, WM_E_LIMIT, "more than %d dimensions", WM_SAFETENSORS_DIMS);
        status = wm_json_u64(r, &t->shape[t->n_dims++], err);
        if (status)
            return status;
    }
    return more;
}

static int read_offsets(struct wm_json *r, struct wm_safetensor *t, struct wm_error *err)
{
    uint64_t offsets[2];
    int more, status = wm_json_array(r, err);
    if (status)
        return status;
    size_t n = 0;
    while ((more = wm_json_item(r, err)) > 0) {
        if (n == 2)
            return wm_fail(err, WM_E_FORMAT, "data_offsets has more than two numbers");
        status = wm_json_u64(r, &offsets[n++], err);
        if (status)
            return status;
    }
    if (more < 0)
        return more;
    if (n != 2 || offsets[0] > offsets[1])
        return wm_fail(err, WM_E_FORMAT, "data_offsets is not [begin, end] with begin <= end");
    t->begin = offsets[0];
    t->end = offsets[1];
    return 0;
}

static int read_dtype(struct wm_json *r, struct wm_safetensor *t, struct wm_error *err)
{
    struct wm_str name;
    int status = wm_json_string(r, &name, err);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (wm_str_eq(name, wm_str_of(dtypes[i].name))) {
            t->dtype = dtypes[i].name;
            return 0;
        }
    }
    return wm_fail(err, WM_E_FORMAT, "unknown dtype \"%.*s\"", (int)(name.len < 40 ? name.len : 40),
                   name.ptr);
}

/* Elements, and that they take the bytes the offsets say. */
static int check_size(struct wm_safetensor *t, struct wm_error *err)
{
    unsigned width = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        width = t->dtype == dtypes[i].name ? dtypes[i].bytes : width;
    uint64_t n = 1, bytes;
    for (unsigned i = 0; i < t->n_dims; i++) {
        if (__builtin_mul_overflow(n, t->shape[i], &n))
            return wm_fail(err, WM_E_FORMAT, "its shape has more elements than can be counted");
    }
    if (__builtin_mul_overflow(n, (uint64_t)width, &bytes) || bytes != t->end - t->begin)
        return wm_fail(err, WM_E_FORMAT, "its shape needs other than the %" PRIu64 " bytes it has",
                       t->end - t->begin);
    t->n = n;
    return 0;
}

static int read_entry(struct wm_json *r, struct wm_safetensor *t, struct wm_error *err)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    unsigned seen = 0;
    struct wm_str key;
    int more, status = wm_json_object(r, err);
    if (status)
        return status;
    while ((more = wm_json_key(r, &key, err)) > 0) {
        unsigned field = wm_str_eq(key, WM_STR("dtype"))          ? DTYPE
                         : wm_str_eq(key, WM_STR("shape"))        ? SHAPE
                         : wm_str_eq(key, WM_STR("data_offsets")) ? OFFSETS
                                                                  : 0;
        if (!field || (seen & field))
            return wm_fail(err, WM_E_FORMAT, "a key that is unknown or comes twice");
        seen |= field;
        status = field == DTYPE   ? read_dtype(r, t, err)
                 : field == SHAPE ? read_shape(r, t, err)
                                  : read_offsets(r, t, err);
        if (status)
            return status;
    }
    if (more < 0)
        return more;
    if (seen != (DTYPE | SHAPE | OFFSETS))
        return wm_fail(err, WM_E_FORMAT, "dtype, shape or data_offsets is missing");
    return check_size(t, err);
}

/* ---- the header ---- */

/* One more item in a growing array; NULL over `max` or without memory. */
static void *grow(void *items, size_t n, size_t *cap, size_t size, size_t max)
{
    if (n < *cap)
        return items;
    size_t want = *cap ? *cap * 2 : 16;
    want = want < max ? want : max;
    void *grown = n < want ? realloc(items, want * size) : NULL;
    if (grown)
        *cap = want;
    return grown;
}

static int read_metadata(struct wm_json *r, struct wm_safetensors *file, struct wm_error *err)
{
    struct wm_safetensors_pair pair;
    int more, status = wm_json_object(r, err);
    if (status)
        return status;
    if (file->metadata)
        return wm_fail(err, WM_E_FORMAT, "__metadata__ comes twice");
    while ((more = wm_json_key(r, &pair.key, err)) > 0) {
        status = wm_json_string(r, &pair.value, err);
        if (status)
            return status;
        void *grown = grow(file->metadata, file->n_metadata, &file->cap_metadata, sizeof pair,
                           WM_SAFETENSORS_METADATA);
        if (!grown)
            return wm_fail(err, WM_E_LIMIT, "more than %d pairs of metadata",
                           WM_SAFETENSORS_METADATA);
        file->metadata = grown;
        file->metadata[file->n_metadata++] = pair;
    }
    return more;
}

static int read_tensor(struct wm_json *r, struct wm_str name, struct wm_safetensors *file,
                       struct wm_error *err)
{
    struct wm_safetensor tensor = {.name = name};
    int status = read_entry(r, &tensor, err);
    if (status) {
        struct wm_error inner = *err;
        return wm_fail(err, status, "tensor \"%.*s\": %s", (int)(name.len < 80 ? name.len : 80),
                       name.ptr, inner.what);
    }
    void *grown = grow(file->tensors, file->n, &file->cap, sizeof tensor, WM_SAFETENSORS_TENSORS);
    if (!grown)
        return wm_fail(err, WM_E_LIMIT, "more than %d tensors, or no memory for them",
                       WM_SAFETENSORS_TENSORS);
    file->tensors = grown;
    file->tensors[file->n++] = tensor;
    return 0;
}

static int read_header(struct wm_safetensors *file, struct wm_str header, struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, header, &file->arena);
    int more, status = wm_json_object(&r, err);
    if (status)
        return status;
    while ((more = wm_json_key(&r, &key, err)) > 0) {
        status = wm_str_eq(key, WM_STR("__metadata__")) ? read_metadata(&r, file, err)
                                                        : read_tensor(&r, key, file, err);
        if (status)
            return status;
    }
    return more < 0 ? more : wm_json_finish(&r, err);
}

/* ---- all tensors together ---- */

static int by_place(const void *a, const void *b)
{
    const struct wm_safetensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int compare(struct wm_str a, struct wm_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
    const struct wm_safetensor *const *x = a, *const *y = b;
    return compare((*x)->name, (*y)->name);
}

static int check_places(struct wm_safetensors *file, struct wm_str data, struct wm_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < file->n; i++) {
        struct wm_safetensor *t = &file->tensors[i];
        if (t->begin != at)
            return wm_fail(err, WM_E_FORMAT, "the data has %s at byte %" PRIu64,
                           t->begin < at ? "overlapping tensors" : "a hole",
                           t->begin < at ? t->begin : at);
        if (t->end > data.len)
            return wm_fail(err, WM_E_FORMAT,
                           "the data ends at byte %zu, but a tensor goes on to %" PRIu64, data.len,
                           t->end);
        t->bytes = (const unsigned char *)data.ptr + t->begin;
        at = t->end;
    }
    if (at == data.len)
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%" PRIu64 " bytes behind the last tensor", data.len - at);
}

static int index_names(struct wm_safetensors *file, struct wm_error *err)
{
    file->by_name = malloc((file->n + 1) * sizeof(struct wm_safetensor *));
    if (!file->by_name)
        return wm_fail_nomem(err, file->n * sizeof(struct wm_safetensor *), "tensor names");
    for (size_t i = 0; i < file->n; i++)
        file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->n, sizeof(struct wm_safetensor *), by_name);
    for (size_t i = 1; i < file->n; i++) {
        struct wm_str name = file->by_name[i]->name;
        if (wm_str_eq(name, file->by_name[i - 1]->name))
            return wm_fail(err, WM_E_FORMAT, "tensor \"%.*s\" comes twice",
                           (int)(name.len < 80 ? name.len : 80), name.ptr);
    }
    return 0;
}

static int parse(struct wm_safetensors *file, struct wm_str bytes, struct wm_error *err)
{
    if (bytes.len < PREFIX)
        return wm_fail(err, WM_E_FORMAT, "%zu bytes are too few for a safetensors file", bytes.len);
    uint64_t len;
    wm_copy_le(&len, bytes.ptr, 1, sizeof len);
    if (len > WM_SAFETENSORS_HEADER)
        return wm_fail(err, WM_E_LIMIT,
                       "not safetensors: the header's length is given as %" PRIu64
                       " bytes, over the limit of %d",
                       len, WM_SAFETENSORS_HEADER);
    if (len > bytes.len - PREFIX)
        return wm_fail(err, WM_E_FORMAT,
                       "cut short: the header has %" PRIu64 " bytes, the file %zu", len, bytes.len);
    struct wm_str header = {bytes.ptr + PREFIX, (size_t)len};
    struct wm_str data = {header.ptr + len, bytes.len - PREFIX - (size_t)len};
    wm_arena_init(&file->arena, 2 * header.len + (1 << 20));
    int status = read_header(file, header, err);
    if (status)
        return status;
    if (file->n)
        qsort(file->tensors, file->n, sizeof *file->tensors, by_place);
    status = check_places(file, data, err);
    return status ? status : index_names(file, err);
}

int wm_safetensors_parse(struct wm_str bytes, struct wm_safetensors *ret, struct wm_error *err)
{
    struct wm_safetensors file = {0};
    int status = parse(&file, bytes, err);
    if (status)
        wm_safetensors_close(&file);
    else
        *ret = file;
    return status;
}

int wm_safetensors_open(const char *path, struct wm_safetensors *ret, struct wm_error *err)
{
    struct wm_map map;
    int status = wm_map_open(path, &map, err);
    if (status)
        return status;
    status = wm_safetensors_parse((struct wm_str){(const char *)map.ptr, map.len}, ret, err);
    if (status) {
        wm_map_close(&map);
        return wm_error_where(err, "%s", path);
    }
    ret->map = map;
    return 0;
}

void wm_safetensors_close(struct wm_safetensors *file)
{
    wm_arena_done(&file->arena);
    wm_map_close(&file->map);
    free(file->tensors);
    free(file->by_name);
    free(file->metadata);
    *file = (struct wm_safetensors){0};
}

const struct wm_safetensor *wm_safetensors_find(const struct wm_safetensors *file,
                                                struct wm_str name)
{
    size_t low = 0, high = file->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(file->by_name[middle]->name, name);
        if (order == 0)
            return file->by_name[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

struct wm_str wm_safetensors_note(const struct wm_safetensors *file, struct wm_str key)
{
    for (size_t i = 0; i < file->n_metadata; i++) {
        if (wm_str_eq(file->metadata[i].key, key))
            return file->metadata[i].value;
    }
    return (struct wm_str){NULL, 0};
}

void wm_safetensor_floats(const struct wm_safetensor *tensor, uint64_t first, uint64_t n,
                          float *dst)
{
    wm_copy_le(dst, tensor->bytes + first * sizeof(float), (size_t)n, sizeof(float));
}
