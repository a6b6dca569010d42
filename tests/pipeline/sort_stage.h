/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sort_stage.h
 * A stage that drops some documents and names the group of the rest.
 */
#ifndef WETMILL_TEST_SORT_STAGE_H
#define WETMILL_TEST_SORT_STAGE_H

#include <xxhash.h>

#include "wetmill/stage.h"

static inline int sort_apply(const void *shared, void *local, struct wm_batch *batch,
                             struct wm_error *e)
{
    static const char *const groups[] = {"even", "odd", "prime"};
    (void)shared, (void)local, (void)e;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        uint64_t hash = XXH3_64bits(doc->text.ptr, doc->text.len);
        doc->values[0].text = wm_str_of(groups[hash % 3]);
        doc->has |= 1;
        if (hash % 5 == 0)
            wm_drop(batch, doc, 0);
    }
    return 0;
}

static const struct wm_stage sort_stage = {
    .name = "sort",
    .summary = "test",
    .version = 1,
    .reasons = (const char *const[]){"fifth", NULL},
    .writes = (const struct wm_column[]){{"group", WM_COLUMN_TEXT, 0}, {0}},
    .apply = sort_apply,
};

#endif /* WETMILL_TEST_SORT_STAGE_H */
