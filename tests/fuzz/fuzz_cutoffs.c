/* SPDX-License-Identifier: Apache-2.0 */
/* covers: stages/cutoffs.c */
/* A table of cutoffs: the first byte says which percentiles. What is taken is sorted and found. */
#include "file_fuzz.h"
#include "stages/cutoffs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_found(const struct wm_cutoffs *cutoffs)
{
    for (size_t i = 0; i < cutoffs->n; i++)
        fuzz_check(wm_cutoffs_find(cutoffs, cutoffs->items[i].language) == &cutoffs->items[i]);
    fuzz_check(cutoffs->n > 0 && !wm_cutoffs_find(cutoffs, WM_STR("no such, language")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct wm_error err;
    struct wm_arena arena;
    struct wm_cutoffs cutoffs, same;
    if (size < 1)
        return 0;
    unsigned head = data[0] % 101, tail = data[0] < 128 ? 60 : head;
    struct wm_str csv = {(const char *)data + 1, size - 1};
    wm_arena_init(&arena, 64 << 20);
    fuzz_check(wm_cutoffs_ccnet(&arena, &cutoffs, &err) == 0);
    check_found(&cutoffs);
    int status = wm_cutoffs_parse(csv, head, tail, &arena, &cutoffs, &err);
    fuzz_check(status == 0 || (err.status == status && err.what[0] != '\0'));
    if (!status)
        check_found(&cutoffs);
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-cutoffs.%ld", (long)getpid());
    fuzz_write(path, csv.ptr, csv.len);
    fuzz_check(wm_cutoffs_read(path, head, tail, &arena, &same, &err) == status);
    fuzz_check(status || same.n == cutoffs.n);
    (void)unlink(path);
    wm_arena_done(&arena);
    return 0;
}
