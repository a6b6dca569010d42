/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bpe_vectors.h
 * Reading the vectors of tests/vectors/bpe and $WETMILL_VECTORS/bpe: JSON lines of
 * {text | hex, ids, ids_special}.
 */
#ifndef WETMILL_TEST_BPE_VECTORS_H
#define WETMILL_TEST_BPE_VECTORS_H

#include "test.h"
#include "wetmill/file.h"
#include "wetmill/json.h"
#include "wetmill/tokenizer.h"

enum { VECTOR_FILE_MAX = 64 << 20 };

struct vector {
    struct wm_str id, bytes;
    const uint32_t *ids, *ids_special; /* ids_special NULL: not given */
    size_t n_ids, n_special;
};

static inline unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static inline int vector_hex(struct wm_json *r, struct wm_str *ret, struct wm_error *err)
{
    struct wm_str hex;
    int status = wm_json_string(r, &hex, err);
    char *bytes = status ? NULL : wm_arena_bytes(r->arena, hex.len / 2);
    for (size_t i = 0; bytes && i < hex.len / 2; i++)
        bytes[i] = (char)(hex_digit(hex.ptr[2 * i]) << 4 | hex_digit(hex.ptr[2 * i + 1]));
    *ret = (struct wm_str){bytes, hex.len / 2};
    return status;
}

static inline int vector_ids(struct wm_json *r, const uint32_t **ret, size_t *ret_n,
                             struct wm_error *err)
{
    size_t cap = (size_t)(r->end - r->at), n = 0;
    uint32_t *ids = wm_arena_alloc(r->arena, cap, sizeof *ids);
    int more = wm_json_array(r, err);
    while (!more && (more = wm_json_item(r, err)) > 0) {
        uint64_t id;
        more = wm_json_u64(r, &id, err);
        if (!more)
            ids[n++] = (uint32_t)id;
    }
    *ret = ids;
    *ret_n = n;
    return more;
}

static inline int vector_parse(struct wm_str line, struct wm_arena *arena, struct vector *ret,
                               struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    *ret = (struct vector){0};
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_str_eq(key, WM_STR("text")))
            more = wm_json_string(&r, &ret->bytes, err);
        else if (wm_str_eq(key, WM_STR("hex")))
            more = vector_hex(&r, &ret->bytes, err);
        else if (wm_str_eq(key, WM_STR("id")))
            more = wm_json_string(&r, &ret->id, err);
        else if (wm_str_eq(key, WM_STR("ids")))
            more = vector_ids(&r, &ret->ids, &ret->n_ids, err);
        else if (wm_str_eq(key, WM_STR("ids_special")))
            more = vector_ids(&r, &ret->ids_special, &ret->n_special, err);
        else
            more = wm_json_skip(&r, NULL, err);
    }
    return more;
}

/* Call `check` for every line of a file; returns how many lines. */
static inline size_t vector_each(const char *path,
                                 void (*check)(void *arg, const struct vector *vector), void *arg)
{
    struct wm_error err = {0};
    struct wm_arena arena;
    struct wm_buf file;
    struct vector vector;
    size_t n = 0;
    wm_buf_init(&file, VECTOR_FILE_MAX);
    wm_arena_init(&arena, SIZE_MAX);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    for (struct wm_str rest = wm_buf_str(&file); rest.len; n++) {
        CHECK_OK(vector_parse(wm_str_line(&rest), &arena, &vector, &err), err);
        check(arg, &vector);
        wm_arena_reset(&arena);
    }
    wm_arena_done(&arena);
    wm_buf_done(&file);
    return n;
}

static inline bool vector_same_ids(const struct wm_ids *got, const uint32_t *want, size_t n)
{
    return got->n == n && (n == 0 || memcmp(got->ids, want, n * sizeof *want) == 0);
}

#endif /* WETMILL_TEST_BPE_VECTORS_H */
