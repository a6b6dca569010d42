/* SPDX-License-Identifier: Apache-2.0 */
/* k-way merge: a heap of sources by their first record. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/records_file.h"

struct source {
    const unsigned char *at, *end; /* whole records; at == end: exhausted */
    uint64_t key;                  /* leading hash of *at */
    /* a file: */
    char *path;
    unsigned char *block;
    struct wm_records_info info;
    uint64_t next;      /* record to read next */
    unsigned partition; /* that `next` is in, or behind */
    unsigned last;      /* partition behind the last one wanted */
    XXH3_state_t *hash; /* of the records of `partition` read so far */
};

struct wm_kway {
    size_t size; /* of a record */
    struct source *sources;
    size_t n_sources;
    struct source **heap;
    size_t n_heap;
    bool has_last;
    unsigned char last_record[WM_RECORD_MAX];
};

/* ---- one file ---- */

static int open_run(struct source *s, const char *path, unsigned partition, struct wm_error *err)
{
    s->path = strdup(path);
    s->block = malloc(WM_MERGE_BLOCK);
    s->hash = XXH3_createState();
    if (!s->path || !s->block || !s->hash)
        return wm_fail_nomem(err, WM_MERGE_BLOCK, "merging records");
    (void)XXH3_64bits_reset(s->hash);
    struct wm_stat st;
    int status = wm_stat(path, &st, err);
    if (status)
        return status;
    if (st.size < WM_RECORDS_HEADER + WM_RECORDS_TRAILER)
        return wm_records_damaged(path, "it is too short", err);
    struct wm_file *file;
    status = wm_file_open(path, &file, err);
    if (status)
        return status;
    unsigned char header[WM_RECORDS_HEADER], trailer[WM_RECORDS_TRAILER];
    size_t n = 0, m = 0;
    status = wm_file_pread(file, header, sizeof header, 0, &n, err);
    if (!status)
        status = wm_file_pread(file, trailer, sizeof trailer, st.size - sizeof trailer, &m, err);
    wm_file_close(file);
    if (!status && (n < sizeof header || m < sizeof trailer))
        status = wm_records_damaged(path, "it was cut while it was read", err);
    if (!status)
        status = wm_records_info(header, trailer, st.size, path, &s->info, err);
    if (status)
        return status;
    bool all = partition == WM_PARTITIONS;
    s->partition = all ? 0 : partition;
    s->last = all ? WM_PARTITIONS : partition + 1;
    s->next = s->info.starts[s->partition];
    return 0;
}

/* Check the partitions that end where we are. */
static int pass_ends(struct source *s, struct wm_error *err)
{
    while (s->partition < s->last && s->next == s->info.starts[s->partition + 1]) {
        if (XXH3_64bits_digest(s->hash) != s->info.sums[s->partition])
            return wm_records_damaged(s->path, "its checksum is wrong", err);
        (void)XXH3_64bits_reset(s->hash);
        s->partition++;
    }
    return 0;
}

/* Fill the block; at == end afterwards means that the file has no more. */
static int refill(struct source *s, struct wm_error *err)
{
    s->at = s->end = NULL;
    if (!s->path)
        return 0;
    int status = pass_ends(s, err);
    if (status || s->partition == s->last)
        return status;
    uint64_t left = s->info.starts[s->partition + 1] - s->next;
    size_t most = WM_MERGE_BLOCK / s->info.size, n = left < most ? (size_t)left : most, got = 0;
    struct wm_file *file;
    status = wm_file_open(s->path, &file, err);
    if (status)
        return status;
    status = wm_file_pread(file, s->block, n * s->info.size,
                           WM_RECORDS_HEADER + s->next * s->info.size, &got, err);
    wm_file_close(file);
    if (status)
        return status;
    if (got < n * s->info.size)
        return wm_records_damaged(s->path, "it was cut while it was read", err);
    (void)XXH3_64bits_update(s->hash, s->block, got);
    s->next += n;
    s->at = s->block;
    s->end = s->block + got;
    s->key = wm_get_be64(s->at);
    /* the last block of a partition is checked before any of it is used */
    return pass_ends(s, err);
}

/* ---- the heap ---- */

static bool less(const struct wm_kway *k, const struct source *a, const struct source *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return memcmp(a->at + 8, b->at + 8, k->size - 8) < 0;
}

static void sift(struct wm_kway *k, size_t at)
{
    struct source *s = k->heap[at];
    for (size_t child; (child = 2 * at + 1) < k->n_heap; at = child) {
        if (child + 1 < k->n_heap && less(k, k->heap[child + 1], k->heap[child]))
            child++;
        if (!less(k, k->heap[child], s))
            break;
        k->heap[at] = k->heap[child];
    }
    k->heap[at] = s;
}

/* Step over the first record of the first source. */
static int advance(struct wm_kway *k, struct wm_error *err)
{
    struct source *s = k->heap[0];
    s->at += k->size;
    if (s->at == s->end) {
        int status = refill(s, err);
        if (status)
            return status;
    }
    if (s->at == s->end)
        k->heap[0] = k->heap[--k->n_heap];
    else
        s->key = wm_get_be64(s->at);
    if (k->n_heap)
        sift(k, 0);
    return 0;
}

int wm_kway_next(struct wm_kway *kway, const unsigned char **ret, struct wm_error *err)
{
    while (kway->n_heap) {
        const struct source *s = kway->heap[0];
        int order = kway->has_last ? memcmp(kway->last_record, s->at, kway->size) : -1;
        if (order > 0)
            return wm_records_damaged(s->path ? s->path : "", "its records are out of order", err);
        if (order < 0) {
            memcpy(kway->last_record, s->at, kway->size);
            kway->has_last = true;
        }
        int status = advance(kway, err);
        if (status)
            return status;
        if (order < 0) {
            *ret = kway->last_record;
            return 1;
        }
    }
    return 0;
}

/* ---- opening and closing ---- */

size_t wm_kway_size(const struct wm_kway *kway)
{
    return kway->size;
}

void wm_kway_close(struct wm_kway *kway)
{
    if (!kway)
        return;
    for (size_t i = 0; i < kway->n_sources; i++) {
        struct source *s = &kway->sources[i];
        (void)XXH3_freeState(s->hash);
        free(s->block);
        free(s->path);
    }
    free(kway->sources);
    free(kway->heap);
    free(kway);
}

static int open_runs(struct wm_kway *k, const char *const *runs, size_t n, unsigned partition,
                     struct wm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct source *s = &k->sources[k->n_sources++];
        int status = open_run(s, runs[i], partition, err);
        if (!status && k->size && s->info.size != k->size) {
            wm_fail(err, WM_E_MISMATCH, "its records have %zu bytes, the others' %zu", s->info.size,
                    k->size);
            status = wm_error_where(err, "%s", runs[i]);
        }
        if (!status)
            status = refill(s, err);
        if (status)
            return status;
        k->size = s->info.size;
    }
    return 0;
}

int wm_kway_open(const char *const *runs, size_t n_runs, unsigned partition,
                 const unsigned char *const *arrays, const size_t *counts, size_t n_arrays,
                 size_t size, struct wm_kway **ret, struct wm_error *err)
{
    struct wm_kway *k = calloc(1, sizeof *k);
    size_t n = n_runs + n_arrays;
    if (!k || !(k->sources = calloc(n + 1, sizeof *k->sources)) ||
        !(k->heap = calloc(n + 1, sizeof(struct source *)))) {
        wm_kway_close(k);
        return wm_fail_nomem(err, n * sizeof *k->sources, "merging records");
    }
    k->size = size;
    int status = open_runs(k, runs, n_runs, partition, err);
    if (status) {
        wm_kway_close(k);
        return status;
    }
    for (size_t i = 0; i < n_arrays; i++) {
        struct source *s = &k->sources[k->n_sources++];
        if (counts[i]) {
            s->at = arrays[i];
            s->end = arrays[i] + counts[i] * size;
            s->key = wm_get_be64(s->at);
        }
    }
    for (size_t i = 0; i < k->n_sources; i++)
        if (k->sources[i].at != k->sources[i].end)
            k->heap[k->n_heap++] = &k->sources[i];
    for (size_t i = k->n_heap / 2; i-- > 0;)
        sift(k, i);
    *ret = k;
    return 0;
}

int wm_kway_store(struct wm_kway *kway, const char *path, size_t size, bool scratch,
                  struct wm_digest *ret, struct wm_error *err)
{
    struct wm_records_out *out = NULL;
    const unsigned char *record;
    int more = 1;
    int status = wm_records_out_open(path, size, scratch, &out, err);
    while (!status && (more = wm_kway_next(kway, &record, err)) > 0)
        status = wm_records_out_add(out, record, err);
    wm_kway_close(kway);
    if (!status)
        status = more;
    if (status) {
        wm_records_out_abandon(out);
        return status;
    }
    return wm_records_out_commit(out, ret, err);
}

/* ---- merges of many runs ---- */

struct wm_merge {
    struct wm_kway *kway;
    char **temporary; /* files to remove at the end */
    size_t n_temporary;
};

void wm_merge_close(struct wm_merge *merge)
{
    if (!merge)
        return;
    struct wm_error ignored;
    wm_kway_close(merge->kway);
    for (size_t i = 0; i < merge->n_temporary; i++) {
        (void)wm_remove(merge->temporary[i], &ignored);
        free(merge->temporary[i]);
    }
    free(merge->temporary);
    free(merge);
}

static int make_name(struct wm_merge *m, const char *scratch, unsigned partition, const char **ret,
                     struct wm_error *err)
{
    static atomic_uint serial; /* several merges of a process may share the directory */
    char name[64], path[WM_PATH_MAX];
    char **list = realloc(m->temporary, (m->n_temporary + 1) * sizeof *list);
    if (!list)
        return wm_fail_nomem(err, sizeof path, "merging records");
    m->temporary = list;
    (void)snprintf(name, sizeof name, "merge.%u.%ld.%u", partition, (long)getpid(),
                   atomic_fetch_add(&serial, 1));
    int status = wm_path_join(path, scratch, name, err);
    if (status)
        return status;
    char *copy = strdup(path);
    if (!copy)
        return wm_fail_nomem(err, sizeof path, "merging records");
    *ret = list[m->n_temporary++] = copy;
    return 0;
}

/* Merge groups of runs into files of their own until few enough are left. */
static int reduce_fan(struct wm_merge *m, const char **runs, size_t *n, unsigned partition,
                      const char *scratch, struct wm_error *err)
{
    while (*n > WM_MERGE_FAN) {
        size_t kept = 0;
        for (size_t at = 0; at < *n; at += WM_MERGE_FAN) {
            size_t group = *n - at < WM_MERGE_FAN ? *n - at : WM_MERGE_FAN;
            const char *path;
            struct wm_kway *kway;
            int status = make_name(m, scratch, partition, &path, err);
            if (!status)
                status = wm_kway_open(runs + at, group, partition, NULL, NULL, 0, 0, &kway, err);
            if (!status)
                status = wm_kway_store(kway, path, wm_kway_size(kway), true, NULL, err);
            if (status)
                return status;
            runs[kept++] = path;
        }
        *n = kept;
    }
    return 0;
}

int wm_merge_open(const char *const *runs, size_t n, unsigned partition, const char *scratch,
                  struct wm_merge **ret, struct wm_error *err)
{
    struct wm_merge *m = calloc(1, sizeof *m);
    const char **left = malloc((n + 1) * sizeof *left);
    int status = 0;
    if (!m || !left)
        status = wm_fail_nomem(err, n * sizeof *left, "merging records");
    if (!status) {
        for (size_t i = 0; i < n; i++)
            left[i] = runs[i];
        status = reduce_fan(m, left, &n, partition, scratch, err);
    }
    if (!status)
        status = wm_kway_open(left, n, partition, NULL, NULL, 0, 0, &m->kway, err);
    free((void *)left);
    if (status)
        wm_merge_close(m);
    else
        *ret = m;
    return status;
}

int wm_merge_next(struct wm_merge *merge, const unsigned char **ret, struct wm_error *err)
{
    return wm_kway_next(merge->kway, ret, err);
}
