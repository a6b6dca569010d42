/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted records, looked up through a mapping. */
#include <stdlib.h>

#include "base/records_file.h"

enum {
    RECORDS_WITHOUT = 64, /* of a table that needs no index */
    RECORDS_PER_STRETCH = 2,
    STRETCHES_MOST = 1 << 15, /* WM_TABLE_MEMORY */
    LINEAR = 16,              /* records that are looked at one after the other */
};

/* A table is a run that somebody looks things up in. */
struct wm_table_out {
    struct wm_records_out *out;
};

int wm_table_out_open(const char *path, size_t size, struct wm_table_out **ret,
                      struct wm_error *err)
{
    struct wm_table_out *table = calloc(1, sizeof *table);
    if (!table)
        return wm_fail_nomem(err, sizeof *table, "writing a table");
    int status =
        wm_records_out_open(path, (struct wm_record_form){size, 0}, false, &table->out, err);
    if (status)
        free(table);
    else
        *ret = table;
    return status;
}

int wm_table_add(struct wm_table_out *out, const void *record, struct wm_error *err)
{
    return wm_records_out_add(out->out, record, err);
}

int wm_table_commit(struct wm_table_out *out, struct wm_digest *ret, struct wm_error *err)
{
    int status = wm_records_out_commit(out->out, ret, err);
    free(out);
    return status;
}

void wm_table_abandon(struct wm_table_out *out)
{
    if (!out)
        return;
    wm_records_out_abandon(out->out);
    free(out);
}

/* ---- opening ---- */

static int check(const struct wm_map *map, const char *path, size_t size,
                 struct wm_records_info *info, struct wm_error *err)
{
    if (map->len < WM_RECORDS_HEADER + WM_RECORDS_TRAILER)
        return wm_records_damaged(path, "it is too short", err);
    int status = wm_records_info(map->ptr, map->ptr + map->len - WM_RECORDS_TRAILER, map->len, path,
                                 info, err);
    if (status)
        return status;
    if (info->form.size != size) {
        wm_fail(err, WM_E_MISMATCH, "its records have %zu bytes, %zu are wanted", info->form.size,
                size);
        return wm_error_where(err, "%s", path);
    }
    for (int i = 0; i < WM_PARTITIONS; i++) {
        const unsigned char *first = map->ptr + WM_RECORDS_HEADER + info->starts[i] * size;
        if (XXH3_64bits(first, (info->starts[i + 1] - info->starts[i]) * size) != info->sums[i])
            return wm_records_damaged(path, "its checksum is wrong", err);
    }
    return 0;
}

int wm_table_open(const char *path, size_t size, struct wm_table *ret, struct wm_error *err)
{
    struct wm_map map;
    struct wm_records_info info;
    int status = wm_map_open(path, &map, err);
    if (status)
        return status;
    status = check(&map, path, size, &info, err);
    if (status) {
        wm_map_close(&map);
        return status;
    }
    status = wm_table_over(map.ptr + WM_RECORDS_HEADER, size, info.starts[WM_PARTITIONS], ret, err);
    ret->map = map;
    if (!status)
        return 0;
    wm_table_close(ret);
    return wm_error_where(err, "%s", path);
}

void wm_table_close(struct wm_table *table)
{
    free(table->index);
    wm_map_close(&table->map);
    *table = (struct wm_table){0};
}

/* ---- the index ---- */

static const unsigned char *record_at(const struct wm_table *table, uint64_t i)
{
    return table->records + i * table->size;
}

/* index[s] = the first record of stretch first + s, or of one behind it. */
static int make_index(struct wm_table *t, struct wm_error *err)
{
    uint64_t first = wm_get_be64(record_at(t, 0)), last = wm_get_be64(record_at(t, t->n - 1));
    uint64_t most = t->n / RECORDS_PER_STRETCH;
    if (most > STRETCHES_MOST)
        most = STRETCHES_MOST;
    while ((last >> t->shift) - (first >> t->shift) >= most)
        t->shift++;
    t->first = first >> t->shift;
    t->last = last >> t->shift;
    size_t n = (size_t)(t->last - t->first) + 1;
    t->index = malloc((n + 1) * sizeof *t->index);
    if (!t->index)
        return wm_fail_nomem(err, n * sizeof *t->index, "the index of a table");
    uint64_t next = 0; /* stretch whose start is not known yet */
    for (uint64_t i = 0; i < t->n; i++) {
        uint64_t stretch = (wm_get_be64(record_at(t, i)) >> t->shift) - t->first;
        while (next <= stretch)
            t->index[next++] = i;
    }
    t->index[n] = t->n;
    return 0;
}

int wm_table_over(const unsigned char *records, size_t size, uint64_t n, struct wm_table *ret,
                  struct wm_error *err)
{
    *ret = (struct wm_table){.records = records, .size = size, .n = n};
    for (uint64_t i = 1; i < n; i++)
        if (wm_get_be64(record_at(ret, i - 1)) > wm_get_be64(record_at(ret, i)))
            return wm_fail(err, WM_E_FORMAT, "its records are out of order");
    return n > RECORDS_WITHOUT ? make_index(ret, err) : 0;
}

/* The records that `hash` is among, if it is there. */
static bool find_stretch(const struct wm_table *table, uint64_t hash, uint64_t *low, uint64_t *high)
{
    *low = 0;
    *high = table->n;
    if (!table->index)
        return true;
    uint64_t stretch = hash >> table->shift;
    if (stretch < table->first || stretch > table->last)
        return false;
    *low = table->index[stretch - table->first];
    *high = table->index[stretch - table->first + 1];
    return true;
}

void wm_table_prefetch(const struct wm_table *table, uint64_t hash)
{
    uint64_t low, high;
    if (table->index && find_stretch(table, hash, &low, &high))
        __builtin_prefetch(record_at(table, low + (high - low) / 2));
}

/* ---- finding ---- */

/* Records before `low` are smaller than the prefix, those from `high` on are not. */
struct search {
    const struct wm_table *table;
    const unsigned char *prefix;
    size_t prefix_len;
    uint64_t hash;
    uint64_t low, high;
};

static bool probe(struct search *s, uint64_t at)
{
    const unsigned char *record = record_at(s->table, at);
    uint64_t hash = wm_get_be64(record);
    bool smaller =
        hash != s->hash ? hash < s->hash : memcmp(record + 8, s->prefix + 8, s->prefix_len - 8) < 0;
    if (smaller)
        s->low = at + 1;
    else
        s->high = at;
    return smaller;
}

/* Where the hash would be if hashes between the ends were spread evenly. */
static uint64_t guess(const struct search *s)
{
    uint64_t first = wm_get_be64(record_at(s->table, s->low));
    uint64_t last = wm_get_be64(record_at(s->table, s->high - 1));
    if (s->hash <= first)
        return s->low;
    if (s->hash >= last)
        return s->high - 1;
    double share = (double)(s->hash - first) / (double)(last - first);
    uint64_t step = (uint64_t)(share * (double)(s->high - 1 - s->low));
    uint64_t most = s->high - 1 - s->low;
    return s->low + (step < most ? step : most);
}

static uint64_t root(uint64_t n)
{
    uint64_t r = 1;
    while (r * r < n)
        r *= 2;
    return r;
}

/* A round guesses, and looks √range beyond the guess: evenly spread hashes lie between with high
 * probability, so a range of n shrinks to √n. Should it shrink to less than half, it is halved:
 * the worst case stays logarithmic. */
const unsigned char *wm_table_find(const struct wm_table *table, const void *prefix,
                                   size_t prefix_len)
{
    if (prefix_len < 8 || prefix_len > table->size)
        return NULL;
    struct search s = {table, prefix, prefix_len, wm_get_be64(prefix), 0, 0};
    if (!find_stretch(table, s.hash, &s.low, &s.high))
        return NULL;
    uint64_t end = s.high;
    while (s.high - s.low > LINEAR) {
        uint64_t range = s.high - s.low, step = root(range), at = guess(&s);
        if (probe(&s, at)) {
            if (s.high - s.low > step)
                (void)probe(&s, s.low + step);
        } else if (s.high - s.low > step) {
            (void)probe(&s, s.high - 1 - step);
        }
        if (s.high - s.low > range / 2)
            (void)probe(&s, s.low + (s.high - s.low) / 2);
    }
    const unsigned char *record = record_at(table, s.low);
    while (s.low < s.high && wm_get_be64(record) < s.hash) {
        s.low++;
        record += table->size;
    }
    while (s.low < s.high && probe(&s, s.low))
        ;
    uint64_t found = s.low;
    record = record_at(table, found);
    if (found == end || wm_get_be64(record) != s.hash ||
        (prefix_len > 8 && memcmp(record + 8, s.prefix + 8, prefix_len - 8) != 0))
        return NULL;
    return record;
}
