/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/shard_sidecar_read.c */
/* First byte even: u16 LE number of rows, then the plain bytes of a frame. Odd: a sidecar, whose
 * checksum is made right first, so that the rest is reached. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tokenizer/shard_sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_frame(const uint8_t *data, size_t size)
{
    static struct wm_sidecar_frame frame;
    struct wm_error err;
    struct wm_arena arena;
    struct wm_provenance row;
    struct wm_str bytes = {(const char *)data + 2, size - 2};
    if (wm_sidecar_frame_parse(bytes, wm_le16(data), &frame, &err) != 0)
        return;
    wm_arena_init(&arena, 16 << 20);
    for (size_t i = 0; i < frame.n_rows; i++)
        if (wm_sidecar_frame_row(&frame, i, &arena, &row, &err) == WM_E_FORMAT)
            abort(); /* parsing has checked it */
    wm_arena_done(&arena);
}

/* The same from a file. */
static void open_file(const unsigned char *bytes, size_t size, struct wm_str recipe)
{
    static char base[64], path[80];
    struct wm_error err;
    struct wm_sidecar *sidecar = NULL;
    if (!base[0]) {
        (void)snprintf(base, sizeof base, "fuzz-sidecar.%ld", (long)getpid());
        (void)snprintf(path, sizeof path, "%s.prov.zst", base);
    }
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        abort();
    if (wm_sidecar_open(base, &sidecar, &err) || !wm_str_eq(wm_sidecar_recipe(sidecar), recipe))
        abort();
    wm_sidecar_close(sidecar);
    (void)unlink(path);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_sidecar *sidecar = NULL;
    struct wm_arena arena;
    struct wm_provenance row;
    unsigned char *copy = malloc(size);
    if (!copy)
        return;
    memcpy(copy, data, size);
    wm_set_le64(copy + size - 16, XXH3_64bits(copy, size - 16));
    wm_arena_init(&arena, 1 << 20);
    if (wm_sidecar_open_bytes((struct wm_str){(char *)copy, size}, &sidecar, &err) == 0) {
        uint64_t n = wm_sidecar_rows(sidecar);
        for (uint64_t i = 0; i < n && i < 1000; i++) {
            wm_arena_reset(&arena);
            (void)wm_sidecar_read(sidecar, n - 1 - i, &arena, &row, &err);
        }
        (void)wm_sidecar_check(sidecar, &err);
        open_file(copy, size, wm_sidecar_recipe(sidecar));
    }
    wm_sidecar_close(sidecar);
    wm_arena_done(&arena);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 3 && data[0] % 2 == 0)
        fuzz_frame(data + 1, size - 1);
    else if (size >= 17)
        fuzz_file(data + 1, size - 1);
    return 0;
}
