/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file document.h
 * From a record to a document in a batch.
 *
 * Text of every source: UTF-8, each maximal invalid part replaced by one U+FFFD; every run of CRs
 * before an LF removed; other CRs, NULs and controls kept: only LF ends a line. WARC payloads and
 * plain text also lose all CR and LF at their end. A function of the record's bytes alone, so that
 * reading the record again gives the same text.
 */
#ifndef WETMILL_PIPELINE_DOCUMENT_H
#define WETMILL_PIPELINE_DOCUMENT_H

#include "pipeline/framer.h"
#include "wetmill/batch.h"

/** What making documents needs besides. */
struct wm_maker {
    struct wm_arena scratch; /**< For a JSON line: its strings before they are copied. */
    const char *text_field;
    uint64_t max_record;
    size_t n_values;
    size_t cap; /**< Documents batch->docs has room for. */
};

void wm_maker_init(struct wm_maker *maker, const struct wm_source_options *options,
                   size_t n_values);
void wm_maker_done(struct wm_maker *maker);

/** Text as above, copied to `arena`, and the number of its lines; `*ret_repaired` is set if there was
 *  invalid UTF-8. */
int wm_text_take(struct wm_arena *arena, struct wm_str raw, bool at_end, struct wm_str *ret,
                 size_t *ret_lines, bool *ret_repaired, struct wm_error *err);

/** Room for one more document in `batch`, zeroed, its values unset. It counts once n_docs says so. */
int wm_doc_new(struct wm_maker *maker, struct wm_batch *batch, struct wm_doc **ret,
               struct wm_error *err);

/** Fill the document from `record`: 1, or 0 and `*ret_reason` if it is none. Key, path and location
 *  are set only where a JSON line remembers them (path not empty then). */
int wm_doc_make(struct wm_maker *maker, struct wm_batch *batch, enum wm_framing framing,
                const struct wm_record *record, struct wm_doc *doc, enum wm_read_reason *ret_reason,
                bool *ret_repaired, struct wm_error *err);

/** The JSON part of it (jsonl.c); `*ret_lines` of the text, the map only if the line brings one. */
int wm_jsonl_read(struct wm_maker *maker, struct wm_arena *arena, struct wm_str line,
                  struct wm_doc *doc, size_t *ret_lines, enum wm_read_reason *ret_reason,
                  bool *ret_repaired, struct wm_error *err);

#endif /* WETMILL_PIPELINE_DOCUMENT_H */
