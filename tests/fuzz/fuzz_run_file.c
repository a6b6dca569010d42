/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/records_file.c without wm_records_out_add wm_records_out_open wm_records_out_write
 * wm_records_out_commit wm_records_out_abandon make_header enter_partition count_alike flush put_le
 * base/records_table.c without wm_table_out_open wm_table_add wm_table_commit wm_table_abandon */
/* A whole file of sorted records, as it is and with its checksums set right: as a table whose records
 * are found, and merged with itself, each partition and all of them. */
#include <string.h>

#include "base/records_file.h"
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_le64(unsigned char *dst, uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        dst[i] = (unsigned char)v;
}

static uint64_t get_le64(const unsigned char *at)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | at[i];
    return v;
}

/* Sums of partitions that lie inside, and of both ends. */
static void seal(unsigned char *file, size_t size)
{
    unsigned char ends[WM_RECORDS_HEADER + WM_RECORDS_TRAILER];
    unsigned char *trailer = file + size - WM_RECORDS_TRAILER;
    unsigned char *sums = trailer + (size_t)8 * (WM_PARTITIONS + 1);
    const size_t bytes = size - WM_RECORDS_HEADER - WM_RECORDS_TRAILER;
    const uint64_t record = file[12];
    for (size_t p = 0; p < WM_PARTITIONS; p++) {
        uint64_t from = get_le64(trailer + 8 * p), to = get_le64(trailer + 8 * p + 8);
        if (from <= to && to <= bytes && to * record <= bytes)
            put_le64(sums + 8 * p,
                     XXH3_64bits(file + WM_RECORDS_HEADER + from * record, (to - from) * record));
    }
    memcpy(ends, file, WM_RECORDS_HEADER);
    memcpy(ends + WM_RECORDS_HEADER, trailer, WM_RECORDS_TRAILER - 8);
    put_le64(trailer + WM_RECORDS_TRAILER - 8,
             XXH3_64bits(ends, WM_RECORDS_HEADER + WM_RECORDS_TRAILER - 8));
}

static void search(const char *path, size_t record, const unsigned char *file, size_t size)
{
    struct wm_error err;
    struct wm_table table;
    int status = wm_table_open(path, record, &table, &err);
    fuzz_check(status <= 0 && (!status || err.what[0] != '\0'));
    if (status)
        return;
    size_t n = (size - WM_RECORDS_HEADER - WM_RECORDS_TRAILER) / record;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *at = file + WM_RECORDS_HEADER + i * record;
        wm_table_prefetch(&table, get_le64(at));
        fuzz_check(wm_table_find(&table, at, 8) != NULL);
        fuzz_check(wm_table_find(&table, at, record) != NULL);
    }
    wm_table_close(&table);
}

static void merge(const char *path, const char *dir, unsigned partition)
{
    struct wm_error err;
    struct wm_merge *merge;
    const unsigned char *record;
    int more;
    if (wm_merge_open((const char *const[]){path, path}, 2, partition, dir, &merge, &err))
        return;
    while ((more = wm_merge_next(merge, &record, &err)) > 0)
        continue;
    fuzz_check(more == 0 || err.what[0] != '\0');
    wm_merge_close(merge);
}

static void try_bytes(const char *dir, const unsigned char *file, size_t size)
{
    char path[WM_PATH_MAX];
    fuzz_path(path, dir, "run");
    fuzz_write(path, file, size);
    size_t record = size > 12 && file[12] >= 8 ? file[12] : 8;
    search(path, record, file, size);
    merge(path, dir, WM_PARTITIONS);
    merge(path, dir, size % WM_PARTITIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *dir = fuzz_dir("run_file");
    try_bytes(dir, data, size);
    unsigned char *copy = size >= WM_RECORDS_HEADER + WM_RECORDS_TRAILER ? malloc(size) : NULL;
    if (copy) {
        memcpy(copy, data, size);
        seal(copy, size);
        try_bytes(dir, copy, size);
    }
    free(copy);
    fuzz_remove(dir);
    return 0;
}
