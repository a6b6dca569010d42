/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a run's results again: are they what their records say, and do they belong together? */
#include <stdarg.h>
#include <stdio.h>

#include "run/command.h"
#include "wetmill/parallel.h"

void wm_found(struct wm_verifier *v, const char *file, const char *fmt, ...)
{
    char what[1024], shown[1100], path[WM_PATH_MAX], shown_path[WM_PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    wm_escape(shown, sizeof shown, what, n < 0 ? 0 : strlen(what));
    n = snprintf(path, sizeof path, "%s%s%s", v->directory, *v->directory && *file ? "/" : "",
                 file);
    wm_escape(shown_path, sizeof shown_path, path, n < 0 ? 0 : strlen(path));
    v->result->n_findings++;
    const struct wm_finding finding = {v->step, shown_path, shown};
    if (v->job->on_finding)
        v->job->on_finding(v->job->arg, &finding);
}

int wm_found_error(struct wm_verifier *v, const char *file, const struct wm_error *problem,
                   struct wm_error *err)
{
    if (problem->status == WM_E_NOMEM || problem->status == WM_E_CANCELLED) {
        *err = *problem;
        return problem->status;
    }
    wm_found(v, file, "%s", problem->what);
    return 0;
}

/* ---- one step ---- */

static int check_output(struct wm_verifier *v, const char *dir, const json_t *output,
                        struct wm_error *err)
{
    const char *name = json_string_value(json_object_get(output, "name"));
    const char *hex = json_string_value(json_object_get(output, "xxh3"));
    json_int_t size = json_integer_value(json_object_get(output, "size"));
    struct wm_error problem = {0};
    struct wm_digest got;
    XXH128_hash_t want;
    char path[WM_PATH_MAX];
    const char *why;
    if (!name || !hex || !wm_unhex128(hex, &want)) {
        wm_found(v, "step.json", "an output has no name or digest");
        return 0;
    }
    if (!wm_output_path(dir, name, path, &why)) {
        wm_found(v, name, "%s", why);
        return 0;
    }
    if (wm_file_digest(path, &got, &problem))
        return wm_found_error(v, name, &problem, err);
    v->result->n_files++;
    v->result->n_bytes += got.size;
    if (got.size != (uint64_t)size)
        wm_found(v, name, "has %llu bytes, was written with %lld", (unsigned long long)got.size,
                 (long long)size);
    else if (!XXH128_isEqual(got.hash, want))
        wm_found(v, name, "its bytes are not those that were written");
    if (v->job->progress)
        wm_progress_add(v->job->progress, got.size);
    return wm_cancel_check(v->job->cancel, err);
}

int wm_step_check(struct wm_verifier *v, const struct wm_step *step, const char *dir,
                  const json_t *record, struct wm_error *err)
{
    uint64_t before = v->result->n_findings, bytes = 0;
    int status = 0;
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(record, "outputs"), i, output) bytes +=
        (uint64_t)json_integer_value(json_object_get(output, "size"));
    if (v->job->progress)
        wm_progress_start(v->job->progress, "verify", "bytes", bytes);
    json_array_foreach(json_object_get(record, "outputs"), i, output)
    {
        if (!status)
            status = check_output(v, dir, output, err);
    }
    if (v->job->progress)
        wm_progress_finish(v->job->progress);
    v->result->n_steps++;
    /* What is in a damaged file says nothing more. */
    if (status || v->result->n_findings != before || !step->verify)
        return status;
    return step->verify(v, dir, record, err);
}

/* ---- the run as a whole ---- */

/* All of it. */
struct whole {
    struct wm_results results;
    json_t *manifest;
};

static int check_config(struct wm_verifier *v, const struct whole *w, struct wm_error *err)
{
    char path[WM_PATH_MAX], hex[WM_HEX128];
    struct wm_error problem = {0};
    struct wm_digest got;
    const char *want = json_string_value(json_object_get(w->manifest, "config_xxh3"));
    if (!want)
        return 0; /* of an earlier version */
    int status = wm_path_join(path, v->job->dir, "config.yaml", err);
    if (status)
        return status;
    if (wm_file_digest(path, &got, &problem))
        return wm_found_error(v, "config.yaml", &problem, err);
    wm_hex128(got.hash, hex);
    v->result->n_files++;
    v->result->n_bytes += got.size;
    if (strcmp(hex, want) != 0)
        wm_found(v, "config.yaml", "its bytes are not those that were written");
    return 0;
}

/* A run that was stopped has no manifest yet: that is no damage. */
static int check_manifest(struct wm_verifier *v, struct whole *w, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_error problem = {0};
    size_t i;
    json_t *listed;
    v->step = v->directory = "";
    int status = wm_path_join(path, v->job->dir, "manifest.json", err);
    if (status || !wm_exists(path))
        return status;
    if (wm_json_load(path, &w->manifest, &problem))
        return wm_found_error(v, "manifest.json", &problem, err);
    v->result->n_files++;
    bool sealed =
        json_object_get(w->manifest, "config_xxh3") || json_object_get(w->manifest, "check");
    bool good = true;
    if (sealed && (status = wm_json_sealed(w->manifest, &good, err)))
        return status;
    if (json_integer_value(json_object_get(w->manifest, "format")) != 1 || !good) {
        wm_found(v, "manifest.json", "its bytes are not those that were written");
        return 0;
    }
    json_array_foreach(json_object_get(w->manifest, "steps"), i, listed)
    {
        const char *name = json_string_value(json_object_get(listed, "step"));
        for (int id = 0; name && id < WM_STEPS; id++) {
            if (strcmp(name, wm_steps[id]->name) != 0 || w->results.damaged[id])
                continue;
            if (!w->results.records[id])
                wm_found(v, wm_steps[id]->directory, "is missing, manifest.json lists it");
            else if (!json_equal(listed, w->results.records[id]))
                wm_found(v, "manifest.json", "says something else of step %s than its step.json",
                         name);
        }
    }
    return check_config(v, w, err);
}

/* Does the record say that it read other results of step `from` than stand there now? */
static int read_others(const struct whole *w, const json_t *record, int from, bool *ret,
                       struct wm_error *err)
{
    const json_t *read = json_object_get(json_object_get(record, "reads"), wm_steps[from]->name);
    XXH128_hash_t outputs;
    char hex[WM_HEX128];
    *ret = false;
    if (!read || !w->results.records[from])
        return 0;
    int status = wm_record_outputs(w->results.records[from], &outputs, err);
    if (status)
        return status;
    wm_hex128(outputs, hex);
    *ret = !json_string_value(read) || strcmp(json_string_value(read), hex) != 0;
    return 0;
}

/* Every step must have been made from what stands there now. */
static int check_reads(struct wm_verifier *v, const struct whole *w, int id, struct wm_error *err)
{
    int status = 0;
    for (int from = 0; !status && from < WM_STEPS; from++) {
        bool others;
        status = read_others(w, w->results.records[id], from, &others, err);
        if (!status && others)
            wm_found(v, "", "was made from another %s than the one that stands here%s",
                     wm_steps[from]->name,
                     w->manifest ? "" : ": the run was stopped before it came to this step");
    }
    return status;
}

static uint64_t fact(const json_t *record, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(record, "facts"), key));
}

static uint64_t split_fact(const json_t *record, enum wm_shard_split split, const char *key)
{
    const json_t *facts = json_object_get(record, "facts");
    return (uint64_t)json_integer_value(
        json_object_get(json_object_get(facts, wm_shard_split_names[split]), key));
}

static void check_tokenizer_documents(struct wm_verifier *v, const json_t *tokenizer, uint64_t kept)
{
    if (!json_object_get(json_object_get(tokenizer, "facts"), "documents_read") ||
        fact(tokenizer, "documents_read") == kept)
        return;
    v->step = "tokenizer", v->directory = wm_steps[WM_STEP_TOKENIZER]->directory;
    wm_found(v, "", "read %llu documents, the corpus has %llu",
             (unsigned long long)fact(tokenizer, "documents_read"), (unsigned long long)kept);
}

static void check_shards_documents(struct wm_verifier *v, const json_t *shards, uint64_t kept)
{
    uint64_t train = split_fact(shards, WM_TRAIN, "documents");
    uint64_t validation = split_fact(shards, WM_VALIDATION, "documents");
    if (train + validation + fact(shards, "left_out") == kept)
        return;
    v->step = "shards", v->directory = wm_steps[WM_STEP_SHARDS]->directory;
    wm_found(v, "", "hold %llu + %llu documents, %llu were left out; the corpus has %llu",
             (unsigned long long)train, (unsigned long long)validation,
             (unsigned long long)fact(shards, "left_out"), (unsigned long long)kept);
}

/* Documents from step to step, but not of what a run that was stopped has not come to. */
static int check_documents(struct wm_verifier *v, const struct whole *w, struct wm_error *err)
{
    struct wm_corpus_counts kept;
    const json_t *tokenizer = w->results.records[WM_STEP_TOKENIZER],
                 *shards = w->results.records[WM_STEP_SHARDS];
    bool others = false;
    if (!w->results.records[WM_STEP_CORPUS])
        return 0;
    wm_corpus_kept(w->results.records[WM_STEP_CORPUS], &kept);
    int status = read_others(w, tokenizer, WM_STEP_CORPUS, &others, err);
    if (!status && tokenizer && (w->manifest || !others))
        check_tokenizer_documents(v, tokenizer, kept.documents);
    if (!status)
        status = read_others(w, shards, WM_STEP_CORPUS, &others, err);
    if (!status && shards && (w->manifest || !others))
        check_shards_documents(v, shards, kept.documents);
    return status;
}

static int check_step(struct wm_verifier *v, const struct whole *w, int id, struct wm_error *err)
{
    const struct wm_step *step = wm_steps[id];
    char dir[WM_PATH_MAX];
    v->step = step->name;
    v->directory = w->results.alone ? "" : step->directory;
    if (w->results.damaged[id])
        wm_found(v, "step.json", "is damaged, or of a newer wetmill");
    if (!w->results.records[id])
        return 0;
    int status = wm_path_join(dir, v->job->dir, v->directory, err);
    if (!status)
        status = wm_step_check(v, step, dir, w->results.records[id], err);
    if (!status)
        status = check_reads(v, w, id, err);
    return status;
}

int wm_run_verify(const struct wm_verify_job *job, struct wm_verify_result *ret,
                  struct wm_error *err)
{
    struct wm_verify_job own = *job;
    struct whole w = {0};
    struct wm_verifier v = {&own, ret, "", ""};
    char lock[WM_PATH_MAX];
    *ret = (struct wm_verify_result){0};
    own.n_workers = job->n_workers ? job->n_workers : wm_processors();
    own.memory = job->memory ? job->memory : wm_default_memory();
    int status = wm_results_open(job->dir, &w.results, err);
    if (!status) {
        size_t len = strlen(job->dir);
        while (len > 1 && job->dir[len - 1] == '/')
            len--;
        int n = snprintf(lock, sizeof lock, "%.*s%s", (int)len, job->dir,
                         w.results.alone ? ".lock" : "/lock");
        status = n < 0 || (size_t)n >= sizeof lock
                     ? wm_fail(err, WM_E_LIMIT, "the path is too long")
                     : wm_lock_look(lock, err);
    }
    if (!status && !w.results.alone)
        status = check_manifest(&v, &w, err);
    for (int id = 0; !status && id < WM_STEPS; id++)
        status = check_step(&v, &w, id, err);
    for (int id = 0; !status && !w.results.alone && id < WM_STEPS; id++)
        status = wm_work_verify(&v, id, w.results.records[id], err);
    if (!status)
        status = check_documents(&v, &w, err);
    if (!status && ret->n_findings &&
        (w.results.alone || !wm_command_repair(job->dir, ret->repair)))
        (void)snprintf(ret->repair, sizeof ret->repair,
                       "repeat the command that made it, with --verify");
    wm_results_close(&w.results);
    json_decref(w.manifest);
    return status;
}
