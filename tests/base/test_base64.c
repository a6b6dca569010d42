/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: RFC 4648's examples, every byte, and what is refused. */
#include "test.h"
#include "wetmill/base64.h"

static void check(const char *plain, const char *coded)
{
    char out[64];
    size_t len = 99;
    size_t n = wm_base64_size(strlen(plain));
    wm_base64_encode(wm_str_of(plain), out);
    CHECK_STR(((struct wm_str){out, n}), wm_str_of(coded));
    CHECK(wm_base64_decode(wm_str_of(coded), out, &len));
    CHECK_STR(((struct wm_str){out, len}), wm_str_of(plain));
}

int main(void)
{
    static const char *const bad[] = {
        "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9*", "Zg==Zg==", "=Zg=", "Zm 9", "Zm9v\n"};
    char bytes[256], coded[512], again[512];
    size_t len;
    check("", "");
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_(!wm_base64_decode(wm_str_of(bad[i]), again, &len), "%s", bad[i]);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 167);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        wm_base64_encode((struct wm_str){bytes, n}, coded);
        CHECK(wm_base64_decode((struct wm_str){coded, wm_base64_size(n)}, again, &len));
        CHECK_STR(((struct wm_str){again, len}), ((struct wm_str){bytes, n}));
    }
    return test_summary();
}
