/* SPDX-License-Identifier: Apache-2.0 */
/* write-shards: workers encode documents and make their provenance rows, the task's thread appends
 * them in order to one shard for each split. */
#include <stdio.h>
#include <xxhash.h>

#include "tokenizer/bpe.h"
#include "tokenizer/shard_format.h"
#include "tokenizer/shard_sidecar.h"
#include "tokenizer/shard_write.h"

enum {
    IDS_KEPT = 4 * WM_BATCH_TEXT, /* bytes of ids a worker keeps between batches */
    WORKER_MEMORY = 8 << 20,      /* of an encoder and its scratch, beside the ids */
    NOTE_MAX = 256,
};

struct shared {
    struct wm_shards_options options; /* must come first */
    uint32_t eod;
    unsigned width;
    uint64_t threshold; /* a text hash below it: validation */
    uint32_t before[WM_SHARD_FRAME], behind[WM_SHARD_FRAME];
    size_t n_before, n_behind;
};

struct local {
    struct wm_encoder *encoder;
    struct wm_ids ids;
    struct wm_buf row;
};

/* One document, ready to be appended; strings in the batch's arena. */
struct item {
    struct wm_shard_doc doc;
    enum wm_shard_split split;
    bool left_out;
    uint64_t lines, text_bytes;
};

struct split_task {
    struct wm_shard_out *out; /* NULL: nothing belongs into it so far */
    uint64_t lines, text_bytes, left_out;
};

struct task {
    char dir[WM_PATH_MAX];
    uint32_t number;
    bool committed;
    struct split_task splits[WM_SHARD_SPLITS];
};

static int sink_open(void *state, const struct wm_env *env, struct wm_error *err)
{
    struct shared *shared = state;
    (void)env;
    const struct wm_tokenizer *tok = shared->options.tokenizer;
    if (!tok)
        return wm_fail(err, WM_E_CONFIG, "write-shards has no tokenizer");
    if (wm_tokenizer_size(tok) > WM_SHARD_VOCABULARY_MAX)
        return wm_fail(err, WM_E_LIMIT, "a vocabulary of %u is over the limit of %d",
                       wm_tokenizer_size(tok), WM_SHARD_VOCABULARY_MAX);
    if (!wm_tokenizer_eod(tok, &shared->eod)) {
        wm_fail(err, WM_E_CONFIG, "the tokenizer has no special token that can end a document");
        return wm_error_hint(err, "train it with specials: [<|endoftext|>]");
    }
    shared->width = wm_shard_width(wm_tokenizer_size(tok));
    if (shared->options.template) {
        shared->n_before = wm_shard_frame(tok, false, shared->before);
        shared->n_behind = wm_shard_frame(tok, true, shared->behind);
    }
    /* A share is at most 0.5, so the product is exact and fits. */
    shared->threshold = (uint64_t)(shared->options.validation_share * 0x1p64);
    return 0;
}

static size_t sink_memory(const void *state, unsigned n_workers, unsigned n_tasks_at_once)
{
    (void)state;
    return (size_t)n_workers * (WORKER_MEMORY + IDS_KEPT) +
           (size_t)n_tasks_at_once * WM_SHARD_SPLITS * wm_shard_out_memory();
}

static int open_local(const void *state, void *local_state, struct wm_error *err)
{
    const struct shared *shared = state;
    struct local *local = local_state;
    wm_buf_init(&local->row, WM_SIDECAR_ROW_MAX);
    return wm_encoder_new(shared->options.tokenizer, &local->encoder, err);
}

static void close_local(void *local_state)
{
    struct local *local = local_state;
    wm_encoder_free(local->encoder);
    wm_ids_done(&local->ids);
    wm_buf_done(&local->row);
}

/* ---- workers ---- */

static enum wm_shard_split choose_split(const struct shared *shared, struct wm_str text)
{
    XXH64_hash_t hash = XXH3_64bits_withSeed(text.ptr, text.len, shared->options.seed);
    return hash < shared->threshold ? WM_VALIDATION : WM_TRAIN;
}

/* Ids and the end of the document as bytes of the shard. */
static int pack_ids(const struct shared *shared, const struct wm_ids *ids, struct wm_arena *arena,
                    struct wm_str *ret, struct wm_error *err)
{
    size_t len = (ids->n + 1) * shared->width;
    unsigned char *bytes = (unsigned char *)wm_arena_bytes(arena, len);
    if (!bytes)
        return wm_fail_nomem(err, len, "tokens of a batch");
    for (size_t i = 0; i <= ids->n; i++) {
        uint32_t id = i < ids->n ? ids->ids[i] : shared->eod;
        if (shared->width == 2)
            wm_set_le16(bytes + 2 * i, id);
        else
            wm_set_le32(bytes + 4 * i, id);
    }
    *ret = (struct wm_str){(const char *)bytes, len};
    return 0;
}

static int put_ids(struct wm_ids *ids, const uint32_t *more, size_t n, struct wm_error *err)
{
    int status = n ? bpe_ids_reserve(ids, n, err) : 0;
    if (status || !n)
        return status;
    memcpy(ids->ids + ids->n, more, n * sizeof *more);
    ids->n += n;
    return 0;
}

/* WM_E_LIMIT: this document is too long for the encoder, the index or the sidecar. */
static int encode(const struct shared *shared, struct local *local, const struct wm_doc *doc,
                  struct wm_error *err)
{
    local->ids.n = 0;
    local->row.len = 0;
    if (doc->path.len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "a path has %zu bytes", doc->path.len);
    int status = put_ids(&local->ids, shared->before, shared->n_before, err);
    if (!status)
        status = wm_encode(local->encoder, doc->text, 0, &local->ids, err);
    if (!status)
        status = put_ids(&local->ids, shared->behind, shared->n_behind, err);
    if (!status && local->ids.n >= shared->options.max_tokens)
        return wm_fail(err, WM_E_LIMIT, "a document has %zu tokens", local->ids.n);
    return status ? status : wm_sidecar_row(doc, &local->row, err);
}

static int prepare_doc(const struct shared *shared, struct local *local, const struct wm_doc *doc,
                       struct wm_arena *arena, struct item *item, struct wm_error *err)
{
    struct wm_error why = {0};
    item->split = choose_split(shared, doc->text);
    int status = encode(shared, local, doc, &why);
    if (status == WM_E_LIMIT) {
        item->left_out = true;
        return 0;
    }
    if (status) {
        *err = why;
        return status;
    }
    item->lines = wm_line_map_count(&doc->lines);
    item->text_bytes = doc->text.len;
    item->doc.path = doc->path;
    item->doc.row = wm_arena_str(arena, wm_buf_str(&local->row));
    if (!item->doc.row.ptr)
        return wm_fail_nomem(err, local->row.len, "provenance of a batch");
    return pack_ids(shared, &local->ids, arena, &item->doc.ids, err);
}

static int prepare(const void *state, void *local_state, struct wm_batch *batch,
                   struct wm_error *err)
{
    struct local *local = local_state;
    struct item *items = wm_arena_alloc(&batch->arena, batch->n_docs, sizeof *items);
    if (!items)
        return wm_fail_nomem(err, batch->n_docs * sizeof *items, "tokens of a batch");
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++)
        status = prepare_doc(state, local, &batch->docs[i], &batch->arena, &items[i], err);
    if (local->ids.cap > IDS_KEPT / sizeof *local->ids.ids)
        wm_ids_done(&local->ids);
    if (local->row.cap > WM_BATCH_TEXT)
        wm_buf_done(&local->row);
    batch->payload = items;
    return status;
}

/* ---- the task's thread ---- */

static int open_task(const void *state, void *task_state, const char *dir, uint32_t number,
                     struct wm_error *err)
{
    struct task *task = task_state;
    (void)state;
    if (!dir)
        return wm_fail(err, WM_E_CONFIG, "there is no directory to write shards to");
    task->number = number;
    return wm_path_join(task->dir, dir, "parts", err);
}

/* "train_00003" */
static void part_stem(char stem[WM_SHARD_NAME], unsigned split, uint32_t number)
{
    (void)snprintf(stem, WM_SHARD_NAME, "%s_%05lu", wm_shard_split_names[split],
                   (unsigned long)number);
}

static int open_split(const struct shared *shared, const struct task *task, unsigned split,
                      struct wm_shard_out **ret, struct wm_error *err)
{
    char stem[WM_SHARD_NAME], base[WM_PATH_MAX];
    part_stem(stem, split, task->number);
    int status = wm_path_join(base, task->dir, stem, err);
    return status ? status
                  : wm_shard_out_open(base, shared->width, shared->options.recipe, ret, err);
}

static int write_item(const struct shared *shared, struct task *task, const struct item *item,
                      struct wm_error *err)
{
    struct split_task *split = &task->splits[item->split];
    int status = split->out ? 0 : open_split(shared, task, item->split, &split->out, err);
    if (status)
        return status;
    if (item->left_out) {
        split->left_out++;
        return 0;
    }
    split->lines += item->lines;
    split->text_bytes += item->text_bytes;
    return wm_shard_out_add(split->out, &item->doc, err);
}

static int write_batch(const void *state, void *task_state, struct wm_batch *batch,
                       struct wm_error *err)
{
    const struct item *items = batch->payload;
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++)
        status = write_item(state, task_state, &items[i], err);
    return status;
}

static int add_part(const char *stem, const char *ending, struct wm_part part,
                    struct wm_parts *parts, struct wm_error *err)
{
    char name[WM_SHARD_NAME + 32];
    (void)snprintf(name, sizeof name, "parts/%s%s", stem, ending);
    part.name = name;
    return wm_parts_add(parts, &part, err);
}

/* Counts stand with the .bin alone, so that sums over parts are right. */
static int commit_split(const struct task *task, unsigned split, struct wm_parts *parts,
                        struct wm_error *err)
{
    const struct split_task *done = &task->splits[split];
    struct wm_shard_digests digests;
    char stem[WM_SHARD_NAME], note[NOTE_MAX];
    part_stem(stem, split, task->number);
    int status = wm_shard_out_commit(done->out, &digests, err);
    if (status)
        return status;
    (void)snprintf(note, sizeof note, "{\"split\":\"%s\",\"tokens\":%llu,\"left_out\":%llu}",
                   wm_shard_split_names[split], (unsigned long long)wm_shard_out_tokens(done->out),
                   (unsigned long long)done->left_out);
    struct wm_part bin = {
        .digest = digests.bin,
        .documents = wm_shard_out_documents(done->out),
        .lines = done->lines,
        .text_bytes = done->text_bytes,
        .note = wm_str_of(note),
    };
    status = add_part(stem, ".bin", bin, parts, err);
    if (!status)
        status = add_part(stem, ".idx", (struct wm_part){.digest = digests.idx}, parts, err);
    if (!status)
        status =
            add_part(stem, ".prov.zst", (struct wm_part){.digest = digests.sidecar}, parts, err);
    return status;
}

static int commit_task(const void *state, void *task_state, struct wm_parts *parts,
                       struct wm_error *err)
{
    struct task *task = task_state;
    (void)state;
    int status = 0;
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++)
        if (task->splits[i].out)
            status = commit_split(task, i, parts, err);
    task->committed = !status;
    return status;
}

static int save_task(const void *state, void *task_state, struct wm_state_out *point,
                     struct wm_error *err)
{
    struct task *task = task_state;
    int status = 0;
    (void)state;
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++) {
        const struct split_task *split = &task->splits[i];
        wm_state_put(point, split->out != NULL);
        wm_state_put(point, split->lines);
        wm_state_put(point, split->text_bytes);
        wm_state_put(point, split->left_out);
        status = split->out ? wm_shard_out_save(split->out, point, err) : 0;
    }
    return status;
}

static int load_task(const void *state, void *task_state, struct wm_state_in *point,
                     struct wm_error *err)
{
    const struct shared *shared = state;
    struct task *task = task_state;
    int status = 0;
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++) {
        struct split_task *split = &task->splits[i];
        char stem[WM_SHARD_NAME], base[WM_PATH_MAX];
        bool written = wm_state_get(point) != 0;
        split->lines = wm_state_get(point);
        split->text_bytes = wm_state_get(point);
        split->left_out = wm_state_get(point);
        part_stem(stem, i, task->number);
        status = wm_path_join(base, task->dir, stem, err);
        if (!status && written)
            status = wm_shard_out_load(base, shared->width, point, &split->out, err);
    }
    return status;
}

static void close_task(void *task_state)
{
    struct task *task = task_state;
    for (unsigned i = 0; i < WM_SHARD_SPLITS; i++)
        wm_shard_out_free(task->splits[i].out, task->committed);
}

static const struct wm_option options[] = {
    WM_REAL(struct wm_shards_options, validation_share, 0.01, 0, 0.5, "share",
            "documents for validation, chosen by hash of their text"),
    WM_COUNT(struct wm_shards_options, seed, 0, 0, 9007199254740992.0, "",
             "another seed chooses other documents for validation"),
    WM_COUNT(struct wm_shards_options, max_tokens, INT32_MAX, 1, INT32_MAX, "tokens",
             "leave longer documents out"),
    WM_BOOL(struct wm_shards_options, template, true,
            "what the tokenizer puts around a text stands around each document, as <s>"),
    {0},
};

const struct wm_sink wm_sink_shards = {
    .name = "write-shards",
    .summary = "token shards: Megatron .bin and .idx with a provenance sidecar",
    .version = 2,
    .options = options,
    .libraries = (const char *const[]){"pcre2", "xxhash", "zstd", NULL},
    .shared_size = sizeof(struct shared),
    .local_size = sizeof(struct local),
    .task_size = sizeof(struct task),
    .open = sink_open,
    .memory = sink_memory,
    .open_local = open_local,
    .prepare = prepare,
    .open_task = open_task,
    .write = write_batch,
    .commit_task = commit_task,
    .save_task = save_task,
    .load_task = load_task,
    .close_task = close_task,
    .close_local = close_local,
};
