/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all of a directory of shards and comparing it with what shards.json says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/shard_format.h"
#include "tokenizer/shard_sidecar.h"

/* shards.json has nine decimals. */
static const double nats_tolerance = 1e-8;

struct verify {
    const char *dir;
    const struct wm_shards_info *info;
    void (*on_problem)(void *arg, const struct wm_error *problem);
    void *arg;
    uint64_t n_problems;
};

/* Trouble of our own ends the check; anything else is a finding. */
static int found(struct verify *v, const struct wm_error *problem, struct wm_error *err)
{
    if (problem->status == WM_E_NOMEM) {
        *err = *problem;
        return problem->status;
    }
    v->n_problems++;
    if (v->on_problem)
        v->on_problem(v->arg, problem);
    return 0;
}

static int check_file(struct verify *v, const char *name, const char *ending,
                      const struct wm_digest *want, struct wm_error *err)
{
    char file[WM_SHARD_NAME + 16], path[WM_PATH_MAX];
    struct wm_error problem = {0};
    struct wm_digest got;
    (void)snprintf(file, sizeof file, "%s%s", name, ending);
    int status = wm_path_join(path, v->dir, file, &problem);
    if (!status)
        status = wm_file_digest(path, &got, &problem);
    if (!status && got.size != want->size)
        status = wm_fail(&problem, WM_E_MISMATCH, "has %llu bytes, shards.json says %llu",
                         (unsigned long long)got.size, (unsigned long long)want->size);
    else if (!status && !XXH128_isEqual(got.hash, want->hash))
        status = wm_fail(&problem, WM_E_MISMATCH, "its content is not what shards.json lists");
    if (!status)
        return 0;
    wm_error_where(&problem, "%s", path);
    return found(v, &problem, err);
}

static int compare_facts(const struct wm_shard_facts *facts, const struct wm_shards_info *info,
                         const struct wm_shard_entry *entry, struct wm_error *err)
{
    if (facts->n_tokens != entry->tokens || facts->n_sequences != entry->documents ||
        facts->n_documents != entry->documents || facts->width != info->width)
        return wm_fail(err, WM_E_MISMATCH,
                       "has %llu tokens of %u bytes in %llu documents; shards.json says otherwise",
                       (unsigned long long)facts->n_tokens, facts->width,
                       (unsigned long long)facts->n_documents);
    if (facts->n_outside)
        return wm_fail(err, WM_E_FORMAT,
                       "%llu ids are outside the vocabulary of %u; the largest is %u",
                       (unsigned long long)facts->n_outside, info->vocabulary, facts->max_id);
    if (facts->n_ended != facts->n_sequences || facts->n_eod != facts->n_sequences)
        return wm_fail(err, WM_E_FORMAT,
                       "%llu of %llu documents end with the end-of-document token and nowhere else "
                       "have it; it occurs %llu times",
                       (unsigned long long)facts->n_ended, (unsigned long long)facts->n_sequences,
                       (unsigned long long)facts->n_eod);
    return 0;
}

static int check_tokens(struct verify *v, const char *base, const struct wm_shard_entry *entry,
                        uint64_t *counts, struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_shard shard = {0};
    struct wm_shard_facts facts;
    int status = wm_shard_open(base, &shard, &problem);
    if (!status)
        status =
            wm_shard_inspect(&shard, v->info->vocabulary, v->info->eod, counts, &facts, &problem);
    if (!status)
        status = compare_facts(&facts, v->info, entry, &problem);
    wm_shard_close(&shard);
    if (!status)
        return 0;
    wm_error_where(&problem, "%s.bin", base);
    return found(v, &problem, err);
}

static int check_sidecar(struct verify *v, const char *base, const struct wm_shard_entry *entry,
                         struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_sidecar *sidecar = NULL;
    int status = wm_sidecar_open(base, &sidecar, &problem);
    if (!status)
        status = wm_sidecar_check(sidecar, &problem);
    if (!status && wm_sidecar_rows(sidecar) != entry->documents)
        status = wm_fail(&problem, WM_E_MISMATCH, "has %llu rows for %llu documents",
                         (unsigned long long)wm_sidecar_rows(sidecar),
                         (unsigned long long)entry->documents);
    wm_sidecar_close(sidecar);
    if (!status)
        return 0;
    wm_error_where(&problem, "%s.prov.zst", base);
    return found(v, &problem, err);
}

static int check_shard(struct verify *v, const struct wm_shard_entry *entry, uint64_t *counts,
                       struct wm_error *err)
{
    char base[WM_PATH_MAX];
    int status = wm_path_join(base, v->dir, entry->name, err);
    if (!status)
        status = check_file(v, entry->name, ".bin", &entry->bin, err);
    if (!status)
        status = check_file(v, entry->name, ".idx", &entry->idx, err);
    if (!status)
        status = check_file(v, entry->name, ".prov.zst", &entry->sidecar, err);
    if (!status)
        status = check_tokens(v, base, entry, counts, err);
    return status ? status : check_sidecar(v, base, entry, err);
}

static int check_split(struct verify *v, unsigned which, struct wm_error *err)
{
    const struct wm_split_info *split = &v->info->splits[which];
    uint64_t *counts = calloc(v->info->vocabulary, sizeof *counts);
    if (!counts)
        return wm_fail_nomem(err, v->info->vocabulary * sizeof *counts, "token counts");
    int status = 0;
    for (size_t i = 0; !status && i < split->n; i++)
        status = check_shard(v, &split->shards[i], counts, err);
    double nats = wm_unigram_nats(counts, v->info->vocabulary);
    free(counts);
    if (status || fabs(nats - split->unigram_nats) <= nats_tolerance)
        return status;
    struct wm_error problem = {0};
    wm_fail(&problem, WM_E_MISMATCH, "unigram entropy of %s is %.9f nats, shards.json says %.9f",
            wm_shard_split_names[which], nats, split->unigram_nats);
    wm_error_where(&problem, "%s", v->dir);
    return found(v, &problem, err);
}

static int check_tokenizer(struct verify *v, struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_tokenizer *tok = NULL;
    int status = wm_tokenizer_load(v->dir, &tok, &problem);
    if (status) {
        wm_error_where(&problem, "%s", v->dir);
        return found(v, &problem, err);
    }
    status = wm_shards_check_tokenizer(v->info, tok, &problem);
    wm_tokenizer_free(tok);
    if (!status)
        return 0;
    wm_error_where(&problem, "%s", v->dir);
    return found(v, &problem, err);
}

int wm_shards_verify(const char *dir, void (*on_problem)(void *arg, const struct wm_error *problem),
                     void *arg, uint64_t *ret_problems, struct wm_error *err)
{
    struct wm_shards_info info = {0};
    struct verify v = {.dir = dir, .info = &info, .on_problem = on_problem, .arg = arg};
    int status = wm_shards_info_read(dir, &info, err);
    if (!status)
        status = check_tokenizer(&v, err);
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++)
        status = check_split(&v, i, err);
    wm_shards_info_done(&info);
    if (!status)
        *ret_problems = v.n_problems;
    return status;
}
