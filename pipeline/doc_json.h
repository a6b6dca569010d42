/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doc_json.h
 * A document as one line of JSON, in one of three layouts.
 *
 * wetmill:
 *
 *     {"text":…,"url":…,"date":…,"digest":…,"record_id":…,"key":[file,record,part],
 *      "location":{"file":…,"member":[offset,length],"offset":N,"tar":…},
 *      "lines":[first,count,…],"source_lines":N, columns that are set, unknown members of the input}
 *
 * Strings that are empty are left out (never the text), as is what a location lacks. In profile
 * ccnet, where the title is no part of the text, "title" follows the text.
 *
 * ccnet, CCNet's names and order (docs/ccnet.md says what they mean in each profile):
 *
 *     {"url":…,"date_download":…,"digest":…,"length":N,"nlines":N,"source_domain":…,"title":…,
 *      "raw_content":…,"cc_segment":…,"original_nlines":N,"original_length":N,"line_ids":[i,…],
 *      columns that are set, record_id to source_lines as above, unknown members}
 *
 * original_… and line_ids are there if lines were dropped, or could have been.
 *
 * minified: from which, with the archive at hand, the rejoin stage makes the document again:
 *
 *     {"url":…,"digest":…,"cc_segment":…,"language":…,"language_score":…,"bucket":…,
 *      "perplexity":…,"line_ids":"base64"}
 *
 * line_ids are little-endian uint16, as cc_net has them, in profile ccnet; in profile strict, and
 * where an id does not fit, the member is "line_ids32", little-endian uint32.
 *
 * A member of the input whose name is one of ours gives way to ours.
 */
#ifndef WETMILL_PIPELINE_DOC_JSON_H
#define WETMILL_PIPELINE_DOC_JSON_H

#include "wetmill/batch.h"
#include "wetmill/buf.h"

enum wm_layout { WM_LAYOUT_WETMILL, WM_LAYOUT_CCNET, WM_LAYOUT_MINIFIED };
extern const char *const wm_layout_names[]; /**< "wetmill", "ccnet", "minified", NULL */

enum wm_provenance_choice { WM_PROVENANCE_AUTO, WM_PROVENANCE_YES, WM_PROVENANCE_NO };
extern const char *const wm_provenance_names[]; /**< "auto", "yes", "no", NULL */

struct wm_doc_json {
    const struct wm_schema *schema;
    const char *text_field;     /**< Layout wetmill. */
    const char *stage, *reason; /**< Why it was rejected: two more members; or NULL. */
    int layout, profile;        /**< enum wm_layout, enum wm_profile. */
    bool bare;                  /**< Without record_id, key, location, lines, source_lines. */
    bool cut;                   /**< A stage drops lines. */
};

/** Does the layout leave out where documents are from? auto: the minified one, and ccnet in profile
 *  ccnet, do. */
bool wm_layout_is_bare(int layout, int profile, int choice);

/** Append the line, with its newline, to `out`. Resets `scratch`. */
int wm_doc_json_put(const struct wm_doc_json *how, const struct wm_doc *doc,
                    struct wm_arena *scratch, struct wm_buf *out, struct wm_error *err);

/* ---- for layouts ---- */

struct wm_json_out;
/** A member, unless the value is empty. */
void wm_doc_put_member(struct wm_json_out *w, const char *name, struct wm_str value);
/** Column `slot`, if it is set. */
void wm_doc_put_column(struct wm_json_out *w, const struct wm_doc_json *how,
                       const struct wm_doc *doc, size_t slot);
/** key, location, lines, source_lines. */
void wm_doc_put_place(struct wm_json_out *w, const struct wm_doc *doc);
/** Is `name` a member that the layout writes? */
typedef bool wm_doc_has_member(const struct wm_doc_json *how, struct wm_str name);
/** The further members of the input for which `skip` is false. */
int wm_doc_put_extra(struct wm_json_out *w, const struct wm_doc_json *how, struct wm_str members,
                     wm_doc_has_member *skip, struct wm_arena *scratch, struct wm_error *err);

/** The other layouts (doc_ccnet.c): all members, without the braces. */
int wm_doc_ccnet_put(struct wm_json_out *w, const struct wm_doc_json *how, const struct wm_doc *doc,
                     struct wm_arena *scratch, struct wm_error *err);
int wm_doc_minified_put(struct wm_json_out *w, const struct wm_doc_json *how,
                        const struct wm_doc *doc, struct wm_arena *scratch, struct wm_error *err);
/** Authority of a URL, as the netloc of Python's urllib.parse.urlparse. */
struct wm_str wm_url_authority(struct wm_str url);

#endif /* WETMILL_PIPELINE_DOC_JSON_H */
