/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/advance.h"

#include <stdlib.h>

#include "tokenizer/remerge.h"

enum { ID_BYTES = 5 };

struct worker {
    struct wm_buf out;
    struct wm_ids old, new;
    struct bpe_remerge scratch;
    struct bpe_collector collector;
};

struct advancing {
    const struct bpe_advance *a;
    struct bpe_fresh fresh;
    struct bpe_blocks file;
    struct worker *workers; /* [team] */
};

/* Ids of a piece into `ids`; `fresh`: whether any of its pairs may be a new merge. */
static int decode(const struct advancing *run, struct wm_str bytes, struct wm_ids *ids,
                  bool *ret_fresh, struct wm_error *err)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr, *end = at + bytes.len;
    int status = bytes.len > ids->cap ? bpe_ids_reserve(ids, bytes.len, err) : 0;
    if (status)
        return status;
    uint32_t *put = ids->ids;
    bool fresh = false;
    while (at < end) {
        at = bpe_get_id(at, end, put);
        if (!at || *put >= run->fresh.n_ids)
            return bpe_blocks_damaged(err);
        fresh = fresh || (put > ids->ids && bpe_may_be_fresh(&run->fresh, put[-1], put[0]));
        put++;
    }
    ids->n = (size_t)(put - ids->ids);
    *ret_fresh = fresh;
    return 0;
}

/* Bring the sketch from the old pairs to the new ones; what both begin and end with cancels out. */
static void recount(struct worker *w, uint64_t count)
{
    const uint32_t *old = w->old.ids, *new = w->new.ids;
    size_t n_old = w->old.n, n_new = w->new.n, same = 0;
    while (same < n_new && old[same] == new[same])
        same++;
    while (n_new > same && old[n_old - 1] == new[n_new - 1])
        n_old--, n_new--;
    size_t first = same ? same : 1;
    for (size_t i = first; i < n_old + (n_old < w->old.n); i++)
        bpe_sketch_add(&w->collector, old[i - 1], old[i], 0 - count);
    for (size_t i = first; i < n_new + (n_new < w->new.n); i++)
        bpe_sketch_add(&w->collector, new[i - 1], new[i], count);
}

static int put_merged(const struct advancing *run, struct worker *w, uint64_t count,
                      struct wm_error *err)
{
    unsigned char small[BPE_SHORT_PIECE * ID_BYTES], *bytes = small;
    int status = w->old.n > w->new.cap ? bpe_ids_reserve(&w->new, w->old.n, err) : 0;
    if (status)
        return status;
    memcpy(w->new.ids, w->old.ids, w->old.n * sizeof *w->new.ids);
    w->new.n = w->old.n;
    status = bpe_remerge(run->a->tok, &run->fresh, &w->scratch, w->new.ids, &w->new.n, err);
    if (status)
        return status;
    if (w->new.n < w->old.n)
        recount(w, count);
    if (w->new.n < 2)
        return 0;
    if (w->new.n > BPE_SHORT_PIECE && !(bytes = malloc(w->new.n *ID_BYTES)))
        return wm_fail_nomem(err, w->new.n *ID_BYTES, "a long piece");
    unsigned char *at = bytes;
    for (size_t i = 0; i < w->new.n; i++)
        at = bpe_put_varint(at, w->new.ids[i]);
    status =
        bpe_record_put(&w->out, (struct wm_str){(char *)bytes, (size_t)(at - bytes)}, count, err);
    if (bytes != small)
        free(bytes);
    return status;
}

static int advance_block(void *arg, unsigned slot, size_t i, struct wm_str block,
                         struct wm_error *err)
{
    struct advancing *run = arg;
    struct worker *w = &run->workers[slot];
    struct wm_str ids;
    uint64_t count = 0;
    int status = 0, more;
    w->out.len = 0;
    while (!status && (more = bpe_record_next(&block, &ids, &count)) != 0) {
        bool fresh = false;
        status = more < 0 ? bpe_blocks_damaged(err) : decode(run, ids, &w->old, &fresh, err);
        if (!status)
            status =
                fresh ? put_merged(run, w, count, err) : bpe_record_put(&w->out, ids, count, err);
    }
    return status ? status : bpe_blocks_put(&run->file, i, wm_buf_str(&w->out), err);
}

static int meanwhile(void *arg, struct wm_error *err)
{
    const struct advancing *run = arg;
    return run->a->meanwhile(run->a->arg, err);
}

static int workers_init(struct advancing *run, unsigned n, struct wm_error *err)
{
    run->workers = calloc(n, sizeof *run->workers);
    if (!run->workers)
        return wm_fail_nomem(err, n * sizeof *run->workers, "a pass over pieces");
    for (unsigned i = 0; i < n; i++) {
        run->workers[i].collector.sketch = run->a->sketch;
        wm_buf_init(&run->workers[i].out, SIZE_MAX / 2);
    }
    return 0;
}

static void workers_done(struct advancing *run, unsigned n)
{
    for (unsigned i = 0; run->workers && i < n; i++) {
        bpe_collector_flush(&run->workers[i].collector);
        wm_buf_done(&run->workers[i].out);
        wm_ids_done(&run->workers[i].old);
        wm_ids_done(&run->workers[i].new);
        bpe_remerge_done(&run->workers[i].scratch);
    }
    free(run->workers);
}

int bpe_advance(const struct bpe_advance *advance, struct bpe_blocks *file, struct wm_error *err)
{
    struct advancing run = {.a = advance};
    unsigned n = wm_team_size(advance->team);
    struct bpe_pass pass = {.file = file,
                            .team = advance->team,
                            .each = advance_block,
                            .meanwhile = meanwhile,
                            .arg = &run};
    int status = bpe_blocks_init(&run.file, advance->dir, file->n, err);
    if (!status)
        status = bpe_fresh_init(&run.fresh, advance->tok, advance->from, err);
    if (!status)
        status = workers_init(&run, n, err);
    if (!status)
        status = bpe_pass_run(&pass, err);
    workers_done(&run, n);
    bpe_fresh_done(&run.fresh);
    if (status) {
        bpe_blocks_done(&run.file);
        return status;
    }
    bpe_blocks_done(file);
    *file = run.file;
    return 0;
}
