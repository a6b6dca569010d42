/* SPDX-License-Identifier: Apache-2.0 */
/* A stage of the tests' own that sets the columns other stages read. */
#ifndef WETMILL_TESTS_STAGES_LABELLED_H
#define WETMILL_TESTS_STAGES_LABELLED_H

#include "fixture.h"

/** What it sets: an empty language or a negative perplexity is left out. */
static struct {
    struct wm_str language;
    double perplexity;
} label;

static int label_open(void *shared, const struct wm_env *env, struct wm_error *err)
{
    int *slots = shared;
    (void)err;
    slots[0] = wm_schema_slot(env->schema, "language");
    slots[1] = wm_schema_slot(env->schema, "perplexity");
    return 0;
}

static int label_apply(const void *shared, void *local, struct wm_batch *batch,
                       struct wm_error *err)
{
    const int *slots = shared;
    (void)local, (void)err;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        if (label.language.len) {
            doc->values[slots[0]].text = label.language;
            doc->has |= (uint64_t)1 << slots[0];
        }
        if (label.perplexity >= 0) {
            doc->values[slots[1]].real = label.perplexity;
            doc->has |= (uint64_t)1 << slots[1];
        }
    }
    return 0;
}

static const struct wm_stage label_language = {
    .name = "label-language",
    .version = 1,
    .writes = (const struct wm_column[]){{"language", WM_COLUMN_TEXT, 0}, {0}},
    .shared_size = 2 * sizeof(int),
    .open = label_open,
    .apply = label_apply,
};

static const struct wm_stage label_both = {
    .name = "label-both",
    .version = 1,
    .writes = (const struct wm_column[]){{"language", WM_COLUMN_TEXT, 0},
                                         {"perplexity", WM_COLUMN_REAL, 1},
                                         {0}},
    .shared_size = 2 * sizeof(int),
    .open = label_open,
    .apply = label_apply,
};

static inline void labelled_init(struct fixture *f, const struct wm_stage *labels)
{
    void *shared;
    fixture_init(f);
    label.language = (struct wm_str){0};
    label.perplexity = -1;
    CHECK_OK(wm_chain_add(&f->chain, labels, &shared, &f->err), f->err);
}

#endif /* WETMILL_TESTS_STAGES_LABELLED_H */
