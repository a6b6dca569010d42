/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/spill.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tokenizer/weights.h"

enum {
    WRITE_BUFFER = 64 << 10,
    LEAST_BUFFER = 4 << 10, /* of a run that is merged */
    MOST_BUFFER = 1 << 20,
    LEAST_RUNS = 16, /* merged at once */
};

int bpe_spill_init(struct bpe_spill *spill, const char *dir, uint64_t memory, struct wm_error *err)
{
    *spill = (struct bpe_spill){.fd = -1, .memory = memory};
    if (!dir || !*dir)
        dir = getenv("TMPDIR");
    spill->dir = strdup(dir && *dir ? dir : "/tmp");
    if (!spill->dir)
        return wm_fail_nomem(err, 0, "scratch directory");
    (void)pthread_mutex_init(&spill->lock, NULL); /* cannot fail with default attributes */
    return 0;
}

void bpe_spill_done(struct bpe_spill *spill)
{
    if (!spill->dir)
        return;
    if (spill->fd >= 0)
        (void)close(spill->fd);
    (void)pthread_mutex_destroy(&spill->lock);
    free(spill->dir);
    free(spill->runs);
    *spill = (struct bpe_spill){.fd = -1};
}

/* ---- merging ---- */

struct source {
    struct bpe_piece_reader reader;
    struct wm_str piece;
    uint64_t count;
    uint32_t tag;
};

struct merge {
    struct source *sources;
    size_t n_sources;
    struct source **heap; /* the smallest piece first */
    size_t n_heap;
    struct wm_buf piece;
};

static bool stands_before(const struct source *a, const struct source *b)
{
    return bpe_piece_order(a->tag, a->piece, b->tag, b->piece) < 0;
}

static void sift_down(struct merge *m, size_t i)
{
    struct source *moving = m->heap[i];
    for (size_t child; (child = 2 * i + 1) < m->n_heap; i = child) {
        if (child + 1 < m->n_heap && stands_before(m->heap[child + 1], m->heap[child]))
            child++;
        if (!stands_before(m->heap[child], moving))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = moving;
}

/* The source's next piece: 1, 0 at its end, < 0. */
static int advance(struct source *s, struct wm_error *err)
{
    int more = bpe_piece_read(&s->reader, &s->piece, &s->count, err);
    if (more > 0)
        s->tag = bpe_piece_tag(s->piece);
    return more;
}

static int merge_open(struct merge *m, const struct bpe_spill *spill, struct wm_error *err)
{
    size_t buffer = (size_t)(spill->memory / 8 / (spill->n_runs + 1));
    buffer = buffer > MOST_BUFFER ? MOST_BUFFER : buffer < LEAST_BUFFER ? LEAST_BUFFER : buffer;
    *m = (struct merge){0};
    wm_buf_init(&m->piece, SIZE_MAX / 2);
    m->sources = calloc(spill->n_runs + 1, sizeof *m->sources);
    m->heap = calloc(spill->n_runs + 1, sizeof *m->heap);
    if (!m->sources || !m->heap)
        return wm_fail_nomem(err, spill->n_runs * sizeof *m->sources, "merging pieces");
    int more = 0;
    for (size_t i = 0; i < spill->n_runs && more >= 0; i++) {
        struct source *s = &m->sources[m->n_sources++];
        more = bpe_piece_reader_init(&s->reader, spill->fd, &spill->runs[i], buffer, err);
        if (!more)
            more = advance(s, err);
        if (more > 0)
            m->heap[m->n_heap++] = s;
    }
    for (size_t i = m->n_heap / 2; i-- > 0;)
        sift_down(m, i);
    return more < 0 ? more : 0;
}

static void merge_close(struct merge *m)
{
    for (size_t i = 0; i < m->n_sources; i++)
        bpe_piece_reader_done(&m->sources[i].reader);
    free(m->sources);
    free(m->heap);
    wm_buf_done(&m->piece);
}

/* The next piece into m->piece: 1, 0 at the end, < 0. */
static int merge_next(struct merge *m, uint64_t *ret_count, struct wm_error *err)
{
    if (!m->n_heap)
        return 0;
    uint32_t tag = m->heap[0]->tag;
    m->piece.len = 0;
    int status = wm_buf_add(&m->piece, m->heap[0]->piece.ptr, m->heap[0]->piece.len, err);
    if (status)
        return status;
    *ret_count = 0;
    struct wm_str piece = wm_buf_str(&m->piece);
    while (m->n_heap && bpe_piece_order(m->heap[0]->tag, m->heap[0]->piece, tag, piece) == 0) {
        struct source *top = m->heap[0];
        if (*ret_count > UINT64_MAX - top->count)
            return wm_fail(err, WM_E_LIMIT, "a piece occurs more than 2^64 times");
        *ret_count += top->count;
        int more = advance(top, err);
        if (more < 0)
            return more;
        if (!more)
            m->heap[0] = m->heap[--m->n_heap];
        if (m->n_heap)
            sift_down(m, 0);
    }
    return 1;
}

static int merge_all(struct bpe_spill *spill, uint64_t unit,
                     int (*each)(void *arg, struct wm_str piece, uint64_t count,
                                 struct wm_error *err),
                     void *arg, struct wm_error *err)
{
    struct merge m;
    uint64_t count = 0;
    int status = merge_open(&m, spill, err), more = 1;
    while (!status && (more = merge_next(&m, &count, err)) > 0) {
        count = bpe_weight_round(count, unit);
        status = count ? each(arg, wm_buf_str(&m.piece), count, err) : 0;
    }
    merge_close(&m);
    return status ? status : more;
}

int bpe_spill_merge(struct bpe_spill *spill,
                    int (*each)(void *arg, struct wm_str piece, uint64_t count,
                                struct wm_error *err),
                    void *arg, struct wm_error *err)
{
    return merge_all(spill, spill->unit ? spill->unit : 1, each, arg, err);
}

/* ---- spilling; with the lock held ---- */

static int take_piece(void *arg, struct wm_str piece, uint64_t count, struct wm_error *err)
{
    return bpe_piece_write(arg, piece, count, err);
}

/* All runs become one, in a new file. */
static int unite(struct bpe_spill *spill, struct wm_error *err)
{
    struct bpe_piece_writer w;
    int fd = -1;
    int status = bpe_scratch_file(spill->dir, &fd, err);
    if (status)
        return status;
    status = bpe_piece_writer_init(&w, fd, 0, WRITE_BUFFER, err);
    if (!status)
        status = merge_all(spill, 1, take_piece, &w, err);
    if (!status)
        status = bpe_piece_writer_finish(&w, &spill->runs[0], err);
    bpe_piece_writer_done(&w);
    if (status) {
        (void)close(fd);
        return status;
    }
    (void)close(spill->fd);
    spill->fd = fd;
    spill->n_runs = 1;
    spill->size = spill->runs[0].size;
    spill->spilled += spill->size;
    return 0;
}

static int write_run(struct bpe_spill *spill, const struct bpe_pieces *pieces, struct wm_error *err)
{
    struct bpe_piece_writer w;
    int status = bpe_piece_writer_init(&w, spill->fd, spill->size, WRITE_BUFFER, err);
    for (size_t i = 0; !status && i < pieces->n; i++)
        status = bpe_piece_write(&w, bpe_piece_bytes(pieces, &pieces->slots[i]),
                                 pieces->slots[i].count, err);
    if (!status)
        status = bpe_piece_writer_finish(&w, &spill->runs[spill->n_runs], err);
    bpe_piece_writer_done(&w);
    if (status)
        return status;
    spill->size += spill->runs[spill->n_runs].size;
    spill->spilled += spill->runs[spill->n_runs++].size;
    return 0;
}

static int add_run(struct bpe_spill *spill, const struct bpe_pieces *pieces, struct wm_error *err)
{
    uint64_t most_runs = spill->memory / 8 / LEAST_BUFFER;
    int status = spill->fd < 0 ? bpe_scratch_file(spill->dir, &spill->fd, err) : 0;
    if (!status && spill->n_runs >= LEAST_RUNS && spill->n_runs >= most_runs)
        status = unite(spill, err);
    if (status)
        return status;
    if (spill->n_runs == spill->cap_runs) {
        size_t cap = spill->cap_runs ? spill->cap_runs * 2 : LEAST_RUNS;
        struct bpe_stretch *runs = realloc(spill->runs, cap * sizeof *runs);
        if (!runs)
            return wm_fail_nomem(err, cap * sizeof *runs, "runs of pieces");
        spill->runs = runs;
        spill->cap_runs = cap;
    }
    return write_run(spill, pieces, err);
}

int bpe_spill_table(struct bpe_spill *spill, struct bpe_pieces *pieces, struct wm_error *err)
{
    if (!pieces->n)
        return 0;
    bpe_pieces_sort_by_tag(pieces);
    (void)pthread_mutex_lock(&spill->lock);
    int status = add_run(spill, pieces, err);
    (void)pthread_mutex_unlock(&spill->lock);
    bpe_pieces_clear(pieces);
    return status;
}
