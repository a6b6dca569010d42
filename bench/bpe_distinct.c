/* SPDX-License-Identifier: Apache-2.0 */
/* Training on very many distinct pieces, in little memory and in much.
 *
 *     bench_bpe_distinct BYTES [SEED] > distinct.jsonl
 *     bench_bpe_distinct compare WETMILL distinct.jsonl DIR [MIB]
 *
 * The first writes JSONL: documents of 100 lines of about 100 bytes: words of letters as frequent as
 * in English (most of them from a list of a thousand, as in real text), hex ids, numbers, Han
 * n-grams; the same for the same arguments, everywhere. 2000000000 bytes have some 60 million
 * distinct pieces; to learn from them without a limit takes some 10 GB.
 *
 * The second trains with 512 MiB (or MIB), under a hard limit of a quarter more, and without a limit,
 * and compares; what that writes goes into DIR. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bpe_distinct/compare.h"

enum { LINE = 100, LINES = 100, LIST = 1000, WORD_MAX = 32 };

static uint64_t state;

/* SplitMix64. */
static uint64_t next(void)
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return (size_t)(next() % n);
}

static size_t put_letters(char *out)
{
    static const char letters[] =
        "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrr"
        "rrddddlllluuucccmmmwwffggyyppbbvkjxqz";
    size_t n = 5 + below(6);
    for (size_t i = 0; i < n; i++)
        out[i] = letters[below(sizeof letters - 1)];
    return n;
}

/* Hex digits written with letters, as split patterns cut between letters and digits. */
static size_t put_hex(char *out)
{
    for (size_t i = 0; i < 12; i++)
        out[i] = (char)('a' + below(16));
    return 12;
}

static size_t put_number(char *out)
{
    size_t n = 1 + below(10);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('0' + below(10));
    return n;
}

static size_t put_han(char *out)
{
    size_t n = 2 + below(4);
    for (size_t i = 0; i < n; i++) {
        unsigned code = 0x4E00 + (unsigned)(below(140) * below(140)); /* few are frequent */
        out[3 * i] = (char)(0xE0 | code >> 12);
        out[3 * i + 1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[3 * i + 2] = (char)(0x80 | (code & 0x3F));
    }
    return 3 * n;
}

static int generate(uint64_t bytes)
{
    static char list[LIST][WORD_MAX];
    static size_t lengths[LIST];
    char line[LINE + 2 * WORD_MAX];
    uint64_t written = 0;
    for (size_t i = 0; i < LIST; i++)
        lengths[i] = put_letters(list[i]);
    for (uint64_t lines = 0; written < bytes || lines % LINES; lines++) {
        size_t n = 0, pick;
        while (n < LINE) {
            switch (pick = below(20)) {
            case 0:
                n += put_number(line + n);
                break;
            case 1:
                n += put_han(line + n);
                break;
            case 2:
            case 3:
                n += put_hex(line + n);
                break;
            case 4:
            case 5:
                n += put_letters(line + n);
                break;
            default:
                pick = below(LIST) * below(LIST) / LIST;
                memcpy(line + n, list[pick], lengths[pick]);
                n += lengths[pick];
            }
            line[n++] = ' ';
        }
        if (lines % LINES == 0)
            (void)fputs("{\"text\": \"", stdout);
        if (fwrite(line, 1, n - 1, stdout) != n - 1)
            return 1;
        (void)fputs(lines % LINES == LINES - 1 ? "\"}\n" : "\\n", stdout);
        written += n;
    }
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "compare") == 0) {
        uint64_t mib = argc > 5 ? strtoull(argv[5], NULL, 10) : 512;
        return compare_memory(argv[2], argv[3], argv[4], mib << 20);
    }
    uint64_t bytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (bytes)
        return generate(bytes);
    (void)fprintf(stderr, "usage: bench_bpe_distinct BYTES [SEED] > FILE\n"
                          "       bench_bpe_distinct compare WETMILL FILE DIR [MIB]\n");
    return 2;
}
