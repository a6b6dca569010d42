/* SPDX-License-Identifier: Apache-2.0 */
/* Files of line hashes: format and lookup. */
#include "stages/hash_set.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_FORM = 16,
    AT_HASH = 32,
    AT_PROFILE = 48,
    AT_UNICODE = 64,
    AT_COUNT = 72,
    AT_SUM = 80,
    AT_HEADER_SUM = 88,
};
static const char MAGIC[8] = {'w', 'm', 'h', 'a', 's', 'h', 'e', 's'};

static void put_le64(unsigned char *dst, uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        dst[i] = (unsigned char)v;
}

static uint64_t get_le64(const unsigned char *src)
{
    uint64_t v = 0;
    for (int i = 8; i-- > 0;)
        v = v << 8 | src[i];
    return v;
}

/* ---- kinds ---- */

struct wm_hash_kind wm_hash_kind_of(int profile, enum wm_unicode_version unicode)
{
    return (struct wm_hash_kind){.form = "ccnet-dedup",
                                 .hash = profile ? "sha1-8" : "xxh3-64",
                                 .profile = profile ? "ccnet" : "strict",
                                 .unicode = wm_unicode_version_name(unicode)};
}

bool wm_hash_kind_equal(const struct wm_hash_kind *a, const struct wm_hash_kind *b)
{
    return strcmp(a->form, b->form) == 0 && strcmp(a->hash, b->hash) == 0 &&
           strcmp(a->profile, b->profile) == 0 && strcmp(a->unicode, b->unicode) == 0;
}

int wm_hash_set_check(const struct wm_hash_set *set, const char *path,
                      const struct wm_hash_kind *want, struct wm_error *err)
{
    const struct wm_hash_kind *k = &set->kind;
    if (wm_hash_kind_equal(k, want))
        return 0;
    wm_fail(err, WM_E_CONFIG,
            "its hashes are %s of %s in profile %s, Unicode %s; wanted are %s of %s in profile %s, "
            "Unicode %s",
            k->hash, k->form, k->profile, k->unicode, want->hash, want->form, want->profile,
            want->unicode);
    wm_error_where(err, "%s", path);
    return wm_error_hint(err, "make it anew from its archives: wetmill corpus hashes build");
}

/* ---- reading ---- */

static int damaged(const char *path, const char *what, struct wm_error *err)
{
    wm_fail(err, WM_E_FORMAT, "the hash set is damaged: %s", what);
    return wm_error_where(err, "%s", path);
}

/* A name: printable, ended by NUL, nothing behind it. */
static bool is_name(const unsigned char *field, size_t size)
{
    size_t n = 0;
    while (n < size && field[n] > ' ' && field[n] < 0x7F)
        n++;
    if (n == 0 || n == size)
        return false;
    while (n < size && field[n] == 0)
        n++;
    return n == size;
}

static int read_header(const struct wm_map *map, const char *path, struct wm_hash_set *set,
                       struct wm_error *err)
{
    const unsigned char *h = map->ptr;
    if (map->len < WM_HASH_SET_HEADER || memcmp(h, MAGIC, sizeof MAGIC) != 0) {
        wm_fail(err, WM_E_FORMAT, "this is no hash set");
        return wm_error_where(err, "%s", path);
    }
    uint64_t version = get_le64(h + AT_VERSION);
    if (version > VERSION) {
        wm_fail(err, WM_E_FORMAT, "written by a newer wetmill (format %ju, this one knows %d)",
                (uintmax_t)version, VERSION);
        return wm_error_where(err, "%s", path);
    }
    if (get_le64(h + AT_HEADER_SUM) != XXH3_64bits(h, AT_HEADER_SUM))
        return damaged(path, "its header was changed", err);
    if (!is_name(h + AT_FORM, WM_HASH_SET_FIELD) || !is_name(h + AT_HASH, WM_HASH_SET_FIELD) ||
        !is_name(h + AT_PROFILE, WM_HASH_SET_FIELD) || !is_name(h + AT_UNICODE, 8))
        return damaged(path, "its header makes no sense", err);
    set->kind = (struct wm_hash_kind){(const char *)h + AT_FORM, (const char *)h + AT_HASH,
                                      (const char *)h + AT_PROFILE, (const char *)h + AT_UNICODE};
    set->n = get_le64(h + AT_COUNT);
    if ((map->len - WM_HASH_SET_HEADER) % 8 || (map->len - WM_HASH_SET_HEADER) / 8 != set->n)
        return damaged(path, "its size does not fit its header", err);
    if (XXH3_64bits(h + WM_HASH_SET_HEADER, set->n * 8) != get_le64(h + AT_SUM))
        return damaged(path, "its checksum is wrong", err);
    return 0;
}

/* How many of the first `n` hashes are below `bound`. */
static uint64_t count_below(const unsigned char *hashes, uint64_t n, uint64_t bound)
{
    uint64_t low = 0, high = n;
    while (low < high) {
        uint64_t at = low + (high - low) / 2;
        if (wm_get_be64(hashes + at * 8) < bound)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

static int open_tables(struct wm_hash_set *set, struct wm_error *err)
{
    const unsigned char *hashes = set->map.ptr + WM_HASH_SET_HEADER;
    uint64_t at = 0;
    int status = 0;
    for (unsigned p = 0; !status && p < WM_PARTITIONS; p++) {
        uint64_t end =
            p + 1 == WM_PARTITIONS ? set->n : count_below(hashes, set->n, (uint64_t)(p + 1) << 60);
        if (end < at)
            return wm_fail(err, WM_E_FORMAT, "its records are out of order");
        status = wm_table_over(hashes + at * 8, 8, end - at, &set->tables[p], err);
        at = end;
    }
    return status;
}

int wm_hash_set_open(const char *path, struct wm_hash_set *ret, struct wm_error *err)
{
    struct wm_hash_set set = {0};
    int status = wm_map_open(path, &set.map, err);
    if (status)
        return status;
    status = read_header(&set.map, path, &set, err);
    if (!status) {
        status = open_tables(&set, err);
        if (status)
            (void)wm_error_where(err, "%s", path);
    }
    if (status)
        wm_hash_set_close(&set);
    else
        *ret = set;
    return status;
}

void wm_hash_set_close(struct wm_hash_set *set)
{
    for (unsigned p = 0; p < WM_PARTITIONS; p++)
        wm_table_close(&set->tables[p]);
    wm_map_close(&set->map);
    *set = (struct wm_hash_set){0};
}

/* ---- writing ---- */

struct wm_hash_set_out {
    struct wm_out *out;
    XXH3_state_t *sum;
    uint64_t n, last;
    unsigned char header[WM_HASH_SET_HEADER];
};

void wm_hash_set_out_abandon(struct wm_hash_set_out *out)
{
    if (!out)
        return;
    wm_out_abandon(out->out);
    (void)XXH3_freeState(out->sum);
    free(out);
}

static void put_name(unsigned char *field, const char *name, size_t size)
{
    size_t n = strlen(name);
    memcpy(field, name, n < size ? n : size - 1);
}

int wm_hash_set_out_open(const char *path, const struct wm_hash_kind *kind,
                         struct wm_hash_set_out **ret, struct wm_error *err)
{
    struct wm_hash_set_out *out = calloc(1, sizeof *out);
    if (!out || !(out->sum = XXH3_createState())) {
        free(out);
        return wm_fail_nomem(err, sizeof *out, "writing a hash set");
    }
    (void)XXH3_64bits_reset(out->sum);
    memcpy(out->header, MAGIC, sizeof MAGIC);
    put_le64(out->header + AT_VERSION, VERSION);
    put_name(out->header + AT_FORM, kind->form, WM_HASH_SET_FIELD);
    put_name(out->header + AT_HASH, kind->hash, WM_HASH_SET_FIELD);
    put_name(out->header + AT_PROFILE, kind->profile, WM_HASH_SET_FIELD);
    put_name(out->header + AT_UNICODE, kind->unicode, 8);
    int status = wm_out_open(path, &out->out, err);
    if (!status)
        status = wm_out_write(out->out, out->header, sizeof out->header, err);
    if (status)
        wm_hash_set_out_abandon(out);
    else
        *ret = out;
    return status;
}

int wm_hash_set_out_add(struct wm_hash_set_out *out, const unsigned char *hashes, size_t n,
                        struct wm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = wm_get_be64(hashes + i * 8);
        if (out->n + i && hash <= out->last)
            return wm_fail(err, WM_E_FORMAT, "hashes were written out of order");
        out->last = hash;
    }
    (void)XXH3_64bits_update(out->sum, hashes, n * 8);
    out->n += n;
    return wm_out_write(out->out, hashes, n * 8, err);
}

int wm_hash_set_out_commit(struct wm_hash_set_out *out, uint64_t *ret_n, struct wm_error *err)
{
    put_le64(out->header + AT_COUNT, out->n);
    put_le64(out->header + AT_SUM, XXH3_64bits_digest(out->sum));
    put_le64(out->header + AT_HEADER_SUM, XXH3_64bits(out->header, AT_HEADER_SUM));
    int status = wm_out_pwrite(out->out, out->header, sizeof out->header, 0, err);
    if (!status) {
        struct wm_out *file = out->out;
        out->out = NULL;
        status = wm_out_commit(file, NULL, err);
    }
    if (!status)
        *ret_n = out->n;
    wm_hash_set_out_abandon(out);
    return status;
}
