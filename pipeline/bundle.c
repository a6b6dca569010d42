/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/bundle.h"

#include <stdlib.h>

#include "wetmill/records.h"

enum { SLOTS = 2 * WM_BUNDLE_GROUPS };

struct wm_bundle_block {
    struct wm_bundle_block *next;
    size_t used;
    char bytes[WM_BUNDLE_BLOCK];
};

struct wm_bundle_group {
    struct wm_str name;
    struct wm_bundle_block *first, *last; /* waiting documents */
    size_t bytes;                         /* in them */
    struct wm_bundle_count count;         /* of them */
};

static int wrote(void *bundle_, struct wm_str frame, struct wm_error *err)
{
    struct wm_bundle *bundle = bundle_;
    (void)err;
    unsigned char *entry =
        (unsigned char *)bundle->entries.ptr + bundle->n_written++ * WM_BUNDLE_ENTRY;
    wm_put_be64(entry + 8, frame.len);
    wm_put_be64(entry + 40, XXH3_64bits(frame.ptr, frame.len));
    return 0;
}

int wm_bundle_open(struct wm_bundle *bundle, struct wm_crew *crew, struct wm_packer *packer,
                   const char *path, uint64_t max_pending, struct wm_error *err)
{
    *bundle = (struct wm_bundle){.max_blocks = (size_t)(max_pending / WM_BUNDLE_BLOCK)};
    size_t most = bundle->max_blocks * WM_BUNDLE_BLOCK;
    bundle->frame_bytes = most < WM_FRAME_BYTES ? most : WM_FRAME_BYTES;
    wm_arena_init(&bundle->names, (size_t)2 * WM_BUNDLE_GROUPS * WM_SPLIT_NAME);
    wm_buf_init(&bundle->entries, WM_BUNDLE_INDEX);
    int status = wm_frames_open(&bundle->frames, crew, packer, path, err);
    bundle->frames.wrote = wrote;
    bundle->frames.wrote_arg = bundle;
    bundle->slots = calloc(SLOTS, sizeof *bundle->slots);
    if (!status && !bundle->slots)
        status = wm_fail_nomem(err, SLOTS * sizeof *bundle->slots, "groups of documents");
    return status;
}

/* ---- groups ---- */

static int add_group(struct wm_bundle *bundle, struct wm_str name, struct wm_error *err)
{
    if (bundle->n_groups == WM_BUNDLE_GROUPS) {
        (void)wm_fail(err, WM_E_LIMIT, "the columns to split by have more than %d different values",
                      WM_BUNDLE_GROUPS);
        return wm_error_hint(err, "split by columns with few values, like language and bucket");
    }
    if (bundle->n_groups == bundle->cap_groups) {
        size_t cap = bundle->cap_groups ? 2 * bundle->cap_groups : 64;
        struct wm_bundle_group *groups = realloc(bundle->groups, cap * sizeof *groups);
        if (!groups)
            return wm_fail_nomem(err, cap * sizeof *groups, "groups of documents");
        bundle->groups = groups;
        bundle->cap_groups = cap;
    }
    struct wm_str copy = wm_arena_str(&bundle->names, name);
    if (!copy.ptr)
        return wm_fail_nomem(err, name.len, "groups of documents");
    bundle->groups[bundle->n_groups++] = (struct wm_bundle_group){.name = copy};
    return 0;
}

static int find_group(struct wm_bundle *bundle, struct wm_str name, struct wm_bundle_group **ret,
                      struct wm_error *err)
{
    size_t slot = (size_t)XXH3_64bits(name.ptr, name.len) % SLOTS;
    for (; bundle->slots[slot]; slot = (slot + 1) % SLOTS) {
        *ret = &bundle->groups[bundle->slots[slot] - 1];
        if (wm_str_eq((*ret)->name, name))
            return 0;
    }
    int status = add_group(bundle, name, err);
    if (status)
        return status;
    bundle->slots[slot] = (uint32_t)bundle->n_groups;
    *ret = &bundle->groups[bundle->n_groups - 1];
    return 0;
}

/* ---- frames ---- */

static int note_frame(struct wm_bundle *bundle, const struct wm_bundle_group *group,
                      const struct wm_bundle_count *count, struct wm_error *err)
{
    unsigned char entry[WM_BUNDLE_ENTRY] = {0};
    wm_put_be32(entry, (uint32_t)(group - bundle->groups));
    wm_put_be64(entry + 16, count->documents);
    wm_put_be64(entry + 24, count->lines);
    wm_put_be64(entry + 32, count->text_bytes);
    bundle->n_sent++;
    return wm_buf_add(&bundle->entries, (const char *)entry, sizeof entry, err);
}

/* All that waits of a group becomes a frame. */
static int cut(struct wm_bundle *bundle, struct wm_bundle_group *group, struct wm_error *err)
{
    if (!group->first)
        return 0;
    int status = note_frame(bundle, group, &group->count, err);
    while (group->first) {
        struct wm_bundle_block *block = group->first;
        if (!status)
            status =
                wm_frames_append(&bundle->frames, (struct wm_str){block->bytes, block->used}, err);
        group->first = block->next;
        block->next = bundle->idle;
        bundle->idle = block;
        bundle->n_blocks--;
    }
    group->last = NULL;
    group->bytes = 0;
    group->count = (struct wm_bundle_count){0};
    return status ? status : wm_frames_cut(&bundle->frames, err);
}

static struct wm_bundle_group *fullest(struct wm_bundle *bundle)
{
    struct wm_bundle_group *most = bundle->groups;
    for (size_t i = 1; i < bundle->n_groups; i++)
        if (bundle->groups[i].bytes > most->bytes)
            most = &bundle->groups[i];
    return most;
}

static size_t blocks_for(const struct wm_bundle_group *group, size_t len)
{
    size_t room = group->last ? WM_BUNDLE_BLOCK - group->last->used : 0;
    return len <= room ? 0 : (len - room + WM_BUNDLE_BLOCK - 1) / WM_BUNDLE_BLOCK;
}

static int add_block(struct wm_bundle *bundle, struct wm_bundle_group *group, struct wm_error *err)
{
    struct wm_bundle_block *block = bundle->idle;
    if (block)
        bundle->idle = block->next;
    else
        block = malloc(sizeof *block);
    if (!block)
        return wm_fail_nomem(err, sizeof *block, "documents that wait for their frame");
    block->next = NULL;
    block->used = 0;
    if (group->last)
        group->last->next = block;
    else
        group->first = block;
    group->last = block;
    bundle->n_blocks++;
    return 0;
}

static int hold(struct wm_bundle *bundle, struct wm_bundle_group *group, struct wm_str bytes,
                struct wm_error *err)
{
    group->bytes += bytes.len;
    while (bytes.len) {
        if (!group->last || group->last->used == WM_BUNDLE_BLOCK) {
            int status = add_block(bundle, group, err);
            if (status)
                return status;
        }
        struct wm_bundle_block *block = group->last;
        size_t room = WM_BUNDLE_BLOCK - block->used, n = bytes.len < room ? bytes.len : room;
        memcpy(block->bytes + block->used, bytes.ptr, n);
        block->used += n;
        bytes.ptr += n;
        bytes.len -= n;
    }
    return 0;
}

/* A frame of its own, and nothing beside it: memory holds one at a time. */
static int add_large(struct wm_bundle *bundle, struct wm_bundle_group *group,
                     struct wm_str document, const struct wm_bundle_count *count,
                     struct wm_error *err)
{
    int status = cut(bundle, group, err);
    if (!status)
        status = note_frame(bundle, group, count, err);
    if (!status)
        status = wm_frames_add(&bundle->frames, document, err);
    return status ? status : wm_frames_cut(&bundle->frames, err);
}

int wm_bundle_add(struct wm_bundle *bundle, struct wm_str name, struct wm_str document,
                  const struct wm_bundle_count *count, struct wm_error *err)
{
    struct wm_bundle_group *group;
    int status = find_group(bundle, name, &group, err);
    if (status)
        return status;
    bundle->total.documents += count->documents;
    bundle->total.lines += count->lines;
    bundle->total.text_bytes += count->text_bytes;
    if (document.len > bundle->frame_bytes)
        return add_large(bundle, group, document, count, err);
    if (document.len > bundle->frame_bytes - group->bytes)
        status = cut(bundle, group, err);
    while (!status && blocks_for(group, document.len) > bundle->max_blocks - bundle->n_blocks)
        status = cut(bundle, fullest(bundle), err);
    if (!status)
        status = hold(bundle, group, document, err);
    group->count.documents += count->documents;
    group->count.lines += count->lines;
    group->count.text_bytes += count->text_bytes;
    return status;
}

/* One document cuts a frame of each group at most, two if it is large; what waits in the end makes
 * one of each. */
bool wm_bundle_full(const struct wm_bundle *bundle)
{
    return bundle->n_sent + 2 * bundle->n_groups + 4 > WM_BUNDLE_FRAMES;
}

/* ---- the end ---- */

static int put_index(struct wm_bundle *bundle, uint64_t *ret_checksum, struct wm_error *err)
{
    struct wm_buf *index = &bundle->entries;
    /* sizes and hashes of all frames are known only when all are written */
    int status = wm_frames_put(&bundle->frames, (struct wm_str){"", 0}, err);
    for (size_t i = 0; !status && i < bundle->n_groups; i++) {
        struct wm_str name = bundle->groups[i].name;
        unsigned char length[4];
        wm_put_be32(length, (uint32_t)name.len);
        status = wm_buf_add(index, (const char *)length, sizeof length, err);
        if (!status)
            status = wm_buf_add(index, name.ptr, name.len, err);
    }
    unsigned char trailer[WM_BUNDLE_TRAILER] = {0};
    wm_put_be64(trailer, bundle->n_sent);
    wm_put_be64(trailer + 8, bundle->n_groups);
    wm_put_be64(trailer + 16, index->len - bundle->n_sent * WM_BUNDLE_ENTRY);
    wm_put_be32(trailer + 24, WM_BUNDLE_VERSION);
    if (!status)
        status = wm_buf_add(index, (const char *)trailer, 32, err);
    if (status)
        return status;
    *ret_checksum = XXH3_64bits(index->ptr, index->len);
    wm_put_be64(trailer + 32, *ret_checksum);
    memcpy(trailer + 40, WM_BUNDLE_MAGIC, 8);
    status = wm_buf_add(index, (const char *)trailer + 32, 16, err);
    return status ? status : wm_frames_put(&bundle->frames, wm_buf_str(index), err);
}

int wm_bundle_commit(struct wm_bundle *bundle, bool *ret_written, struct wm_digest *ret,
                     uint64_t *ret_index, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < bundle->n_groups; i++)
        status = cut(bundle, &bundle->groups[i], err);
    if (!status && bundle->n_groups)
        status = put_index(bundle, ret_index, err);
    return status ? status : wm_frames_commit(&bundle->frames, ret_written, ret, err);
}

/* ---- going on ---- */

static void put_counts(struct wm_state_out *state, const struct wm_bundle_count *count)
{
    wm_state_put(state, count->documents);
    wm_state_put(state, count->lines);
    wm_state_put(state, count->text_bytes);
}

static void get_counts(struct wm_state_in *state, struct wm_bundle_count *count)
{
    count->documents = wm_state_get(state);
    count->lines = wm_state_get(state);
    count->text_bytes = wm_state_get(state);
}

int wm_bundle_save(struct wm_bundle *bundle, struct wm_state_out *state, struct wm_error *err)
{
    int status = wm_frames_save(&bundle->frames, state, err); /* now all entries are complete */
    put_counts(state, &bundle->total);
    wm_state_put_str(state, wm_buf_str(&bundle->entries));
    wm_state_put(state, bundle->n_groups);
    for (size_t i = 0; i < bundle->n_groups; i++) {
        const struct wm_bundle_group *group = &bundle->groups[i];
        size_t n_blocks = 0;
        wm_state_put_str(state, group->name);
        put_counts(state, &group->count);
        for (const struct wm_bundle_block *b = group->first; b; b = b->next)
            n_blocks++;
        wm_state_put(state, n_blocks);
        for (const struct wm_bundle_block *b = group->first; b; b = b->next)
            wm_state_put_str(state, (struct wm_str){b->bytes, b->used});
    }
    return status;
}

static int load_group(struct wm_bundle *bundle, struct wm_state_in *state, struct wm_error *err)
{
    struct wm_bundle_group *group;
    int status = find_group(bundle, wm_state_get_str(state), &group, err);
    if (status)
        return status;
    get_counts(state, &group->count);
    for (uint64_t n = wm_state_get(state); !status && !state->bad && n > 0; n--) {
        if (bundle->n_blocks >= bundle->max_blocks)
            return wm_state_mismatch(err, "more documents wait than may");
        status = hold(bundle, group, wm_state_get_str(state), err);
    }
    return status;
}

int wm_bundle_load(struct wm_bundle *bundle, struct wm_state_in *state, struct wm_error *err)
{
    int status = wm_frames_load(&bundle->frames, state, err);
    get_counts(state, &bundle->total);
    struct wm_str entries = wm_state_get_str(state);
    uint64_t n_groups = wm_state_get(state);
    if (!status)
        status = wm_state_in_status(state, err);
    if (!status)
        status = wm_buf_add(&bundle->entries, entries.ptr, entries.len, err);
    bundle->n_sent = bundle->n_written = entries.len / WM_BUNDLE_ENTRY;
    for (uint64_t i = 0; !status && !state->bad && i < n_groups; i++)
        status = load_group(bundle, state, err);
    return status ? status : wm_state_in_status(state, err);
}

static void free_blocks(struct wm_bundle_block *block)
{
    for (struct wm_bundle_block *next; block; block = next) {
        next = block->next;
        free(block);
    }
}

void wm_bundle_close(struct wm_bundle *bundle)
{
    wm_frames_close(&bundle->frames);
    for (size_t i = 0; i < bundle->n_groups; i++)
        free_blocks(bundle->groups[i].first);
    free_blocks(bundle->idle);
    free(bundle->groups);
    free(bundle->slots);
    wm_arena_done(&bundle->names);
    wm_buf_done(&bundle->entries);
    *bundle = (struct wm_bundle){0};
}

/* Names and groups of a corpus of many hundred languages × buckets, an index of ten thousand frames;
 * more take more than this, but tens of MiB at the worst. */
size_t wm_bundle_memory(uint64_t max_pending)
{
    return wm_frames_memory() + (size_t)max_pending + max_pending / 512 + SLOTS * sizeof(uint32_t) +
           ((size_t)1 << 20);
}
