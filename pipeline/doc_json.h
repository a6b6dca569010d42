/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doc_json.h
 * A document as one line of JSON:
 *
 *     {"text":…,"url":…,"date":…,"digest":…,"record_id":…,"key":[file,record,part],
 *      "location":{"file":…,"member":[offset,length],"offset":N,"tar":…},
 *      "lines":[first,count,…],"source_lines":N, columns that are set, unknown members of the input}
 *
 * Strings that are empty are left out (never the text), as is what a location lacks. A member of
 * the input whose name is one of ours gives way to ours.
 */
#ifndef WETMILL_PIPELINE_DOC_JSON_H
#define WETMILL_PIPELINE_DOC_JSON_H

#include "wetmill/batch.h"
#include "wetmill/buf.h"

struct wm_doc_json {
    const struct wm_schema *schema;
    const char *text_field;
    const char *stage, *reason; /**< Why it was rejected: two more members; or NULL. */
};

/** Append the line, with its newline, to `out`. Resets `scratch`. */
int wm_doc_json_put(const struct wm_doc_json *how, const struct wm_doc *doc,
                    struct wm_arena *scratch, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_PIPELINE_DOC_JSON_H */
