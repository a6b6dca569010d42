/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/piece_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wetmill/file.h"

enum { HEAD_MAX = 2 * BPE_VARINT_MAX };

int bpe_scratch_file(const char *dir, int *ret_fd, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, "wetmill-pieces.XXXXXX", err);
    if (status)
        return status;
    int fd = mkstemp(path);
    if (fd < 0)
        return wm_fail_errno(err, "make a scratch file in", dir);
    if (unlink(path) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        status = wm_fail_errno(err, "unlink", path);
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return 0;
}

/* ---- writing ---- */

int bpe_piece_writer_init(struct bpe_piece_writer *w, int fd, uint64_t at, size_t buffer,
                          struct wm_error *err)
{
    *w = (struct bpe_piece_writer){.fd = fd, .stretch.at = at};
    w->cap = buffer < 4 * HEAD_MAX ? 4 * HEAD_MAX : buffer;
    w->buf = malloc(w->cap);
    w->hash = XXH3_createState();
    if (!w->buf || !w->hash)
        return wm_fail_nomem(err, w->cap, "writing pieces");
    (void)XXH3_64bits_reset(w->hash);
    return 0;
}

void bpe_piece_writer_done(struct bpe_piece_writer *w)
{
    free(w->buf);
    XXH3_freeState(w->hash);
    *w = (struct bpe_piece_writer){0};
}

static int flush(struct bpe_piece_writer *w, struct wm_error *err)
{
    (void)XXH3_64bits_update(w->hash, w->buf, w->n);
    for (size_t done = 0; done < w->n;) {
        ssize_t n = pwrite(w->fd, w->buf + done, w->n - done,
                           (off_t)(w->stretch.at + w->stretch.size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return wm_fail_errno(err, "write", "a scratch file of pieces");
        done += (size_t)n;
    }
    w->stretch.size += w->n;
    w->n = 0;
    return 0;
}

int bpe_piece_write(struct bpe_piece_writer *w, struct wm_str piece, uint64_t count,
                    struct wm_error *err)
{
    int status = w->cap - w->n < HEAD_MAX ? flush(w, err) : 0;
    if (status)
        return status;
    unsigned char *at = bpe_put_varint(w->buf + w->n, count);
    w->n = (size_t)(bpe_put_varint(at, piece.len) - w->buf);
    w->stretch.n++;
    while (piece.len) {
        size_t n = piece.len < w->cap - w->n ? piece.len : w->cap - w->n;
        memcpy(w->buf + w->n, piece.ptr, n);
        w->n += n;
        piece = (struct wm_str){piece.ptr + n, piece.len - n};
        if (w->n == w->cap && (status = flush(w, err)))
            return status;
    }
    return 0;
}

int bpe_piece_writer_finish(struct bpe_piece_writer *w, struct bpe_stretch *ret,
                            struct wm_error *err)
{
    int status = flush(w, err);
    w->stretch.hash = XXH3_64bits_digest(w->hash);
    if (!status)
        *ret = w->stretch;
    bpe_piece_writer_done(w);
    return status;
}

/* ---- reading ---- */

int bpe_piece_reader_init(struct bpe_piece_reader *r, int fd, const struct bpe_stretch *stretch,
                          size_t buffer, struct wm_error *err)
{
    *r = (struct bpe_piece_reader){.fd = fd, .stretch = *stretch, .at = stretch->at};
    r->cap = buffer < 4 * HEAD_MAX ? 4 * HEAD_MAX : buffer;
    r->buf = malloc(r->cap);
    r->hash = XXH3_createState();
    if (!r->buf || !r->hash)
        return wm_fail_nomem(err, r->cap, "reading pieces");
    (void)XXH3_64bits_reset(r->hash);
    return 0;
}

void bpe_piece_reader_done(struct bpe_piece_reader *r)
{
    free(r->buf);
    XXH3_freeState(r->hash);
    *r = (struct bpe_piece_reader){0};
}

static int damaged(struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "a scratch file of pieces does not hold what was written");
}

/* What is left moves to the front, and the buffer is filled behind it; it grows to `need`. */
static int refill(struct bpe_piece_reader *r, size_t need, struct wm_error *err)
{
    if (need > r->cap) {
        unsigned char *grown = realloc(r->buf, need);
        if (!grown)
            return wm_fail_nomem(err, need, "a long piece");
        r->buf = grown;
        r->cap = need;
    }
    memmove(r->buf, r->buf + r->next, r->n - r->next);
    r->n -= r->next;
    r->next = 0;
    uint64_t left = r->stretch.at + r->stretch.size - r->at;
    while (left && r->n < r->cap) {
        size_t want = r->cap - r->n < left ? r->cap - r->n : (size_t)left;
        ssize_t n = pread(r->fd, r->buf + r->n, want, (off_t)r->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wm_fail_errno(err, "read", "a scratch file of pieces");
        if (n == 0)
            return damaged(err);
        (void)XXH3_64bits_update(r->hash, r->buf + r->n, (size_t)n);
        r->n += (size_t)n;
        r->at += (uint64_t)n;
        left -= (uint64_t)n;
    }
    return 0;
}

/* Count and length at `next`; NULL if the buffer does not hold them whole. */
static const unsigned char *head(const struct bpe_piece_reader *r, uint64_t *count, uint64_t *len)
{
    const unsigned char *at = bpe_get_varint(r->buf + r->next, r->buf + r->n, count);
    return at ? bpe_get_varint(at, r->buf + r->n, len) : NULL;
}

int bpe_piece_read(struct bpe_piece_reader *r, struct wm_str *ret, uint64_t *ret_count,
                   struct wm_error *err)
{
    uint64_t len;
    int status = 0;
    if (r->n_read == r->stretch.n) {
        bool whole = r->next == r->n && r->at == r->stretch.at + r->stretch.size &&
                     XXH3_64bits_digest(r->hash) == r->stretch.hash;
        return whole ? 0 : damaged(err);
    }
    const unsigned char *bytes = head(r, ret_count, &len);
    if (!bytes) {
        status = refill(r, 0, err);
        bytes = status ? NULL : head(r, ret_count, &len);
        if (!bytes)
            return status ? status : damaged(err);
    }
    if (len > (size_t)(r->buf + r->n - bytes)) {
        if (len > r->stretch.size)
            return damaged(err);
        status = refill(r, (size_t)len + HEAD_MAX, err);
        bytes = status ? NULL : head(r, ret_count, &len);
        if (!bytes || len > (size_t)(r->buf + r->n - bytes))
            return status ? status : damaged(err);
    }
    *ret = (struct wm_str){(const char *)bytes, (size_t)len};
    r->next = (size_t)(bytes - r->buf) + (size_t)len;
    r->n_read++;
    return 1;
}
