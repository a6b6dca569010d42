/* SPDX-License-Identifier: Apache-2.0 */
/* paragraph-dedup: drop lines that other documents have too (CCNet, arXiv 1911.00359, section 3.2).
 *
 * survey  a record for each line that counts: {its key, group, document}
 * reduce  {key, group, first document} of the keys that two or more documents of a group have
 * apply   looks each line up. keep none: such a line goes, from all of them. keep first: it stays
 *         in the first document, in input order.
 *
 * Within a document a line stays once in any case. Lines whose key has fewer than min_line bytes
 * (blank ones, "***") do not count: they are not compared; but blank lines that meet, or come to
 * stand at an end of the text, because of what was dropped, go too. A document that loses its last
 * line that counts is dropped.
 *
 * Groups are what CCNet calls shards: runs of group_files rows of the input table. */
#include <stdlib.h>

#include "stages/paragraph_key.h"
#include "stages/stages.h"
#include "wetmill/hashset.h"
#include "wetmill/utf8.h"

enum keep { KEEP_NONE, KEEP_FIRST };
enum scope { SCOPE_ALL, SCOPE_GROUPS };

struct dedup {
    int keep;  /* enum keep */
    int scope; /* enum scope */
    uint64_t group_files, min_line, min_characters, max_lines;

    struct wm_table tables[WM_PARTITIONS];
    bool loaded[WM_PARTITIONS];
};

struct local {
    struct wm_paragraph_hasher *hasher;
};

enum { DUPLICATE, TOO_SHORT, TOO_MANY_LINES };

/* Record and entry alike: key, group, file, record, part; big-endian. */
enum { AT_GROUP = 8, AT_DOC = 12, RECORD = 28, DOC_BYTES = RECORD - AT_DOC };

static void put_prefix(unsigned char *record, const struct dedup *cfg, const struct wm_doc *doc,
                       uint64_t hash)
{
    uint64_t group = cfg->scope == SCOPE_GROUPS ? doc->key.file / cfg->group_files : 0;
    wm_put_be64(record, hash);
    wm_put_be32(record + AT_GROUP, (uint32_t)group);
}

static void put_doc(unsigned char *record, const struct wm_doc *doc)
{
    wm_put_be32(record + AT_DOC, doc->key.file);
    wm_put_be64(record + AT_DOC + 4, doc->key.record);
    wm_put_be32(record + AT_DOC + 12, doc->key.part);
}

static struct wm_survey_form survey_form(const void *shared)
{
    (void)shared;
    return (struct wm_survey_form){{RECORD, 0}, RECORD};
}

static int survey(const void *shared, void *local, struct wm_batch *batch,
                  struct wm_records *records, struct wm_error *err)
{
    const struct dedup *cfg = shared;
    struct local *l = local;
    int status = 0;
    for (size_t i = 0; i < batch->n_docs; i++) {
        const struct wm_doc *doc = &batch->docs[i];
        unsigned char record[RECORD];
        put_doc(record, doc);
        if (wm_line_count(doc->text) > cfg->max_lines)
            continue;
        for (struct wm_str rest = doc->text; !status && rest.len;) {
            uint64_t hash;
            if (wm_paragraph_key(l->hasher, wm_str_line(&rest), &hash) < cfg->min_line)
                continue;
            put_prefix(record, cfg, doc, hash);
            status = wm_records_add(records, record, err);
        }
    }
    return status;
}

/* Sorted records of one key and group stand together, the first document first. */
static int reduce(const void *shared, unsigned partition, struct wm_merge *sorted,
                  struct wm_table_out *out, struct wm_error *err)
{
    unsigned char first[RECORD] = {0};
    const unsigned char *record;
    bool any = false, written = false;
    int more;
    (void)shared;
    (void)partition;
    while ((more = wm_merge_next(sorted, &record, err)) > 0) {
        if (!any || memcmp(first, record, AT_DOC) != 0) {
            memcpy(first, record, RECORD);
            any = true;
            written = false;
        } else if (!written) {
            written = true;
            int status = wm_table_add(out, first, err);
            if (status)
                return status;
        }
    }
    return more;
}

static int load(void *shared, unsigned partition, const struct wm_table *table,
                struct wm_error *err)
{
    struct dedup *cfg = shared;
    if (partition >= WM_PARTITIONS || table->size != RECORD)
        return wm_fail(err, WM_E_FORMAT, "internal: table %u has records of %zu bytes", partition,
                       table->size);
    cfg->tables[partition] = *table;
    cfg->loaded[partition] = true;
    return 0;
}

static bool goes(const struct dedup *cfg, const struct wm_doc *doc, uint64_t hash)
{
    unsigned char wanted[RECORD];
    put_prefix(wanted, cfg, doc, hash);
    put_doc(wanted, doc);
    const unsigned char *entry = wm_table_find(&cfg->tables[wm_partition(hash)], wanted, AT_DOC);
    if (!entry)
        return false;
    return cfg->keep == KEEP_NONE || memcmp(entry + AT_DOC, wanted + AT_DOC, DOC_BYTES) != 0;
}

/* What is known of a line. */
enum line { GOES, STAYS, BLANK, NOT_COMPARED };

struct verdict {
    unsigned char *lines;           /* enum line, then whether to keep it */
    size_t n_lines, n_gone, n_left; /* n_left: of those that count */
};

static bool is_blank(const struct wm_unicode *u, struct wm_str line)
{
    while (line.len)
        if (!wm_char_is_space(wm_unicode_entry(u, wm_utf8_next(&line))))
            return false;
    return true;
}

static int judge_lines(const struct dedup *cfg, struct local *l, const struct wm_doc *doc,
                       struct wm_arena *scratch, struct verdict *v, struct wm_error *err)
{
    struct wm_hashset seen;
    wm_arena_reset(scratch);
    v->lines = (unsigned char *)wm_arena_bytes(scratch, v->n_lines);
    if (!v->lines || !wm_hashset_init(&seen, v->n_lines, scratch))
        return wm_fail_nomem(err, v->n_lines + wm_hashset_bytes(v->n_lines), "lines of a page");
    struct wm_str rest = doc->text;
    for (size_t i = 0; i < v->n_lines; i++) {
        uint64_t hash;
        struct wm_str line = wm_str_line(&rest);
        if (wm_paragraph_key(l->hasher, line, &hash) < cfg->min_line) {
            v->lines[i] = is_blank(wm_unicode(), line) ? BLANK : NOT_COMPARED;
            continue;
        }
        bool gone = !wm_hashset_add(&seen, hash) || goes(cfg, doc, hash);
        v->lines[i] = gone ? GOES : STAYS;
        v->n_gone += gone;
        v->n_left += !gone;
    }
    return 0;
}

/* From verdicts to lines to keep. A blank line goes if a line was dropped since the last line that
 * stays, and that is blank as well, or there is none; and so do the blank ones behind the last. */
static void keep_lines(struct verdict *v)
{
    bool dropped = false, after_blank = true;
    size_t end = 0; /* one behind the last line kept that is not blank */
    for (size_t i = 0; i < v->n_lines; i++) {
        unsigned char what = v->lines[i];
        dropped = dropped || what == GOES;
        v->lines[i] = what != GOES && !(what == BLANK && dropped && after_blank);
        if (!v->lines[i])
            continue;
        after_blank = what == BLANK;
        dropped = dropped && what == BLANK;
        end = what == BLANK ? end : i + 1;
    }
    for (size_t i = end; dropped && i < v->n_lines; i++)
        v->lines[i] = 0;
}

static int dedup_doc(const struct dedup *cfg, struct local *l, struct wm_batch *batch,
                     struct wm_doc *doc, struct wm_error *err)
{
    struct verdict v = {.n_lines = wm_line_count(doc->text)};
    if (v.n_lines > cfg->max_lines) {
        wm_drop(batch, doc, TOO_MANY_LINES);
        return 0;
    }
    int status = judge_lines(cfg, l, doc, &batch->scratch, &v, err);
    if (!status && v.n_gone && v.n_left == 0) {
        wm_drop(batch, doc, DUPLICATE);
        return 0;
    }
    if (!status && v.n_gone) {
        keep_lines(&v);
        status = wm_doc_keep_lines(batch, doc, v.lines, v.n_lines, err);
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

static int open_local(const void *shared, void *local, struct wm_error *err)
{
    struct local *l = local;
    (void)shared;
    return wm_paragraph_hasher_new(&l->hasher, err);
}

static void close_local(void *local)
{
    struct local *l = local;
    wm_paragraph_hasher_free(l->hasher);
}

static const char *const keeps[] = {[KEEP_NONE] = "none", [KEEP_FIRST] = "first", NULL};
static const char *const scopes[] = {[SCOPE_ALL] = "all", [SCOPE_GROUPS] = "groups", NULL};

static const struct wm_option options[] = {
    WM_CHOICE(struct dedup, keep, keeps, KEEP_NONE,
              "of a line that several documents have: none, or the first in input order"),
    WM_CHOICE(struct dedup, scope, scopes, SCOPE_ALL,
              "compare all documents, or only those of the same group of files"),
    WM_COUNT(struct dedup, group_files, 50, 1, 4294967295, "files",
             "files in a group, as many in a row"),
    WM_COUNT(struct dedup, min_line, 1, 1, 1048576, "bytes",
             "do not compare lines of which less is left without case and punctuation"),
    WM_COUNT(struct dedup, min_characters, 0, 0, 0, "characters",
             "drop documents that are shorter afterwards"),
    WM_COUNT(struct dedup, max_lines, 100000, 1, 10000000, "lines", "drop longer pages"),
    {0},
};

const struct wm_stage wm_stage_paragraph_dedup = {
    .name = "paragraph-dedup",
    .summary = "drop lines that other documents have too",
    .version = 1,
    .cost = WM_COST_MODERATE,
    .options = options,
    .reasons = (const char *const[]){[DUPLICATE] = "duplicate",
                                     [TOO_SHORT] = "too-short",
                                     [TOO_MANY_LINES] = "too-many-lines",
                                     NULL},
    .libraries = (const char *const[]){"icu", NULL},
    .shared_size = sizeof(struct dedup),
    .local_size = sizeof(struct local),
    .survey_form = survey_form,
    .open_local = open_local,
    .survey = survey,
    .reduce = reduce,
    .load = load,
    .apply = apply,
    .close_local = close_local,
};
