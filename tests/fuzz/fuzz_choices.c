/* SPDX-License-Identifier: Apache-2.0 */
/* covers: trainer/choices_read.c */
/* A row of multiple choice that is taken keeps what its header promises. */
#include <stdlib.h>

#include "wetmill/evaluate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err = {0};
    struct wm_arena arena;
    struct wm_choice row;
    wm_arena_init(&arena, 1 << 24);
    const int status =
        wm_choice_read((struct wm_str){(const char *)data, size}, &arena, &row, &err);
    if (status && (status != err.status || !*err.what))
        abort();
    if (!status) {
        if (row.n < 1 || row.n > WM_CHOICE_ENDINGS_MAX || row.label >= row.n)
            abort();
        unsigned sum = 0;
        for (size_t i = 0; i < row.context.len; i++)
            sum += (unsigned char)row.context.ptr[i];
        for (size_t k = 0; k < row.n; k++) {
            if (!row.endings[k].len)
                abort();
            for (size_t i = 0; i < row.endings[k].len; i++)
                sum += (unsigned char)row.endings[k].ptr[i];
        }
        volatile unsigned read = sum; /* every byte is there */
        (void)read;
    }
    wm_arena_done(&arena);
    return 0;
}
