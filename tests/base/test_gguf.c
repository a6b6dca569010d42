/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF heads: byte for byte as the format has them, read back, and cut at every byte. */
#include "test.h"
#include "wetmill/gguf.h"

static void write_all(struct wm_buf *buf)
{
    struct wm_error err = {0};
    struct wm_gguf_out w;
    wm_gguf_out_open(&w, buf, &err);
    wm_gguf_put_str(&w, "a", WM_STR("text"));
    wm_gguf_put_u32(&w, "b", 0x01020304);
    wm_gguf_put_bool(&w, "c", true);
    wm_gguf_put_f32(&w, "d", 1.0F);
    wm_gguf_put_array(&w, "e", WM_GGUF_STRING, 2);
    wm_gguf_item_str(&w, WM_STR("x"));
    wm_gguf_item_str(&w, WM_STR(""));
    wm_gguf_put_array(&w, "f", WM_GGUF_I32, 2);
    wm_gguf_item_u32(&w, 7);
    wm_gguf_item_u32(&w, 8);
    CHECK_OK(wm_gguf_out_close(&w, 5), err);
}

static void check_bytes(struct wm_str got)
{
    static const char want[] = "GGUF\3\0\0\0\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\0a\x8\0\0\0\4\0\0\0\0\0\0\0text"
                               "\1\0\0\0\0\0\0\0b\4\0\0\0\4\3\2\1"
                               "\1\0\0\0\0\0\0\0c\7\0\0\0\1"
                               "\1\0\0\0\0\0\0\0d\6\0\0\0\0\0\x80\x3F"
                               "\1\0\0\0\0\0\0\0e\x9\0\0\0\x8\0\0\0\2\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\0f\x9\0\0\0\5\0\0\0\2\0\0\0\0\0\0\0"
                               "\7\0\0\0\x8\0\0\0";
    CHECK(got.len == sizeof want - 1 && memcmp(got.ptr, want, got.len) == 0);
}

static void check_values(struct wm_str bytes)
{
    struct wm_error err = {0};
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    struct wm_str s;
    uint64_t n;
    bool flag;
    CHECK_OK(wm_gguf_open(&r, bytes, &err), err);
    CHECK_U64(r.n_tensors, 5);
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK_STR(pair.key, WM_STR("a"));
    CHECK_OK(wm_gguf_str(&pair, &s, &err), err);
    CHECK_STR(s, WM_STR("text"));
    CHECK_FAILS(wm_gguf_u64(&pair, &n, &err), WM_E_FORMAT, err, "a is not a whole number");
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK_OK(wm_gguf_u64(&pair, &n, &err), err);
    CHECK_U64(n, 0x01020304);
    CHECK_FAILS(wm_gguf_bool(&pair, &flag, &err), WM_E_FORMAT, err, "b is not true or false");
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK_OK(wm_gguf_bool(&pair, &flag, &err), err);
    CHECK(flag);
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK_OK(wm_gguf_array(&pair, WM_GGUF_STRING, &err), err);
    CHECK_U64(pair.n, 2);
    CHECK_STR(wm_gguf_next_str(&pair.data), WM_STR("x"));
    CHECK_STR(wm_gguf_next_str(&pair.data), WM_STR(""));
    CHECK_U64(pair.data.len, 0);
    CHECK(wm_gguf_next(&r, &pair, &err) == 1);
    CHECK_FAILS(wm_gguf_array(&pair, WM_GGUF_STRING, &err), WM_E_FORMAT, err, "list of strings");
    CHECK_OK(wm_gguf_array(&pair, WM_GGUF_I32, &err), err);
    CHECK_U64(wm_gguf_next_u32(&pair.data), 7);
    CHECK_U64(wm_gguf_next_u32(&pair.data), 8);
    CHECK(wm_gguf_next(&r, &pair, &err) == 0);
    CHECK_U64(r.at, bytes.len);
}

/* Cut anywhere it is an error; no byte behind the cut is read (AddressSanitizer would say). */
static void check_cut(struct wm_str bytes)
{
    for (size_t len = 0; len < bytes.len; len++) {
        struct wm_error err = {0};
        struct wm_gguf r;
        struct wm_gguf_pair pair;
        char *copy = malloc(len ? len : 1);
        int more = 1;
        memcpy(copy, bytes.ptr, len);
        if (wm_gguf_open(&r, (struct wm_str){copy, len}, &err) == 0)
            while ((more = wm_gguf_next(&r, &pair, &err)) > 0)
                ;
        CHECK_(err.status == WM_E_FORMAT && more != 0, "cut at %zu: %d", len, err.status);
        free(copy);
    }
}

static void check_refused(void)
{
    struct wm_error err = {0};
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    struct wm_buf buf;
    struct wm_gguf_out w;
    char one[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0k\x9\0\0\0\x9\0\0\0"
                 "\1\0\0\0\0\0\0\0xx";
    CHECK_OK(wm_gguf_open(&r, (struct wm_str){one, sizeof one - 1}, &err), err);
    CHECK_FAILS(wm_gguf_next(&r, &pair, &err), WM_E_FORMAT, err, "k is an array of arrays");
    one[33] = 77;
    CHECK_OK(wm_gguf_open(&r, (struct wm_str){one, sizeof one - 1}, &err), err);
    CHECK_FAILS(wm_gguf_next(&r, &pair, &err), WM_E_FORMAT, err, "k has the unknown type 77");
    one[4] = 1;
    CHECK_FAILS(wm_gguf_open(&r, (struct wm_str){one, sizeof one - 1}, &err), WM_E_FORMAT, err,
                "version 1");
    one[4] = 3;
    one[20] = 1;
    CHECK_FAILS(wm_gguf_open(&r, (struct wm_str){one, sizeof one - 1}, &err), WM_E_LIMIT, err,
                "over the limit");
    wm_buf_init(&buf, 1000);
    wm_gguf_out_open(&w, &buf, &err);
    wm_gguf_put_array(&w, "short", WM_GGUF_U32, 2);
    wm_gguf_item_u32(&w, 1);
    CHECK_FAILS(wm_gguf_out_close(&w, 0), WM_E_FORMAT, err, "items");
    wm_buf_done(&buf);
    wm_buf_init(&buf, 30);
    wm_gguf_out_open(&w, &buf, &err);
    wm_gguf_put_str(&w, "key", WM_STR("longer than the buffer may become"));
    CHECK(wm_gguf_out_close(&w, 0) == WM_E_LIMIT);
    wm_buf_done(&buf);
}

int main(void)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 4096);
    write_all(&buf);
    check_bytes(wm_buf_str(&buf));
    check_values(wm_buf_str(&buf));
    check_cut(wm_buf_str(&buf));
    check_refused();
    wm_buf_done(&buf);
    return test_summary();
}
