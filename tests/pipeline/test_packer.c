/* SPDX-License-Identifier: Apache-2.0 */
/* Frames compress and read back; contexts keep to the memory that is predicted for them. */
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include "pipeline/packer.h"
#include "test.h"

static struct wm_error err;

static void fill(char *text, size_t n)
{
    uint64_t state = 7;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1;
        text[i] = "etaoin shrdlu\n"[(state >> 40) % 14];
    }
}

static void round_trip(enum wm_packer_kind kind, uint64_t level)
{
    enum { N = 300000 };
    static char text[N], back[N];
    fill(text, N);
    struct wm_packer packer;
    struct wm_buf a, b;
    wm_buf_init(&a, 1 << 24);
    wm_buf_init(&b, 1 << 24);
    CHECK_OK(wm_packer_open(&packer, kind, level, &err), err);
    for (int i = 0; i < 2; i++) /* the second time with a used context: the same bytes */
        CHECK_OK(wm_packer_compress(&packer, (struct wm_str){text, N}, i ? &b : &a, &err), err);
    CHECK(a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0);
    size_t n = 0;
    if (kind == WM_PACK_ZSTD) {
        n = ZSTD_decompress(back, N, a.ptr, a.len);
        CHECK_U64(ZSTD_getFrameContentSize(a.ptr, a.len), N);
    } else if (kind == WM_PACK_GZIP) {
        struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
        CHECK(libdeflate_gzip_decompress(d, a.ptr, a.len, back, N, &n) == LIBDEFLATE_SUCCESS);
        libdeflate_free_decompressor(d);
    } else {
        n = a.len;
        memcpy(back, a.ptr, a.len);
    }
    CHECK_U64(n, N);
    CHECK(memcmp(text, back, N) == 0);
    wm_packer_close(&packer);
    wm_buf_done(&a);
    wm_buf_done(&b);
}

static void test_memory(void)
{
    enum { N = 4 << 20 };
    char *text = malloc(N), *out = malloc(ZSTD_compressBound(N));
    memset(text, 'a', N); /* what a context holds depends on the size alone */
    fill(text, N / 64);
    for (int level = 1; level <= 22; level += level < 15 ? 2 : 3) {
        ZSTD_CCtx *context = ZSTD_createCCtx();
        CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)));
        CHECK(!ZSTD_isError(ZSTD_compress2(context, out, ZSTD_compressBound(N), text, N)));
        CHECK_(ZSTD_sizeof_CCtx(context) <= wm_packer_memory(WM_PACK_ZSTD, (uint64_t)level),
               "level %d takes %zu", level, ZSTD_sizeof_CCtx(context));
        (void)ZSTD_freeCCtx(context);
    }
    free(text);
    free(out);
}

int main(void)
{
    round_trip(WM_PACK_ZSTD, 0);
    round_trip(WM_PACK_ZSTD, 12);
    round_trip(WM_PACK_GZIP, 0);
    round_trip(WM_PACK_GZIP, 12);
    round_trip(WM_PACK_NONE, 0);
    struct wm_packer packer;
    CHECK_FAILS(wm_packer_open(&packer, WM_PACK_GZIP, 13, &err), WM_E_CONFIG, err, "no level 13");
    wm_packer_close(&packer);
    test_memory();
    return test_summary();
}
