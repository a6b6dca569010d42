/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipeline does around a stage with a survey, in one directory of the test's own. */
#ifndef WETMILL_TESTS_STAGES_SURVEY_H
#define WETMILL_TESTS_STAGES_SURVEY_H

#include "fixture.h"

enum { SURVEY_MEMORY = 1 << 16, SURVEY_RUNS = 8 };

struct survey {
    char directory[32];
    size_t n_runs;
    char *runs[SURVEY_RUNS];
    struct wm_table tables[WM_PARTITIONS];
};

static inline void survey_init(struct survey *s)
{
    *s = (struct survey){.directory = "survey-test-XXXXXX"};
    if (!mkdtemp(s->directory))
        exit(1);
}

/* The batch of `f` becomes one run; link `link` surveys. */
static inline void survey_batch(struct survey *s, struct fixture *f, size_t link)
{
    const struct wm_stage *stage = f->chain.links[link].stage;
    struct wm_records *records = NULL;
    char prefix[64];
    (void)snprintf(prefix, sizeof prefix, "%s/spill", s->directory);
    s->runs[s->n_runs] = malloc(64);
    if (!s->runs[s->n_runs])
        exit(1);
    (void)snprintf(s->runs[s->n_runs], 64, "%s/%zu.run", s->directory, s->n_runs);
    CHECK_OK(wm_records_new(prefix, stage->survey_form(f->chain.links[link].shared).record,
                            SURVEY_MEMORY, &records, &f->err),
             f->err);
    CHECK_OK(stage->survey(f->chain.links[link].shared, f->locals.items[link], &f->batch, records,
                           &f->err),
             f->err);
    CHECK_OK(wm_records_finish(&records, 1, s->runs[s->n_runs], NULL, &f->err), f->err);
    s->n_runs++;
}

/* Reduce all runs and load the tables. */
static inline void survey_reduce(struct survey *s, struct fixture *f, size_t link)
{
    const struct wm_link *l = &f->chain.links[link];
    const char *runs[SURVEY_RUNS];
    struct wm_survey_form form = l->stage->survey_form(l->shared);
    for (size_t i = 0; i < s->n_runs; i++)
        runs[i] = s->runs[i];
    for (unsigned p = 0; p < WM_PARTITIONS; p++) {
        struct wm_merge *merge = NULL;
        struct wm_table_out *out = NULL;
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%02u.table", s->directory, p);
        CHECK_OK(wm_merge_open(runs, s->n_runs, p, s->directory, &merge, &f->err), f->err);
        CHECK_OK(wm_table_out_open(path, form.reduced, &out, &f->err), f->err);
        CHECK_OK(l->stage->reduce(l->shared, p, merge, out, &f->err), f->err);
        wm_merge_close(merge);
        CHECK_OK(wm_table_commit(out, NULL, &f->err), f->err);
        CHECK_OK(wm_table_open(path, form.reduced, &s->tables[p], &f->err), f->err);
        CHECK_OK(l->stage->load(l->shared, p, &s->tables[p], &f->err), f->err);
    }
}

static inline void survey_done(struct survey *s)
{
    struct wm_error err;
    for (unsigned p = 0; p < WM_PARTITIONS; p++)
        wm_table_close(&s->tables[p]);
    for (size_t i = 0; i < s->n_runs; i++)
        free(s->runs[i]);
    CHECK_OK(wm_remove_tree(s->directory, &err), err);
}

#endif /* WETMILL_TESTS_STAGES_SURVEY_H */
