/* SPDX-License-Identifier: Apache-2.0 */
/* Writers: records in memory, spilled as sorted runs. */
#include "wetmill/records.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/records_file.h"

enum { FIRST_BYTES = 64 << 10, FEWEST = 16 };

struct wm_records {
    char *prefix;
    size_t size;
    unsigned char *records;
    size_t n, cap, most; /* records: held, room, limit */
    size_t n_spills;
};

static int spill_path(const struct wm_records *r, size_t i, char path[WM_PATH_MAX],
                      struct wm_error *err)
{
    int n = snprintf(path, WM_PATH_MAX, "%s.%zu", r->prefix, i);
    return n < 0 || n >= WM_PATH_MAX ? wm_fail(err, WM_E_LIMIT, "the path of a run is too long")
                                     : 0;
}

void wm_records_free(struct wm_records *records)
{
    if (!records)
        return;
    struct wm_error ignored;
    char path[WM_PATH_MAX];
    for (size_t i = 0; i < records->n_spills; i++)
        if (!spill_path(records, i, path, &ignored))
            (void)wm_remove(path, &ignored);
    free(records->records);
    free(records->prefix);
    free(records);
}

int wm_records_new(const char *prefix, size_t size, size_t memory, struct wm_records **ret,
                   struct wm_error *err)
{
    if (size < 8 || size > WM_RECORD_MAX)
        return wm_fail(err, WM_E_LIMIT, "records of %zu bytes; 8 to %d are taken", size,
                       WM_RECORD_MAX);
    struct wm_records *r = calloc(1, sizeof *r);
    if (!r || !(r->prefix = strdup(prefix))) {
        free(r);
        return wm_fail_nomem(err, sizeof *r, "collecting records");
    }
    r->size = size;
    r->most = memory / size > FEWEST ? memory / size : FEWEST;
    *ret = r;
    return 0;
}

static int spill(struct wm_records *r, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_kway *kway;
    size_t n = wm_records_sort_unique(r->records, r->n, r->size);
    const unsigned char *array = r->records;
    r->n = n;
    int status = spill_path(r, r->n_spills, path, err);
    if (!status)
        status = wm_kway_open(NULL, 0, 0, &array, &n, 1, r->size, &kway, err);
    if (!status)
        status = wm_kway_store(kway, path, r->size, true, NULL, err);
    if (status)
        return status;
    r->n_spills++;
    r->n = 0;
    return 0;
}

static int make_room(struct wm_records *r, struct wm_error *err)
{
    if (r->cap == r->most)
        return spill(r, err);
    size_t cap = r->cap ? r->cap * 2 : FIRST_BYTES / r->size;
    if (cap > r->most)
        cap = r->most;
    unsigned char *records = realloc(r->records, cap * r->size);
    if (!records)
        return wm_fail_nomem(err, cap * r->size, "collecting records");
    r->records = records;
    r->cap = cap;
    return 0;
}

int wm_records_add(struct wm_records *records, const void *record, struct wm_error *err)
{
    if (records->n == records->cap) {
        int status = make_room(records, err);
        if (status)
            return status;
    }
    memcpy(records->records + records->n++ * records->size, record, records->size);
    return 0;
}

/* ---- finishing ---- */

/* Paths of spilled runs; strings and array are ours. */
struct runs {
    char **paths;
    size_t n;
};

static void runs_free(struct runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        free(runs->paths[i]);
    free(runs->paths);
}

static int runs_add(struct runs *runs, const char *path, struct wm_error *err)
{
    char **paths = realloc(runs->paths, (runs->n + 1) * sizeof *paths);
    if (!paths)
        return wm_fail_nomem(err, sizeof *paths, "merging records");
    runs->paths = paths;
    char *copy = strdup(path);
    if (!copy)
        return wm_fail_nomem(err, strlen(path), "merging records");
    paths[runs->n++] = copy;
    return 0;
}

static int collect(struct wm_records *const *writers, size_t n, struct runs *runs,
                   struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = 0;
    for (size_t i = 0; !status && i < n; i++)
        for (size_t k = 0; !status && k < writers[i]->n_spills; k++) {
            status = spill_path(writers[i], k, path, err);
            if (!status)
                status = runs_add(runs, path, err);
        }
    return status;
}

/* Merge the oldest runs into one more run of writer `r`, until few enough are left. */
static int reduce_fan(struct wm_records *r, struct runs *runs, struct wm_error *err)
{
    int status = 0;
    while (!status && runs->n > WM_MERGE_FAN) {
        char path[WM_PATH_MAX];
        struct wm_kway *kway;
        status = spill_path(r, r->n_spills, path, err);
        if (!status)
            status = wm_kway_open((const char *const *)runs->paths, WM_MERGE_FAN, WM_PARTITIONS,
                                  NULL, NULL, 0, r->size, &kway, err);
        if (!status)
            status = wm_kway_store(kway, path, r->size, true, NULL, err);
        if (!status) {
            r->n_spills++;
            status = runs_add(runs, path, err);
        }
        for (size_t i = 0; !status && i < WM_MERGE_FAN; i++) {
            status = wm_remove(runs->paths[i], err);
            free(runs->paths[i]);
            runs->paths[i] = NULL;
        }
        if (!status) {
            runs->n -= WM_MERGE_FAN;
            memmove(runs->paths, runs->paths + WM_MERGE_FAN, runs->n * sizeof *runs->paths);
        }
    }
    return status;
}

static int merge_all(struct wm_records *const *writers, size_t n, const char *path,
                     struct wm_digest *ret, struct wm_error *err)
{
    struct runs runs = {0};
    const unsigned char **arrays = calloc(n, sizeof *arrays);
    size_t *counts = calloc(n, sizeof *counts);
    size_t size = writers[0]->size;
    int status = 0;
    if (!arrays || !counts)
        status = wm_fail_nomem(err, n * sizeof *counts, "merging records");
    for (size_t i = 0; !status && i < n; i++) {
        struct wm_records *r = writers[i];
        if (r->size != size)
            status = wm_fail(err, WM_E_MISMATCH, "records of %zu and %zu bytes", size, r->size);
        arrays[i] = r->records;
        counts[i] = r->n = wm_records_sort_unique(r->records, r->n, r->size);
    }
    if (!status)
        status = collect(writers, n, &runs, err);
    if (!status)
        status = reduce_fan(writers[0], &runs, err);
    struct wm_kway *kway;
    if (!status)
        status = wm_kway_open((const char *const *)runs.paths, runs.n, WM_PARTITIONS, arrays,
                              counts, n, size, &kway, err);
    if (!status)
        status = wm_kway_store(kway, path, size, false, ret, err);
    runs_free(&runs);
    free((void *)arrays);
    free(counts);
    return status;
}

int wm_records_finish(struct wm_records **writers, size_t n, const char *path,
                      struct wm_digest *ret, struct wm_error *err)
{
    int status = merge_all(writers, n, path, ret, err);
    for (size_t i = 0; i < n; i++) {
        wm_records_free(writers[i]);
        writers[i] = NULL;
    }
    return status;
}
