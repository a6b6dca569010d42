/* SPDX-License-Identifier: Apache-2.0 */
/* A file through the real reader. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutated.h"

enum { COLUMNS = 2, NO_MEMORY_MORE = 1 << 30 };

static uint64_t name_of(const struct wm_doc *doc)
{
    if (doc->record_id.len == 0)
        return XXH3_64bits(doc->url.ptr, doc->url.len);
    uint64_t digest = XXH3_64bits(doc->digest.ptr, doc->digest.len);
    return XXH3_64bits_withSeed(doc->record_id.ptr, doc->record_id.len, digest);
}

static void keep(struct reading *r, const struct wm_doc *doc)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->docs = realloc(r->docs, r->cap * sizeof *r->docs);
        if (!r->docs)
            give_up("no memory for documents");
    }
    r->docs[r->n++] = (struct seen){doc->location.member_offset, doc->location.offset,
                                    XXH3_128bits(doc->text.ptr, doc->text.len), name_of(doc)};
}

static void tell(struct reading *r, const struct wm_damage *damage)
{
    size_t used = strlen(r->told);
    (void)snprintf(r->told + used, sizeof r->told - used, "  @%ju #%ju %s\n", (uintmax_t)damage->at,
                   (uintmax_t)damage->record, damage->what);
}

static void read_task(struct reading *r, const struct wm_inputs *inputs, size_t max_text)
{
    struct wm_error err = {0};
    struct wm_reader *reader;
    struct wm_batch batch = {0};
    int more;
    wm_arena_init(&batch.arena, NO_MEMORY_MORE);
    if (wm_reader_open(inputs, &inputs->tasks[0], &reader, &err))
        give_up("%s: %s", err.where, err.what);
    while ((more = wm_reader_fill(reader, &batch, COLUMNS, max_text, WM_BATCH_DOCS, &err)) > 0) {
        for (size_t i = 0; i < batch.n_docs; i++)
            keep(r, &batch.docs[i]);
        wm_arena_reset(&batch.arena);
    }
    if (more < 0)
        give_up("%s: %s", err.where, err.what);
    r->tally = *wm_reader_tally(reader);
    for (uint64_t i = 0; i < r->tally.n_damage && i < 12; i++)
        tell(r, &wm_reader_damage(reader)[i]);
    wm_reader_close(reader);
    wm_arena_done(&batch.arena);
}

void reading_take(struct reading *r, const char *path, int profile, size_t max_text)
{
    struct wm_source_options options;
    struct wm_inputs inputs;
    struct wm_error err = {0};
    r->n = 0;
    r->told[0] = '\0';
    r->tally = (struct wm_read_tally){0};
    memset(&options, 0, sizeof options);
    wm_options_default(wm_source_option_table, &options);
    options.paths = (struct wm_list){&path, 1};
    options.profile = profile;
    if (wm_inputs_open(&options, &inputs, &err))
        give_up("%s: %s", err.where, err.what);
    if (inputs.n_tasks != 1)
        give_up("%s: more than one task", path);
    read_task(r, &inputs, max_text);
    wm_inputs_close(&inputs);
}

void reading_free(struct reading *r)
{
    free(r->docs);
    *r = (struct reading){0};
}
