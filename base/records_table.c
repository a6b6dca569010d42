/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted records, looked up through a mapping. */
#include <stdlib.h>

#include "base/records_file.h"

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
    int status = wm_records_out_open(path, size, false, &table->out, err);
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
    if (info->size != size) {
        wm_fail(err, WM_E_MISMATCH, "its records have %zu bytes, %zu are wanted", info->size, size);
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
    *ret = (struct wm_table){.map = map,
                             .records = map.ptr + WM_RECORDS_HEADER,
                             .size = size,
                             .n = info.starts[WM_PARTITIONS]};
    return 0;
}

void wm_table_close(struct wm_table *table)
{
    wm_map_close(&table->map);
    *table = (struct wm_table){0};
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

static const unsigned char *record_at(const struct wm_table *table, uint64_t i)
{
    return table->records + i * table->size;
}

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
    struct search s = {table, prefix, prefix_len, wm_get_be64(prefix), 0, table->n};
    while (s.high - s.low > 8) {
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
    while (s.low < s.high && probe(&s, s.low))
        ;
    uint64_t found = s.low;
    if (found == table->n || memcmp(record_at(table, found), prefix, prefix_len) != 0)
        return NULL;
    return record_at(table, found);
}
