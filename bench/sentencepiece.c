/* SPDX-License-Identifier: Apache-2.0 */
/* Each line of TEXT in pieces, as spm_encode does it; the time and memory go to standard error.
 *
 *     sentencepiece MODEL TEXT [ids|pieces|normal|nothing]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wetmill/file.h"
#include "wetmill/sentencepiece.h"

enum { MAX_BYTES = 1 << 30 };

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print_id(uint32_t id, char end)
{
    char digits[12], *at = digits + sizeof digits;
    *--at = end;
    do
        *--at = (char)('0' + id % 10);
    while (id /= 10);
    (void)fwrite(at, 1, (size_t)(digits + sizeof digits - at), stdout);
}

static void print_pieces(const struct wm_sp *model, const struct wm_sp_pieces *pieces, char what)
{
    for (size_t i = 0; i < pieces->n; i++) {
        char end = i + 1 < pieces->n ? ' ' : '\n';
        if (what == 'i') {
            print_id(pieces->ids[i], end);
            continue;
        }
        struct wm_str piece = wm_sp_surface(model, pieces, i);
        (void)fwrite(piece.ptr, 1, piece.len, stdout);
        (void)putchar(end);
    }
    if (pieces->n == 0)
        (void)putchar('\n');
}

static int one_line(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str line,
                    char what, size_t *n_pieces, struct wm_error *err)
{
    struct wm_sp_pieces pieces;
    struct wm_str text;
    int status = what == 'n' ? wm_sp_normalise(model, scratch, line, &text, err)
                             : wm_sp_encode(model, scratch, line, &pieces, err);
    if (status)
        return status;
    if (what == 'n') {
        (void)fwrite(text.ptr, 1, text.len, stdout);
        (void)putchar('\n');
    } else {
        *n_pieces += pieces.n;
        if (what != '-')
            print_pieces(model, &pieces, what);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct wm_error err = {0};
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    struct wm_buf file;
    size_t n_pieces = 0;
    if (argc < 3)
        return 2;
    const char *output = argc > 3 ? argv[3] : "ids";
    char what = strcmp(output, "nothing") == 0 ? '-' : *output;
    wm_buf_init(&file, MAX_BYTES);
    int status = wm_sp_open(argv[1], &model, &err);
    if (!status)
        status = wm_sp_scratch_new(model, &scratch, &err);
    if (!status)
        status = wm_file_load(argv[2], &file, &err);
    double begin = seconds();
    for (struct wm_str rest = wm_buf_str(&file); rest.len && !status;)
        status = one_line(model, scratch, wm_str_line(&rest), what, &n_pieces, &err);
    double took = seconds() - begin;
    if (status)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    else
        (void)fprintf(stderr, "%.3f s, %.1f MB/s, %zu pieces, model %zu kB, scratch %zu kB\n", took,
                      (double)file.len / 1e6 / took, n_pieces, wm_sp_memory(model) >> 10,
                      wm_sp_scratch_memory(scratch) >> 10);
    wm_buf_done(&file);
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    return status ? 1 : 0;
}
