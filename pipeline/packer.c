/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/packer.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zstd.h>

const char *const wm_packer_names[] = {"zstd", "gzip", "none", NULL};
const char *const wm_packer_extensions[] = {".zst", ".gz", ""};

/* Contexts are dear to make (an empty one is some 100 kB to several MiB of tables), so they are kept;
 * there are never more than threads that compress at once. */
struct wm_packer_context {
    ZSTD_CCtx *zstd;
    struct libdeflate_compressor *gzip;
    struct wm_packer_context *next;
};

int wm_packer_open(struct wm_packer *packer, enum wm_packer_kind kind, uint64_t level,
                   struct wm_error *err)
{
    static const uint64_t most[] = {[WM_PACK_ZSTD] = 22, [WM_PACK_GZIP] = 12, [WM_PACK_NONE] = 0};
    static const int usual[] = {
        [WM_PACK_ZSTD] = WM_ZSTD_LEVEL, [WM_PACK_GZIP] = WM_GZIP_LEVEL, [WM_PACK_NONE] = 0};
    *packer = (struct wm_packer){.kind = kind, .level = level ? (int)level : usual[kind]};
    if (level > most[kind])
        return wm_fail(err, WM_E_CONFIG, "compression %s has no level %ju, the highest is %ju",
                       wm_packer_names[kind], (uintmax_t)level, (uintmax_t)most[kind]);
    if (pthread_mutex_init(&packer->lock, NULL))
        return wm_fail_nomem(err, sizeof packer->lock, "lock");
    packer->has_lock = true;
    return 0;
}

static void context_free(struct wm_packer_context *context)
{
    (void)ZSTD_freeCCtx(context->zstd);
    libdeflate_free_compressor(context->gzip);
    free(context);
}

void wm_packer_close(struct wm_packer *packer)
{
    for (struct wm_packer_context *c = packer->idle, *next; c; c = next) {
        next = c->next;
        context_free(c);
    }
    if (packer->has_lock)
        (void)pthread_mutex_destroy(&packer->lock);
    *packer = (struct wm_packer){0};
}

static int context_new(const struct wm_packer *packer, struct wm_packer_context **ret,
                       struct wm_error *err)
{
    struct wm_packer_context *context = calloc(1, sizeof *context);
    if (!context)
        return wm_fail_nomem(err, sizeof *context, "compression");
    if (packer->kind == WM_PACK_ZSTD) {
        context->zstd = ZSTD_createCCtx();
        if (context->zstd) {
            (void)ZSTD_CCtx_setParameter(context->zstd, ZSTD_c_compressionLevel, packer->level);
            (void)ZSTD_CCtx_setParameter(context->zstd, ZSTD_c_checksumFlag, 1);
        }
    } else {
        context->gzip = libdeflate_alloc_compressor(packer->level);
    }
    if (!context->zstd && !context->gzip) {
        context_free(context);
        return wm_fail_nomem(err, wm_packer_memory(packer->kind, (uint64_t)packer->level),
                             "compression");
    }
    *ret = context;
    return 0;
}

static int borrow(struct wm_packer *packer, struct wm_packer_context **ret, struct wm_error *err)
{
    pthread_mutex_lock(&packer->lock);
    *ret = packer->idle;
    if (*ret)
        packer->idle = (*ret)->next;
    pthread_mutex_unlock(&packer->lock);
    return *ret ? 0 : context_new(packer, ret, err);
}

static void give_back(struct wm_packer *packer, struct wm_packer_context *context)
{
    pthread_mutex_lock(&packer->lock);
    context->next = packer->idle;
    packer->idle = context;
    pthread_mutex_unlock(&packer->lock);
}

static int compress_with(struct wm_packer_context *context, struct wm_str in, struct wm_buf *out,
                         struct wm_error *err)
{
    size_t bound = context->zstd ? ZSTD_compressBound(in.len)
                                 : libdeflate_gzip_compress_bound(context->gzip, in.len);
    if (ZSTD_isError(bound))
        return wm_fail(err, WM_E_LIMIT, "a frame of %zu bytes is too long", in.len);
    int status = wm_buf_reserve(out, bound, err);
    if (status)
        return status;
    char *to = out->ptr + out->len;
    size_t n;
    if (context->zstd) {
        n = ZSTD_compress2(context->zstd, to, bound, in.ptr, in.len);
        if (ZSTD_isError(n))
            return wm_fail(err, WM_E_NOMEM, "zstd: %s", ZSTD_getErrorName(n));
    } else {
        n = libdeflate_gzip_compress(context->gzip, in.ptr, in.len, to, bound);
        if (!n)
            return wm_fail(err, WM_E_FORMAT, "internal: gzip takes more than its bound");
    }
    out->len += n;
    return 0;
}

int wm_packer_compress(struct wm_packer *packer, struct wm_str in, struct wm_buf *out,
                       struct wm_error *err)
{
    if (packer->kind == WM_PACK_NONE)
        return wm_buf_add(out, in.ptr, in.len, err);
    struct wm_packer_context *context;
    int status = borrow(packer, &context, err);
    if (status)
        return status;
    status = compress_with(context, in, out, err);
    give_back(packer, context);
    return status;
}

/* Measured on frames of 4 MiB (test_packer checks that these bounds hold). */
size_t wm_packer_memory(enum wm_packer_kind kind, uint64_t level)
{
    if (kind == WM_PACK_NONE)
        return 0;
    if (kind == WM_PACK_GZIP)
        return level < 10 ? (size_t)2 << 20 : (size_t)10 << 20;
    return level < 6 ? (size_t)8 << 20 : level < 12 ? (size_t)32 << 20 : (size_t)96 << 20;
}
