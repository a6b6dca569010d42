/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/ledger.h"

#include "pipeline/tally.h"

/* Some 200 bytes a task, 16 a row, and the parts and damage themselves. */
static const size_t arena_limit = (size_t)1 << 36;

static int place(struct wm_ledger *ledger, void *ret, size_t n, size_t size, struct wm_error *err)
{
    void *memory = wm_arena_alloc(&ledger->arena, n, size);
    if (!memory)
        return wm_fail_nomem(err, n * size, "the list of tasks");
    memcpy(ret, &memory, sizeof memory);
    return 0;
}

int wm_ledger_open(struct wm_ledger *ledger, const struct wm_job *job, pthread_mutex_t *lock,
                   struct wm_error *err)
{
    *ledger = (struct wm_ledger){.job = job, .lock = lock};
    wm_arena_init(&ledger->arena, arena_limit);
    const struct wm_chain *chain = job->chain;
    size_t n_tasks = job->inputs->n_tasks;
    int status = place(ledger, &ledger->survey_link, chain->n + 1, sizeof(size_t), err);
    for (size_t i = 0; !status && i < chain->n; i++)
        if (chain->links[i].stage->survey)
            ledger->survey_link[ledger->n_surveys++] = i;
    if (!status)
        status = place(ledger, &ledger->surveyed, ledger->n_surveys * n_tasks, 8, err);
    if (!status)
        status = place(ledger, &ledger->rows, job->inputs->n_rows, sizeof *ledger->rows, err);
    if (!status)
        status = place(ledger, &ledger->rows_known, n_tasks, sizeof(bool), err);
    if (!status)
        status = place(ledger, &ledger->unread, n_tasks, sizeof(bool), err);
    if (!status)
        status = place(ledger, &ledger->done, n_tasks, sizeof(bool), err);
    if (!status)
        status = place(ledger, &ledger->documents, n_tasks, sizeof(uint64_t), err);
    if (!status)
        status = place(ledger, &ledger->runs, n_tasks, sizeof *ledger->runs, err);
    if (!status)
        status = place(ledger, &ledger->parts, n_tasks, sizeof *ledger->parts, err);
    if (!status)
        status = place(ledger, &ledger->damage, n_tasks, sizeof *ledger->damage, err);
    return status ? status : wm_links_place(chain, &ledger->arena, &ledger->tally.links, err);
}

void wm_ledger_close(struct wm_ledger *ledger)
{
    wm_arena_done(&ledger->arena);
    *ledger = (struct wm_ledger){0};
}

void wm_ledger_begin(struct wm_ledger *ledger, size_t survey)
{
    const struct wm_chain *chain = ledger->job->chain;
    size_t n_tasks = ledger->job->inputs->n_tasks;
    ledger->survey = survey;
    ledger->is_last = survey == ledger->n_surveys;
    ledger->n_links = ledger->is_last ? chain->n : ledger->survey_link[survey];
    ledger->any_cut = false;
    struct wm_link_tally *links = ledger->tally.links;
    ledger->tally = (struct wm_tally){.links = links, .n_links = chain->n};
    wm_links_clear(chain, links);
    memset(ledger->done, 0, n_tasks * sizeof *ledger->done);
    memset(ledger->documents, 0, n_tasks * sizeof *ledger->documents);
    memset(ledger->runs, 0, n_tasks * sizeof *ledger->runs);
    memset(ledger->damage, 0, n_tasks * sizeof *ledger->damage);
    ledger->n_damage = 0;
}

/* A file that could be read in one pass and cannot in another: no change, but a failure, after which
 * all that is kept stands. Which it is cannot be said of one whose damage is not listed any more. */
static int fail_differs(const struct wm_ledger *ledger, const struct wm_outcome *outcome,
                        const char *path, struct wm_error *err)
{
    const struct wm_damage *last = NULL; /* of this file: reading failed where it ended */
    const bool all_listed = outcome->read.n_damage == outcome->n_damage;
    for (size_t i = 0; i < outcome->n_damage; i++)
        if (outcome->damage[i].unread && strcmp(outcome->damage[i].path, path) == 0)
            last = &outcome->damage[i];
    if (last)
        (void)wm_fail(err, ledger->unread[outcome->task] ? WM_E_CHANGED : WM_E_IO,
                      "%s, which went well before", last->what);
    else
        (void)wm_fail(err, WM_E_CHANGED, "the file changed between two passes over it%s",
                      all_listed || !outcome->read.unread ? "" : ", or could not be read again");
    (void)wm_error_where(err, "%s", path);
    return wm_error_hint(err, "start again once %sall of the input can be read",
                         last ? "" : "nothing writes to the input, and ");
}

/* What the passes read must be the same bytes, and a survey must see the documents that its stage
 * is given later; or tables would speak of another corpus. */
static int compare_passes(struct wm_ledger *ledger, const struct wm_outcome *outcome,
                          struct wm_error *err)
{
    const struct wm_inputs *inputs = ledger->job->inputs;
    const struct wm_task *task = &inputs->tasks[outcome->task];
    for (uint32_t i = 0; i < task->n; i++) {
        XXH128_hash_t *known = &ledger->rows[task->first + i];
        if (!ledger->rows_known[outcome->task])
            *known = outcome->hashes[i];
        if (XXH128_isEqual(*known, outcome->hashes[i]))
            continue;
        return fail_differs(ledger, outcome, inputs->rows[task->first + i].path, err);
    }
    if (!ledger->rows_known[outcome->task])
        ledger->unread[outcome->task] = outcome->read.unread > 0;
    ledger->rows_known[outcome->task] = true;
    for (size_t s = 0; s < ledger->n_surveys && s <= ledger->survey; s++) {
        uint64_t *seen = &ledger->surveyed[s * inputs->n_tasks + outcome->task];
        uint64_t now = outcome->links[ledger->survey_link[s]].documents_in;
        if (s == ledger->survey)
            *seen = now;
        if (*seen != now)
            return wm_fail(err, WM_E_CHANGED,
                           "internal: task %u: %ju documents were surveyed, %ju applied",
                           outcome->task, (uintmax_t)*seen, (uintmax_t)now);
    }
    return 0;
}

static int copy_parts(struct wm_ledger *ledger, const struct wm_outcome *outcome,
                      struct wm_error *err)
{
    struct wm_parts *parts = &ledger->parts[outcome->task];
    *parts = (struct wm_parts){.arena = &ledger->arena};
    int status = 0;
    for (size_t i = 0; !status && i < outcome->parts.n; i++)
        status = wm_parts_add(parts, &outcome->parts.items[i], err);
    return status;
}

/* The first WM_DAMAGE_MAX in input order are listed, in whatever order tasks end: a task's list is
 * not wanted once earlier tasks fill it, and later tasks' lists make room for it. */
static bool wants_damage(struct wm_ledger *ledger, uint32_t task, size_t n)
{
    size_t earlier = 0;
    for (uint32_t t = 0; t < task && earlier < WM_DAMAGE_MAX; t++)
        earlier += ledger->damage[t].n;
    if (n == 0 || earlier >= WM_DAMAGE_MAX)
        return false;
    for (uint32_t t = ledger->job->inputs->n_tasks - 1; t > task; t--) {
        if (ledger->n_damage + n - ledger->damage[t].n < WM_DAMAGE_MAX)
            break;
        ledger->n_damage -= ledger->damage[t].n;
        ledger->damage[t] = (struct wm_damage_slice){0};
    }
    return true;
}

static int copy_damage(struct wm_ledger *ledger, const struct wm_outcome *outcome,
                       struct wm_error *err)
{
    if (!wants_damage(ledger, outcome->task, outcome->n_damage))
        return 0;
    struct wm_damage_slice *slice = &ledger->damage[outcome->task];
    int status = place(ledger, &slice->items, outcome->n_damage, sizeof *slice->items, err);
    for (; !status && slice->n < outcome->n_damage; slice->n++) {
        const struct wm_damage *from = &outcome->damage[slice->n];
        struct wm_damage *to = &slice->items[slice->n];
        *to = *from;
        to->path = wm_arena_cstr(&ledger->arena, wm_str_of(from->path));
        to->what = wm_arena_cstr(&ledger->arena, wm_str_of(from->what));
        if (!to->path || !to->what)
            return wm_fail_nomem(err, WM_PATH_MAX, "list of damage");
    }
    ledger->n_damage += slice->n;
    return status;
}

static int enter(struct wm_ledger *ledger, const struct wm_outcome *outcome, bool reused,
                 struct wm_error *err)
{
    int status = compare_passes(ledger, outcome, err);
    if (!status && ledger->is_last)
        status = copy_parts(ledger, outcome, err);
    if (!status)
        status = copy_damage(ledger, outcome, err);
    if (status)
        return status;
    wm_read_tally_add(&ledger->tally.read, &outcome->read);
    wm_links_add(ledger->job->chain, ledger->tally.links, outcome->links);
    ledger->tally.tasks_done += !reused;
    ledger->tally.tasks_reused += reused;
    ledger->any_cut = ledger->any_cut || outcome->cut;
    ledger->done[outcome->task] = true;
    ledger->documents[outcome->task] = outcome->read.documents;
    ledger->runs[outcome->task] = outcome->run.digest;
    return 0;
}

int wm_ledger_compare(struct wm_ledger *ledger, const struct wm_outcome *outcome,
                      struct wm_error *err)
{
    pthread_mutex_lock(ledger->lock);
    int status = compare_passes(ledger, outcome, err);
    pthread_mutex_unlock(ledger->lock);
    return status;
}

int wm_ledger_add(struct wm_ledger *ledger, const struct wm_outcome *outcome, bool reused,
                  struct wm_error *err)
{
    pthread_mutex_lock(ledger->lock);
    int status = enter(ledger, outcome, reused, err);
    pthread_mutex_unlock(ledger->lock);
    return status;
}

int wm_ledger_check(const struct wm_ledger *ledger, struct wm_error *err)
{
    return wm_tally_check(ledger->job->chain, ledger->n_links, &ledger->tally.read,
                          ledger->tally.links, ledger->any_cut, err);
}

int wm_ledger_result(struct wm_ledger *ledger, struct wm_job_result *ret, struct wm_error *err)
{
    const struct wm_inputs *inputs = ledger->job->inputs;
    struct wm_parts parts = {.arena = &ledger->arena};
    struct wm_damage *damage = NULL;
    size_t n_damage = 0;
    int status = place(ledger, &damage, WM_DAMAGE_MAX, sizeof *damage, err);
    for (uint32_t t = 0; t < inputs->n_tasks; t++) {
        for (size_t i = 0; !status && i < ledger->parts[t].n; i++)
            status = wm_parts_add(&parts, &ledger->parts[t].items[i], err);
        for (size_t i = 0; i < ledger->damage[t].n && !status && n_damage < WM_DAMAGE_MAX; i++)
            damage[n_damage++] = ledger->damage[t].items[i];
    }
    if (status)
        return status;
    *ret = (struct wm_job_result){.arena = ledger->arena,
                                  .tally = ledger->tally,
                                  .parts = parts,
                                  .damage = damage,
                                  .n_damage = n_damage,
                                  .inputs = wm_inputs_combine(ledger->rows, inputs->n_rows)};
    ret->parts.arena = &ret->arena;
    ledger->arena = (struct wm_arena){0};
    return 0;
}
