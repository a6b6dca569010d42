/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as characters: one to one, and in the order their ids follow. */
#include "test.h"
#include "tokenizer/bpe.h"
#include "wetmill/utf8.h"

static void check_order(void)
{
    struct wm_error err = {0};
    struct wm_buf mapped;
    uint32_t last = 0;
    bool seen[256] = {false};
    wm_buf_init(&mapped, 16);
    for (size_t i = 0; i < 256; i++) {
        char byte = (char)bpe_byte_order[i], back[4];
        size_t len = 0;
        mapped.len = 0;
        CHECK_OK(bpe_map_bytes((struct wm_str){&byte, 1}, &mapped, &err), err);
        struct wm_str rest = wm_buf_str(&mapped);
        uint32_t code = wm_utf8_next(&rest);
        CHECK(rest.len == 0 && code > last);
        CHECK(code > 0x20 && (code < 0x7F || code > 0xA0) && code != 0xAD);
        CHECK(bpe_unmap_bytes(wm_buf_str(&mapped), back, &len) && len == 1 && back[0] == byte);
        CHECK(!seen[(unsigned char)byte]);
        seen[(unsigned char)byte] = true;
        last = code;
    }
    wm_buf_done(&mapped);
}

static void check_known(void)
{
    struct wm_error err = {0};
    struct wm_buf mapped;
    char bytes[16];
    size_t len;
    wm_buf_init(&mapped, 64);
    CHECK_OK(bpe_map_bytes(WM_STR(" a\n\xC3\xA9\xAD"), &mapped, &err), err);
    CHECK_STR(wm_buf_str(&mapped), WM_STR("Ġa\u010A\u00C3\u00A9\u0143"));
    CHECK(!bpe_unmap_bytes(WM_STR("a b"), bytes, &len));
    CHECK(!bpe_unmap_bytes(WM_STR("\u0144"), bytes, &len));
    CHECK(!bpe_unmap_bytes(WM_STR("\u00AD"), bytes, &len));
    CHECK(!bpe_unmap_bytes(WM_STR("漢"), bytes, &len));
    CHECK(!bpe_unmap_bytes(WM_STR("\xC4"), bytes, &len));
    wm_buf_done(&mapped);
}

int main(void)
{
    check_order();
    check_known();
    return test_summary();
}
