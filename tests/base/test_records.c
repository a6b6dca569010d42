/* SPDX-License-Identifier: Apache-2.0 */
/* External sort against qsort on the same records. */
#include "test.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/records_file.h"

static struct wm_error err;
static char top[64];

static uint64_t random_state = 1;
static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545F4914F6CDD1Du;
}

static const char *in_top(const char *name)
{
    static char path[8][WM_PATH_MAX];
    static unsigned turn;
    char *at = path[turn++ % 8];
    (void)snprintf(at, WM_PATH_MAX, "%s/%s", top, name);
    return at;
}

static size_t count_files(void)
{
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(top, &arena, &names, &n, &err), err);
    wm_arena_done(&arena);
    return n;
}

/* ---- the naive version ---- */

static size_t naive_size;
static int naive_compare(const void *a, const void *b)
{
    return memcmp(a, b, naive_size);
}

/* The form of records in these tests: 0, or by how many bytes they fold. */
static size_t folded_by;

static struct wm_record_form form_of(size_t size)
{
    return (struct wm_record_form){size, folded_by};
}

/* Sorts and folds; returns how many are left. */
static size_t naive_sort_fold(unsigned char *records, size_t n, size_t size)
{
    naive_size = size;
    qsort(records, n, size, naive_compare);
    size_t kept = 0, most = folded_by ? 2 : 1, prefix = folded_by ? folded_by : size;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *r = records + i * size;
        if (kept >= most && memcmp(records + (kept - most) * size, r, prefix) == 0)
            continue;
        memmove(records + kept++ * size, r, size);
    }
    return kept;
}

/* Records with a random hash, out of `distinct` many, and little else. */
static unsigned char *make_records(size_t n, size_t size, size_t distinct)
{
    unsigned char *records = calloc(n + 1, size);
    for (size_t i = 0; i < n; i++) {
        uint64_t h = (1 + random64() % distinct) * 0x9E3779B97F4A7C15u;
        wm_put_be64(records + i * size, h);
        for (size_t k = 8; k < size; k++)
            records[i * size + k] = (unsigned char)(random64() % 3);
    }
    return records;
}

/* Sort records that come in pieces, then fold them in blocks. */
static size_t sort_pieces(unsigned char *records, size_t n, size_t size)
{
    struct wm_piece pieces[5];
    struct wm_sorter sorter = {.size = size};
    struct wm_fold fold = {.form = form_of(size)};
    size_t at = 0, kept = 0;
    for (size_t i = 0; i < 5; i++) {
        size_t end = i == 4 ? n : at + random64() % (n - at + 1);
        pieces[i] = (struct wm_piece){records + at * size, end - at};
        at = end;
    }
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = wm_get_be64(records + i * size);
        low = hash < low ? hash : low;
        high = hash > high ? hash : high;
    }
    if (random64() % 4 == 0 && n) /* limits that are wrong cost time alone */
        low += (high - low) / 3;
    CHECK_OK(wm_sorter_sort(&sorter, pieces, 5, low, high < low ? low : high, &err), err);
    for (at = 0; at < n;) {
        size_t some = 1 + random64() % (n - at);
        ptrdiff_t left = wm_fold(&fold, sorter.sorted + at * size, some);
        CHECK(left >= 0 && (size_t)left <= some);
        memcpy(records + kept * size, sorter.sorted + at * size, (size_t)left * size);
        kept += (size_t)left;
        at += some;
    }
    wm_sorter_done(&sorter);
    return kept;
}

static void test_fold_disorder(void)
{
    unsigned char records[3 * 8];
    for (size_t fold = 0; fold <= 8; fold += 8) {
        struct wm_fold f = {.form = {8, fold}};
        wm_put_be64(records, 5);
        wm_put_be64(records + 8, 5);
        wm_put_be64(records + 16, 4);
        CHECK(wm_fold(&f, records, 2) == (fold ? 2 : 1));
        CHECK(wm_fold(&f, records, 1) == 0);
        CHECK(wm_fold(&f, records + 16, 1) == WM_FOLD_DISORDER);
    }
}

static void test_sort(void)
{
    static const size_t sizes[] = {8, 9, 12, 16, 20, 24, 33, 256};
    static const size_t counts[] = {0, 1, 2, 23, 24, 25, 300, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (size_t distinct = 1; distinct <= 100000; distinct *= 100) {
                size_t n = counts[c], size = sizes[s];
                static const size_t folds[] = {0, 8, 11};
                folded_by = folds[(s + c) % 3] <= size ? folds[(s + c) % 3] : 8;
                unsigned char *a = make_records(n, size, distinct), *b = malloc(n * size + 1);
                memcpy(b, a, n * size);
                size_t kept = sort_pieces(a, n, size);
                size_t want = naive_sort_fold(b, n, size);
                CHECK_(kept == want && memcmp(a, b, want * size) == 0, "%zu records of %zu", n,
                       size);
                free(a);
                free(b);
            }
    folded_by = 0;
    /* Every byte splits off a little: as deep as it gets, and beyond. */
    enum { SIZE = 256, N = 30 * SIZE };
    unsigned char *a = calloc(N, SIZE), *b = malloc((size_t)N * SIZE);
    for (size_t i = 0; i < N; i++)
        memset(a + i * SIZE, 1, 1 + i / 30);
    for (size_t i = N; i-- > 1;) {
        size_t k = random64() % (i + 1);
        unsigned char keep[SIZE];
        memcpy(keep, a + i * SIZE, SIZE);
        memmove(a + i * SIZE, a + k * SIZE, SIZE);
        memcpy(a + k * SIZE, keep, SIZE);
    }
    memcpy(b, a, (size_t)N * SIZE);
    wm_records_sort(a, N, SIZE);
    naive_size = SIZE;
    qsort(b, N, SIZE, naive_compare);
    CHECK(memcmp(a, b, (size_t)N * SIZE) == 0);
    free(a);
    free(b);
}

/* ---- writers and merges ---- */

static int write_run(const unsigned char *records, size_t n, size_t size, size_t n_writers,
                     size_t memory, const char *path, struct wm_digest *digest)
{
    struct wm_records *writers[8];
    for (size_t i = 0; i < n_writers; i++) {
        char prefix[128];
        (void)snprintf(prefix, sizeof prefix, "%s/spill-%zu", top, i);
        CHECK_OK(wm_records_new(prefix, form_of(size), memory, &writers[i], &err), err);
    }
    for (size_t i = 0; i < n; i++)
        CHECK_OK(wm_records_add(writers[random64() % n_writers], records + i * size, &err), err);
    return wm_records_finish(writers, n_writers, path, digest, &err);
}

/* Records of `partition` in `runs` must be those of the sorted `want`. */
static void check_merge(const char *const *runs, size_t n_runs, unsigned partition,
                        const unsigned char *want, size_t n, size_t size)
{
    struct wm_merge *merge = NULL;
    const unsigned char *record;
    size_t wrong = 0, at = 0;
    int more = 0;
    bool all = partition == WM_PARTITIONS;
    CHECK_OK(wm_merge_open(runs, n_runs, partition, top, &merge, &err), err);
    while (merge && (more = wm_merge_next(merge, &record, &err)) > 0) {
        while (!all && at < n && wm_partition(wm_get_be64(want + at * size)) != partition)
            at++;
        wrong += at >= n || memcmp(record, want + at * size, size) != 0;
        at++;
    }
    CHECK_(more == 0, "merge: %s: %s", err.where, err.what);
    while (!all && at < n && wm_partition(wm_get_be64(want + at * size)) != partition)
        at++;
    CHECK_U64(wrong, 0);
    CHECK_U64(at, n);
    wm_merge_close(merge);
}

static void test_writers(void)
{
    enum { N = 20000, SIZE = 20 };
    unsigned char *records = make_records(N, SIZE, 5000);
    struct wm_digest first = {0};
    static const struct {
        size_t writers, memory;
    } ways[] = {{1, 1 << 30}, {1, 100000}, {4, 50000}, {8, 1}, {3, SIZE * 64}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct wm_digest digest;
        CHECK_OK(
            write_run(records, N, SIZE, ways[i].writers, ways[i].memory, in_top("run"), &digest),
            err);
        if (i == 0)
            first = digest;
        CHECK(digest.size == first.size && XXH128_isEqual(digest.hash, first.hash));
        CHECK_U64(count_files(), 1); /* no spills are left */
    }
    size_t n = naive_sort_fold(records, N, SIZE);
    CHECK_U64(first.size, n * SIZE + WM_RECORDS_HEADER + WM_RECORDS_TRAILER);
    const char *run = in_top("run");
    for (unsigned partition = 0; partition <= WM_PARTITIONS; partition++)
        check_merge(&run, 1, partition, records, n, SIZE);
    free(records);
    CHECK_OK(wm_remove(in_top("run"), &err), err);
}

static void test_many_runs(void)
{
    enum { RUNS = 200, EACH = 300, SIZE = 16, N = RUNS * EACH };
    unsigned char *records = make_records(N, SIZE, 20000);
    char names[RUNS][96];
    const char *runs[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s/run-%zu", top, i);
        runs[i] = names[i];
        CHECK_OK(write_run(records + i * EACH * SIZE, i % 50 == 7 ? 0 : EACH, SIZE, 1, 1 << 20,
                           runs[i], NULL),
                 err);
    }
    size_t n = 0;
    for (size_t i = 0; i < RUNS; i++) /* the records of empty runs must not be expected */
        if (i % 50 != 7)
            memmove(records + EACH * SIZE * n++, records + EACH * SIZE * i, (size_t)EACH * SIZE);
    n = naive_sort_fold(records, n * EACH, SIZE);
    struct rlimit before, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 32; /* no file is kept open */
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (unsigned partition = 0; partition <= WM_PARTITIONS; partition += 4)
        check_merge(runs, RUNS, partition, records, n, SIZE);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_U64(count_files(), RUNS);
    check_merge(NULL, 0, 3, NULL, 0, SIZE);
    for (size_t i = 0; i < RUNS; i++)
        CHECK_OK(wm_remove(runs[i], &err), err);
    free(records);
}

/* Many merges at once over the same runs. */
struct reader {
    const char *run;
    unsigned partition;
    uint64_t n;
};

static void *read_partition(void *arg)
{
    struct reader *reader = arg;
    struct wm_merge *merge;
    struct wm_error e;
    const unsigned char *record;
    const char *runs[WM_MERGE_FAN + 2];
    for (size_t i = 0; i < WM_MERGE_FAN + 2; i++)
        runs[i] = reader->run;
    if (wm_merge_open(runs, WM_MERGE_FAN + 2, reader->partition, top, &merge, &e))
        return NULL;
    while (wm_merge_next(merge, &record, &e) > 0)
        reader->n++;
    wm_merge_close(merge);
    return NULL;
}

static void test_threads(void)
{
    enum { N = 4000, SIZE = 12 };
    unsigned char *records = make_records(N, SIZE, 3000);
    CHECK_OK(write_run(records, N, SIZE, 2, 1000, in_top("run"), NULL), err);
    size_t n = naive_sort_fold(records, N, SIZE);
    pthread_t threads[WM_PARTITIONS];
    struct reader readers[WM_PARTITIONS];
    const char *run = in_top("run");
    for (unsigned i = 0; i < WM_PARTITIONS; i++) {
        readers[i] = (struct reader){run, i, 0};
        CHECK(pthread_create(&threads[i], NULL, read_partition, &readers[i]) == 0);
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < WM_PARTITIONS; i++) {
        (void)pthread_join(threads[i], NULL);
        sum += readers[i].n;
    }
    CHECK_U64(sum, n);
    CHECK_U64(count_files(), 1);
    CHECK_OK(wm_remove(run, &err), err);
    free(records);
}

/* ---- damage ---- */

static int read_all(const char *path)
{
    struct wm_merge *merge;
    const unsigned char *record;
    int more = wm_merge_open(&path, 1, WM_PARTITIONS, top, &merge, &err);
    if (more)
        return more;
    while ((more = wm_merge_next(merge, &record, &err)) > 0)
        ;
    wm_merge_close(merge);
    return more;
}

static void check_damaged(const char *bytes, size_t len)
{
    struct wm_table table;
    struct wm_out *out;
    CHECK_OK(wm_out_open(in_top("bad"), &out, &err), err);
    wm_out_scratch(out);
    CHECK_OK(wm_out_write(out, bytes, len, &err), err);
    CHECK_OK(wm_out_commit(out, NULL, &err), err);
    CHECK_(read_all(in_top("bad")) == WM_E_FORMAT, "taken: %s", err.what);
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("bad")));
    CHECK_(strstr(err.hint, "remove it") != NULL, "%s: hint is \"%s\"", err.what, err.hint);
    CHECK_(wm_table_open(in_top("bad"), 16, &table, &err) == WM_E_FORMAT, "taken: %s", err.what);
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("bad")));
}

static void test_damage(void)
{
    enum { N = 50, SIZE = 16 };
    unsigned char *records = make_records(N, SIZE, 100000);
    CHECK_OK(write_run(records, N, SIZE, 1, 1 << 20, in_top("run"), NULL), err);
    struct wm_buf good;
    wm_buf_init(&good, 1 << 20);
    CHECK_OK(wm_file_load(in_top("run"), &good, &err), err);
    CHECK_OK(read_all(in_top("run")), err);
    for (size_t i = 0; i < good.len; i++) { /* any one bit */
        if (i >= 8 && i < 12)               /* the version: its own message */
            continue;
        char bit = (char)(1 << i % 8);
        good.ptr[i] ^= bit;
        check_damaged(good.ptr, good.len);
        good.ptr[i] ^= bit;
    }
    for (size_t len = 0; len < good.len; len += 7)
        check_damaged(good.ptr, len);
    good.ptr[8] = 3;
    CHECK_OK(wm_file_store(in_top("bad"), wm_buf_str(&good), &err), err);
    CHECK_FAILS(read_all(in_top("bad")), WM_E_FORMAT, err, "newer wetmill");

    struct wm_table table;
    struct wm_merge *merge;
    CHECK(wm_table_open(in_top("run"), 24, &table, &err) == WM_E_MISMATCH);
    CHECK_OK(write_run(records, N / 2, 32, 1, 1 << 20, in_top("other"), NULL), err);
    const char *two[] = {in_top("run"), in_top("other"), in_top("missing")};
    CHECK(wm_merge_open(two, 2, 0, top, &merge, &err) == WM_E_MISMATCH);
    CHECK(wm_merge_open(two + 2, 1, 0, top, &merge, &err) == WM_E_IO);
    CHECK(wm_table_open(two[2], 16, &table, &err) == WM_E_IO);
    wm_buf_done(&good);
    free(records);
    CHECK_OK(wm_remove(in_top("run"), &err), err);
    CHECK_OK(wm_remove(in_top("other"), &err), err);
    CHECK_OK(wm_remove(in_top("bad"), &err), err);
}

static void test_refusals(void)
{
    struct wm_records *r;
    CHECK_FAILS(wm_records_new("x", (struct wm_record_form){7, 0}, 1, &r, &err), WM_E_LIMIT, err,
                "7 bytes");
    CHECK_FAILS(wm_records_new("x", (struct wm_record_form){WM_RECORD_MAX + 1, 0}, 1, &r, &err),
                WM_E_LIMIT, err, "257");
    CHECK_FAILS(wm_records_new("x", (struct wm_record_form){16, 17}, 1, &r, &err), WM_E_LIMIT, err,
                "folded by 17");
    unsigned char record[16] = {0};
    /* a place where nothing can be written: the spill fails, finishing fails, nothing leaks */
    CHECK_OK(wm_file_store(in_top("plain"), WM_STR("x"), &err), err);
    CHECK_OK(wm_records_new(in_top("plain/spill"), form_of(16), 1, &r, &err), err);
    int status = 0;
    for (uint64_t i = 0; !status && i < 100; i++) {
        wm_put_be64(record, i);
        status = wm_records_add(r, record, &err);
    }
    CHECK(status == WM_E_IO);
    CHECK(wm_records_finish(&r, 1, in_top("plain/run"), NULL, &err) == WM_E_IO);
    CHECK(r == NULL);
    wm_records_free(NULL);
    wm_merge_close(NULL);

    struct wm_table_out *out;
    CHECK_OK(wm_table_out_open(in_top("table"), 16, &out, &err), err);
    CHECK_OK(wm_table_add(out, record, &err), err);
    CHECK_FAILS(wm_table_add(out, record, &err), WM_E_FORMAT, err, "out of order");
    wm_table_abandon(out);
    wm_table_abandon(NULL);
    CHECK_FAILS(wm_table_out_open(in_top("plain/table"), 16, &out, &err), WM_E_IO, err,
                "Not a directory");
    CHECK_OK(wm_remove(in_top("plain"), &err), err);
    CHECK_U64(count_files(), 0);

    /* A writer given up leaves no spills behind. */
    CHECK_OK(wm_records_new(in_top("spill"), form_of(16), 1, &r, &err), err);
    for (uint64_t i = 0; i < 100; i++) {
        wm_put_be64(record, i << 32);
        CHECK_OK(wm_records_add(r, record, &err), err);
    }
    CHECK(count_files() > 2);
    wm_records_free(r);
    CHECK_U64(count_files(), 0);
}

/* ---- tables ---- */

static void check_table(unsigned char *records, size_t n, size_t size, size_t prefix)
{
    struct wm_table_out *out;
    struct wm_table table;
    CHECK_OK(wm_table_out_open(in_top("table"), size, &out, &err), err);
    for (size_t i = 0; i < n; i++)
        CHECK_OK(wm_table_add(out, records + i * size, &err), err);
    CHECK_OK(wm_table_commit(out, NULL, &err), err);
    CHECK_OK(wm_table_open(in_top("table"), size, &table, &err), err);
    CHECK_U64(table.n, n);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        size_t first = i; /* the first of those with this prefix */
        while (first && memcmp(records + (first - 1) * size, records + i * size, prefix) == 0)
            first--;
        wrong += wm_table_find(&table, records + i * size, prefix) != table.records + first * size;
    }
    for (size_t i = 0; i < 2000; i++) { /* absent ones, near and far */
        unsigned char key[WM_RECORD_MAX] = {0};
        wm_put_be64(key, i % 2 || !n ? random64()
                                     : wm_get_be64(records + random64() % n * size) + 1 - i % 4);
        size_t k = 0;
        while (k < n && memcmp(records + k * size, key, prefix) < 0)
            k++;
        bool there = k < n && memcmp(records + k * size, key, prefix) == 0;
        wrong += wm_table_find(&table, key, prefix) != (there ? table.records + k * size : NULL);
    }
    CHECK_U64(wrong, 0);
    CHECK(wm_table_find(&table, records, 7) == NULL);
    CHECK(wm_table_find(&table, records, size + 1) == NULL);
    wm_table_close(&table);
    CHECK_OK(wm_remove(in_top("table"), &err), err);
}

static void test_tables(void)
{
    static const size_t counts[] = {0, 1, 2, 9, 100, 3000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t distinct = 3; distinct <= 3000000; distinct *= 1000) {
            unsigned char *records = make_records(counts[c], 24, distinct);
            size_t n = naive_sort_fold(records, counts[c], 24);
            check_table(records, n, 24, 8);
            check_table(records, n, 24, 13);
            check_table(records, n, 24, 24);
            free(records);
        }
    /* Hashes that are anything but evenly spread: powers of two, and a dense heap at one end. */
    unsigned char *records = calloc(1064, 8);
    for (size_t i = 0; i < 1000; i++)
        wm_put_be64(records + i * 8, i);
    for (size_t i = 0; i < 54; i++)
        wm_put_be64(records + (1000 + i) * 8, UINT64_C(1) << (10 + i));
    check_table(records, 1054, 8, 8);
    free(records);
}

/* A table is searched only if its hashes rise; where it comes from does not matter. */
static void test_table_disorder(void)
{
    unsigned char records[100 * 8];
    struct wm_table table;
    for (size_t i = 0; i < 100; i++)
        wm_put_be64(records + i * 8, i * i << 40);
    CHECK_OK(wm_table_over(records, 8, 100, &table, &err), err);
    wm_table_close(&table);
    wm_put_be64(records + 70 * 8, 1);
    CHECK_FAILS(wm_table_over(records, 8, 100, &table, &err), WM_E_FORMAT, err, "out of order");
}

int main(void)
{
    (void)snprintf(top, sizeof top, "test_records.XXXXXX");
    if (!mkdtemp(top))
        return 1;
    test_sort();
    test_fold_disorder();
    for (folded_by = 0; folded_by <= 16; folded_by += 8) {
        test_writers();
        test_many_runs();
    }
    folded_by = 0;
    test_threads();
    test_damage();
    test_refusals();
    test_tables();
    test_table_disorder();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
