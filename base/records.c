/* SPDX-License-Identifier: Apache-2.0 */
/* Writers: records in memory, in buckets by the leading bits of their hash, spilled as sorted runs.
 *
 * A bucket is a list of chunks that are filled one after the other; so adding a record touches one
 * line of one chunk, and when memory is full each bucket is sorted within the cache. */
#include "wetmill/records.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/records_file.h"
#include "wetmill/state.h"

enum {
    BUCKETS_MOST = 256,
    CHUNK_BYTES = 4096, /* of records, at most */
    SLAB_CHUNKS = 64,   /* chunks allocated together */
    FEWEST = 16,        /* records that a chunk, and so a writer, can hold */
};

struct chunk {
    struct chunk *next; /* the one filled before it; of a free one, any */
    unsigned char records[];
};

struct bucket {
    unsigned char *at, *end; /* in the newest chunk */
    struct chunk *chunk;
    size_t n; /* records in full chunks */
};

struct slab {
    struct slab *next;
    unsigned char *chunks;
    size_t n; /* chunks handed out for the first time */
};

struct wm_records {
    char *prefix;
    struct wm_record_form form;
    size_t memory;
    unsigned n_buckets, shift;     /* bucket = hash >> shift */
    size_t in_chunk, chunk_stride; /* records; bytes */
    size_t n_chunks, most_chunks;
    size_t most_in_bucket; /* records that can be sorted at once */
    struct slab *slabs;
    struct chunk *free_chunks;
    struct bucket buckets[BUCKETS_MOST];
    size_t n_spills;
    size_t n_synced, n_saved; /* of them: surely on the disk, and named in a state */
};

static int spill_path(const struct wm_records *r, size_t i, char path[WM_PATH_MAX],
                      struct wm_error *err)
{
    int n = snprintf(path, WM_PATH_MAX, "%s.%zu", r->prefix, i);
    return n < 0 || n >= WM_PATH_MAX ? wm_fail(err, WM_E_LIMIT, "the path of a run is too long")
                                     : 0;
}

/* ---- memory ---- */

static void free_memory(struct wm_records *r)
{
    for (struct slab *slab = r->slabs, *next; slab; slab = next) {
        next = slab->next;
        free(slab->chunks);
        free(slab);
    }
    r->slabs = NULL;
    r->free_chunks = NULL;
    r->n_chunks = 0;
    memset(r->buckets, 0, sizeof r->buckets);
}

void wm_records_free(struct wm_records *records)
{
    if (!records)
        return;
    struct wm_error ignored;
    char path[WM_PATH_MAX];
    for (size_t i = records->n_saved; i < records->n_spills; i++)
        if (!spill_path(records, i, path, &ignored))
            (void)wm_remove(path, &ignored);
    free_memory(records);
    free(records->prefix);
    free(records);
}

/* As many buckets as chunks of a useful size allow; and what sorting one of them may take. A bucket
 * is expected to get 1 / n_buckets of the records, and may get a good deal more. */
static void share_memory(struct wm_records *r)
{
    size_t size = r->form.size, useful = CHUNK_BYTES / 2;
    r->n_buckets = BUCKETS_MOST;
    while (r->n_buckets > 1 && r->n_buckets * useful * 4 > r->memory)
        r->n_buckets /= 2;
    r->shift = 64;
    for (unsigned n = r->n_buckets; n > 1; n /= 2)
        r->shift--;
    size_t for_sort = r->memory / (r->n_buckets > 60 ? 32 : r->n_buckets / 2 + 2);
    size_t for_chunks = r->memory - for_sort;
    size_t chunk = for_chunks / r->n_buckets / 4;
    chunk = chunk < CHUNK_BYTES ? chunk : CHUNK_BYTES;
    r->in_chunk = chunk / size > FEWEST ? chunk / size : FEWEST;
    size_t bytes = offsetof(struct chunk, records) + r->in_chunk * size;
    r->chunk_stride = (bytes + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    r->most_chunks = for_chunks / r->chunk_stride;
    if (r->most_chunks < r->n_buckets)
        r->most_chunks = r->n_buckets;
    r->most_in_bucket = for_sort / size > r->in_chunk ? for_sort / size : r->in_chunk;
}

int wm_records_new(const char *prefix, struct wm_record_form form, size_t memory,
                   struct wm_records **ret, struct wm_error *err)
{
    int status = wm_records_check_form(form, err);
    if (status)
        return status;
    struct wm_records *r = calloc(1, sizeof *r);
    if (!r || !(r->prefix = strdup(prefix))) {
        free(r);
        return wm_fail_nomem(err, sizeof *r, "collecting records");
    }
    r->form = form;
    r->memory = memory;
    share_memory(r);
    *ret = r;
    return 0;
}

/* A chunk, or NULL if memory is full (as told, `*ret_failed`: in truth). */
static struct chunk *take_chunk(struct wm_records *r, bool *ret_failed)
{
    struct chunk *chunk = r->free_chunks;
    if (chunk) {
        r->free_chunks = chunk->next;
        return chunk;
    }
    if (r->n_chunks == r->most_chunks)
        return NULL;
    if (!r->slabs || r->slabs->n == SLAB_CHUNKS) {
        struct slab *slab = calloc(1, sizeof *slab);
        if (slab && !(slab->chunks = malloc(SLAB_CHUNKS * r->chunk_stride))) {
            free(slab);
            slab = NULL;
        }
        *ret_failed = !slab;
        if (!slab)
            return NULL;
        slab->next = r->slabs;
        r->slabs = slab;
    }
    r->n_chunks++;
    return (struct chunk *)(void *)(r->slabs->chunks + r->slabs->n++ * r->chunk_stride);
}

/* ---- sorting and spilling ---- */

static size_t count(const struct wm_records *r, const struct bucket *b)
{
    return b->chunk ? b->n + r->in_chunk - (size_t)(b->end - b->at) / r->form.size : 0;
}

/* The chunks of bucket `b` of all writers, as pieces. */
static int list_pieces(struct wm_records *const *writers, size_t n, unsigned b,
                       struct wm_piece **pieces, size_t *cap, size_t *ret_n, struct wm_error *err)
{
    size_t n_pieces = 0, size = writers[0]->form.size, in_chunk = writers[0]->in_chunk;
    for (size_t i = 0; i < n; i++) {
        const struct bucket *bucket = &writers[i]->buckets[b];
        for (const struct chunk *c = bucket->chunk; c; c = c->next) {
            if (n_pieces == *cap) {
                size_t more = *cap ? *cap * 2 : 256;
                struct wm_piece *list = realloc(*pieces, more * sizeof *list);
                if (!list)
                    return wm_fail_nomem(err, more * sizeof *list, "sorting records");
                *pieces = list;
                *cap = more;
            }
            size_t held = c == bucket->chunk ? in_chunk - (size_t)(bucket->end - bucket->at) / size
                                             : in_chunk;
            (*pieces)[n_pieces++] = (struct wm_piece){c->records, held};
        }
    }
    *ret_n = n_pieces;
    return 0;
}

/* Forget what a writer holds; its chunks are used again. */
static void forget(struct wm_records *r)
{
    for (unsigned b = 0; b < r->n_buckets; b++) {
        for (struct chunk *c = r->buckets[b].chunk, *next; c; c = next) {
            next = c->next;
            c->next = r->free_chunks;
            r->free_chunks = c;
        }
        r->buckets[b] = (struct bucket){0};
    }
}

/* What the writers hold in memory, as one sorted run. They are of one form and memory. */
static int store(struct wm_records *const *writers, size_t n, const char *path, bool scratch,
                 struct wm_digest *ret, struct wm_error *err)
{
    const struct wm_records *r = writers[0];
    struct wm_sorter sorter = {.size = r->form.size};
    struct wm_fold fold = {.form = r->form};
    struct wm_piece *pieces = NULL;
    struct wm_records_out *out = NULL;
    size_t cap = 0;
    int status = wm_records_out_open(path, r->form, scratch, &out, err);
    for (unsigned b = 0; !status && b < r->n_buckets; b++) {
        size_t n_pieces = 0, total = 0;
        uint64_t low = r->shift < 64 ? (uint64_t)b << r->shift : 0;
        uint64_t high = low + (r->shift < 64 ? ((uint64_t)1 << r->shift) - 1 : UINT64_MAX);
        status = list_pieces(writers, n, b, &pieces, &cap, &n_pieces, err);
        for (size_t i = 0; i < n; i++)
            total += count(writers[i], &writers[i]->buckets[b]);
        if (!status)
            status = wm_sorter_sort(&sorter, pieces, n_pieces, low, high, err);
        ptrdiff_t left = status ? 0 : wm_fold(&fold, sorter.sorted, total);
        if (left < 0)
            status = wm_fail(err, WM_E_FORMAT, "internal: records were not sorted");
        else if (left)
            status = wm_records_out_write(out, sorter.sorted, (size_t)left, err);
    }
    free(pieces);
    wm_sorter_done(&sorter);
    if (!status)
        return wm_records_out_commit(out, ret, err);
    wm_records_out_abandon(out);
    return status;
}

/* All that the writers hold becomes one more run of the first. */
static int spill_all(struct wm_records *const *writers, size_t n, bool scratch,
                     struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = spill_path(writers[0], writers[0]->n_spills, path, err);
    if (!status)
        status = store(writers, n, path, scratch, NULL, err);
    if (status)
        return status;
    writers[0]->n_spills++;
    for (size_t i = 0; i < n; i++)
        forget(writers[i]);
    return 0;
}

static int spill(struct wm_records *r, struct wm_error *err)
{
    return spill_all(&r, 1, true, err);
}

/* ---- adding ---- */

static int make_room(struct wm_records *r, unsigned at, struct wm_error *err)
{
    struct bucket *b = &r->buckets[at];
    bool failed = false;
    struct chunk *chunk = NULL;
    if (count(r, b) + r->in_chunk <= r->most_in_bucket)
        chunk = take_chunk(r, &failed);
    if (!chunk && !failed) {
        int status = spill(r, err);
        if (status)
            return status;
        chunk = take_chunk(r, &failed);
    }
    if (!chunk)
        return wm_fail_nomem(err, SLAB_CHUNKS * r->chunk_stride, "collecting records");
    b->n = count(r, b);
    chunk->next = b->chunk;
    b->chunk = chunk;
    b->at = chunk->records;
    b->end = b->at + r->in_chunk * r->form.size;
    return 0;
}

int wm_records_add(struct wm_records *records, const void *record, struct wm_error *err)
{
    uint64_t hash = wm_get_be64(record);
    unsigned at = records->shift < 64 ? (unsigned)(hash >> records->shift) : 0;
    struct bucket *b = &records->buckets[at];
    if (b->at == b->end) {
        int status = make_room(records, at, err);
        if (status)
            return status;
    }
    size_t size = records->form.size;
    if (size == 8)
        memcpy(b->at, record, 8);
    else if (size == 20)
        memcpy(b->at, record, 20);
    else
        memcpy(b->at, record, size);
    b->at += size;
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

/* Merge the oldest runs into one more run of writer `r`, until few enough are left. Those that a
 * state names may be wanted once more: `keep`. */
static int reduce_fan(struct wm_records *r, struct runs *runs, bool keep, struct wm_error *err)
{
    int status = 0;
    while (!status && runs->n > WM_MERGE_FAN) {
        char path[WM_PATH_MAX];
        struct wm_kway *kway;
        status = spill_path(r, r->n_spills, path, err);
        if (!status)
            status = wm_kway_open((const char *const *)runs->paths, WM_MERGE_FAN, WM_PARTITIONS,
                                  &kway, err);
        if (!status)
            status = wm_kway_store(kway, path, true, NULL, err);
        if (!status) {
            r->n_spills++;
            status = runs_add(runs, path, err);
        }
        for (size_t i = 0; !status && i < WM_MERGE_FAN; i++) {
            status = keep ? 0 : wm_remove(runs->paths[i], err);
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

/* Some of it was spilled: spill the rest, let memory go, merge. */
static int merge_spills(struct wm_records *const *writers, size_t n, const char *path,
                        struct wm_digest *ret, struct wm_error *err)
{
    struct runs runs = {0};
    struct wm_records *first = writers[0];
    bool saved = false;
    int status = spill_all(writers, n, true, err);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        free_memory(writers[i]);
        saved = saved || writers[i]->n_saved;
    }
    struct wm_kway *kway;
    status = collect(writers, n, &runs, err);
    if (!status)
        status = reduce_fan(first, &runs, saved, err);
    if (!status)
        status = wm_kway_open((const char *const *)runs.paths, runs.n, WM_PARTITIONS, &kway, err);
    if (!status)
        status = wm_kway_store(kway, path, false, ret, err);
    runs_free(&runs);
    return status;
}

static int finish(struct wm_records *const *writers, size_t n, const char *path,
                  struct wm_digest *ret, struct wm_error *err)
{
    const struct wm_records *r = writers[0];
    bool spilled = false;
    for (size_t i = 0; i < n; i++) {
        if (writers[i]->form.size != r->form.size || writers[i]->form.fold != r->form.fold ||
            writers[i]->memory != r->memory)
            return wm_fail(err, WM_E_MISMATCH, "internal: writers of records differ");
        spilled = spilled || writers[i]->n_spills;
    }
    return spilled ? merge_spills(writers, n, path, ret, err)
                   : store(writers, n, path, false, ret, err);
}

int wm_records_finish(struct wm_records **writers, size_t n, const char *path,
                      struct wm_digest *ret, struct wm_error *err)
{
    int status = finish(writers, n, path, ret, err);
    for (size_t i = 0; i < n; i++) {
        wm_records_free(writers[i]);
        writers[i] = NULL;
    }
    return status;
}

/* ---- going on ---- */

static bool holds_any(struct wm_records *const *writers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < writers[i]->n_buckets; b++)
            if (count(writers[i], &writers[i]->buckets[b]))
                return true;
    return false;
}

static int save_runs(struct wm_records *r, struct wm_state_out *state, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    wm_state_put(state, r->n_spills);
    for (size_t i = 0; i < r->n_spills; i++) {
        struct wm_stat st;
        int status = spill_path(r, i, path, err);
        if (!status && i >= r->n_synced)
            status = wm_file_sync(path, err);
        if (!status)
            status = wm_stat(path, &st, err);
        if (status)
            return status;
        wm_state_put(state, st.size);
        wm_state_put_name(state, path);
    }
    r->n_synced = r->n_saved = r->n_spills;
    return 0;
}

int wm_records_save(struct wm_records *const *writers, size_t n, struct wm_state_out *state,
                    struct wm_error *err)
{
    int status = holds_any(writers, n) ? spill_all(writers, n, false, err) : 0;
    for (size_t i = 0; !status && i < n; i++)
        status = save_runs(writers[i], state, err);
    return status;
}

static int gone(const char *path, struct wm_error *err)
{
    (void)wm_state_mismatch(err, "a run of records is gone, or has another size");
    return wm_error_where(err, "%s", path);
}

int wm_records_load(struct wm_records *records, struct wm_state_in *state, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    uint64_t n = wm_state_get(state);
    int status = 0;
    for (uint64_t i = 0; !status && !state->bad && i < n; i++) {
        struct wm_stat st;
        struct wm_error ignored;
        uint64_t size = wm_state_get(state);
        status = spill_path(records, (size_t)i, path, err);
        if (!status && (wm_stat(path, &st, &ignored) || !st.is_regular || st.size != size))
            status = gone(path, err);
        records->n_synced = records->n_saved = records->n_spills = (size_t)i + 1;
    }
    return status ? status : wm_state_in_status(state, err);
}

int wm_records_saved(const struct wm_records *records, size_t i, char path[WM_PATH_MAX],
                     struct wm_error *err)
{
    int status = i < records->n_saved ? spill_path(records, i, path, err) : 0;
    return status ? status : i < records->n_saved;
}
