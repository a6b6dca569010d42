/* SPDX-License-Identifier: Apache-2.0 */
/* Training in little memory: sorted runs, rounds of merging from disk. The merges are those of the
 * unlimited run, whatever the memory, threads and order. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpe_helpers.h"
#include "sanitized.h"
#include "tokenizer/cut.h"
#include "tokenizer/spill.h"
#include "wetmill/file.h"

/* ---- texts with many distinct pieces ---- */

static size_t put_word(uint64_t *state, char *out, unsigned letters, unsigned least, unsigned most)
{
    size_t n = least + random_below(state, most - least + 1);
    out[0] = ' ';
    for (size_t i = 1; i <= n; i++) {
        size_t a = random_below(state, letters), b = random_below(state, letters);
        out[i] = (char)('a' + (a < b ? a : b)); /* not uniform */
    }
    return n + 1;
}

static size_t put_number(uint64_t *state, char *out)
{
    size_t n = 1 + random_below(state, 9);
    out[0] = ' ';
    for (size_t i = 1; i <= n; i++)
        out[i] = (char)('0' + random_below(state, 10));
    return n + 1;
}

static size_t put_han(uint64_t *state, char *out)
{
    size_t n = 1 + random_below(state, 5);
    for (size_t i = 0; i < n; i++) {
        unsigned code = 0x4E00 + (unsigned)(random_below(state, 64) * random_below(state, 64));
        out[3 * i] = (char)(0xE0 | code >> 12);
        out[3 * i + 1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[3 * i + 2] = (char)(0x80 | (code & 0x3F));
    }
    return 3 * n;
}

/* Words, numbers, Han, runs; returns the length. */
static size_t varied_text(uint64_t *state, char *out, size_t cap)
{
    size_t n = 0;
    while (n + 400 < cap) {
        switch (random_below(state, 8)) {
        case 0:
            n += put_number(state, out + n);
            break;
        case 1:
            n += put_han(state, out + n);
            break;
        case 2: {
            size_t run = 1 + random_below(state, random_below(state, 50) ? 6 : 300);
            memset(out + n, random_below(state, 2) ? '=' : ' ', run);
            n += run;
            break;
        }
        default:
            n += put_word(state, out + n, 4 + (unsigned)random_below(state, 16), 1, 9);
        }
    }
    return n;
}

/* ---- training ---- */

struct job {
    struct wm_tokenizer_options options;
    struct wm_str text;
    size_t n_docs;
    unsigned threads;
};

struct worker {
    pthread_t thread;
    const struct job *job;
    struct wm_counter *counter;
    unsigned number;
    int status;
    struct wm_error err;
};

static void *count(void *arg)
{
    struct worker *w = arg;
    size_t len = w->job->text.len / w->job->n_docs;
    for (size_t i = w->number; !w->status && i < w->job->n_docs; i += w->job->threads)
        w->status =
            wm_counter_add(w->counter, (struct wm_str){w->job->text.ptr + i * len, len}, &w->err);
    return NULL;
}

/* What on_merge was told. */
struct told {
    uint64_t done, wanted, calls;
    bool falls;
};

static int on_merge(void *arg, uint64_t done, uint64_t wanted)
{
    struct told *told = arg;
    told->falls |= done < told->done;
    told->done = done;
    told->wanted = wanted;
    told->calls++;
    return 0;
}

static int train(const struct job *job, struct wm_tokenizer **ret, struct wm_trainer_stats *stats,
                 struct wm_error *err)
{
    struct worker workers[4] = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_error ignored;
    struct told told = {0};
    struct wm_trainer_stats all;
    int status = wm_trainer_new(&job->options, &trainer, err);
    CHECK_OK(status, *err);
    for (unsigned i = 0; i < job->threads; i++) {
        workers[i] = (struct worker){.job = job, .number = i};
        CHECK_OK(wm_counter_new(trainer, &workers[i].counter, err), *err);
        CHECK(pthread_create(&workers[i].thread, NULL, count, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < job->threads; i++)
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    for (unsigned i = 0; i < job->threads; i++) {
        if (!status && (status = workers[i].status))
            *err = workers[i].err;
        int folded = wm_trainer_fold(trainer, workers[i].counter, status ? &ignored : err);
        status = status ? status : folded;
        wm_counter_free(workers[i].counter);
    }
    if (!status)
        status = wm_trainer_finish(trainer, on_merge, &told, ret, err);
    wm_trainer_stats(trainer, &all);
    CHECK(!told.falls && (status || (told.calls > 0 && (told.wanted == 0) == (all.rounds > 0))));
    if (stats)
        *stats = all;
    wm_trainer_free(trainer);
    return status;
}

static struct wm_tokenizer *train_ok(const struct job *job, struct wm_trainer_stats *stats)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(train(job, &tok, stats, &err), err);
    return tok;
}

static void check_same(const struct wm_tokenizer *want, const struct wm_tokenizer *got,
                       const char *what, uint64_t memory)
{
    if (!want || !got)
        return;
    CHECK_(XXH128_isEqual(wm_tokenizer_identity(want), wm_tokenizer_identity(got)),
           "%s: merges differ with memory %llu", what, (unsigned long long)memory);
    for (uint32_t i = 0; i < want->n_merges && i < got->n_merges; i++) {
        const struct bpe_merge *a = &want->merges[i], *b = &got->merges[i];
        if (a->left == b->left && a->right == b->right)
            continue;
        CHECK_(false, "%s: merge %u of %u differs", what, i, want->n_merges);
        break;
    }
}

/* From unlimited down to what is needed at least; more and more comes from disk. */
static void check_memory(struct job job, const char *what)
{
    struct wm_trainer_stats want, got;
    uint64_t most_spilled = 0, most_rounds = 0;
    unsigned in_memory = 0;
    job.threads = 1;
    job.options.memory = 0;
    struct wm_tokenizer *tok = train_ok(&job, &want);
    CHECK_U64(want.spilled, 0);
    CHECK_U64(want.rounds, 0);
    for (unsigned shift = 0; shift < 7; shift++) {
        job.options.memory = ((uint64_t)80 << 20) >> shift;
        job.threads = job.options.n_counters = 1 + shift % 3;
        struct wm_tokenizer *other = train_ok(&job, &got);
        check_same(tok, other, what, job.options.memory);
        CHECK_U64(got.distinct_pieces, want.distinct_pieces);
        CHECK_U64(got.pieces, want.pieces);
        CHECK((got.rounds > 0) == (got.spilled > 0));
        CHECK_(got.rounds < 40, "%s: %llu rounds", what, (unsigned long long)got.rounds);
        in_memory += got.rounds == 0;
        most_spilled = got.spilled > most_spilled ? got.spilled : most_spilled;
        most_rounds = got.rounds > most_rounds ? got.rounds : most_rounds;
        wm_tokenizer_free(other);
    }
    CHECK_(most_spilled > job.text.len / 2 && most_rounds > 1 && in_memory > 0,
           "%s: spilled %llu, %llu rounds, %u in memory", what, (unsigned long long)most_spilled,
           (unsigned long long)most_rounds, in_memory);
    wm_tokenizer_free(tok);
}

static void check_texts(void)
{
    enum { LEN = 1 << 20 };
    static char text[LEN];
    uint64_t state = 7;
    struct job job = {.text = {text, varied_text(&state, text, LEN)}, .n_docs = 50};
    job.options = small_options(WM_SPLIT_R50K, 1200);
    check_memory(job, "varied");
    job.options.ties = WM_TIES_RAW_BYTE;
    job.options.alphabet = WM_ALPHABET_SEEN;
    job.options.min_frequency = 20;
    job.options.max_token = 6;
    check_memory(job, "raw-byte, short tokens");
    size_t n = 0;
    while (n + 40 < LEN)
        n += put_word(&state, text + n, 26, 5, 12);
    job.text.len = n;
    job.options = small_options(WM_SPLIT_CL100K, 1000);
    check_memory(job, "words");
}

/* ---- under a hard limit ---- */

/* Bytes that count against RLIMIT_DATA, 0 where that is not known. */
static uint64_t data_size(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmData: %llu kB", &kib) == 1)
            break;
    if (f)
        (void)fclose(f);
    return (uint64_t)kib << 10;
}

/* In a process of its own: what was learned with at most 1.25 times `memory`, through a pipe. */
static int train_limited(const struct job *job, int fd)
{
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    struct wm_trainer_stats stats;
    struct wm_error err = {0};
    uint64_t most = data_size() + job->options.memory / 4 * 5;
    struct rlimit limit = {most, most};
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return 1;
    if (malloc((size_t)(job->options.memory * 2))) /* the limit is one */
        return 1;
    int status = wm_trainer_new(&job->options, &trainer, &err);
    if (!status)
        status = wm_counter_new(trainer, &counter, &err);
    if (!status)
        status = wm_counter_add(counter, job->text, &err);
    if (!status)
        status = wm_trainer_fold(trainer, counter, &err);
    wm_counter_free(counter);
    if (!status)
        status = wm_trainer_finish(trainer, NULL, NULL, &tok, &err);
    CHECK_OK(status, err);
    if (status)
        return 1;
    wm_trainer_stats(trainer, &stats);
    printf("hard limit: %llu bytes spilled, %llu rounds\n", (unsigned long long)stats.spilled,
           (unsigned long long)stats.rounds);
    (void)fflush(stdout);
    XXH128_hash_t identity = wm_tokenizer_identity(tok);
    return stats.spilled == 0 || write(fd, &identity, sizeof identity) != sizeof identity;
}

/* The same merges where memory is refused that is more than a quarter over what was asked for. */
static void check_hard_limit(void)
{
    enum { LEN = 4 << 20, MEMORY = 16 << 20 };
    static char text[LEN];
    uint64_t state = 21;
    struct wm_trainer_stats stats;
    XXH128_hash_t identity;
    int ends[2], how = -1;
    struct job job = {.text = {text, varied_text(&state, text, LEN)}, .n_docs = 1, .threads = 1};
    if (SANITIZED || !data_size()) {
        printf("hard limit: skipped, this build or system has no use for RLIMIT_DATA\n");
        return;
    }
    job.options = small_options(WM_SPLIT_R50K, 4000);
    job.options.memory = MEMORY;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(train_limited(&job, ends[1]));
    (void)close(ends[1]);
    CHECK(child > 0 && waitpid(child, &how, 0) == child && how == 0);
    CHECK(read(ends[0], &identity, sizeof identity) == sizeof identity);
    (void)close(ends[0]);
    job.options.memory = 0;
    struct wm_tokenizer *tok = train_ok(&job, &stats);
    CHECK_U64(stats.spilled, 0);
    CHECK(tok && XXH128_isEqual(identity, wm_tokenizer_identity(tok)));
    wm_tokenizer_free(tok);
}

/* ---- parts ---- */

static bool is_empty(const char *dir)
{
    struct wm_arena arena;
    struct wm_error err = {0};
    const char **names;
    size_t n = 1;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    wm_arena_done(&arena);
    return n == 0;
}

struct sum {
    uint64_t n, count;
    uint32_t tag;
};

static int add_up(void *arg, struct wm_str piece, uint64_t count, struct wm_error *err)
{
    struct sum *sum = arg;
    (void)err;
    CHECK(bpe_piece_tag(piece) >= sum->tag);
    sum->tag = bpe_piece_tag(piece);
    sum->n++;
    sum->count += count;
    return 0;
}

/* So many runs that they are united on the way; nothing is left behind. */
static void check_runs(const char *dir)
{
    enum { RUNS = 300, PIECES = 50, KINDS = 700 };
    struct wm_error err = {0};
    struct bpe_spill spill;
    struct bpe_pieces pieces;
    uint64_t state = 3;
    CHECK_OK(bpe_spill_init(&spill, dir, 1 << 20, &err), err);
    bpe_pieces_init(&pieces, UINT64_MAX);
    for (unsigned run = 0; run < RUNS; run++) {
        for (unsigned i = 0; i < PIECES; i++) {
            char text[32];
            int len = snprintf(text, sizeof text, "piece %zu", random_below(&state, KINDS));
            CHECK_OK(bpe_pieces_add(&pieces, (struct wm_str){text, (size_t)len}, 2, &err), err);
        }
        CHECK_OK(bpe_spill_table(&spill, &pieces, &err), err);
        CHECK_U64(pieces.n, 0);
    }
    CHECK(spill.n_runs < RUNS / 2);
    CHECK(is_empty(dir));
    struct sum sum = {0};
    CHECK_OK(bpe_spill_merge(&spill, add_up, &sum, &err), err);
    CHECK_U64(sum.n, KINDS);
    CHECK_U64(sum.count, (uint64_t)RUNS * PIECES * 2);
    CHECK(pwrite(spill.fd, "XXXX", 4, (off_t)spill.size - 4) == 4);
    sum = (struct sum){0};
    CHECK_FAILS(bpe_spill_merge(&spill, add_up, &sum, &err), WM_E_FORMAT, err, "");
    bpe_pieces_done(&pieces);
    bpe_spill_done(&spill);
}

/* Long records in a small buffer, and a file that is too short. */
static void check_file(const char *dir)
{
    enum { N = 200 };
    struct wm_error err = {0};
    struct bpe_piece_writer w;
    struct bpe_piece_reader r;
    struct bpe_stretch stretch;
    struct wm_str piece;
    static char text[5000];
    uint64_t state = 5, count;
    int fd = -1;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)random_next(&state);
    CHECK_OK(bpe_scratch_file(dir, &fd, &err), err);
    CHECK_OK(bpe_piece_writer_init(&w, fd, 77, 128, &err), err);
    for (unsigned i = 0; i < N; i++)
        CHECK_OK(bpe_piece_write(&w, (struct wm_str){text + i, i * i % 4000}, UINT64_MAX >> i % 64,
                                 &err),
                 err);
    CHECK_OK(bpe_piece_writer_finish(&w, &stretch, &err), err);
    CHECK_U64(stretch.n, N);
    CHECK_OK(bpe_piece_reader_init(&r, fd, &stretch, 100, &err), err);
    for (unsigned i = 0; i < N; i++) {
        CHECK(bpe_piece_read(&r, &piece, &count, &err) == 1);
        CHECK(count == UINT64_MAX >> i % 64);
        CHECK_STR(piece, ((struct wm_str){text + i, i * i % 4000}));
    }
    CHECK(bpe_piece_read(&r, &piece, &count, &err) == 0);
    bpe_piece_reader_done(&r);
    CHECK(ftruncate(fd, (off_t)(stretch.at + stretch.size - 1)) == 0);
    CHECK_OK(bpe_piece_reader_init(&r, fd, &stretch, 1 << 20, &err), err);
    CHECK_FAILS(bpe_piece_read(&r, &piece, &count, &err), WM_E_FORMAT, err, "scratch file");
    bpe_piece_reader_done(&r);
    (void)close(fd);
    CHECK_FAILS(bpe_scratch_file("/nonexistent", &fd, &err), WM_E_IO, err, "");
}

static int look_at(void *arg, unsigned slot, size_t i, struct wm_str block, struct wm_error *err)
{
    unsigned *seen = arg;
    struct wm_str ids;
    uint64_t count = 0;
    (void)slot;
    (void)err;
    CHECK(bpe_record_next(&block, &ids, &count) == 1 && count == i * i + 1 && ids.len == i % 300);
    CHECK(bpe_record_next(&block, &ids, &count) == 0);
    seen[i]++;
    return 0;
}

static int go_on(void *arg, struct wm_error *err)
{
    (void)arg;
    (void)err;
    return 0;
}

/* Every block once whatever the threads; a changed byte is noticed. */
static void check_blocks(const char *dir)
{
    enum { N = 500 };
    static unsigned seen[N];
    char bytes[300] = "ids";
    struct wm_error err = {0};
    struct bpe_blocks file;
    struct wm_buf block;
    struct wm_team *team = NULL;
    wm_buf_init(&block, SIZE_MAX / 2);
    CHECK_OK(bpe_blocks_init(&file, dir, 1, &err), err);
    for (size_t i = 0; i < N; i++) {
        block.len = 0;
        CHECK_OK(bpe_record_put(&block, (struct wm_str){bytes, i % 300}, i * i + 1, &err), err);
        CHECK_OK(i ? bpe_blocks_append(&file, wm_buf_str(&block), &err)
                   : bpe_blocks_put(&file, 0, wm_buf_str(&block), &err),
                 err);
    }
    CHECK_OK(wm_team_new(3, &team, &err), err);
    struct bpe_pass pass = {&file, team, look_at, go_on, seen};
    CHECK_OK(bpe_pass_run(&pass, &err), err);
    for (size_t i = 0; i < N; i++)
        CHECK_U64(seen[i], 1);
    CHECK(pwrite(file.fd, "X", 1, (off_t)file.blocks[N / 2].at) == 1);
    CHECK_FAILS(bpe_pass_run(&pass, &err), WM_E_FORMAT, err, "scratch file");
    CHECK(ftruncate(file.fd, (off_t)file.blocks[N - 1].at) == 0);
    CHECK_FAILS(bpe_blocks_get(&file, N - 1, &block, &err), WM_E_FORMAT, err, "scratch file");
    block.len = 1; /* cut off */
    struct wm_str rest = wm_buf_str(&block), ids;
    uint64_t count;
    CHECK(bpe_record_next(&rest, &ids, &count) == -1);
    wm_team_free(team);
    bpe_blocks_done(&file);
    wm_buf_done(&block);
}

static void check_sort(void)
{
    enum { N = 20000 };
    struct wm_error err = {0};
    struct bpe_pieces pieces;
    uint64_t state = 6, sum = 0;
    bpe_pieces_init(&pieces, UINT64_MAX);
    for (unsigned i = 0; i < N; i++) {
        uint64_t count = 1 + (random_next(&state) >> (8 + random_below(&state, 55)));
        char text[16];
        int len = snprintf(text, sizeof text, "%u", i);
        sum += count;
        CHECK_OK(bpe_pieces_add(&pieces, (struct wm_str){text, (size_t)len}, count, &err), err);
    }
    bpe_pieces_sort_by_count(&pieces);
    for (size_t i = 0; i < N; i++) {
        CHECK(!i || pieces.slots[i].count <= pieces.slots[i - 1].count);
        sum -= pieces.slots[i].count;
    }
    CHECK_U64(sum, 0);
    bpe_pieces_done(&pieces);
}

/* What is too little says what it needs. */
static void check_floor(void)
{
    enum { LEN = 1 << 19 };
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    static char text[LEN];
    uint64_t state = 12;
    struct job job = {.text = {text, varied_text(&state, text, LEN)}, .n_docs = 5, .threads = 1};
    job.options = small_options(WM_SPLIT_R50K, 100000);
    job.options.memory = 3 << 20;
    CHECK_FAILS(train(&job, &tok, NULL, &err), WM_E_NOMEM, err, "bytes of memory at least");
    memset(text, 'a', LEN); /* one piece */
    job.n_docs = 1;
    job.options = small_options(WM_SPLIT_R50K, 300);
    job.options.memory = 2 << 20;
    CHECK_FAILS(train(&job, &tok, NULL, &err), WM_E_NOMEM, err, "memory");
    CHECK(tok == NULL);
}

int main(void)
{
    char dir[] = "bpe_memory.XXXXXX";
    if (!mkdtemp(dir))
        return 1;
    check_sort();
    check_file(dir);
    check_blocks(dir);
    check_runs(dir);
    check_hard_limit();
    check_texts();
    check_floor();
    CHECK(rmdir(dir) == 0);
    return test_summary();
}
