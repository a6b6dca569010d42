/* SPDX-License-Identifier: Apache-2.0 */
/* bucket: sort pages by perplexity into head, middle and tail of their language (CCNet, arXiv
 * 1911.00359, section 3.4): head below the perplexity at percentile 30 of the language, tail from
 * that at percentile 60 on. Pages without a perplexity, or of a language without cutoffs, go to
 * "all". */
#include <math.h>

#include "stages/cutoffs.h"
#include "stages/stages.h"

enum name { HEAD, MIDDLE, TAIL, ALL, NAMES };

static const char *const names[] = {
    [HEAD] = "head", [MIDDLE] = "middle", [TAIL] = "tail", [ALL] = "all", NULL};

struct bucket {
    const char *cutoffs;
    uint64_t head, tail;
    struct wm_list keep;

    struct wm_arena arena;
    struct wm_cutoffs table;
    bool unwanted[NAMES];
    int language_slot, perplexity_slot, bucket_slot;
};

enum { UNWANTED };

static const size_t arena_most = (size_t)64 << 20;

static int take_wanted(struct bucket *b, struct wm_error *err)
{
    for (size_t i = 0; i < NAMES; i++)
        b->unwanted[i] = b->keep.n > 0;
    for (size_t k = 0; k < b->keep.n; k++) {
        size_t i = 0;
        while (i < NAMES && strcmp(names[i], b->keep.items[k]) != 0)
            i++;
        if (i == NAMES) {
            (void)wm_fail(err, WM_E_CONFIG, "keep: there is no bucket \"%s\"", b->keep.items[k]);
            return wm_error_hint(err, "buckets are head, middle, tail, all");
        }
        b->unwanted[i] = false;
    }
    return 0;
}

static int open_stage(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct bucket *b = shared;
    b->language_slot = wm_schema_slot(env->schema, "language");
    b->perplexity_slot = wm_schema_slot(env->schema, "perplexity");
    b->bucket_slot = wm_schema_slot(env->schema, "bucket");
    wm_arena_init(&b->arena, arena_most);
    if (b->head > b->tail)
        return wm_fail(err, WM_E_CONFIG, "head %ju is over tail %ju", (uintmax_t)b->head,
                       (uintmax_t)b->tail);
    int status = take_wanted(b, err);
    if (status)
        return status;
    if (b->cutoffs)
        return wm_cutoffs_read(b->cutoffs, (unsigned)b->head, (unsigned)b->tail, &b->arena,
                               &b->table, err);
    if (b->head != 30 || b->tail != 60) {
        (void)wm_fail(err, WM_E_CONFIG, "only percentiles 30 and 60 are built in");
        return wm_error_hint(err, "give a table made by wetmill lm cutoffs as cutoffs:");
    }
    return wm_cutoffs_ccnet(&b->arena, &b->table, err);
}

static void close_stage(void *shared)
{
    wm_arena_done(&((struct bucket *)shared)->arena);
}

static enum name judge(const struct bucket *b, const struct wm_doc *doc)
{
    if (!wm_doc_has(doc, b->perplexity_slot) || !wm_doc_has(doc, b->language_slot))
        return ALL;
    const struct wm_cutoff *cutoff = wm_cutoffs_find(&b->table, doc->values[b->language_slot].text);
    double perplexity = doc->values[b->perplexity_slot].real;
    if (!cutoff || isnan(cutoff->head) || isnan(cutoff->tail))
        return ALL;
    return perplexity < cutoff->head ? HEAD : perplexity < cutoff->tail ? MIDDLE : TAIL;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct bucket *b = shared;
    (void)local, (void)err;
    for (size_t i = 0; i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        enum name name = judge(b, doc);
        doc->values[b->bucket_slot].text = wm_str_of(names[name]);
        doc->has |= (uint64_t)1 << b->bucket_slot;
        if (b->unwanted[name])
            wm_drop(batch, doc, UNWANTED);
    }
    return 0;
}

static const char *file(const void *shared, size_t i)
{
    const struct bucket *b = shared;
    return i == 0 ? b->cutoffs : NULL;
}

static const struct wm_option options[] = {
    WM_PATH(struct bucket, cutoffs, NULL,
            "CSV of perplexities by percentile and language; unset = those of CCNet's models"),
    WM_COUNT(struct bucket, head, 30, 0, 100, "percentile", "head is below this"),
    WM_COUNT(struct bucket, tail, 60, 0, 100, "percentile", "tail is from this on"),
    WM_LIST(struct bucket, keep, "keep only these of head, middle, tail, all; empty = all four"),
    {0},
};

const struct wm_stage wm_stage_bucket = {
    .name = "bucket",
    .summary = "sort documents by perplexity into head, middle and tail of their language",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .options = options,
    .reasons = (const char *const[]){[UNWANTED] = "unwanted-bucket", NULL},
    .reads = (const char *const[]){"language", "perplexity", NULL},
    .writes = (const struct wm_column[]){{"bucket", WM_COLUMN_TEXT, 0}, {0}},
    .shared_size = sizeof(struct bucket),
    .open = open_stage,
    .file = file,
    .apply = apply,
    .close = close_stage,
};
