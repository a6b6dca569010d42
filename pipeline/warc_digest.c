/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1 digests of records. */
#include "pipeline/warc_digest.h"

#include <nettle/sha1.h>
#include <stdint.h>
#include <string.h>

#include "pipeline/warc_header.h"

enum { BASE32_LEN = 32, HEX_LEN = 40 };

/* Value of a digit, or -1; base 32 as RFC 4648 has it, in either case. */
static int digit_of(char c, unsigned bits)
{
    char lower = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    if (bits == 4 && c >= '0' && c <= '9')
        return c - '0';
    if (bits == 5 && c >= '2' && c <= '7')
        return c - '2' + 26;
    int value = lower - 'a' + (bits == 4 ? 10 : 0);
    return lower >= 'a' && value < 1 << bits ? value : -1;
}

/* `bits` bits a digit. */
static bool read_digits(struct wm_str s, unsigned bits, unsigned char out[SHA1_DIGEST_SIZE])
{
    unsigned held = 0, n_held = 0;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = digit_of(s.ptr[i], bits);
        if (digit < 0)
            return false;
        held = held << bits | (unsigned)digit;
        n_held += bits;
        if (n_held >= 8 && n < SHA1_DIGEST_SIZE) {
            n_held -= 8;
            out[n++] = (unsigned char)(held >> n_held);
        }
    }
    return n == SHA1_DIGEST_SIZE;
}

int wm_warc_digest_agrees(struct wm_str digest, struct wm_str block)
{
    static const size_t prefix = sizeof "sha1:" - 1;
    unsigned char said[SHA1_DIGEST_SIZE], sum[SHA1_DIGEST_SIZE];
    if (digest.len <= prefix || !wm_str_same((struct wm_str){digest.ptr, prefix}, WM_STR("sha1:")))
        return -1;
    struct wm_str digits = {digest.ptr + prefix, digest.len - prefix};
    unsigned bits = digits.len == BASE32_LEN ? 5 : digits.len == HEX_LEN ? 4 : 0;
    if (!bits || !read_digits(digits, bits, said))
        return -1;
    struct sha1_ctx sha1;
    sha1_init(&sha1);
    if (block.len)
        sha1_update(&sha1, block.len, (const uint8_t *)block.ptr);
    sha1_digest(&sha1, sizeof sum, sum);
    return memcmp(said, sum, sizeof sum) == 0;
}
