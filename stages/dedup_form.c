/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/dedup_form.h"

#include <stdlib.h>

void wm_dedup_record(struct wm_dedup_form form, uint32_t group, const struct wm_key *key,
                     unsigned char record[WM_DEDUP_RECORD])
{
    unsigned char *at = record + 8;
    if (form.by_group) {
        wm_put_be32(at, group);
        at += 4;
    }
    if (!form.by_document)
        return;
    wm_put_be32(at, key->file);
    wm_put_be64(at + 4, key->record << 24 | key->part);
}

/* A range goes on with the file of the row before it, unless it starts at the file's beginning. */
static bool begins_file(const struct wm_inputs *inputs, uint32_t row)
{
    const struct wm_input *rows = inputs->rows;
    return row == 0 || rows[row].start == 0 || strcmp(rows[row].path, rows[row - 1].path) != 0;
}

int wm_dedup_groups(const struct wm_inputs *inputs, uint64_t n_shards, uint64_t group_shards,
                    uint32_t **ret, struct wm_error *err)
{
    uint64_t n_files = 0, file = 0;
    uint32_t *groups = malloc(((size_t)inputs->n_rows + 1) * sizeof *groups);
    if (!groups)
        return wm_fail_nomem(err, inputs->n_rows * sizeof *groups, "groups of files");
    for (uint32_t row = 0; row < inputs->n_rows; row++)
        n_files += begins_file(inputs, row);
    for (uint32_t row = 0; row < inputs->n_rows; row++) {
        file += row && begins_file(inputs, row);
        /* the last shard that begins at or before the file; both factors are below 2^32 */
        uint64_t shard = ((file + 1) * n_shards - 1) / n_files;
        groups[row] = (uint32_t)(shard / group_shards);
    }
    *ret = groups;
    return 0;
}
