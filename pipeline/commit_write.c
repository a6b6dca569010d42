/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "pipeline/commit.h"
#include "pipeline/sealed.h"
#include "wetmill/json.h"
#include "wetmill/records.h"

#define FIELD(type, field)            \
    {                                 \
#        field, offsetof(type, field) \
    }
const struct wm_count_field wm_read_fields[] = {
    FIELD(struct wm_read_tally, bytes_compressed),
    FIELD(struct wm_read_tally, bytes),
    FIELD(struct wm_read_tally, bytes_in_records),
    FIELD(struct wm_read_tally, bytes_skipped),
    FIELD(struct wm_read_tally, bytes_damaged),
    FIELD(struct wm_read_tally, records),
    FIELD(struct wm_read_tally, documents),
    FIELD(struct wm_read_tally, repaired_utf8),
    FIELD(struct wm_read_tally, files),
    FIELD(struct wm_read_tally, bad_files),
    FIELD(struct wm_read_tally, n_damage),
    FIELD(struct wm_read_tally, unread),
    FIELD(struct wm_read_tally, longest),
    {0},
};
const struct wm_count_field wm_link_fields[] = {
    FIELD(struct wm_link_tally, documents_in),
    FIELD(struct wm_link_tally, documents_out),
    FIELD(struct wm_link_tally, lines_in),
    FIELD(struct wm_link_tally, lines_out),
    FIELD(struct wm_link_tally, bytes_in),
    FIELD(struct wm_link_tally, bytes_out),
    FIELD(struct wm_link_tally, longest),
    {0},
};

static int path_of(char out[WM_PATH_MAX], const char *dir, const char *kind, unsigned pass,
                   uint32_t task, const char *ending, struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s/pass%u/%06u%s", kind, pass, task, ending);
    return wm_path_join(out, dir, name, err);
}

int wm_commit_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                   struct wm_error *err)
{
    return path_of(out, dir, "commits", pass, task, ".json", err);
}

int wm_run_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                struct wm_error *err)
{
    return path_of(out, dir, "runs", pass, task, ".run", err);
}

XXH128_hash_t wm_commit_source(const struct wm_inputs *inputs, uint32_t task)
{
    XXH128_hash_t hash = {0, 0};
    const struct wm_task *t = &inputs->tasks[task];
    for (uint32_t i = t->first; i < t->first + t->n; i++) {
        const struct wm_input *row = &inputs->rows[i];
        XXH128_hash_t path = XXH3_128bits(row->path, strlen(row->path));
        unsigned char bytes[56];
        wm_put_be64(bytes, hash.high64);
        wm_put_be64(bytes + 8, hash.low64);
        wm_put_be64(bytes + 16, path.high64);
        wm_put_be64(bytes + 24, path.low64);
        wm_put_be64(bytes + 32, row->start);
        wm_put_be64(bytes + 40, row->end);
        wm_put_be64(bytes + 48, row->size);
        hash = XXH3_128bits(bytes, sizeof bytes);
    }
    return hash;
}

static void put_count(struct wm_json_out *w, const char *name, uint64_t value)
{
    wm_json_put_key(w, name);
    wm_json_put_u64(w, value);
}

static void put_hash(struct wm_json_out *w, const char *name, XXH128_hash_t hash)
{
    char hex[WM_HEX128];
    wm_hex128(hash, hex);
    wm_json_put_key(w, name);
    wm_json_put_str(w, wm_str_of(hex));
}

static void put_text(struct wm_json_out *w, const char *name, const char *text)
{
    wm_json_put_key(w, name);
    wm_json_put_str(w, wm_str_of(text));
}

static void put_digest(struct wm_json_out *w, const struct wm_digest *digest)
{
    put_count(w, "size", digest->size);
    put_hash(w, "xxh3", digest->hash);
}

static void put_list(struct wm_json_out *w, const char *name)
{
    wm_json_put_key(w, name);
    wm_json_put_open(w, '[');
}

static void put_rows(struct wm_json_out *w, const struct wm_job *job,
                     const struct wm_outcome *outcome)
{
    const struct wm_task *task = &job->inputs->tasks[outcome->task];
    put_list(w, "rows");
    for (uint32_t i = 0; i < task->n; i++) {
        wm_json_put_open(w, '{');
        put_text(w, "path", job->inputs->rows[task->first + i].path);
        put_count(w, "size", job->inputs->rows[task->first + i].size);
        put_hash(w, "xxh3", outcome->hashes[i]);
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

static void put_counts(struct wm_json_out *w, const struct wm_count_field *fields,
                       const void *counts)
{
    for (; fields->name; fields++) {
        uint64_t value;
        memcpy(&value, (const char *)counts + fields->offset, sizeof value);
        put_count(w, fields->name, value);
    }
}

static void put_tallies(struct wm_json_out *w, const struct wm_job *job,
                        const struct wm_outcome *outcome)
{
    wm_json_put_key(w, "read");
    wm_json_put_open(w, '{');
    put_counts(w, wm_read_fields, &outcome->read);
    wm_json_put_key(w, "reasons");
    wm_json_put_open(w, '[');
    for (size_t i = 0; i < WM_READ_REASONS; i++)
        wm_json_put_u64(w, outcome->read.reasons[i]);
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
    put_list(w, "links");
    for (size_t i = 0; i < job->chain->n; i++) {
        const struct wm_stage *stage = job->chain->links[i].stage;
        wm_json_put_open(w, '{');
        put_text(w, "stage", stage->name);
        put_counts(w, wm_link_fields, &outcome->links[i]);
        put_list(w, "reasons");
        for (size_t r = 0; stage->reasons && stage->reasons[r]; r++)
            wm_json_put_u64(w, outcome->links[i].reasons[r]);
        wm_json_put_close(w, ']');
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

/* A note is stored as a string: it comes back byte for byte. */
static void put_parts(struct wm_json_out *w, const struct wm_parts *parts)
{
    put_list(w, "parts");
    for (size_t i = 0; i < parts->n; i++) {
        const struct wm_part *part = &parts->items[i];
        wm_json_put_open(w, '{');
        put_text(w, "name", part->name);
        put_digest(w, &part->digest);
        put_count(w, "documents", part->documents);
        put_count(w, "lines", part->lines);
        put_count(w, "text_bytes", part->text_bytes);
        wm_json_put_key(w, "note");
        wm_json_put_str(w, part->note);
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

static void put_side_file(struct wm_json_out *w, const char *name, const struct wm_side_file *file)
{
    if (!file->expected)
        return;
    wm_json_put_key(w, name);
    wm_json_put_open(w, '{');
    if (file->written)
        put_digest(w, &file->digest);
    wm_json_put_close(w, '}');
}

static void put_damage(struct wm_json_out *w, const struct wm_outcome *outcome)
{
    put_list(w, "damage");
    for (size_t i = 0; i < outcome->n_damage; i++) {
        const struct wm_damage *damage = &outcome->damage[i];
        wm_json_put_open(w, '{');
        put_text(w, "path", damage->path);
        put_count(w, "at", damage->at);
        put_count(w, "record", damage->record);
        put_text(w, "what", damage->what);
        if (damage->unread) {
            wm_json_put_key(w, "unread");
            wm_json_put_bool(w, true);
        }
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

static void put_record(struct wm_json_out *w, const struct wm_job *job, unsigned pass,
                       const struct wm_outcome *outcome)
{
    put_text(w, "wetmill", "commit");
    put_count(w, "version", 1);
    put_text(w, "identity", job->identity ? job->identity : "");
    put_count(w, "pass", pass);
    put_count(w, "task", outcome->task);
    put_count(w, "limit", job->limit);
    put_hash(w, "source", wm_commit_source(job->inputs, outcome->task));
    wm_json_put_key(w, "cut");
    wm_json_put_bool(w, outcome->cut);
    put_rows(w, job, outcome);
    put_tallies(w, job, outcome);
    put_parts(w, &outcome->parts);
    put_side_file(w, "run", &outcome->run);
    put_side_file(w, "rejects", &outcome->rejects);
    put_damage(w, outcome);
}

int wm_commit_write(const struct wm_job *job, unsigned pass, const struct wm_outcome *outcome,
                    struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_commit_path(path, job->dir, pass, outcome->task, err);
    if (status)
        return status;
    struct wm_buf body;
    wm_buf_init(&body, WM_SEALED_MAX);
    struct wm_json_out w;
    wm_json_out_open(&w, &body, err);
    put_record(&w, job, pass, outcome);
    status = w.status ? w.status : wm_sealed_write(path, wm_buf_str(&body), err);
    wm_buf_done(&body);
    return status;
}
