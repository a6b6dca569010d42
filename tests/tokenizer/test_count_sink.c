/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer trained through the sink, by several workers, is the one trained directly. */
#include <pthread.h>

#include "shard_fixture.h"
#include "tokenizer/count_sink.h"

enum { DOCS = 3000, WORKERS = 3, BATCH = 50, FOLD = 5000 };

static const struct wm_tokenizer_options options = {
    .vocabulary = 300,
    .split = WM_SPLIT_R50K,
    .min_frequency = 2,
    .max_token = 64,
    .sample = 1,
    .memory = 64 << 20,
};

static struct wm_count_sink shared;

struct worker {
    pthread_t thread;
    void *local;
    uint64_t number;
    int status;
    struct wm_error err;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (uint64_t i = worker->number * BATCH; !worker->status && i < DOCS; i += WORKERS * BATCH) {
        struct wm_batch batch = {0};
        wm_arena_init(&batch.arena, 16 << 20);
        batch.docs = wm_arena_alloc(&batch.arena, BATCH, sizeof *batch.docs);
        for (; batch.n_docs < BATCH; batch.n_docs++)
            batch.docs[batch.n_docs] = make_doc(i + batch.n_docs, &batch.arena);
        worker->status = wm_sink_count.prepare(&shared, worker->local, &batch, &worker->err);
        wm_arena_done(&batch.arena);
    }
    return NULL;
}

static struct wm_tokenizer *train_by_sink(void)
{
    struct worker workers[WORKERS] = {0};
    struct wm_env env = {.n_workers = WORKERS};
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(wm_trainer_new(&options, &shared.trainer, &err), err);
    shared.memory = options.memory;
    shared.fold_text = FOLD; /* so that it happens, all the time */
    CHECK_OK(wm_sink_count.open(&shared, &env, &err), err);
    CHECK(wm_sink_count.memory(&shared, WORKERS, 1) == options.memory);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].local = calloc(1, wm_sink_count.local_size);
        CHECK_OK(wm_sink_count.open_local(&shared, workers[i].local, &err), err);
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
        CHECK_OK(workers[i].status, workers[i].err);
    }
    for (unsigned i = WORKERS; i-- > 0;) {
        CHECK_OK(wm_sink_count.merge(&shared, workers[i].local, &err), err);
        wm_sink_count.close_local(workers[i].local);
        free(workers[i].local);
    }
    CHECK_OK(wm_trainer_finish(shared.trainer, NULL, NULL, &tok, &err), err);
    wm_sink_count.close(&shared);
    return tok;
}

static struct wm_tokenizer *train_directly(struct wm_bpe_trainer **ret_trainer)
{
    struct wm_bpe_trainer *trainer;
    struct wm_counter *counter;
    struct wm_arena arena;
    struct wm_tokenizer *tok = NULL;
    wm_arena_init(&arena, 64 << 20);
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    for (uint64_t i = 0; i < DOCS; i++) {
        struct wm_doc doc = make_doc(i, &arena);
        CHECK_OK(wm_counter_add(counter, doc.text, &err), err);
    }
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_counter_free(counter);
    wm_arena_done(&arena);
    *ret_trainer = trainer;
    return tok;
}

int main(void)
{
    struct wm_bpe_trainer *trainer;
    struct wm_tokenizer *direct = train_directly(&trainer), *sunk = train_by_sink();
    struct wm_trainer_stats a, b;
    CHECK(direct && sunk &&
          XXH128_isEqual(wm_tokenizer_identity(direct), wm_tokenizer_identity(sunk)));
    wm_trainer_stats(trainer, &a);
    wm_trainer_stats(shared.trainer, &b);
    CHECK_U64(a.documents, DOCS);
    CHECK_U64(b.documents, DOCS);
    CHECK_U64(b.bytes, a.bytes);
    CHECK_U64(b.pieces, a.pieces);
    CHECK_U64(b.distinct_pieces, a.distinct_pieces);
    CHECK_U64(b.merges, a.merges);
    wm_tokenizer_free(direct);
    wm_tokenizer_free(sunk);
    wm_trainer_free(trainer);
    wm_trainer_free(shared.trainer);

    struct wm_count_sink empty = {0};
    struct wm_env env = {.n_workers = 1};
    CHECK_FAILS(wm_sink_count.open(&empty, &env, &err), WM_E_CONFIG, err, "no trainer");
    wm_sink_count.close(&empty);
    return test_summary();
}
