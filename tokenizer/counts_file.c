/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/counts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tokenizer/trainer.h"
#include "wetmill/records.h"

static const char magic[] = "wmpieces";
enum {
    MAGIC = sizeof magic - 1,
    FOOT = 16, /* length of the list and tallies, XXH3-64 of them */
    RUN_BYTES = 4 * 8,
    TALLY_BYTES = 9 * 8,
    LIST_MAX = BPE_COUNTS_RUNS * RUN_BYTES + TALLY_BYTES,
    WRITE_BUFFER = 64 << 10,
    READ_BUFFER = 1 << 20,
};

void bpe_counts_done(struct bpe_counts *counts)
{
    free(counts->runs);
    *counts = (struct bpe_counts){0};
}

static int make_room(struct bpe_counts *counts, size_t more, struct wm_error *err)
{
    if (more > BPE_COUNTS_RUNS - counts->n) {
        wm_fail(err, WM_E_LIMIT, "the counts of a task are over the limit of %d runs",
                BPE_COUNTS_RUNS);
        return wm_error_hint(err, "raise --memory");
    }
    if (counts->n + more <= counts->cap)
        return 0;
    size_t cap = 2 * (counts->n + more);
    struct bpe_stretch *runs = realloc(counts->runs, cap * sizeof *runs);
    if (!runs)
        return wm_fail_nomem(err, cap * sizeof *runs, "runs of pieces");
    counts->runs = runs;
    counts->cap = cap;
    return 0;
}

int bpe_counts_take(struct bpe_counts *counts, struct bpe_counts *from, struct wm_error *err)
{
    int status = make_room(counts, from->n, err);
    if (status)
        return status;
    for (size_t i = 0; i < from->n; i++)
        counts->runs[counts->n++] = from->runs[i];
    counts->documents += from->documents;
    counts->bytes += from->bytes;
    counts->pieces += from->pieces;
    for (size_t i = 0; i < sizeof counts->seen; i++)
        counts->seen[i] |= from->seen[i];
    bpe_counts_done(from);
    return 0;
}

/* ---- writing ---- */

int bpe_counts_open(const char *path, struct wm_out **ret, struct wm_error *err)
{
    int status = wm_out_open(path, ret, err);
    return status ? status : wm_out_write(*ret, magic, MAGIC, err);
}

/** A run that is being written. */
struct run {
    struct wm_out *out;
    struct bpe_stretch stretch;
    XXH3_state_t *hash;
    unsigned char *buf; /* [WRITE_BUFFER] */
    size_t n;
};

static int run_put(struct run *run, const void *bytes, size_t len, struct wm_error *err)
{
    (void)XXH3_64bits_update(run->hash, bytes, len);
    run->stretch.size += len;
    return wm_out_write(run->out, bytes, len, err);
}

static int run_flush(struct run *run, struct wm_error *err)
{
    size_t n = run->n;
    run->n = 0;
    return run_put(run, run->buf, n, err);
}

static int run_add(struct run *run, struct wm_str piece, uint64_t count, struct wm_error *err)
{
    int status = WRITE_BUFFER - run->n < 2 * BPE_VARINT_MAX ? run_flush(run, err) : 0;
    if (status)
        return status;
    unsigned char *at = bpe_put_varint(run->buf + run->n, count);
    run->n = (size_t)(bpe_put_varint(at, piece.len) - run->buf);
    run->stretch.n++;
    if (piece.len > WRITE_BUFFER - run->n && (status = run_flush(run, err)))
        return status;
    if (piece.len > WRITE_BUFFER)
        return run_put(run, piece.ptr, piece.len, err);
    memcpy(run->buf + run->n, piece.ptr, piece.len);
    run->n += piece.len;
    return 0;
}

static int run_open(struct run *run, struct bpe_counts *counts, struct wm_out *out,
                    struct wm_error *err)
{
    *run = (struct run){.out = out, .stretch.at = wm_out_size(out)};
    int status = make_room(counts, 1, err);
    if (status)
        return status;
    run->buf = malloc(WRITE_BUFFER);
    run->hash = XXH3_createState();
    if (!run->buf || !run->hash)
        return wm_fail_nomem(err, WRITE_BUFFER, "writing pieces");
    (void)XXH3_64bits_reset(run->hash);
    return 0;
}

/* Into the list if all went well. */
static int run_close(struct run *run, struct bpe_counts *counts, int status, struct wm_error *err)
{
    if (!status)
        status = run_flush(run, err);
    if (!status) {
        run->stretch.hash = XXH3_64bits_digest(run->hash);
        counts->runs[counts->n++] = run->stretch;
    }
    free(run->buf);
    (void)XXH3_freeState(run->hash);
    return status;
}

int bpe_counts_write(struct bpe_counts *counts, struct wm_out *out, const struct bpe_pieces *pieces,
                     struct wm_error *err)
{
    struct run run;
    if (!pieces->n)
        return 0;
    int status = run_open(&run, counts, out, err);
    for (size_t i = 0; !status && i < pieces->n_slots; i++) {
        const struct bpe_piece *piece = &pieces->slots[i];
        if (piece->count)
            status = run_add(&run, bpe_piece_bytes(pieces, piece), piece->count, err);
    }
    return run_close(&run, counts, status, err);
}

int bpe_counts_write_one(struct bpe_counts *counts, struct wm_out *out, struct wm_str piece,
                         uint64_t count, struct wm_error *err)
{
    struct run run;
    int status = run_open(&run, counts, out, err);
    if (!status)
        status = run_add(&run, piece, count, err);
    return run_close(&run, counts, status, err);
}

int bpe_counts_close(const struct bpe_counts *counts, struct wm_out *out, struct wm_error *err)
{
    struct wm_state_out list;
    unsigned char foot[FOOT];
    wm_state_out_open(&list, LIST_MAX);
    bpe_counts_put(counts, &list);
    int status = wm_state_out_status(&list, err);
    if (!status)
        status = wm_out_write(out, list.buf.ptr, list.buf.len, err);
    if (!status) {
        wm_put_be64(foot, list.buf.len);
        wm_put_be64(foot + 8, XXH3_64bits(list.buf.ptr, list.buf.len));
        status = wm_out_write(out, foot, sizeof foot, err);
    }
    wm_state_out_done(&list);
    return status;
}

/* ---- the list ---- */

void bpe_counts_put(const struct bpe_counts *counts, struct wm_state_out *state)
{
    wm_state_put(state, BPE_COUNTS_VERSION);
    wm_state_put(state, counts->documents);
    wm_state_put(state, counts->bytes);
    wm_state_put(state, counts->pieces);
    for (unsigned i = 0; i < 256; i += 64) {
        uint64_t bits = 0;
        for (unsigned k = 0; k < 64; k++)
            bits |= (uint64_t)counts->seen[i + k] << k;
        wm_state_put(state, bits);
    }
    wm_state_put(state, counts->n);
    for (size_t i = 0; i < counts->n; i++) {
        const struct bpe_stretch *run = &counts->runs[i];
        wm_state_put(state, run->at);
        wm_state_put(state, run->size);
        wm_state_put(state, run->n);
        wm_state_put(state, run->hash);
    }
}

static int get_runs(struct bpe_counts *counts, uint64_t n, uint64_t end, struct wm_state_in *state,
                    struct wm_error *err)
{
    if (n > state->rest.len / RUN_BYTES)
        return wm_state_mismatch(err, "it is cut short");
    int status = make_room(counts, (size_t)n, err);
    for (; !status && n; n--) {
        struct bpe_stretch run;
        run.at = wm_state_get(state);
        run.size = wm_state_get(state);
        run.n = wm_state_get(state);
        run.hash = wm_state_get(state);
        if (run.at < MAGIC || run.at > end || run.size > end - run.at)
            return wm_state_mismatch(err, "a run of pieces is not in its file");
        counts->runs[counts->n++] = run;
    }
    return status;
}

int bpe_counts_get(struct bpe_counts *counts, uint64_t end, struct wm_state_in *state,
                   struct wm_error *err)
{
    if (wm_state_get(state) != BPE_COUNTS_VERSION)
        return wm_state_mismatch(err, "it is of another version");
    counts->documents = wm_state_get(state);
    counts->bytes = wm_state_get(state);
    counts->pieces = wm_state_get(state);
    for (unsigned i = 0; i < 256; i += 64) {
        uint64_t bits = wm_state_get(state);
        for (unsigned k = 0; k < 64; k++)
            counts->seen[i + k] = bits >> k & 1;
    }
    uint64_t n = wm_state_get(state);
    int status = wm_state_in_status(state, err);
    return status ? status : get_runs(counts, n, end, state, err);
}

/* ---- reading ---- */

static int damaged(const char *path, struct wm_error *err)
{
    (void)wm_fail(err, WM_E_FORMAT, "the counts of pieces are damaged");
    (void)wm_error_where(err, "%s", path);
    return wm_error_hint(err, "remove this file and start again: it is counted anew");
}

static int read_at(int fd, const char *path, uint64_t at, void *ret, size_t len,
                   struct wm_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, (char *)ret + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wm_fail_errno(err, "read", path);
        if (n == 0)
            return damaged(path, err);
        done += (size_t)n;
    }
    return 0;
}

static int read_list(int fd, const char *path, struct bpe_counts *ret, struct wm_error *err)
{
    unsigned char head[MAGIC], foot[FOOT];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return wm_fail_errno(err, "read", path);
    uint64_t size = (uint64_t)st.st_size;
    if (size < MAGIC + TALLY_BYTES + FOOT)
        return damaged(path, err);
    int status = read_at(fd, path, 0, head, sizeof head, err);
    if (!status)
        status = read_at(fd, path, size - FOOT, foot, sizeof foot, err);
    if (status)
        return status;
    uint64_t len = wm_get_be64(foot);
    if (memcmp(head, magic, MAGIC) != 0 || len > LIST_MAX || len > size - MAGIC - FOOT)
        return damaged(path, err);
    char *list = malloc((size_t)len + 1);
    if (!list)
        return wm_fail_nomem(err, (size_t)len, "runs of pieces");
    status = read_at(fd, path, size - FOOT - len, list, (size_t)len, err);
    if (!status && XXH3_64bits(list, (size_t)len) != wm_get_be64(foot + 8))
        status = damaged(path, err);
    if (!status) {
        struct wm_state_in state = {.rest = {list, (size_t)len}};
        status = bpe_counts_get(ret, size - FOOT - len, &state, err);
        if (status == WM_E_MISMATCH)
            status = damaged(path, err);
    }
    free(list);
    return status;
}

static int load_run(struct wm_bpe_trainer *trainer, int fd, const struct bpe_stretch *run,
                    struct wm_error *err)
{
    struct bpe_piece_reader reader;
    struct wm_str piece;
    uint64_t count = 0;
    int more = bpe_piece_reader_init(&reader, fd, run, READ_BUFFER, err);
    while (!more && (more = bpe_piece_read(&reader, &piece, &count, err)) > 0) {
        if (!count)
            more = wm_fail(err, WM_E_FORMAT, "a piece is counted 0 times");
        else
            more = bpe_trainer_add(trainer, piece, count, err);
    }
    bpe_piece_reader_done(&reader);
    return more;
}

static int load_counts(struct wm_bpe_trainer *trainer, int fd, const char *path,
                       struct wm_error *err)
{
    struct bpe_counts counts = {0};
    int status = read_list(fd, path, &counts, err);
    for (size_t i = 0; !status && i < counts.n; i++)
        status = load_run(trainer, fd, &counts.runs[i], err);
    trainer->stats.documents += counts.documents;
    trainer->stats.bytes += counts.bytes;
    trainer->stats.pieces += counts.pieces;
    trainer->stats.distinct_pieces = trainer->pieces.n;
    for (size_t i = 0; i < sizeof counts.seen; i++)
        trainer->pieces.seen[i] |= counts.seen[i];
    bpe_counts_done(&counts);
    return status == WM_E_FORMAT ? damaged(path, err) : status;
}

int bpe_counts_load(struct wm_bpe_trainer *trainer, const char *path, struct wm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wm_fail_errno(err, "open", path);
    int status = load_counts(trainer, fd, path, err);
    (void)close(fd);
    return status;
}
