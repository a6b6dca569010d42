/* SPDX-License-Identifier: Apache-2.0 */
/* The portable versions of the inner loops, as other processors than x86-64 run them. */
#ifdef __SSE2__
#    undef __SSE2__
#endif
#include "base/scan.h"
#include "test.h"

static uint64_t random_state = 42;
static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

int main(void)
{
    static const unsigned char special[] = {0x00, 0x1F, 0x20, 0x21, '"',  '#',  '[',  '\\',
                                            ']',  0x7F, 0x80, 0x9F, 0xA2, 0xDC, 0xFF, 'a'};
    size_t wrong = 0, stopped = 0;
    for (int round = 0; round < 300000; round++) {
        unsigned char s[40];
        size_t len = random32() % sizeof s;
        unsigned rare = 1 + random32() % 32;
        for (size_t i = 0; i < len; i++)
            s[i] = random32() % rare ? 'x' : special[random32() % sizeof special];
        wrong += wm_scan_ascii(s, len) != wm_scan_ascii_plain(s, len);
        bool high = false, high_plain = false;
        size_t n = wm_scan_json(s, len, &high);
        wrong += n != wm_scan_json_plain(s, len, &high_plain) || high != high_plain;
        stopped += n < len;
    }
    CHECK_U64(wrong, 0);
    CHECK(stopped > 1000);
    return test_summary();
}
