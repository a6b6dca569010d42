/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/records_merge.c without reduce_fan make_name wm_kway_store */
/* Runs with any records at all under right checksums, merged: input is u8 size, u8 fold, then the
 * records, half of them in each of two runs. What comes out is sorted, or the merge fails, which it does
 * not where both are sound. And the bytes as a table: what is taken can be searched. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/records_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_le(unsigned char *dst, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        dst[i] = (unsigned char)v;
}

/* All records claim to be of partition 0. */
static void write_run(const char *path, struct wm_record_form form, const uint8_t *records,
                      size_t n)
{
    struct wm_error err;
    size_t bytes = n * form.size, size = WM_RECORDS_HEADER + bytes + WM_RECORDS_TRAILER;
    unsigned char *file = calloc(1, size),
                  *ends = calloc(1, WM_RECORDS_HEADER + WM_RECORDS_TRAILER);
    if (!file || !ends)
        abort();
    memcpy(file, "wmrecord", 8);
    put_le(file + 8, 2, 4);
    put_le(file + 12, form.size, 4);
    put_le(file + 16, WM_PARTITIONS, 4);
    put_le(file + 20, form.fold, 4);
    memcpy(file + WM_RECORDS_HEADER, records, bytes);
    unsigned char *trailer = file + WM_RECORDS_HEADER + bytes;
    for (size_t p = 1; p <= WM_PARTITIONS; p++)
        put_le(trailer + 8 * p, n, 8);
    unsigned char *sums = trailer + (size_t)8 * (WM_PARTITIONS + 1);
    for (size_t p = 0; p < WM_PARTITIONS; p++)
        put_le(sums + 8 * p, XXH3_64bits(file + WM_RECORDS_HEADER, p ? 0 : bytes), 8);
    memcpy(ends, file, WM_RECORDS_HEADER);
    memcpy(ends + WM_RECORDS_HEADER, trailer, WM_RECORDS_TRAILER - 8);
    put_le(trailer + WM_RECORDS_TRAILER - 8,
           XXH3_64bits(ends, WM_RECORDS_HEADER + WM_RECORDS_TRAILER - 8), 8);
    if (wm_file_store(path, (struct wm_str){(char *)file, size}, &err))
        abort();
    free(file);
    free(ends);
}

static void merge(const char *const runs[2], size_t size, const char *dir)
{
    struct wm_error err;
    struct wm_merge *merge;
    unsigned char last[WM_RECORD_MAX];
    const unsigned char *record;
    bool any = false;
    if (wm_merge_open(runs, 2, WM_PARTITIONS, dir, &merge, &err))
        return;
    int more;
    while ((more = wm_merge_next(merge, &record, &err)) > 0) {
        if (any && memcmp(last, record, size) > 0)
            abort();
        memcpy(last, record, size);
        any = true;
    }
    wm_merge_close(merge);
    if (!wm_records_check(runs[0], &err) && !wm_records_check(runs[1], &err) && more)
        abort();
}

static void search(const uint8_t *records, size_t size, size_t n)
{
    struct wm_error err;
    struct wm_table table;
    if (wm_table_over(records, size, n, &table, &err))
        return;
    for (size_t i = 0; i < n; i++)
        if (!wm_table_find(&table, records + i * size, 8))
            abort();
    if (n)
        (void)wm_table_find(&table, records, size);
    wm_table_close(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct wm_record_form form = {8 + data[0] % 24, 0};
    form.fold = data[1] % 2 ? 8 + data[1] / 2 % (form.size - 7) : 0;
    size_t n = (size - 2) / form.size, half = n / 2;
    char dir[] = "/tmp/fuzz-run.XXXXXX", paths[2][64];
    if (!mkdtemp(dir))
        abort();
    for (int i = 0; i < 2; i++)
        (void)snprintf(paths[i], sizeof paths[i], "%s/%d", dir, i);
    write_run(paths[0], form, data + 2, half);
    write_run(paths[1], form, data + 2 + half * form.size, n - half);
    merge((const char *const[]){paths[0], paths[1]}, form.size, dir);
    search(data + 2, form.size, n);
    struct wm_error err;
    (void)wm_remove_tree(dir, &err);
    return 0;
}
