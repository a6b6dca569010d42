/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/listing_list.c */
/* A list of files: a row for every name that is no comment, absent ones with their problem. */
#include <string.h>

#include "file_fuzz.h"
#include "pipeline/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct wm_error err = {0};
    struct wm_arena arena;
    struct wm_rows rows = {.arena = &arena};
    if (size < 1)
        return 0;
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-listing.%ld", (long)getpid());
    /* names are only asked for below a directory that is not there */
    const struct wm_source_options options = {
        .prefix = data[0] & 1 ? "absent" : "absent/", .max_ratio = 1000, .max_record = 1 << 16};
    fuzz_write(path, data + 1, size - 1);
    wm_arena_init(&arena, 64 << 20);
    int status = wm_list_file(&rows, path, &options, &err);
    fuzz_check(status == 0 || (err.status == status && err.what[0] != '\0'));
    fuzz_check(status || rows.n > 0);
    for (size_t i = 0; i < rows.n; i++)
        fuzz_check(strncmp(rows.items[i].path, "absent/", 7) == 0 && rows.items[i].problem);
    wm_rows_done(&rows);
    wm_arena_done(&arena);
    (void)unlink(path);
    return 0;
}
