/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "tokenizer/piece_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_BLOCKS = 64 };

int bpe_blocks_damaged(struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "a scratch file of pieces does not hold what was written");
}

int bpe_blocks_init(struct bpe_blocks *file, const char *dir, size_t n, struct wm_error *err)
{
    *file = (struct bpe_blocks){.fd = -1, .n = n, .cap = n ? n : FIRST_BLOCKS};
    file->blocks = calloc(file->cap, sizeof *file->blocks);
    if (!file->blocks)
        return wm_fail_nomem(err, file->cap * sizeof *file->blocks, "blocks of pieces");
    return bpe_scratch_file(dir, &file->fd, err);
}

void bpe_blocks_done(struct bpe_blocks *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->blocks);
    *file = (struct bpe_blocks){.fd = -1};
}

int bpe_blocks_put(struct bpe_blocks *file, size_t i, struct wm_str bytes, struct wm_error *err)
{
    uint64_t at = atomic_fetch_add_explicit(&file->size, bytes.len, memory_order_relaxed);
    file->blocks[i] = (struct bpe_block){at, bytes.len, XXH3_64bits(bytes.ptr, bytes.len)};
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pwrite(file->fd, bytes.ptr + done, bytes.len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return wm_fail_errno(err, "write", "a scratch file of pieces");
        done += (size_t)n;
    }
    return 0;
}

int bpe_blocks_append(struct bpe_blocks *file, struct wm_str bytes, struct wm_error *err)
{
    if (file->n == file->cap) {
        struct bpe_block *grown = realloc(file->blocks, file->cap * 2 * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, file->cap * 2 * sizeof *grown, "blocks of pieces");
        file->blocks = grown;
        file->cap *= 2;
    }
    return bpe_blocks_put(file, file->n++, bytes, err);
}

int bpe_blocks_get(const struct bpe_blocks *file, size_t i, struct wm_buf *ret,
                   struct wm_error *err)
{
    const struct bpe_block *block = &file->blocks[i];
    ret->len = 0;
    int status = wm_buf_reserve(ret, (size_t)block->size, err);
    if (status)
        return status;
    while (ret->len < block->size) {
        ssize_t n = pread(file->fd, ret->ptr + ret->len, (size_t)block->size - ret->len,
                          (off_t)(block->at + ret->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wm_fail_errno(err, "read", "a scratch file of pieces");
        if (n == 0)
            return bpe_blocks_damaged(err);
        ret->len += (size_t)n;
    }
    return XXH3_64bits(ret->ptr, ret->len) == block->hash ? 0 : bpe_blocks_damaged(err);
}

int bpe_record_put(struct wm_buf *block, struct wm_str ids, uint64_t count, struct wm_error *err)
{
    int status = wm_buf_reserve(block, ids.len + 2 * BPE_VARINT_MAX, err);
    if (status)
        return status;
    unsigned char *at = (unsigned char *)block->ptr + block->len;
    at = bpe_put_varint(bpe_put_varint(at, count), ids.len);
    memcpy(at, ids.ptr, ids.len);
    block->len = (size_t)(at - (unsigned char *)block->ptr) + ids.len;
    return 0;
}

/* ---- passes ---- */

struct reader {
    struct wm_buf block;
    size_t failed; /* the block that did */
    int status;
    struct wm_error err;
};

struct running {
    const struct bpe_pass *pass;
    struct reader *readers; /* [team] */
    atomic_bool failed;
};

static void work_on(void *arg, size_t i)
{
    struct running *run = arg;
    const struct bpe_pass *pass = run->pass;
    unsigned slot = wm_team_slot();
    struct reader *reader = &run->readers[slot];
    if (atomic_load_explicit(&run->failed, memory_order_relaxed))
        return;
    int status = slot == 0 ? pass->meanwhile(pass->arg, &reader->err) : 0;
    if (!status)
        status = bpe_blocks_get(pass->file, i, &reader->block, &reader->err);
    if (!status)
        status = pass->each(pass->arg, slot, i, wm_buf_str(&reader->block), &reader->err);
    if (!status)
        return;
    reader->status = status;
    reader->failed = i;
    atomic_store_explicit(&run->failed, true, memory_order_relaxed);
}

static int first_error(const struct running *run, unsigned n, struct wm_error *err)
{
    const struct reader *first = NULL;
    for (unsigned i = 0; i < n; i++)
        if (run->readers[i].status && (!first || run->readers[i].failed < first->failed))
            first = &run->readers[i];
    if (first)
        *err = first->err;
    return first ? first->status : 0;
}

int bpe_pass_run(const struct bpe_pass *pass, struct wm_error *err)
{
    unsigned n_threads = wm_team_size(pass->team);
    struct running run = {.pass = pass};
    run.readers = calloc(n_threads, sizeof *run.readers);
    if (!run.readers)
        return wm_fail_nomem(err, n_threads * sizeof *run.readers, "a pass over pieces");
    for (unsigned i = 0; i < n_threads; i++)
        wm_buf_init(&run.readers[i].block, SIZE_MAX / 2);
    wm_parallel(pass->team, pass->file->n, work_on, &run);
    int status = first_error(&run, n_threads, err);
    for (unsigned i = 0; i < n_threads; i++)
        wm_buf_done(&run.readers[i].block);
    free(run.readers);
    return status;
}
