/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.h
 * Documents, and the batches they travel in.
 *
 * A batch is filled by one reader, changed in place by one worker, consumed by the task's sink and
 * then recycled. Every string of a document lives in batch->arena until then; nothing outlives it.
 * A batch carries at most WM_BATCH_TEXT bytes of text, or exactly one larger document.
 *
 * Lines. The lines of a text are what splitting at '\n' gives (as Python's split): n newlines make
 * n + 1 lines, and joining them with '\n' gives the text back. A stage that drops lines does so
 * through wm_doc_keep_lines alone, which keeps the document's line map: the runs of lines of the
 * record's own text (as the source gave it) that the present text consists of. A stage that
 * rewrites text does it line by line, without moving, joining or splitting lines; so
 *
 *     record text ──rewrites, nothing dropped──▶ lines ──pick by line map──▶ final text
 *
 * gives the final text again, which is how a training token is traced to its archive.
 */
#ifndef WETMILL_BATCH_H
#define WETMILL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_BATCH_TEXT = 4 << 20,       /**< Bytes of text in a batch of several documents. */
    WM_BATCH_DOCS = 4096,          /**< Documents in a batch. */
    WM_RECORD_LIMIT = 16 << 20,    /**< Default limit of one record, bytes. */
    WM_COLUMNS_MAX = 64,
};

/** Where a document stands in the total order of the input. */
struct wm_key {
    uint32_t file;   /**< Row of the input table (inputs.h): a file, or a range of a large one. */
    uint64_t record; /**< Ordinal of the record within that row, from 0. */
    uint32_t part;   /**< Ordinal within the record, from 0. */
};

/** < 0, 0, > 0 as a stands before, at, behind b. */
static inline int wm_key_compare(struct wm_key a, struct wm_key b)
{
    if (a.file != b.file)
        return a.file < b.file ? -1 : 1;
    if (a.record != b.record)
        return a.record < b.record ? -1 : 1;
    return (a.part > b.part) - (a.part < b.part);
}

/** Where the record's bytes are, enough to read it again alone. */
struct wm_location {
    uint64_t member_offset; /**< Of the compressed member or frame in the file; 0 if not compressed. */
    uint64_t member_length; /**< Compressed bytes of that member; 0 if not compressed or unknown. */
    uint64_t offset;        /**< Of the record, in bytes uncompressed from the member's start. */
    struct wm_str tar_member; /**< Name inside a tar, or empty. The offsets are then within it. */
};

/** Lines first … first + count − 1 of the record's text. */
struct wm_line_run {
    uint32_t first, count;
};

/** Kept lines, as rising runs. Arena memory. */
struct wm_line_map {
    struct wm_line_run *runs;
    size_t n_runs;
};

/** Types of the values stages attach to documents. */
enum wm_column_type { WM_COLUMN_COUNT, WM_COLUMN_REAL, WM_COLUMN_TEXT };

struct wm_column {
    const char *name;         /**< Field name in the output, snake_case. NULL ends a table. */
    enum wm_column_type type;
    int decimals;             /**< REAL: digits written after the point. */
};

union wm_value {
    uint64_t count;
    double real;
    struct wm_str text;
};

/** The columns of a chain in order of first declaration; a slot is an index into it. */
struct wm_schema {
    struct wm_column columns[WM_COLUMNS_MAX];
    size_t n;
};

/** Slot of `name`, or -1. */
int wm_schema_slot(const struct wm_schema *schema, const char *name);

struct wm_doc {
    struct wm_str text;                   /**< Valid UTF-8. */
    struct wm_str url, date, digest, record_id;
    struct wm_str title;                  /**< First line of the page. Profile ccnet: no part of text. */
    struct wm_str segment;                /**< Its file as a list names it, without `prefix`. */
    struct wm_str extra;                  /**< Unknown JSONL members, verbatim: `"a":1,"b":[2]`. */
    struct wm_key key;
    uint32_t row;                         /**< Of the input table, that it was read from: the key's
                                               file, unless a corpus of ours remembers another. */
    struct wm_str path;                   /**< File the location refers to: the input row's, or what
                                               a corpus of ours remembers. */
    struct wm_location location;
    uint32_t source_lines;                /**< Lines of the record's own text. */
    struct wm_line_map lines;
    bool has_length;                      /**< source_length is known; if not, the chain counts it. */
    int64_t source_length;                /**< Of the page as crawled. Profile ccnet: bytes, as its
                                               header says; else characters of the record's text. */
    const uint32_t *page_ids;             /**< [source_lines] rising; NULL: 0, 1, … A JSON line in
                                               CCNet's form that remembers no place: the numbers
                                               its lines had in the page. */
    uint32_t page_lines;                  /**< Lines that page had; with page_ids. */
    union wm_value *values;               /**< [schema.n] */
    uint64_t has;                         /**< Bit s: values[s] is set. */
    uint32_t drop;                        /**< 0 = kept, else 1 + reason of the stage `drop_stage`. */
    uint32_t drop_stage;
};

static inline bool wm_doc_has(const struct wm_doc *doc, int slot)
{
    return slot >= 0 && (doc->has >> slot & 1);
}

struct wm_batch {
    uint64_t seq;              /**< Place in the task, from 0. */
    uint32_t task;             /**< Its number … */
    uint32_t epoch;            /**< … and how often it is saved (sink.h) before this batch, since it
                                    was opened. */
    struct wm_doc *docs;       /**< [n_docs] in arena. */
    size_t n_docs;
    size_t text_bytes;         /**< Sum of text lengths as read. */
    struct wm_arena arena;     /**< Owns every string of the batch. */
    struct wm_arena scratch;   /**< A stage's working memory: reset it before use. */
    bool rederive;             /**< Tracing: wm_drop and wm_doc_keep_lines change nothing. */
    uint32_t stage;            /**< Index of the stage that is being applied (set by the chain). */
    void *payload;             /**< What the sink prepared from it, in arena. */
};

/** Drop a document under reason `reason` (index into the stage's reasons). The first one stands. */
static inline void wm_drop(const struct wm_batch *batch, struct wm_doc *doc, unsigned reason)
{
    if (!doc->drop && !batch->rederive) {
        doc->drop = reason + 1;
        doc->drop_stage = batch->stage;
    }
}

/**
 * Keep line i of doc->text where keep[i] is not 0; the others are dropped, the line map follows.
 * `n_lines` must be the number of lines of doc->text. With all kept nothing changes; with none the
 * text is empty and the map has no runs (the caller drops the document). WM_E_NOMEM.
 */
int wm_doc_keep_lines(struct wm_batch *batch, struct wm_doc *doc, const unsigned char *keep,
                      size_t n_lines, struct wm_error *err);

/** Lines a map holds together. */
uint64_t wm_line_map_count(const struct wm_line_map *map);

/** Number of lines of a text as defined above: newlines + 1. */
static inline size_t wm_line_count(struct wm_str text)
{
    return wm_str_count(text, '\n') + 1;
}

/**
 * Undo: pick from `text` (a record's text after all rewriting, nothing dropped) the lines of
 * `map`, joined by '\n', into `arena`. WM_E_MISMATCH if the map names lines the text lacks.
 */
int wm_lines_pick(struct wm_str text, const struct wm_line_map *map, struct wm_arena *arena,
                  struct wm_str *ret, struct wm_error *err);

#endif /* WETMILL_BATCH_H */
