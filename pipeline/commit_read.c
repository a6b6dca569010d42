/* SPDX-License-Identifier: Apache-2.0 */
/* A record that is not exactly what this job would write is no record: the functions here say true
 * if all is well, and what is wrong otherwise does not matter. */
#include "pipeline/chain.h"
#include "pipeline/commit.h"
#include "pipeline/kept.h"
#include "pipeline/rejects.h"
#include "pipeline/sealed.h"

static bool get_count(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static bool is_count(const json_t *object, const char *name, uint64_t want)
{
    uint64_t value;
    return get_count(object, name, &value) && value == want;
}

static bool is_text(const json_t *object, const char *name, const char *want)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value && strcmp(value, want) == 0;
}

static bool get_hash(const json_t *object, const char *name, XXH128_hash_t *ret)
{
    const char *hex = json_string_value(json_object_get(object, name));
    return hex && wm_unhex128(hex, ret);
}

static bool get_digest(const json_t *object, struct wm_digest *ret)
{
    return get_count(object, "size", &ret->size) && get_hash(object, "xxh3", &ret->hash);
}

static bool get_text(const json_t *object, const char *name, struct wm_arena *arena,
                     const char **ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return false;
    *ret =
        wm_arena_cstr(arena, (struct wm_str){json_string_value(value), json_string_length(value)});
    return *ret != NULL;
}

static bool get_counts(const json_t *object, const struct wm_count_field *fields, void *counts)
{
    for (; fields->name; fields++) {
        uint64_t value;
        if (!get_count(object, fields->name, &value))
            return false;
        memcpy((char *)counts + fields->offset, &value, sizeof value);
    }
    return true;
}

static bool get_reasons(const json_t *object, uint64_t *reasons, size_t n)
{
    const json_t *list = json_object_get(object, "reasons");
    if (json_array_size(list) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return false;
        reasons[i] = (uint64_t)json_integer_value(value);
    }
    return true;
}

static bool get_tallies(const json_t *record, const struct wm_job *job, struct wm_outcome *ret)
{
    const json_t *read = json_object_get(record, "read");
    if (!get_counts(read, wm_read_fields, &ret->read) ||
        !get_reasons(read, ret->read.reasons, WM_READ_REASONS))
        return false;
    const json_t *links = json_object_get(record, "links");
    if (json_array_size(links) != job->chain->n)
        return false;
    for (size_t i = 0; i < job->chain->n; i++) {
        const struct wm_stage *stage = job->chain->links[i].stage;
        const json_t *link = json_array_get(links, i);
        if (!is_text(link, "stage", stage->name) ||
            !get_counts(link, wm_link_fields, &ret->links[i]) ||
            !get_reasons(link, ret->links[i].reasons, wm_stage_reasons(stage)))
            return false;
    }
    return true;
}

static bool get_rows(const json_t *record, const struct wm_job *job, struct wm_outcome *ret)
{
    const json_t *rows = json_object_get(record, "rows");
    const struct wm_task *task = &job->inputs->tasks[ret->task];
    if (json_array_size(rows) != task->n)
        return false;
    for (uint32_t i = 0; i < task->n; i++)
        if (!get_hash(json_array_get(rows, i), "xxh3", &ret->hashes[i]))
            return false;
    return true;
}

/* The record is ours, and its files must stand: of those that do not the user hears. */
static bool stands(const struct wm_job *job, uint32_t task, const char *path,
                   const struct wm_digest *digest)
{
    struct wm_stat st;
    struct wm_error ignored;
    bool there = wm_stat(path, &st, &ignored) == 0 && st.is_regular;
    if (there && st.size == digest->size)
        return true;
    if (there)
        wm_job_say(job,
                   "%s is damaged (it has %llu bytes, was written with %llu): task %u is done "
                   "again",
                   path, (unsigned long long)st.size, (unsigned long long)digest->size,
                   (unsigned)task);
    else
        wm_job_say(job, "%s is missing: task %u is done again", path, (unsigned)task);
    return false;
}

/* Nobody reads rejects again, so it is now that their bytes are compared. */
static bool is_intact(const struct wm_job *job, uint32_t task, const char *path,
                      const struct wm_digest *digest)
{
    struct wm_digest got;
    struct wm_error ignored;
    if (!wm_file_digest(path, &got, &ignored) && XXH128_isEqual(got.hash, digest->hash))
        return true;
    wm_job_say(job,
               "%s is damaged (its bytes are not those that were written): task %u is done "
               "again",
               path, (unsigned)task);
    return false;
}

bool wm_part_stays(const char *name)
{
    for (const char *at = name;; at++) {
        const size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && memcmp(at, "..", 2) == 0))
            return false;
        at += len;
        if (!*at)
            return true;
    }
}

static bool get_part(const json_t *object, const struct wm_job *job, struct wm_outcome *ret)
{
    struct wm_part part = {0};
    struct wm_error ignored;
    const char *note;
    char path[WM_PATH_MAX];
    if (!get_text(object, "name", &ret->arena, &part.name) || !wm_part_stays(part.name) ||
        !get_digest(object, &part.digest) || !get_count(object, "documents", &part.documents) ||
        !get_count(object, "lines", &part.lines) ||
        !get_count(object, "text_bytes", &part.text_bytes) ||
        !get_text(object, "note", &ret->arena, &note))
        return false;
    part.note = wm_str_of(note);
    return wm_path_join(path, job->dir, part.name, &ignored) == 0 &&
           stands(job, ret->task, path, &part.digest) &&
           wm_parts_add(&ret->parts, &part, &ignored) == 0;
}

static bool get_parts(const json_t *record, const struct wm_job *job, struct wm_outcome *ret)
{
    const json_t *parts = json_object_get(record, "parts");
    if (!json_is_array(parts))
        return false;
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (!get_part(json_array_get(parts, i), job, ret))
            return false;
    return true;
}

static bool get_side_file(const json_t *record, const struct wm_job *job, uint32_t task,
                          const char *name, const char *path, struct wm_side_file *ret)
{
    const json_t *object = json_object_get(record, name);
    if (!json_is_object(object))
        return false;
    ret->expected = true;
    ret->written = json_object_size(object) != 0;
    return !ret->written ||
           (get_digest(object, &ret->digest) && stands(job, task, path, &ret->digest));
}

static bool get_damage(const json_t *record, struct wm_outcome *ret)
{
    const json_t *list = json_object_get(record, "damage");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > WM_DAMAGE_MAX)
        return false;
    ret->damage = wm_arena_alloc(&ret->arena, n, sizeof *ret->damage);
    if (!ret->damage)
        return false;
    for (; ret->n_damage < n; ret->n_damage++) {
        const json_t *object = json_array_get(list, ret->n_damage);
        struct wm_damage *damage = &ret->damage[ret->n_damage];
        if (!get_text(object, "path", &ret->arena, &damage->path) ||
            !get_count(object, "at", &damage->at) ||
            !get_count(object, "record", &damage->record) ||
            !get_text(object, "what", &ret->arena, &damage->what))
            return false;
        damage->unread = json_is_true(json_object_get(object, "unread"));
    }
    return true;
}

static bool is_ours(const json_t *record, const struct wm_job *job, unsigned pass, uint32_t task)
{
    char source[WM_HEX128];
    wm_hex128(wm_commit_source(job->inputs, task), source);
    return is_text(record, "wetmill", "commit") && is_count(record, "version", 1) &&
           is_text(record, "identity", job->identity ? job->identity : "") &&
           is_count(record, "pass", pass) && is_count(record, "task", task) &&
           is_count(record, "limit", job->limit) && is_text(record, "source", source);
}

static bool get_record(const json_t *record, const struct wm_job *job, unsigned pass, bool is_last,
                       struct wm_outcome *ret)
{
    char run[WM_PATH_MAX], rejects[WM_PATH_MAX];
    struct wm_error ignored;
    if (!is_ours(record, job, pass, ret->task) || !get_rows(record, job, ret) ||
        !get_tallies(record, job, ret) || !get_parts(record, job, ret) || !get_damage(record, ret))
        return false;
    ret->cut = json_is_true(json_object_get(record, "cut"));
    if (!is_last && (wm_run_path(run, job->dir, pass, ret->task, &ignored) ||
                     !get_side_file(record, job, ret->task, "run", run, &ret->run)))
        return false;
    if (is_last && job->rejects &&
        (wm_rejects_path(rejects, job->rejects, ret->task, &ignored) ||
         !get_side_file(record, job, ret->task, "rejects", rejects, &ret->rejects) ||
         (ret->rejects.written && !is_intact(job, ret->task, rejects, &ret->rejects.digest))))
        return false;
    return true;
}

int wm_commit_read(const struct wm_job *job, unsigned pass, uint32_t task, bool is_last,
                   struct wm_outcome *ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_outcome_init(ret, job, task, err);
    if (!status)
        status = wm_commit_path(path, job->dir, pass, task, err);
    json_t *record = NULL;
    if (!status)
        status = wm_sealed_read(path, &record, err);
    if (status)
        return status;
    if (!record && wm_exists(path))
        wm_job_say(job, "%s is damaged: task %u is done again", path, (unsigned)task);
    bool good = record && get_record(record, job, pass, is_last, ret);
    json_decref(record);
    return good;
}
