/* SPDX-License-Identifier: Apache-2.0 */
/* Merge in rounds: look at a window of each run, take from all what is not behind the smallest end
 * of a window, and sort that together. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/records_file.h"

enum {
    ROUND_BYTES = 512 << 10, /* sorted at once: within the cache */
    WINDOW_LEAST = 8,        /* records of each run in a round */
    BLOCK_MOST = 1 << 20,    /* bytes buffered of a run, however few there are */
};

struct source {
    unsigned char *at, *end; /* whole records; at == end: exhausted */
    size_t window;           /* records looked at in this round */
    char *path;
    unsigned char *block;
    struct wm_records_info info;
    uint64_t next;      /* record to read next */
    uint64_t until;     /* record behind the last one wanted */
    unsigned partition; /* that `next` is in, or behind */
    unsigned last;      /* partition behind the last one wanted */
    XXH3_state_t *hash; /* of the records of `partition` read so far */
};

struct wm_kway {
    struct wm_record_form form;
    size_t block_bytes; /* of each source */
    struct source *sources;
    size_t n_sources;
    struct wm_piece *pieces; /* [n_sources] */
    struct wm_sorter sorter;
    struct wm_fold fold;
};

/* ---- one file ---- */

static int open_run(struct source *s, const char *path, unsigned partition, size_t block_bytes,
                    struct wm_error *err)
{
    s->path = strdup(path);
    s->at = s->end = s->block = malloc(block_bytes);
    s->hash = XXH3_createState();
    if (!s->path || !s->block || !s->hash)
        return wm_fail_nomem(err, block_bytes, "merging records");
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
    s->until = s->info.starts[s->last];
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

/* Read `n` more records, of one partition, behind those held; there is room for them. */
static int read_more(struct source *s, size_t n, struct wm_error *err)
{
    size_t size = s->info.form.size, got = 0;
    struct wm_file *file;
    int status = wm_file_open(s->path, &file, err);
    if (status)
        return status;
    status = wm_file_pread(file, s->end, n * size, WM_RECORDS_HEADER + s->next * size, &got, err);
    wm_file_close(file);
    if (status)
        return status;
    if (got < n * size)
        return wm_records_damaged(s->path, "it was cut while it was read", err);
    (void)XXH3_64bits_update(s->hash, s->end, got);
    s->next += n;
    s->end += got;
    /* the last block of a partition is checked before any of it is used */
    return pass_ends(s, err);
}

static size_t held(const struct source *s)
{
    return (size_t)(s->end - s->at) / s->info.form.size;
}

/* Hold at least `want` records, or all that are left; a block has room for that. */
static int refill(struct source *s, size_t want, size_t block_bytes, struct wm_error *err)
{
    size_t size = s->info.form.size;
    int status = pass_ends(s, err);
    if (status || held(s) >= want || s->next == s->until)
        return status;
    memmove(s->block, s->at, (size_t)(s->end - s->at));
    s->end = s->block + (s->end - s->at);
    s->at = s->block;
    while (!status && s->next < s->until && (size_t)(s->end - s->block) + size <= block_bytes) {
        uint64_t left = s->info.starts[s->partition + 1] - s->next;
        size_t room = (block_bytes - (size_t)(s->end - s->block)) / size;
        status = read_more(s, left < room ? (size_t)left : room, err);
    }
    return status;
}

/* ---- a round ---- */

/* Records of the window that are not behind `bound`. */
static size_t count_before(const struct source *s, const unsigned char *bound)
{
    size_t low = 0, high = s->window, size = s->info.form.size;
    while (low < high) {
        size_t at = low + (high - low) / 2;
        if (memcmp(s->at + at * size, bound, size) <= 0)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

/* Choose windows: of each run its share of a round. */
static int choose_windows(struct wm_kway *k, struct wm_error *err)
{
    size_t most = ROUND_BYTES / k->form.size;
    uint64_t left = 0;
    int status = 0;
    for (size_t i = 0; i < k->n_sources; i++)
        left += k->sources[i].until - k->sources[i].next + held(&k->sources[i]);
    for (size_t i = 0; !status && i < k->n_sources; i++) {
        struct source *s = &k->sources[i];
        uint64_t own = s->until - s->next + held(s);
        double share = left ? (double)own / (double)left : 0;
        size_t want = (size_t)(share * (double)most) + WINDOW_LEAST;
        if (want > k->block_bytes / k->form.size)
            want = k->block_bytes / k->form.size;
        status = refill(s, want, k->block_bytes, err);
        s->window = held(s) < want ? held(s) : want;
    }
    return status;
}

/* The smallest last record of a window that has more behind it; NULL if there is none. */
static const unsigned char *find_bound(const struct wm_kway *k)
{
    const unsigned char *bound = NULL;
    for (size_t i = 0; i < k->n_sources; i++) {
        const struct source *s = &k->sources[i];
        if (s->window == held(s) && s->next == s->until)
            continue;
        const unsigned char *last = s->at + (s->window - 1) * k->form.size;
        if (!bound || memcmp(last, bound, k->form.size) < 0)
            bound = last;
    }
    return bound;
}

/* The records of this round, sorted: `*ret_n` 0 at the end. */
static int take_round(struct wm_kway *k, unsigned char **ret, size_t *ret_n, struct wm_error *err)
{
    size_t n_pieces = 0, n = 0, size = k->form.size;
    uint64_t low = UINT64_MAX, high = 0;
    int status = choose_windows(k, err);
    if (status)
        return status;
    const unsigned char *bound = find_bound(k);
    for (size_t i = 0; i < k->n_sources; i++) {
        struct source *s = &k->sources[i];
        size_t some = bound ? count_before(s, bound) : s->window;
        if (!some)
            continue;
        uint64_t first = wm_get_be64(s->at), last = wm_get_be64(s->at + (some - 1) * size);
        low = first < low ? first : low;
        high = last > high ? last : high;
        k->pieces[n_pieces++] = (struct wm_piece){ *ret = s->at, some};
        n += some;
        s->at += some * size;
    }
    *ret_n = n;
    if (!n && bound)
        return wm_records_damaged(k->sources[0].path, "its records are out of order", err);
    if (n_pieces < 2)
        return 0;
    if (high < low)
        high = low; /* only of a run that is out of order, which folding will find */
    status = wm_sorter_sort(&k->sorter, k->pieces, n_pieces, low, high, err);
    *ret = k->sorter.sorted;
    return status;
}

int wm_kway_next(struct wm_kway *kway, const unsigned char **ret, size_t *ret_n,
                 struct wm_error *err)
{
    while (kway->n_sources) {
        unsigned char *records = NULL;
        size_t n = 0;
        int status = take_round(kway, &records, &n, err);
        if (status || !n)
            return status;
        ptrdiff_t left = wm_fold(&kway->fold, records, n);
        if (left == WM_FOLD_DISORDER)
            return wm_records_damaged(kway->sources[0].path, "its records are out of order", err);
        if (left) {
            *ret = records;
            *ret_n = (size_t)left;
            return 1;
        }
    }
    return 0;
}

/* ---- opening and closing ---- */

struct wm_record_form wm_kway_form(const struct wm_kway *kway)
{
    return kway->form;
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
    wm_sorter_done(&kway->sorter);
    free(kway->sources);
    free(kway->pieces);
    free(kway);
}

static int open_runs(struct wm_kway *k, const char *const *runs, size_t n, unsigned partition,
                     struct wm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct source *s = &k->sources[k->n_sources++];
        int status = open_run(s, runs[i], partition, k->block_bytes, err);
        if (status)
            return status;
        struct wm_record_form form = s->info.form;
        if (i && (form.size != k->form.size || form.fold != k->form.fold)) {
            wm_fail(err, WM_E_MISMATCH,
                    "its records have %zu bytes, folded by %zu, the others' %zu by %zu", form.size,
                    form.fold, k->form.size, k->form.fold);
            return wm_error_where(err, "%s", runs[i]);
        }
        k->form = form;
    }
    k->sorter.size = k->form.size;
    k->fold.form = k->form;
    return 0;
}

int wm_kway_open(const char *const *runs, size_t n, unsigned partition, struct wm_kway **ret,
                 struct wm_error *err)
{
    struct wm_kway *k = calloc(1, sizeof *k);
    if (!k || !(k->sources = calloc(n + 1, sizeof *k->sources)) ||
        !(k->pieces = calloc(n + 1, sizeof *k->pieces))) {
        wm_kway_close(k);
        return wm_fail_nomem(err, n * sizeof *k->sources, "merging records");
    }
    size_t block = (size_t)WM_MERGE_FAN * WM_MERGE_BLOCK / (n ? n : 1);
    k->block_bytes = block < BLOCK_MOST ? block : BLOCK_MOST;
    int status = open_runs(k, runs, n, partition, err);
    if (status)
        wm_kway_close(k);
    else
        *ret = k;
    return status;
}

int wm_kway_store(struct wm_kway *kway, const char *path, bool scratch, struct wm_digest *ret,
                  struct wm_error *err)
{
    struct wm_records_out *out = NULL;
    const unsigned char *records;
    size_t n;
    int more = 1;
    int status = wm_records_out_open(path, kway->form, scratch, &out, err);
    while (!status && (more = wm_kway_next(kway, &records, &n, err)) > 0)
        status = wm_records_out_write(out, records, n, err);
    wm_kway_close(kway);
    if (!status)
        status = more;
    if (status) {
        wm_records_out_abandon(out);
        return status;
    }
    return wm_records_out_commit(out, ret, err);
}

int wm_records_check(const char *path, struct wm_error *err)
{
    struct wm_kway *kway;
    const unsigned char *records;
    size_t n;
    int more = wm_kway_open(&path, 1, WM_PARTITIONS, &kway, err);
    if (more)
        return more;
    while ((more = wm_kway_next(kway, &records, &n, err)) > 0)
        ;
    wm_kway_close(kway);
    return more;
}

/* ---- merges of many runs ---- */

struct wm_merge {
    struct wm_kway *kway;
    size_t size;                   /* of a record */
    const unsigned char *at, *end; /* of the present round */
    char **temporary;              /* files to remove at the end */
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
                status = wm_kway_open(runs + at, group, partition, &kway, err);
            if (!status)
                status = wm_kway_store(kway, path, true, NULL, err);
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
        status = wm_kway_open(left, n, partition, &m->kway, err);
    free((void *)left);
    if (status) {
        wm_merge_close(m);
        return status;
    }
    m->size = wm_kway_form(m->kway).size;
    *ret = m;
    return 0;
}

int wm_merge_next(struct wm_merge *merge, const unsigned char **ret, struct wm_error *err)
{
    if (merge->at == merge->end) {
        size_t n = 0;
        int more = wm_kway_next(merge->kway, &merge->at, &n, err);
        if (more <= 0)
            return more;
        merge->end = merge->at + n * merge->size;
    }
    *ret = merge->at;
    merge->at += merge->size;
    return 1;
}
