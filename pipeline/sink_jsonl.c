/* SPDX-License-Identifier: Apache-2.0 */
/* write-jsonl: a line of JSON for each document, in independent frames. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/doc_json.h"
#include "pipeline/frames.h"
#include "pipeline/sink_split.h"
#include "wetmill/job.h"

struct jsonl {
    int compression; /* enum wm_packer_kind */
    uint64_t level, file_size, split_memory;
    const char *text_field;
    int profile, layout, provenance; /* doc_json.h */
    struct wm_doc_json how;
    struct wm_list split;
    int split_slots[WM_SPLIT_COLUMNS];
    struct wm_crew *crew;
    struct wm_packer *packer; /* ours; behind a pointer because tasks get us as const */
};

/* A document as a line, and the group it goes to if documents are split. */
struct line {
    size_t end;
    struct wm_bundle_count count;
    struct wm_str group;
};

/* Of one batch. */
struct lines {
    struct wm_str bytes;
    struct line *items; /* [n_docs] */
};

struct local {
    struct wm_buf buf;
    struct wm_arena scratch;
};

struct task {
    struct wm_frames frames;
    struct wm_split_task *split; /* in place of frames and what follows */
    char name[64];
    struct wm_bundle_count total;
};

/* Last resort against a runaway; what a batch holds is bounded by the reader. */
static const size_t max_batch_bytes = (size_t)1 << 32;

int wm_jsonl_check(const void *shared, const struct wm_schema *schema, struct wm_error *err)
{
    const struct wm_list *split = &((const struct jsonl *)shared)->split;
    if (split->n > WM_SPLIT_COLUMNS)
        return wm_fail(err, WM_E_CONFIG, "split takes %d columns at most", WM_SPLIT_COLUMNS);
    for (size_t i = 0; i < split->n; i++) {
        int slot = wm_schema_slot(schema, split->items[i]);
        if (slot < 0) {
            (void)wm_fail(err, WM_E_CONFIG, "split: no stage writes the column %s",
                          split->items[i]);
            return wm_error_hint(err, "wetmill stages NAME says what a stage writes");
        }
        if (schema->columns[slot].type != WM_COLUMN_TEXT)
            return wm_fail(err, WM_E_CONFIG, "split: the column %s is a number, not a text",
                           split->items[i]);
    }
    return 0;
}

static int find_slots(struct jsonl *sink, struct wm_error *err)
{
    int status = wm_jsonl_check(sink, sink->how.schema, err);
    for (size_t i = 0; !status && i < sink->split.n; i++)
        sink->split_slots[i] = wm_schema_slot(sink->how.schema, sink->split.items[i]);
    return status;
}

static int open_sink(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct jsonl *sink = shared;
    sink->how = (struct wm_doc_json){
        .schema = env->schema,
        .text_field = sink->text_field,
        .layout = sink->layout,
        .profile = sink->profile,
        .bare = wm_layout_is_bare(sink->layout, sink->profile, sink->provenance),
        .cut = env->cuts_lines};
    sink->crew = env->crew;
    if (!sink->text_field || !*sink->text_field)
        return wm_fail(err, WM_E_CONFIG, "text_field is empty");
    int status = find_slots(sink, err);
    if (status)
        return status;
    sink->packer = calloc(1, sizeof *sink->packer);
    if (!sink->packer)
        return wm_fail_nomem(err, sizeof *sink->packer, "compression");
    return wm_packer_open(sink->packer, (enum wm_packer_kind)sink->compression, sink->level, err);
}

static size_t memory(const void *shared, unsigned n_workers, unsigned n_tasks_at_once)
{
    const struct jsonl *sink = shared;
    size_t packer = wm_packer_memory((enum wm_packer_kind)sink->compression, sink->level);
    size_t task = sizeof(struct task) + (sink->split.n ? sizeof(struct wm_split_task) +
                                                             wm_bundle_memory(sink->split_memory)
                                                       : wm_frames_memory());
    return n_tasks_at_once * task + n_workers * (packer + 4 * (size_t)WM_BATCH_TEXT);
}

static int open_local(const void *shared, void *local_, struct wm_error *err)
{
    struct local *local = local_;
    (void)shared, (void)err;
    wm_buf_init(&local->buf, max_batch_bytes);
    wm_arena_init(&local->scratch, max_batch_bytes);
    return 0;
}

/* Documents of a group often follow each other: the name is the one before then. */
static int name_groups(const struct jsonl *sink, struct wm_batch *batch, struct line *lines,
                       struct wm_error *err)
{
    struct wm_str last = {0};
    for (size_t i = 0; i < batch->n_docs; i++) {
        char name[WM_SPLIT_NAME];
        size_t len = wm_split_name(&batch->docs[i], sink->split_slots, sink->split.n, name);
        struct wm_str group = {name, len};
        if (!wm_str_eq(group, last))
            last = wm_arena_str(&batch->arena, group);
        if (!last.ptr)
            return wm_fail_nomem(err, len, "names of groups");
        lines[i].group = last;
    }
    return 0;
}

static int put_docs(const struct jsonl *sink, struct local *local, const struct wm_batch *batch,
                    struct wm_buf *buf, struct line *lines, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        const struct wm_doc *doc = &batch->docs[i];
        status = wm_doc_json_put(&sink->how, doc, &local->scratch, buf, err);
        lines[i].end = buf->len;
        lines[i].count = (struct wm_bundle_count){1, wm_line_map_count(&doc->lines), doc->text.len};
    }
    return status;
}

/* Enough for nearly every batch: names and numbers, and text of which one byte in eight is escaped. */
static size_t usual_bytes(const struct jsonl *sink, const struct wm_batch *batch)
{
    enum { FIXED = 256, COLUMN = 48, RUN = 16, WRITER_AHEAD = 128 << 10 };
    size_t n = WRITER_AHEAD;
    for (size_t i = 0; i < batch->n_docs; i++) {
        const struct wm_doc *doc = &batch->docs[i];
        n += FIXED + COLUMN * sink->how.schema->n + RUN * doc->lines.n_runs + doc->text.len / 8 +
             doc->text.len + doc->url.len + doc->date.len + doc->digest.len + doc->record_id.len +
             doc->extra.len + doc->path.len + doc->location.tar_member.len;
    }
    return n;
}

/* Lines are written where they stay, in the batch's arena; by way of a buffer if they are longer
 * than usual. */
static int put_lines(const struct jsonl *sink, struct local *local, struct wm_batch *batch,
                     struct lines *lines, struct wm_error *err)
{
    size_t room = usual_bytes(sink, batch);
    /* 1: the NUL of printf, which a buffer keeps room for */
    struct wm_buf fixed = {
        .ptr = wm_arena_bytes(&batch->arena, room + 1), .cap = room, .max = room};
    if (!fixed.ptr)
        return wm_fail_nomem(err, room, "lines of JSON");
    int status = put_docs(sink, local, batch, &fixed, lines->items, err);
    lines->bytes = wm_buf_str(&fixed);
    if (status != WM_E_LIMIT)
        return status;
    local->buf.len = 0;
    status = put_docs(sink, local, batch, &local->buf, lines->items, err);
    lines->bytes = wm_arena_str(&batch->arena, wm_buf_str(&local->buf));
    if (!status && !lines->bytes.ptr)
        status = wm_fail_nomem(err, local->buf.len, "lines of JSON");
    if (local->buf.cap > 4 * (size_t)WM_BATCH_TEXT)
        wm_buf_done(&local->buf);
    return status;
}

static int prepare(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct jsonl *sink = shared;
    struct lines *lines = wm_arena_alloc(&batch->arena, 1, sizeof *lines);
    if (lines)
        lines->items = wm_arena_alloc(&batch->arena, batch->n_docs, sizeof *lines->items);
    if (!lines || !lines->items)
        return wm_fail_nomem(err, batch->n_docs * sizeof *lines->items, "lines of JSON");
    batch->payload = lines;
    int status = put_lines(sink, local, batch, lines, err);
    return status || !sink->split.n ? status : name_groups(sink, batch, lines->items, err);
}

static int open_task(const void *shared, void *task_, const char *dir, uint32_t number,
                     struct wm_error *err)
{
    const struct jsonl *sink = shared;
    struct task *task = task_;
    if (!dir)
        return wm_fail(err, WM_E_CONFIG, "there is no directory to write to");
    if (sink->split.n) {
        task->split = calloc(1, sizeof *task->split);
        return task->split ? wm_split_open(task->split, sink->crew, sink->packer, dir, number,
                                           sink->split_memory, err)
                           : wm_fail_nomem(err, sizeof *task->split, "a task");
    }
    (void)snprintf(task->name, sizeof task->name, "parts/corpus_%06u.jsonl%s", number,
                   wm_packer_extensions[sink->compression]);
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, task->name, err);
    return status ? status : wm_frames_open(&task->frames, sink->crew, sink->packer, path, err);
}

static int write_batch(const void *shared, void *task_, struct wm_batch *batch,
                       struct wm_error *err)
{
    struct task *task = task_;
    const struct lines *lines = batch->payload;
    (void)shared;
    size_t start = 0;
    for (size_t i = 0; i < batch->n_docs; i++) {
        const struct line *item = &lines->items[i];
        struct wm_str line = {lines->bytes.ptr + start, item->end - start};
        int status = task->split ? wm_split_add(task->split, item->group, line, &item->count, err)
                                 : wm_frames_add(&task->frames, line, err);
        if (status)
            return status;
        start = item->end;
        task->total.documents += item->count.documents;
        task->total.lines += item->count.lines;
        task->total.text_bytes += item->count.text_bytes;
    }
    return 0;
}

static int commit_task(const void *shared, void *task_, struct wm_parts *parts,
                       struct wm_error *err)
{
    struct task *task = task_;
    (void)shared;
    if (task->split)
        return wm_split_commit(task->split, parts, err);
    struct wm_part part = {.name = task->name,
                           .documents = task->total.documents,
                           .lines = task->total.lines,
                           .text_bytes = task->total.text_bytes};
    bool written = false;
    int status = wm_frames_commit(&task->frames, &written, &part.digest, err);
    return status || !written ? status : wm_parts_add(parts, &part, err);
}

static int save_task(const void *shared, void *task_, struct wm_state_out *state,
                     struct wm_error *err)
{
    struct task *task = task_;
    (void)shared;
    wm_state_put(state, task->total.documents);
    wm_state_put(state, task->total.lines);
    wm_state_put(state, task->total.text_bytes);
    return task->split ? wm_split_save(task->split, state, err)
                       : wm_frames_save(&task->frames, state, err);
}

static int load_task(const void *shared, void *task_, struct wm_state_in *state,
                     struct wm_error *err)
{
    struct task *task = task_;
    (void)shared;
    task->total.documents = wm_state_get(state);
    task->total.lines = wm_state_get(state);
    task->total.text_bytes = wm_state_get(state);
    return task->split ? wm_split_load(task->split, state, err)
                       : wm_frames_load(&task->frames, state, err);
}

static void close_task(void *task_)
{
    struct task *task = task_;
    if (task->split)
        wm_split_close(task->split);
    free(task->split);
    wm_frames_close(&task->frames);
}

static void close_local(void *local_)
{
    struct local *local = local_;
    wm_buf_done(&local->buf);
    wm_arena_done(&local->scratch);
}

static void close_sink(void *shared)
{
    struct jsonl *sink = shared;
    if (sink->packer)
        wm_packer_close(sink->packer);
    free(sink->packer);
    sink->packer = NULL;
}

void wm_jsonl_files(const void *shared, const char **ret_ext, uint64_t *ret_file_size)
{
    static const char *const extensions[] = {
        [WM_PACK_ZSTD] = ".jsonl.zst", [WM_PACK_GZIP] = ".jsonl.gz", [WM_PACK_NONE] = ".jsonl"};
    const struct jsonl *sink = shared;
    *ret_ext = extensions[sink->compression];
    *ret_file_size = sink->file_size;
}

int wm_jsonl_gather(const void *shared, const char *parts_dir, const struct wm_parts *parts,
                    const char *dir, struct wm_parts *ret, struct wm_error *err)
{
    const struct jsonl *sink = shared;
    const char *ext;
    uint64_t file_size;
    wm_jsonl_files(shared, &ext, &file_size);
    return sink->split.n ? wm_split_gather(parts_dir, parts, dir, ext, file_size, ret, err)
                         : wm_gather(parts_dir, parts, dir, "corpus", ext, file_size, ret, err);
}

static const struct wm_option options[] = {
    WM_CHOICE(struct jsonl, compression, wm_packer_names, WM_PACK_ZSTD, "how files are compressed"),
    WM_COUNT(struct jsonl, level, 0, 0, 22, "", "compression level, 0 = the format's usual one"),
    WM_SIZE(struct jsonl, file_size, 1 << 30, 1 << 20, 1e15, "close a file that grows over this"),
    WM_TEXT(struct jsonl, text_field, "text",
            "name of the field that holds the text, in layout wetmill"),
    WM_CHOICE(struct jsonl, layout, wm_layout_names, WM_LAYOUT_WETMILL,
              "fields of a line: our own, CCNet's, or what rejoin needs to make the text again"),
    WM_CHOICE(struct jsonl, profile, wm_profile_names, WM_PROFILE_STRICT,
              "what CCNet's fields mean: docs/ccnet.md"),
    WM_CHOICE(
        struct jsonl, provenance, wm_provenance_names, WM_PROVENANCE_AUTO,
        "say where documents are from; auto: but in layouts minified and ccnet as cc_net does"),
    WM_LIST(struct jsonl, split, "columns whose values documents are split by into files"),
    WM_SIZE(struct jsonl, split_memory, 32 << 20, 64 << 10, 1 << 30,
            "what a task holds back to make long frames of many groups"),
    {0},
};

const struct wm_sink wm_sink_jsonl = {
    .name = "write-jsonl",
    .summary = "write documents as lines of JSON, with where they come from",
    .version = 2,
    .options = options,
    .libraries = (const char *const[]){"zstd", "libdeflate", NULL},
    .shared_size = sizeof(struct jsonl),
    .local_size = sizeof(struct local),
    .task_size = sizeof(struct task),
    .open = open_sink,
    .memory = memory,
    .open_local = open_local,
    .prepare = prepare,
    .open_task = open_task,
    .write = write_batch,
    .commit_task = commit_task,
    .save_task = save_task,
    .load_task = load_task,
    .close_task = close_task,
    .close_local = close_local,
    .close = close_sink,
};
