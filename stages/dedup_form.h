/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dedup_form.h
 * What paragraph-dedup's survey records look like, and the groups of files they are compared in.
 *
 * A record is the hash of a line, big-endian; then, if documents are compared within groups, u32
 * group; then, if the first document keeps the line, its key in 12 bytes: u32 file, 40 bits record,
 * 24 bits part. So of the records of one hash and group the two smallest say all there is to know:
 * is it in two documents, and which is the first?
 */
#ifndef WETMILL_STAGES_DEDUP_FORM_H
#define WETMILL_STAGES_DEDUP_FORM_H

#include "wetmill/inputs.h"
#include "wetmill/stage.h"

enum { WM_DEDUP_RECORD = 8 + 4 + 12, WM_DEDUP_KEY = 12 };

struct wm_dedup_form {
    bool by_group, by_document;
};

/** Bytes of hash and group: what makes two records the same line. */
static inline size_t wm_dedup_prefix(struct wm_dedup_form form)
{
    return form.by_group ? 12 : 8;
}
static inline size_t wm_dedup_size(struct wm_dedup_form form)
{
    return wm_dedup_prefix(form) + (form.by_document ? WM_DEDUP_KEY : 0);
}

/** Can the key be told from all others in 12 bytes? */
static inline bool wm_dedup_key_fits(const struct wm_key *key)
{
    return key->record < (uint64_t)1 << 40 && key->part < (uint32_t)1 << 24;
}

/** Fill in what all records of one document have in common; the hash is put by the caller. */
void wm_dedup_record(struct wm_dedup_form form, uint32_t group, const struct wm_key *key,
                     unsigned char record[WM_DEDUP_RECORD]);

/**
 * The group of each row of the input table, [inputs->n_rows] from malloc. As CCNet cuts a crawl:
 * n files, in the order of the table, make n_shards shards, of which the i-th has the files
 * floor(i n / n_shards) to floor((i + 1) n / n_shards) − 1; group_shards of them in a row are a
 * group. Rows that are ranges of one file are of its group.
 */
int wm_dedup_groups(const struct wm_inputs *inputs, uint64_t n_shards, uint64_t group_shards,
                    uint32_t **ret, struct wm_error *err);

#endif /* WETMILL_STAGES_DEDUP_FORM_H */
