/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/rejects.h"

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/doc_json.h"

int wm_rejects_path(char out[WM_PATH_MAX], const char *dir, uint32_t task, struct wm_error *err)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%06u.jsonl.zst", task);
    return wm_path_join(out, dir, name, err);
}

static int by_key(const void *a, const void *b)
{
    return wm_key_compare(((const struct wm_doc *)a)->key, ((const struct wm_doc *)b)->key);
}

/* Stages drop one after the other; sorting by key makes the order that of the input, and so
 * independent of how documents fell into batches. */
int wm_rejects_prepare(const struct wm_chain *chain, struct wm_carrier *carrier, struct wm_buf *buf,
                       struct wm_error *err)
{
    struct wm_dropped *dropped = &carrier->dropped;
    if (dropped->n)
        qsort(dropped->docs, dropped->n, sizeof *dropped->docs, by_key);
    buf->len = 0;
    for (size_t i = 0; i < dropped->n; i++) {
        const struct wm_doc *doc = &dropped->docs[i];
        const struct wm_stage *stage = chain->links[doc->drop_stage].stage;
        struct wm_doc_json how = {.schema = &chain->schema,
                                  .text_field = "text",
                                  .stage = stage->name,
                                  .reason = stage->reasons[doc->drop - 1]};
        int status = wm_doc_json_put(&how, doc, &carrier->batch.scratch, buf, err);
        if (status)
            return status;
    }
    carrier->rejected = wm_arena_str(&carrier->batch.arena, wm_buf_str(buf));
    if (buf->len && !carrier->rejected.ptr)
        return wm_fail_nomem(err, buf->len, "rejected documents");
    return 0;
}

/* One JSON object a line, and no raw newline inside any. */
int wm_rejects_write(struct wm_frames *frames, const struct wm_carrier *carrier,
                     struct wm_error *err)
{
    struct wm_str rest = carrier->rejected;
    while (rest.len) {
        struct wm_str line = wm_str_line(&rest);
        int status = wm_frames_add(frames, (struct wm_str){line.ptr, line.len + 1}, err);
        if (status)
            return status;
    }
    return 0;
}
