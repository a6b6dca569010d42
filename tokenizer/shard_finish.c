/* SPDX-License-Identifier: Apache-2.0 */
/* From a job's parts to a directory of shards. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tokenizer/shard_format.h"
#include "wetmill/jansson.h"

static const char *const endings[] = {".bin", ".idx", ".prov.zst"};
enum { ENDINGS = 3, COPY_CHUNK = 1 << 20 };

/* A shard-to-be: its entry, and the parts it comes from without their endings. */
struct source {
    struct wm_shard_entry entry;
    struct wm_str stem;
};

struct sources {
    struct source *items;
    size_t n;
};

/* ---- what the parts are ---- */

static int bad_part(const struct wm_part *part, const char *what, struct wm_error *err)
{
    wm_fail(err, WM_E_FORMAT, "%s", what);
    return wm_error_where(err, "%s", part->name);
}

/* The sink lists .bin, .idx and sidecar of a shard one after the other. */
static int check_group(const struct wm_part *group, size_t n, struct wm_str *ret_stem,
                       struct wm_error *err)
{
    struct wm_str stem = wm_str_of(group->name);
    if (!wm_str_ends(stem, WM_STR(".bin")) || n < ENDINGS)
        return bad_part(group, "not the first part of a shard", err);
    stem.len -= 4;
    for (size_t i = 0; i < ENDINGS; i++) {
        struct wm_str name = wm_str_of(group[i].name);
        struct wm_str ending = {name.ptr + stem.len, name.len - stem.len};
        if (!wm_str_starts(name, stem) || !wm_str_eq(ending, wm_str_of(endings[i])))
            return bad_part(&group[i], "not a part of the shard before it", err);
    }
    *ret_stem = stem;
    return 0;
}

static int read_note(const struct wm_part *part, unsigned *ret_split, uint64_t *ret_tokens,
                     uint64_t *ret_left_out, struct wm_error *err)
{
    json_t *note;
    int status = wm_json_parse(part->note, &note, NULL, err);
    if (status)
        return status;
    const char *split = json_string_value(json_object_get(note, "split"));
    const json_t *tokens = json_object_get(note, "tokens");
    const json_t *left_out = json_object_get(note, "left_out");
    bool good = split && json_integer_value(tokens) >= 0 && json_integer_value(left_out) >= 0;
    *ret_split = WM_SHARD_SPLITS;
    for (unsigned i = 0; good && i < WM_SHARD_SPLITS; i++)
        if (strcmp(split, wm_shard_split_names[i]) == 0)
            *ret_split = i;
    *ret_tokens = (uint64_t)json_integer_value(tokens);
    *ret_left_out = (uint64_t)json_integer_value(left_out);
    json_decref(note);
    return *ret_split < WM_SHARD_SPLITS ? 0 : bad_part(part, "its note says no split", err);
}

static int take_group(const struct wm_part *group, size_t n, struct sources *splits,
                      struct wm_shards_info *info, struct wm_error *err)
{
    struct wm_str stem;
    unsigned split;
    uint64_t tokens, left_out;
    int status = check_group(group, n, &stem, err);
    if (!status)
        status = read_note(group, &split, &tokens, &left_out, err);
    if (status)
        return status;
    info->left_out += left_out;
    if (!group->documents)
        return 0;
    struct sources *list = &splits[split == WM_VALIDATION ? WM_VALIDATION : WM_TRAIN];
    if (list->n == WM_SHARDS_MAX)
        return wm_fail(err, WM_E_LIMIT, "more than %d shards", WM_SHARDS_MAX);
    struct source *source = &list->items[list->n];
    *source = (struct source){
        .entry = {.tokens = tokens,
                  .documents = group->documents,
                  .text_bytes = group->text_bytes,
                  .bin = group[0].digest,
                  .idx = group[1].digest,
                  .sidecar = group[2].digest},
        .stem = stem,
    };
    (void)snprintf(source->entry.name, sizeof source->entry.name, "%s_%05zu",
                   wm_shard_split_names[split], list->n);
    list->n++;
    return 0;
}

static int take_parts(const struct wm_parts *parts, struct sources *splits,
                      struct wm_shards_info *info, struct wm_error *err)
{
    size_t most = parts->n / ENDINGS + 1;
    for (unsigned i = 0; i < WM_SHARD_SPLITS; i++) {
        splits[i].items = calloc(most, sizeof *splits[i].items);
        if (!splits[i].items)
            return wm_fail_nomem(err, most * sizeof *splits[i].items, "list of shards");
    }
    int status = 0;
    for (size_t i = 0; !status && i < parts->n; i += ENDINGS)
        status = take_group(&parts->items[i], parts->n - i, splits, info, err);
    return status;
}

/* ---- files ---- */

static int remove_shard(const char *dir, const char *name, struct wm_error *err)
{
    char file[WM_SHARD_NAME + 16], path[WM_PATH_MAX];
    int status = 0;
    for (size_t i = 0; !status && i < ENDINGS; i++) {
        (void)snprintf(file, sizeof file, "%s%s", name, endings[i]);
        status = wm_path_join(path, dir, file, err);
        if (!status)
            status = wm_remove(path, err);
    }
    return status;
}

/* shards.json goes first: from here on the directory does not count until there is a new one. */
static int clear(const char *dir, struct wm_error *err)
{
    struct wm_shards_info old = {0};
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, "shards.json", err);
    if (status || !wm_exists(path))
        return status;
    status = wm_shards_info_read(dir, &old, err);
    if (status)
        return wm_error_hint(err, "it is in the way of new shards: remove it, or write elsewhere");
    status = wm_remove(path, err);
    for (unsigned s = 0; s < WM_SHARD_SPLITS; s++)
        for (size_t i = 0; !status && i < old.splits[s].n; i++)
            status = remove_shard(dir, old.splits[s].shards[i].name, err);
    wm_shards_info_done(&old);
    return status;
}

static int copy_bytes(struct wm_file *from, struct wm_out *to, struct wm_error *err)
{
    char *chunk = malloc(COPY_CHUNK);
    if (!chunk)
        return wm_fail_nomem(err, COPY_CHUNK, "copying a shard");
    size_t n = 1;
    int status = 0;
    while (!status && n) {
        status = wm_file_read(from, chunk, COPY_CHUNK, &n, err);
        if (!status)
            status = wm_out_write(to, chunk, n, err);
    }
    free(chunk);
    return status;
}

static int copy_file(const char *from, const char *to, struct wm_error *err)
{
    struct wm_file *in = NULL;
    struct wm_out *out = NULL;
    int status = wm_file_open(from, &in, err);
    if (status)
        return status;
    status = wm_out_open(to, &out, err);
    if (!status)
        status = copy_bytes(in, out, err);
    if (!status) {
        status = wm_out_commit(out, NULL, err);
        out = NULL;
    }
    wm_out_abandon(out);
    wm_file_close(in);
    return status;
}

/* A hard link costs nothing and leaves the part where the job's records say it is. Other file
 * systems, and those without links, take a copy. */
static int adopt(const char *from, const char *to, struct wm_error *err)
{
    int status = wm_remove(to, err);
    if (status)
        return status;
    return link(from, to) == 0 ? 0 : copy_file(from, to, err);
}

/* Of a token that is another one no later check would know. */
static int check_part(const char *path, const struct wm_digest *want, struct wm_error *err)
{
    struct wm_digest got;
    int status = wm_file_digest(path, &got, err);
    if (status || (got.size == want->size && XXH128_isEqual(got.hash, want->hash)))
        return status;
    wm_fail(err, WM_E_FORMAT, "the part is not what was written to it");
    (void)wm_error_where(err, "%s", path);
    return wm_part_drop(path, err);
}

static int adopt_shard(const char *job_dir, const struct source *source, const char *dir,
                       struct wm_error *err)
{
    const struct wm_digest *digests[] = {&source->entry.bin, &source->entry.idx,
                                         &source->entry.sidecar};
    char from[WM_PATH_MAX], to[WM_PATH_MAX], name[WM_PATH_MAX];
    int status = 0;
    for (size_t i = 0; !status && i < ENDINGS; i++) {
        int n = snprintf(name, sizeof name, "%.*s%s", (int)source->stem.len, source->stem.ptr,
                         endings[i]);
        if (n < 0 || n >= WM_PATH_MAX)
            return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
        status = wm_path_join(from, job_dir, name, err);
        if (!status)
            status = check_part(from, digests[i], err);
        (void)snprintf(name, sizeof name, "%s%s", source->entry.name, endings[i]);
        if (!status)
            status = wm_path_join(to, dir, name, err);
        if (!status)
            status = adopt(from, to, err);
    }
    return status;
}

/* ---- counts ---- */

/* What stands on the disk must be what the part's record says. */
static int count_shard(const char *dir, const struct wm_shards_info *info,
                       const struct wm_shard_entry *entry, uint64_t *counts, struct wm_error *err)
{
    char base[WM_PATH_MAX];
    struct wm_shard shard = {0};
    struct wm_shard_facts facts;
    int status = wm_path_join(base, dir, entry->name, err);
    if (!status)
        status = wm_shard_open(base, &shard, err);
    if (!status)
        status = wm_shard_inspect(&shard, info->vocabulary, info->eod, counts, &facts, err);
    if (!status && (facts.n_tokens != entry->tokens || facts.n_sequences != entry->documents ||
                    facts.n_ended != entry->documents || facts.n_eod != entry->documents ||
                    facts.n_outside || facts.width != info->width)) {
        wm_fail(err, WM_E_FORMAT, "the shard is not the one its part's record tells of");
        status = wm_error_where(err, "%s", base);
    }
    wm_shard_close(&shard);
    return status;
}

/* Its first file is enough: without it the record of the part does not stand. */
static int drop_shard(const char *job_dir, const struct source *source, struct wm_error *err)
{
    char name[WM_PATH_MAX], path[WM_PATH_MAX];
    struct wm_error none = {0};
    int n =
        snprintf(name, sizeof name, "%.*s%s", (int)source->stem.len, source->stem.ptr, endings[0]);
    if (n < 0 || n >= WM_PATH_MAX || wm_path_join(path, job_dir, name, &none))
        return err->status;
    return wm_part_drop(path, err);
}

static int finish_split(const char *job_dir, const struct sources *sources, const char *dir,
                        struct wm_shards_info *info, struct wm_split_info *split,
                        struct wm_error *err)
{
    uint64_t *counts = calloc(info->vocabulary, sizeof *counts);
    split->shards = calloc(sources->n + 1, sizeof *split->shards);
    if (!counts || !split->shards) {
        free(counts);
        return wm_fail_nomem(err, info->vocabulary * sizeof *counts, "token counts");
    }
    int status = 0;
    for (size_t i = 0; !status && i < sources->n; i++) {
        const struct wm_shard_entry *entry = &sources->items[i].entry;
        status = adopt_shard(job_dir, &sources->items[i], dir, err);
        if (!status && (status = count_shard(dir, info, entry, counts, err)) == WM_E_FORMAT)
            status = drop_shard(job_dir, &sources->items[i], err);
        split->shards[split->n++] = *entry;
        split->tokens += entry->tokens;
        split->documents += entry->documents;
        split->text_bytes += entry->text_bytes;
    }
    split->unigram_nats = round(wm_unigram_nats(counts, info->vocabulary) * 1e9) / 1e9;
    free(counts);
    return status;
}

static int finish(const char *job_dir, const struct wm_parts *parts, const char *dir,
                  const struct wm_tokenizer *tok, struct wm_shards_info *info, struct wm_error *err)
{
    struct sources splits[WM_SHARD_SPLITS] = {{0}};
    int status = take_parts(parts, splits, info, err);
    if (!status)
        status = wm_mkdirs(dir, err);
    if (!status)
        status = clear(dir, err);
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++)
        status = finish_split(job_dir, &splits[i], dir, info, &info->splits[i], err);
    for (unsigned i = 0; i < WM_SHARD_SPLITS; i++)
        free(splits[i].items);
    if (!status)
        status = wm_tokenizer_save(tok, dir, err);
    return status ? status : wm_shards_info_write(dir, info, err);
}

int wm_shards_finish(const char *job_dir, const struct wm_parts *parts,
                     const struct wm_shards_options *options, const char *dir,
                     struct wm_shards_info *ret, struct wm_error *err)
{
    const struct wm_tokenizer *tok = options->tokenizer;
    struct wm_shards_info info = {
        .tokenizer = wm_tokenizer_identity(tok),
        .vocabulary = wm_tokenizer_size(tok),
        .width = wm_shard_width(wm_tokenizer_size(tok)),
        .seed = options->seed,
        .validation_share = options->validation_share,
    };
    if (!wm_tokenizer_eod(tok, &info.eod))
        return wm_fail(err, WM_E_CONFIG,
                       "the tokenizer has no special token that can end a document");
    int status = finish(job_dir, parts, dir, tok, &info, err);
    if (status || !ret)
        wm_shards_info_done(&info);
    else
        *ret = info;
    return status;
}
