/* SPDX-License-Identifier: Apache-2.0 */
#include "run/cutoffs.h"

#include <pthread.h>

#include "run/step.h"
#include "wetmill/json.h"
#include "wetmill/number.h"
#include "wetmill/parallel.h"

/* ---- a sink that counts: workers read members, one at a time counts a batch's ---- */

struct shared {
    struct state *state; /* behind a pointer because workers get us as const */
};

struct state {
    pthread_mutex_t lock; /* guards what is below */
    struct wm_perplexity_counts *counts;
    struct wm_cutoffs_result *result;
};

struct found {
    struct wm_str language;
    double perplexity; /* < 0: not said */
};

/* A number that no double can hold is none. */
static int read_number(struct wm_json *r, double *ret, struct wm_error *err)
{
    struct wm_str text;
    int status = wm_json_skip(r, &text, err);
    if (!status && !wm_parse_real(text, ret))
        *ret = -1;
    return status;
}

/* What is wrong with a document's own members is no failure: it says less. */
static int read_members(struct wm_str extra, struct wm_arena *arena, struct found *ret,
                        struct wm_error *err)
{
    *ret = (struct found){.perplexity = -1};
    char *object = wm_arena_bytes(arena, extra.len + 2);
    if (!object)
        return wm_fail_nomem(err, extra.len, "members of a document");
    object[0] = '{';
    if (extra.len)
        memcpy(object + 1, extra.ptr, extra.len);
    object[extra.len + 1] = '}';
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, (struct wm_str){object, extra.len + 2}, arena);
    int status = wm_json_object(&r, err);
    while (!status && (status = wm_json_key(&r, &key, err)) > 0) {
        enum wm_json_type type = wm_json_peek(&r);
        if (type == WM_JSON_STRING && wm_str_eq(key, WM_STR("language")))
            status = wm_json_string(&r, &ret->language, err);
        else if (type == WM_JSON_NUMBER && wm_str_eq(key, WM_STR("perplexity")))
            status = read_number(&r, &ret->perplexity, err);
        else
            status = wm_json_skip(&r, NULL, err);
    }
    return status == WM_E_FORMAT ? 0 : status;
}

static int count(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    struct state *state = ((const struct shared *)shared)->state;
    (void)local;
    struct found *found = wm_arena_alloc(&batch->arena, batch->n_docs, sizeof *found);
    int status = found ? 0 : wm_fail_nomem(err, batch->n_docs * sizeof *found, "documents");
    for (size_t i = 0; !status && i < batch->n_docs; i++)
        status = read_members(batch->docs[i].extra, &batch->arena, &found[i], err);
    if (status)
        return status;
    (void)pthread_mutex_lock(&state->lock);
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        if (!found[i].language.len || found[i].perplexity < 0)
            state->result->without++;
        else
            status = wm_perplexity_counts_add(state->counts, found[i].language, found[i].perplexity,
                                              err);
    }
    (void)pthread_mutex_unlock(&state->lock);
    return status;
}

static const struct wm_sink sink = {
    .name = "count-perplexities",
    .summary = "count perplexities by language",
    .version = 1,
    .shared_size = sizeof(struct shared),
    .prepare = count,
};

int wm_cutoffs_count(const struct wm_run *run, const struct wm_run_hooks *hooks,
                     struct wm_perplexity_counts *counts, struct wm_cutoffs_result *ret,
                     struct wm_error *err)
{
    struct state state = {.counts = counts, .result = ret};
    struct shared shared = {&state};
    struct wm_inputs inputs = {0};
    struct wm_chain chain;
    *ret = (struct wm_cutoffs_result){0};
    int status = wm_inputs_open(&run->input, &inputs, err);
    if (status)
        return status;
    wm_chain_init(&chain);
    (void)pthread_mutex_init(&state.lock, NULL); /* cannot fail with default attributes */
    struct wm_job job = {
        .label = "perplexities",
        .inputs = &inputs,
        .chain = &chain,
        .sink = &sink,
        .sink_shared = &shared,
        .n_workers = run->options.jobs ? (unsigned)run->options.jobs : wm_processors(),
        .memory = run->options.memory ? run->options.memory : wm_default_memory(),
        .max_bad_files = run->options.max_bad_files,
        .max_bad_records = run->options.max_bad_records,
        .progress = hooks->progress,
        .cancel = hooks->cancel,
    };
    status = wm_job_run(&job, &ret->job, err);
    (void)pthread_mutex_destroy(&state.lock);
    wm_chain_close(&chain);
    wm_inputs_close(&inputs);
    return status;
}
