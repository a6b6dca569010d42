/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/verdict.h"

#include <math.h>

#include "pipeline/chain.h"

/* A share of few is no evidence: the limits are there for a crawl gone wrong, not for a bad file
 * among twenty. A share of 0 means none at all. */
static bool too_many(uint64_t n_bad, uint64_t n, double share, uint64_t always)
{
    double allowed = ceil(share * (double)n);
    return n_bad > (share > 0 ? always : 0) && (double)n_bad > allowed;
}

static const struct wm_damage *first_damage(const struct wm_job *job,
                                            const struct wm_ledger *ledger)
{
    for (uint32_t t = 0; t < job->inputs->n_tasks; t++)
        if (ledger->damage[t].n)
            return ledger->damage[t].items;
    return NULL;
}

static uint64_t n_files(const struct wm_job *job, const struct wm_read_tally *read)
{
    return job->inputs->n_rows > read->files ? job->inputs->n_rows : read->files;
}

/* Not a byte of any, since the system gave none. */
static int none_readable(const struct wm_read_tally *read, const struct wm_damage *first,
                         struct wm_error *err)
{
    if (read->bad_files == 1)
        return wm_fail(err, WM_E_FORMAT, "the only input file cannot be read: %s: %s", first->path,
                       first->what);
    return wm_fail(err, WM_E_FORMAT, "none of the %ju input files can be read; the first is %s: %s",
                   (uintmax_t)read->bad_files, first->path, first->what);
}

int wm_verdict_files(const struct wm_job *job, const struct wm_ledger *ledger, struct wm_error *err)
{
    const struct wm_read_tally *read = &ledger->tally.read;
    uint64_t n = n_files(job, read);
    if (!too_many(read->bad_files, n, job->max_bad_files, WM_BAD_FILES_ALWAYS))
        return 0;
    const struct wm_damage *first = first_damage(job, ledger);
    (void)wm_fail(err, WM_E_FORMAT, "%ju of %ju input files are unreadable or damaged%s%s%s%s",
                  (uintmax_t)read->bad_files, (uintmax_t)n, first ? "; the first is " : "",
                  first ? first->path : "", first ? ": " : "", first ? first->what : "");
    return wm_error_hint(err, "max_bad_files (now %g) says what share of them is acceptable",
                         job->max_bad_files);
}

/* Records that are not what they should be; not those of a kind that is left out on purpose. */
static const enum wm_read_reason malformed[] = {WM_READ_BAD_HEADER, WM_READ_TRUNCATED,
                                                WM_READ_BAD_JSON, WM_READ_NO_TEXT, WM_READ_DAMAGED};

int wm_verdict_records(const struct wm_job *job, const struct wm_ledger *ledger,
                       struct wm_error *err)
{
    const struct wm_read_tally *read = &ledger->tally.read;
    uint64_t n_bad = 0, most = 0;
    enum wm_read_reason top = malformed[0];
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        uint64_t n = read->reasons[malformed[i]];
        n_bad += n;
        top = n > most ? malformed[i] : top;
        most = n > most ? n : most;
    }
    if (!too_many(n_bad, read->records, job->max_bad_records, WM_BAD_RECORDS_ALWAYS))
        return 0;
    (void)wm_fail(err, WM_E_FORMAT, "%ju of %ju records are malformed, most of them: %s",
                  (uintmax_t)n_bad, (uintmax_t)read->records, wm_read_reason_names[top]);
    return wm_error_hint(err, "max_bad_records (now %g) says what share of them is acceptable",
                         job->max_bad_records);
}

int wm_verdict_left(const struct wm_job *job, const struct wm_ledger *ledger, struct wm_error *err)
{
    const struct wm_read_tally *read = &ledger->tally.read;
    const struct wm_chain *chain = job->chain;
    uint64_t left = chain->n ? ledger->tally.links[chain->n - 1].documents_out : read->documents;
    if (left || job->sample_rate > 0) /* of a sample nothing may be left */
        return 0;
    uint64_t most = 0;
    const char *who = "reading", *why = NULL, *hint = "";
    for (size_t i = 0; i < WM_READ_REASONS; i++) {
        if (read->reasons[i] <= most)
            continue;
        most = read->reasons[i];
        why = wm_read_reason_names[i];
        hint = wm_read_reason_hints[i] ? wm_read_reason_hints[i] : "";
    }
    for (size_t i = 0; i < chain->n; i++) {
        const struct wm_stage *stage = chain->links[i].stage;
        for (size_t r = 0; r < wm_stage_reasons(stage); r++) {
            if (ledger->tally.links[i].reasons[r] <= most)
                continue;
            most = ledger->tally.links[i].reasons[r];
            who = stage->name;
            why = stage->reasons[r];
            hint = "--rejects DIR shows the documents that were dropped";
        }
    }
    if (!why) {
        const struct wm_damage *first = first_damage(job, ledger);
        if (first && read->unread && !read->bytes_compressed &&
            read->bad_files >= n_files(job, read))
            return none_readable(read, first, err);
        (void)wm_fail(err, WM_E_FORMAT, "no document is left: the input has no records");
        return first ? wm_error_hint(err, "%s: %s", first->path, first->what) : err->status;
    }
    (void)wm_fail(err, WM_E_FORMAT, "no document is left: %ju of %ju records went at %s: %s",
                  (uintmax_t)most, (uintmax_t)read->records, who, why);
    return *hint ? wm_error_hint(err, "%s", hint) : err->status;
}
