/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/tokenizer/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/tokenizer/texts.h"

enum { MEGABYTE = 1000 * 1000, LONGER = 8, ROUNDS = 3 };

static const struct kind {
    const char *name, *letters; /* letters NULL: Han, U+4E00 to U+9FFF */
} kinds[] = {{"letter", "a"},
             {"space", " "},
             {"equals-sign", "="},
             {"DNA", "ACGT"},
             {"hex", "0123456789abcdef"},
             {"Han", NULL}};

double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* SplitMix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static struct wm_str make(const struct kind *kind, char *out, size_t len)
{
    uint64_t state = 1;
    size_t n = 0;
    if (kind->letters)
        for (size_t many = strlen(kind->letters); n < len;)
            out[n++] = kind->letters[next(&state) % many];
    else
        while (n + 3 <= len) {
            unsigned code = 0x4E00 + (unsigned)(next(&state) % 0x5200);
            out[n++] = (char)(0xE0 | code >> 12);
            out[n++] = (char)(0x80 | (code >> 6 & 0x3F));
            out[n++] = (char)(0x80 | (code & 0x3F));
        }
    return (struct wm_str){out, n};
}

static double best(const struct wm_tokenizer *tok, struct wm_str text)
{
    struct wm_error err = {0};
    double least = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct wm_encoder *enc = NULL;
        struct wm_ids ids = {0};
        if (wm_encoder_new(tok, &enc, &err))
            stop(&err);
        double begin = cpu_seconds();
        if (wm_encode(enc, text, 0, &ids, &err))
            stop(&err);
        double used = cpu_seconds() - begin;
        least = i == 0 || used < least ? used : least;
        wm_ids_done(&ids);
        wm_encoder_free(enc);
    }
    return least;
}

void runs_print(const struct wm_tokenizer *tok)
{
    char *bytes = malloc((size_t)LONGER * MEGABYTE);
    if (!bytes)
        abort();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double one = best(tok, make(&kinds[i], bytes, MEGABYTE));
        double more = best(tok, make(&kinds[i], bytes, (size_t)LONGER * MEGABYTE));
        (void)printf("run %-12s %8.1f MB/s   %d MB take %.2f times as long\n", kinds[i].name,
                     1 / one, LONGER, more / one);
    }
    free(bytes);
}
