/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's states, and one batch's way through the stages. */
#include <stdlib.h>

#include "pipeline/chain.h"
#include "wetmill/utf8.h"

static int open_local(const struct wm_link *link, void **ret, struct wm_error *err)
{
    const struct wm_stage *stage = link->stage;
    size_t size = stage->local_size ? stage->local_size : 1;
    *ret = calloc(1, size);
    if (!*ret)
        return wm_fail_nomem(err, size, stage->name);
    int status = stage->open_local ? stage->open_local(link->shared, *ret, err) : 0;
    return status ? wm_error_where(err, "stage %s", stage->name) : 0;
}

int wm_locals_open(struct wm_locals *locals, const struct wm_chain *chain, size_t n,
                   struct wm_error *err)
{
    *locals = (struct wm_locals){.chain = chain, .n = n};
    locals->items = calloc(n ? n : 1, sizeof *locals->items);
    if (!locals->items)
        return wm_fail_nomem(err, n * sizeof *locals->items, "a worker's state");
    int status = 0;
    while (!status && locals->n_open < n) {
        status = open_local(&chain->links[locals->n_open], &locals->items[locals->n_open], err);
        locals->n_open += locals->items[locals->n_open] != NULL;
    }
    return status;
}

int wm_locals_merge(struct wm_locals *locals, struct wm_error *err)
{
    for (size_t i = 0; i < locals->n_open; i++) {
        const struct wm_link *link = &locals->chain->links[i];
        if (link->stage->merge && link->stage->merge(link->shared, locals->items[i], err))
            return wm_error_where(err, "stage %s", link->stage->name);
    }
    return 0;
}

void wm_locals_close(struct wm_locals *locals)
{
    for (size_t i = 0; i < locals->n_open; i++) {
        const struct wm_stage *stage = locals->chain->links[i].stage;
        if (stage->close_local)
            stage->close_local(locals->items[i]);
        free(locals->items[i]);
    }
    free(locals->items);
    *locals = (struct wm_locals){0};
}

/* A text whose lines were all dropped has no lines, not the one empty line that splitting gives. */
static uint64_t lines_of(const struct wm_doc *doc)
{
    return doc->text.len == 0 && doc->lines.n_runs == 0 ? 0 : wm_line_count(doc->text);
}

/* What a batch holds. */
struct content {
    uint64_t documents, lines, bytes;
};

/* Before the first stage: a map holds all lines of its text, as sift() makes sure behind each. */
static struct content content_of(const struct wm_batch *batch)
{
    struct content content = {.documents = batch->n_docs};
    for (size_t i = 0; i < batch->n_docs; i++) {
        content.lines += wm_line_map_count(&batch->docs[i].lines);
        content.bytes += batch->docs[i].text.len;
    }
    return content;
}

static int keep_dropped(struct wm_batch *batch, const struct wm_doc *doc,
                        struct wm_dropped *dropped, struct wm_error *err)
{
    if (!dropped->docs) { /* no more than all that are still here can be dropped */
        dropped->docs = wm_arena_alloc(&batch->arena, batch->n_docs, sizeof *dropped->docs);
        dropped->cap = batch->n_docs;
    }
    if (!dropped->docs || dropped->n == dropped->cap)
        return wm_fail_nomem(err, batch->n_docs * sizeof *dropped->docs, "dropped documents");
    dropped->docs[dropped->n++] = *doc;
    return 0;
}

static int check_drop(const struct wm_doc *doc, size_t stage, size_t n_reasons,
                      struct wm_error *err)
{
    if (doc->drop > n_reasons || (doc->drop && doc->drop_stage != stage))
        return wm_fail(err, WM_E_FORMAT, "internal: dropped for reason %u of %zu", doc->drop,
                       n_reasons);
    return 0;
}

static int check_lines(const struct wm_doc *doc, uint64_t n_lines, struct wm_error *err)
{
    uint64_t n_mapped = wm_line_map_count(&doc->lines);
    if (n_lines != n_mapped)
        return wm_fail(err, WM_E_FORMAT, "internal: a text of %ju lines has a line map of %ju",
                       (uintmax_t)n_lines, (uintmax_t)n_mapped);
    return 0;
}

/* Count what is left, and close the gaps that dropped documents leave. */
static int sift(struct wm_batch *batch, size_t n_reasons, struct wm_link_tally *tally,
                struct wm_dropped *dropped, struct content *ret_left, struct wm_error *err)
{
    struct content left = {0};
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        status = check_drop(doc, batch->stage, n_reasons, err);
        if (!status && doc->drop) {
            tally->reasons[doc->drop - 1]++;
            status = dropped ? keep_dropped(batch, doc, dropped, err) : 0;
            continue;
        }
        uint64_t n_lines = lines_of(doc);
        if (!status)
            status = check_lines(doc, n_lines, err);
        left.lines += n_lines;
        left.bytes += doc->text.len;
        tally->longest = tally->longest > doc->text.len ? tally->longest : doc->text.len;
        if (left.documents != i)
            batch->docs[left.documents] = *doc;
        left.documents++;
    }
    if (status)
        return status;
    batch->n_docs = left.documents;
    *ret_left = left;
    return 0;
}

/* Before a stage changes or cuts the text. Here, on the workers, not while reading. */
static void count_source(struct wm_batch *batch)
{
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        if (!doc->has_length)
            doc->source_length = (int64_t)wm_utf8_count(doc->text);
        doc->has_length = true;
    }
}

int wm_chain_apply(const struct wm_locals *locals, size_t n_links, struct wm_batch *batch,
                   struct wm_link_tally *links, struct wm_dropped *dropped, struct wm_error *err)
{
    struct content content = content_of(batch);
    count_source(batch);
    for (size_t i = 0; i < n_links; i++) {
        const struct wm_link *link = &locals->chain->links[i];
        struct wm_link_tally *tally = &links[i];
        batch->stage = (uint32_t)i;
        tally->documents_in += content.documents;
        tally->lines_in += content.lines;
        tally->bytes_in += content.bytes;
        int status =
            batch->n_docs ? link->stage->apply(link->shared, locals->items[i], batch, err) : 0;
        if (!status)
            status = sift(batch, wm_stage_reasons(link->stage), tally, dropped, &content, err);
        if (status)
            return wm_error_where(err, "stage %s", link->stage->name);
        tally->documents_out += content.documents;
        tally->lines_out += content.lines;
        tally->bytes_out += content.bytes;
    }
    return 0;
}

int wm_chain_rewrite(struct wm_chain *chain, struct wm_batch *batch, struct wm_error *err)
{
    if (!chain->is_open)
        return wm_fail(err, WM_E_FORMAT, "internal: the chain is not open");
    batch->rederive = true;
    int status = 0;
    for (size_t i = 0; !status && i < chain->n; i++) {
        struct wm_link *link = &chain->links[i];
        if (!link->stage->rewrites)
            continue;
        if (!link->rewriter)
            status = open_local(link, &link->rewriter, err);
        batch->stage = (uint32_t)i;
        if (!status)
            status = link->stage->apply(link->shared, link->rewriter, batch, err);
        if (status)
            (void)wm_error_where(err, "stage %s", link->stage->name);
    }
    return status;
}
