/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup: drop lines that other documents have too (CCNet, arXiv 1911.00359, section 3.2).
 *
 * survey  a record for each different line of a document (dedup_form.h)
 * reduce  {hash, group, first document} of the lines that two or more documents of a group have
 * apply   looks each line up. keep none: such a line goes, from all of them. keep first: it stays
 *         in the first document, in input order. A line of a saved hash set (`known`) goes in any
 *         case, as one that an earlier document had.
 *
 * Within a document a line stays once in any case. A document that loses its last line that is
 * compared is dropped.
 *
 * profile strict: lines of whose normal form less than min_line bytes are left (blank ones at the
 * least) are not compared; but blank lines that meet, or come to stand at an end of the text,
 * because of what was dropped, go too.
 * profile ccnet: as cc_net does it. Blank lines are lines like others; nothing else is removed; a
 * line whose hash happens to be 0 goes; a document without text is dropped; groups are those of a
 * crawl of 1600 shards, 50 at a time. */
#include <stdlib.h>

#include "stages/dedup_form.h"
#include "stages/hash_set.h"
#include "stages/page_lines.h"
#include "stages/stages.h"
#include "wetmill/utf8.h"

enum profile { STRICT, CCNET };
enum keep { KEEP_NONE, KEEP_FIRST };
enum scope { SCOPE_AUTO, SCOPE_ALL, SCOPE_GROUPS };
enum unicode { UNICODE_AUTO, UNICODE_14_0, UNICODE_15_0 };

enum {
    LINES_STRICT = 100 * 1000, /* max_lines, unless given */
    LINES_CCNET = 1000 * 1000, /* cc_net has no limit */
    LINE_BYTES_MOST = 1 << 30, /* of a normal form */
};

struct dedup {
    int profile, keep, scope, unicode; /* enums above */
    uint64_t shards, group_shards, min_line, min_characters, max_lines;
    struct wm_list known;

    bool collect;     /* all hashes are wanted, for a set */
    uint32_t *groups; /* [n_rows], or NULL: all are one */
    uint32_t n_rows;
    struct wm_hash_set *sets; /* [n_sets] */
    size_t n_sets;
    struct wm_table tables[WM_PARTITIONS];
    bool loaded[WM_PARTITIONS];
};

struct local {
    struct wm_line_hasher hasher;
};

enum { DUPLICATE, TOO_SHORT, TOO_MANY_LINES, NO_TEXT, KEY_TOO_LARGE };

/* ---- what options come to ---- */

static enum wm_unicode_version unicode_of(const struct dedup *cfg)
{
    if (cfg->unicode == UNICODE_AUTO)
        return cfg->profile == CCNET ? WM_UNICODE_14_0 : WM_UNICODE_15_0;
    return cfg->unicode == UNICODE_14_0 ? WM_UNICODE_14_0 : WM_UNICODE_15_0;
}

static struct wm_dedup_form form_of(const struct dedup *cfg)
{
    bool by_group = cfg->scope == SCOPE_AUTO ? cfg->profile == CCNET : cfg->scope == SCOPE_GROUPS;
    return (struct wm_dedup_form){by_group && !cfg->collect,
                                  cfg->keep == KEEP_FIRST && !cfg->collect};
}

static uint64_t max_lines_of(const struct dedup *cfg)
{
    uint64_t by_profile = cfg->profile == CCNET ? LINES_CCNET : LINES_STRICT;
    return cfg->max_lines ? cfg->max_lines : by_profile;
}

/* ---- survey ---- */

static struct wm_survey_form survey_form(const void *shared)
{
    struct wm_dedup_form form = form_of(shared);
    size_t size = wm_dedup_size(form);
    if (((const struct dedup *)shared)->collect)
        return (struct wm_survey_form){{8, 0}, 8};
    return (struct wm_survey_form){{size, wm_dedup_prefix(form)}, size};
}

/* Documents that name a row the table has not (JSONL that remembers another run) are of the last
 * group. */
static uint32_t group_of(const struct dedup *cfg, const struct wm_doc *doc)
{
    if (!cfg->groups || !cfg->n_rows)
        return 0;
    return cfg->groups[doc->key.file < cfg->n_rows ? doc->key.file : cfg->n_rows - 1];
}

/* Why a document is not looked at, as 1 + reason; 0 = it is. */
static unsigned refuse(const struct dedup *cfg, const struct wm_doc *doc, size_t n_lines)
{
    if (n_lines > max_lines_of(cfg))
        return 1 + TOO_MANY_LINES;
    if (cfg->profile == CCNET && doc->text.len == 0)
        return 1 + NO_TEXT;
    return cfg->keep == KEEP_FIRST && !wm_dedup_key_fits(&doc->key) ? 1 + KEY_TOO_LARGE : 0;
}

/* The map knows, without a look at the text: it holds all lines of a text that has any. */
static size_t count_lines(const struct wm_doc *doc)
{
    return doc->lines.n_runs ? (size_t)wm_line_map_count(&doc->lines) : wm_line_count(doc->text);
}

static int survey_doc(const struct dedup *cfg, struct local *l, const struct wm_doc *doc,
                      struct wm_arena *scratch, struct wm_records *records, struct wm_error *err)
{
    struct wm_page_lines lines;
    unsigned char record[WM_DEDUP_RECORD];
    size_t n_lines = count_lines(doc);
    if (refuse(cfg, doc, n_lines))
        return 0;
    wm_dedup_record(form_of(cfg), group_of(cfg, doc), &doc->key, record);
    int status = wm_page_lines_hash(&l->hasher, doc->text, n_lines, scratch, &lines, err);
    for (size_t i = 0; !status && i < lines.n; i++) {
        if (lines.states[i] != WM_LINE_COMPARED)
            continue;
        wm_put_be64(record, lines.hashes[i]);
        status = wm_records_add(records, record, err);
    }
    return status;
}

static int survey(const void *shared, void *local, struct wm_batch *batch,
                  struct wm_records *records, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++)
        status = survey_doc(shared, local, &batch->docs[i], &batch->scratch, records, err);
    return status;
}

/* Sorted records of one line and group stand together, the first document first, two at most. */
static int reduce(const void *shared, unsigned partition, struct wm_merge *sorted,
                  struct wm_table_out *out, struct wm_error *err)
{
    const struct dedup *cfg = shared;
    struct wm_dedup_form form = form_of(cfg);
    size_t size = wm_dedup_size(form), prefix = wm_dedup_prefix(form);
    unsigned char first[WM_DEDUP_RECORD] = {0};
    const unsigned char *record;
    bool any = false;
    int more;
    (void)partition;
    while ((more = wm_merge_next(sorted, &record, err)) > 0) {
        bool again = any && memcmp(first, record, prefix) == 0;
        int status = again || cfg->collect ? wm_table_add(out, again ? first : record, err) : 0;
        if (status)
            return status;
        memcpy(first, record, size);
        any = true;
    }
    return more;
}

static int load(void *shared, unsigned partition, const struct wm_table *table,
                struct wm_error *err)
{
    struct dedup *cfg = shared;
    if (partition >= WM_PARTITIONS || table->size != wm_dedup_size(form_of(cfg)))
        return wm_fail(err, WM_E_FORMAT, "internal: table %u has records of %zu bytes", partition,
                       table->size);
    cfg->tables[partition] = *table;
    cfg->loaded[partition] = true;
    return 0;
}

/* ---- apply ---- */

/* Let memory come while the other lines of the page are asked for. */
static void prefetch(const struct dedup *cfg, const struct wm_page_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        if (lines->states[i] != WM_LINE_COMPARED)
            continue;
        uint64_t hash = lines->hashes[i];
        wm_table_prefetch(&cfg->tables[wm_partition(hash)], hash);
        for (size_t s = 0; s < cfg->n_sets; s++)
            wm_hash_set_prefetch(&cfg->sets[s], hash);
    }
}

static bool goes(const struct dedup *cfg, struct wm_dedup_form form, uint64_t hash,
                 unsigned char record[WM_DEDUP_RECORD])
{
    size_t prefix = wm_dedup_prefix(form);
    for (size_t s = 0; s < cfg->n_sets; s++)
        if (wm_hash_set_has(&cfg->sets[s], hash))
            return true;
    if (hash == 0 && cfg->profile == CCNET)
        return true;
    wm_put_be64(record, hash);
    const unsigned char *entry = wm_table_find(&cfg->tables[wm_partition(hash)], record, prefix);
    if (!entry)
        return false;
    return !form.by_document || memcmp(entry + prefix, record + prefix, WM_DEDUP_KEY) != 0;
}

static int dedup_doc(const struct dedup *cfg, struct local *l, struct wm_batch *batch,
                     struct wm_doc *doc, struct wm_error *err)
{
    struct wm_page_lines lines;
    struct wm_dedup_form form = form_of(cfg);
    unsigned char record[WM_DEDUP_RECORD];
    size_t n_lines = count_lines(doc);
    unsigned refused = refuse(cfg, doc, n_lines);
    if (refused) {
        wm_drop(batch, doc, refused - 1);
        return 0;
    }
    int status = wm_page_lines_hash(&l->hasher, doc->text, n_lines, &batch->scratch, &lines, err);
    if (status)
        return status;
    size_t n_gone = 0, n_left = 0; /* of those that are compared */
    prefetch(cfg, &lines);
    wm_dedup_record(form, group_of(cfg, doc), &doc->key, record);
    for (size_t i = 0; i < lines.n; i++) {
        if (lines.states[i] == WM_LINE_COMPARED && goes(cfg, form, lines.hashes[i], record))
            lines.states[i] = WM_LINE_GOES;
        n_left += lines.states[i] == WM_LINE_COMPARED;
        n_gone += lines.states[i] == WM_LINE_GOES || lines.states[i] == WM_LINE_REPEATED;
    }
    if (n_gone && !n_left) {
        wm_drop(batch, doc, DUPLICATE);
        return 0;
    }
    if (n_gone) {
        wm_page_lines_keep(&lines, cfg->profile == STRICT);
        status = wm_doc_keep_lines(batch, doc, lines.states, lines.n, err);
    }
    if (!status && cfg->min_characters && wm_utf8_count(doc->text) < cfg->min_characters)
        wm_drop(batch, doc, TOO_SHORT);
    return status;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct dedup *cfg = shared;
    int status = 0;
    for (unsigned p = 0; p < WM_PARTITIONS && !batch->rederive; p++)
        if (!cfg->loaded[p])
            return wm_fail(err, WM_E_FORMAT, "internal: table %u is not loaded", p);
    for (size_t i = 0; !status && i < batch->n_docs && !batch->rederive; i++)
        status = dedup_doc(cfg, local, batch, &batch->docs[i], err);
    return status;
}

/* ---- for hash sets ---- */

struct wm_hash_kind wm_dedup_collect(void *shared)
{
    struct dedup *cfg = shared;
    cfg->collect = true;
    return wm_hash_kind_of(cfg->profile, unicode_of(cfg));
}

/* ---- opening and closing ---- */

static int open_known(struct dedup *cfg, struct wm_error *err)
{
    struct wm_hash_kind kind = wm_hash_kind_of(cfg->profile, unicode_of(cfg));
    cfg->sets = calloc(cfg->known.n + 1, sizeof *cfg->sets);
    if (!cfg->sets)
        return wm_fail_nomem(err, cfg->known.n * sizeof *cfg->sets, "hash sets");
    int status = 0;
    for (size_t i = 0; !status && i < cfg->known.n; i++) {
        status = wm_hash_set_open(cfg->known.items[i], &cfg->sets[i], err);
        cfg->n_sets += !status;
        if (!status)
            status = wm_hash_set_check(&cfg->sets[i], cfg->known.items[i], &kind, err);
    }
    return status;
}

static int open_shared(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct dedup *cfg = shared;
    int status = 0;
    if (form_of(cfg).by_group && env->inputs) {
        status = wm_dedup_groups(env->inputs, cfg->shards, cfg->group_shards, &cfg->groups, err);
        cfg->n_rows = env->inputs->n_rows;
    }
    return status ? status : open_known(cfg, err);
}

static void close_shared(void *shared)
{
    struct dedup *cfg = shared;
    for (size_t i = 0; i < cfg->n_sets; i++)
        wm_hash_set_close(&cfg->sets[i]);
    free(cfg->sets);
    free(cfg->groups);
}

static size_t memory(const void *shared, unsigned n_workers)
{
    const struct dedup *cfg = shared;
    (void)n_workers;
    return (1 + cfg->n_sets) * WM_PARTITIONS * (size_t)WM_TABLE_MEMORY +
           (cfg->groups ? cfg->n_rows * sizeof *cfg->groups : 0);
}

static const char *file(const void *shared, size_t i)
{
    const struct dedup *cfg = shared;
    return i < cfg->known.n ? cfg->known.items[i] : NULL;
}

static int open_local(const void *shared, void *local, struct wm_error *err)
{
    const struct dedup *cfg = shared;
    struct local *l = local;
    (void)err;
    wm_ccnet_init(&l->hasher.ccnet, unicode_of(cfg), LINE_BYTES_MOST);
    l->hasher.sha1 = cfg->profile == CCNET;
    l->hasher.min_line = cfg->profile == STRICT && !cfg->min_line ? 1 : cfg->min_line;
    return 0;
}

static void close_local(void *local)
{
    wm_ccnet_done(&((struct local *)local)->hasher.ccnet);
}

static const char *const profiles[] = {[STRICT] = "strict", [CCNET] = "ccnet", NULL};
static const char *const keeps[] = {[KEEP_NONE] = "none", [KEEP_FIRST] = "first", NULL};
static const char *const scopes[] = {
    [SCOPE_AUTO] = "auto", [SCOPE_ALL] = "all", [SCOPE_GROUPS] = "groups", NULL};
static const char *const unicodes[] = {
    [UNICODE_AUTO] = "auto", [UNICODE_14_0] = "14.0", [UNICODE_15_0] = "15.0", NULL};

#define T struct dedup
static const struct wm_option options[] = {
    WM_CHOICE(T, profile, profiles, STRICT, "as the paper means it, or exactly as cc_net does it"),
    WM_CHOICE(T, keep, keeps, KEEP_NONE,
              "of a line that several documents have: none, or the first in input order"),
    WM_CHOICE(T, scope, scopes, SCOPE_AUTO,
              "compare all documents, or those of one group of files; auto: groups in profile "
              "ccnet"),
    WM_COUNT(T, shards, 1600, 1, 4294967295, "shards", "shards that the input files are cut into"),
    WM_COUNT(T, group_shards, 50, 1, 4294967295, "shards", "shards in a group, as many in a row"),
    WM_COUNT(T, min_line, 0, 0, 1048576, "bytes",
             "do not compare lines of which less is left; at least 1 in profile strict"),
    WM_COUNT(T, min_characters, 0, 0, 0, "characters",
             "drop documents that are shorter afterwards"),
    WM_COUNT(T, max_lines, 0, 0, 10000000, "lines",
             "drop longer pages; 0 = 100000, in profile ccnet 1000000"),
    WM_CHOICE(T, unicode, unicodes, UNICODE_AUTO,
              "version of lower case and digits; auto: 14.0 in profile ccnet, else 15.0"),
    WM_PATHS(T, known, "hash sets (corpus hashes) of lines that were seen before"),
    {0},
};

const struct wm_stage wm_stage_paragraph_dedup = {
    .name = "paragraph-dedup",
    .summary = "drop lines that other documents have too",
    .version = 2,
    .cost = WM_COST_MODERATE,
    .drops_lines = true,
    .options = options,
    .reasons = (const char *const[]){[DUPLICATE] = "duplicate",
                                     [TOO_SHORT] = "too-short",
                                     [TOO_MANY_LINES] = "too-many-lines",
                                     [NO_TEXT] = "no-text",
                                     [KEY_TOO_LARGE] = "key-too-large",
                                     NULL},
    .shared_size = sizeof(struct dedup),
    .local_size = sizeof(struct local),
    .survey_form = survey_form,
    .open = open_shared,
    .memory = memory,
    .file = file,
    .open_local = open_local,
    .survey = survey,
    .reduce = reduce,
    .load = load,
    .apply = apply,
    .close_local = close_local,
    .close = close_shared,
};
