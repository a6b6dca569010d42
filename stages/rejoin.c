/* SPDX-License-Identifier: Apache-2.0 */
/* rejoin: make documents again from their archives and minified rows (write-jsonl, layout minified;
 * cc_net's own): of each page the lines that its row names, with the row's language, score, bucket
 * and perplexity. Pages without a row are dropped; so is a page that lacks a line its row names.
 *
 * The archives must be read in the profile the rows were made in: in profile ccnet a page's first
 * line is its title, not a line of its text. */
#include <math.h>

#include "stages/rejoin_rows.h"
#include "stages/stages.h"
#include "wetmill/inputs.h"

struct rejoin {
    int profile; /* enum wm_profile */
    struct wm_list minified;
    uint64_t max_memory;

    struct wm_rejoin_rows rows;
    int texts[WM_REJOIN_TEXTS], reals[WM_REJOIN_REALS]; /* slots */
};

enum { NO_ROW, OTHER_TEXT };

static int open_rows(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct rejoin *r = shared;
    r->texts[WM_REJOIN_LANGUAGE] = wm_schema_slot(env->schema, "language");
    r->texts[WM_REJOIN_BUCKET] = wm_schema_slot(env->schema, "bucket");
    r->reals[WM_REJOIN_SCORE] = wm_schema_slot(env->schema, "language_score");
    r->reals[WM_REJOIN_PERPLEXITY] = wm_schema_slot(env->schema, "perplexity");
    wm_rejoin_init(&r->rows, r->max_memory);
    int status = 0;
    for (size_t i = 0; !status && i < r->minified.n; i++)
        status =
            wm_rejoin_load(&r->rows, r->minified.items[i], r->profile == WM_PROFILE_STRICT, err);
    if (!status && !r->rows.n)
        status = wm_fail(err, WM_E_CONFIG, "the minified files have no rows");
    return status;
}

static void close_rows(void *shared)
{
    struct rejoin *r = shared;
    wm_rejoin_done(&r->rows);
}

/* Mark the document's lines that the row names; `*ret_n` of them. */
static void mark(const struct wm_doc *doc, const struct wm_rejoin_row *row, unsigned char *keep,
                 size_t *ret_n)
{
    struct wm_rejoin_ids ids = wm_rejoin_ids(row);
    uint32_t id = 0;
    bool more = wm_rejoin_next(&ids, &id);
    size_t line = 0;
    *ret_n = 0;
    for (size_t i = 0; i < doc->lines.n_runs; i++)
        for (uint32_t k = 0; k < doc->lines.runs[i].count; k++, line++) {
            uint32_t at = doc->lines.runs[i].first + k;
            at = doc->page_ids ? doc->page_ids[at] : at;
            while (more && id < at)
                more = wm_rejoin_next(&ids, &id);
            keep[line] = more && id == at;
            *ret_n += keep[line];
        }
}

static int keep_lines(struct wm_batch *batch, struct wm_doc *doc, const struct wm_rejoin_row *row,
                      struct wm_error *err)
{
    size_t n_lines = (size_t)wm_line_map_count(&doc->lines), n_kept;
    wm_arena_reset(&batch->scratch);
    unsigned char *keep = (unsigned char *)wm_arena_bytes(&batch->scratch, n_lines);
    if (!keep)
        return wm_fail_nomem(err, n_lines, "lines of a page");
    mark(doc, row, keep, &n_kept);
    if (n_kept != row->n_ids || (n_kept == 0 && n_lines > 0)) {
        wm_drop(batch, doc, OTHER_TEXT);
        return 0;
    }
    return n_lines ? wm_doc_keep_lines(batch, doc, keep, n_lines, err) : 0;
}

static void set_columns(const struct rejoin *r, const struct wm_rejoin_row *row, struct wm_doc *doc)
{
    for (int i = 0; i < WM_REJOIN_TEXTS; i++) {
        if (!row->texts[i])
            continue;
        doc->values[r->texts[i]].text = r->rows.names[row->texts[i] - 1];
        doc->has |= (uint64_t)1 << r->texts[i];
    }
    for (int i = 0; i < WM_REJOIN_REALS; i++) {
        if (isnan(row->reals[i]))
            continue;
        doc->values[r->reals[i]].real = row->reals[i];
        doc->has |= (uint64_t)1 << r->reals[i];
    }
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct rejoin *r = shared;
    int status = 0;
    (void)local;
    for (size_t i = 0; !status && i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        const struct wm_rejoin_row *row =
            wm_rejoin_find(&r->rows, doc->digest, doc->url, doc->segment);
        if (!row) {
            wm_drop(batch, doc, NO_ROW);
            continue;
        }
        set_columns(r, row, doc);
        status = keep_lines(batch, doc, row, err);
    }
    return status;
}

static size_t memory(const void *shared, unsigned n_workers)
{
    const struct rejoin *r = shared;
    (void)n_workers;
    return (size_t)wm_rejoin_bytes(&r->rows);
}

static const char *file(const void *shared, size_t i)
{
    const struct rejoin *r = shared;
    return i < r->minified.n ? r->minified.items[i] : NULL;
}

static const struct wm_option options[] = {
    {.name = "minified",
     .type = WM_OPTION_PATHS,
     .offset = WM_OFFSET_(struct rejoin, minified, struct wm_list),
     .unit = "",
     .help = "files of minified rows: JSON lines, plain or compressed",
     .flags = WM_OPTION_REQUIRED},
    WM_CHOICE(struct rejoin, profile, wm_profile_names, WM_PROFILE_STRICT,
              "profile in which the archives are read"),
    WM_SIZE(struct rejoin, max_memory, (uint64_t)8 << 30, 1 << 20, 1e15,
            "most memory for the rows: about 100 bytes each"),
    {0},
};

const struct wm_stage wm_stage_rejoin = {
    .name = "rejoin",
    .summary = "make documents again from archives and minified rows",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .drops_lines = true,
    .options = options,
    .reasons = (const char *const[]){[NO_ROW] = "no-row", [OTHER_TEXT] = "other-text", NULL},
    .writes = (const struct wm_column[]){{"language", WM_COLUMN_TEXT, 0},
                                         {"language_score", WM_COLUMN_REAL, 4},
                                         {"perplexity", WM_COLUMN_REAL, 1},
                                         {"bucket", WM_COLUMN_TEXT, 0},
                                         {0}},
    .shared_size = sizeof(struct rejoin),
    .open = open_rows,
    .memory = memory,
    .file = file,
    .apply = apply,
    .close = close_rows,
};
