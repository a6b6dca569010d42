/* SPDX-License-Identifier: Apache-2.0 */
#include "run/hashes.h"

#include <stdio.h>

#include "run/step.h"
#include "stages/hash_set.h"
#include "stages/stages.h"
#include "wetmill/parallel.h"

/* Half-done work is for the same stages and the same files, with the same times. */
static int identify(struct wm_run *run, const struct wm_inputs *inputs, char ret[WM_HEX128],
                    struct wm_error *err)
{
    struct wm_buf text;
    XXH128_hash_t names, times;
    char hex[2][WM_HEX128];
    wm_buf_init(&text, 16 << 20);
    wm_inputs_fingerprint(inputs, &names, &times);
    wm_hex128(names, hex[0]);
    wm_hex128(times, hex[1]);
    int status = wm_chain_take_files(&run->chain, err);
    if (!status)
        status = wm_buf_printf(&text, err, "hashes %s %s %llu ", hex[0], hex[1],
                               (unsigned long long)run->options.limit);
    if (!status)
        status = wm_options_describe(wm_source_option_table, &run->input, &text, err);
    if (!status)
        status = wm_chain_describe(&run->chain, &text, err);
    if (!status)
        wm_hex128(XXH3_128bits(text.ptr, text.len), ret);
    wm_buf_done(&text);
    return status;
}

/* The tables are in the order of the set: their partitions are the leading bits. */
static int gather(const struct wm_job *job, size_t survey, struct wm_hash_set_out *out,
                  struct wm_error *err)
{
    int status = 0;
    for (unsigned p = 0; !status && p < WM_PARTITIONS; p++) {
        char path[WM_PATH_MAX];
        struct wm_table table;
        status = wm_job_table_path(job, survey, p, path, err);
        if (!status)
            status = wm_table_open(path, 8, &table, err);
        if (status)
            return status;
        status = wm_hash_set_out_add(out, table.records, (size_t)table.n, err);
        wm_table_close(&table);
    }
    return status;
}

static int store(const struct wm_job *job, const struct wm_hash_kind *kind, const char *path,
                 uint64_t *ret_n, struct wm_error *err)
{
    struct wm_hash_set_out *out;
    size_t n_surveys = 0;
    for (size_t i = 0; i < job->chain->n; i++)
        n_surveys += job->chain->links[i].stage->survey != NULL;
    int status = wm_hash_set_out_open(path, kind, &out, err);
    if (status)
        return status;
    status = gather(job, n_surveys - 1, out, err);
    if (!status)
        return wm_hash_set_out_commit(out, ret_n, err);
    wm_hash_set_out_abandon(out);
    return status;
}

static int build(struct wm_run *run, struct wm_job *job, const char *path,
                 const struct wm_hash_kind *kind, struct wm_hashes_result *ret,
                 struct wm_error *err)
{
    struct wm_job_result *result = &ret->job;
    int status = wm_mkdirs(job->dir, err);
    for (bool again = !status; again;) {
        again = false;
        status = wm_job_run(job, result, err);
        if (status || !(status = store(job, kind, path, &ret->n_hashes, err)))
            break;
        again = (status = wm_job_mend(job, err)) > 0;
        wm_job_result_done(result);
    }
    if (status == WM_E_CHANGED) { /* made of what has changed since */
        struct wm_error more;
        (void)wm_remove_tree(job->dir, &more);
    }
    if (!status) {
        const struct wm_link_tally *last = &result->tally.links[run->chain.n - 1];
        ret->n_documents = last->documents_in;
        status = wm_remove_tree(job->dir, err);
    }
    return status;
}

/* What a job keeps in PATH.work, which is removed in the end. */
static const char *const job_names[] = {"commits", "parts",  "rejects", "runs",
                                        "scratch", "tables", NULL};

/* Others stay out of PATH.work. */
static int lock_out(const char *path, const struct wm_run_hooks *hooks, struct wm_lock **ret,
                    struct wm_error *err)
{
    char lock[WM_PATH_MAX], note[WM_LOCK_TEXT];
    if ((size_t)snprintf(lock, sizeof lock, "%s.lock", path) >= sizeof lock)
        return wm_fail(err, WM_E_LIMIT, "the output path is too long");
    int status = wm_lock_take(lock, hooks->cancel, ret, note, err);
    if (!status && *note && hooks->line)
        hooks->line(hooks->arg, note);
    return status;
}

int wm_hashes_build(struct wm_run *run, const char *path, const struct wm_run_hooks *hooks,
                    struct wm_hashes_result *ret, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_lock *lock = NULL;
    struct wm_error lost = {0};
    char identity[WM_HEX128], dir[WM_PATH_MAX];
    struct wm_link *last = run->chain.n ? &run->chain.links[run->chain.n - 1] : NULL;
    if (!last || last->stage != &wm_stage_paragraph_dedup)
        return wm_fail(err, WM_E_CONFIG, "hashes are of lines that paragraph-dedup compares");
    if ((size_t)snprintf(dir, sizeof dir, "%s.work", path) >= sizeof dir)
        return wm_fail(err, WM_E_LIMIT, "the output path is too long");
    struct wm_hash_kind kind = wm_dedup_collect(last->shared);
    unsigned mended = 0;
    struct wm_job job = {
        .label = "hashes",
        .inputs = &inputs,
        .chain = &run->chain,
        .dir = dir,
        .identity = identity,
        .n_workers = run->options.jobs ? (unsigned)run->options.jobs : wm_processors(),
        .memory = run->options.memory ? run->options.memory : wm_default_memory(),
        .limit = run->options.limit,
        .max_bad_files = run->options.max_bad_files,
        .max_bad_records = run->options.max_bad_records,
        .progress = hooks->progress,
        .cancel = hooks->cancel,
        .line = hooks->line,
        .line_arg = hooks->arg,
        .mended = &mended,
        .surveys_only = true,
    };
    *ret = (struct wm_hashes_result){0};
    int status = lock_out(path, hooks, &lock, err);
    if (!status)
        status = wm_check_work_dir(dir, job_names, err);
    if (!status)
        status = wm_inputs_open(&run->input, &inputs, err);
    if (!status)
        status = identify(run, &inputs, identity, err);
    if (!status)
        status = build(run, &job, path, &kind, ret, err);
    wm_inputs_close(&inputs);
    if (wm_lock_check(lock, &lost)) {
        *err = lost;
        status = lost.status;
    }
    wm_lock_release(lock);
    return status;
}
