/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/bundle_read.c */
/* Input: u32 BE bytes of frames, then the index of a bundle; the checksum is made to fit. Whatever is
 * taken must hold together: frames fill the file, each is of a group, names are safe. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/bundle.h"
#include "wetmill/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 1 << 20 };

static void check(const struct wm_bundle_index *index, uint64_t data)
{
    uint64_t at = 0;
    for (size_t i = 0; i < index->n_frames; i++) {
        const struct wm_bundle_frame *frame = &index->frames[i];
        if (frame->group >= index->n_groups || frame->offset != at || frame->size > data - at)
            abort();
        at += frame->size;
    }
    for (size_t i = 0; i < index->n_groups; i++)
        if (!wm_split_name_valid(index->names[i]))
            abort();
    if (at != data)
        abort();
}

/* The same from a file, whose frames are a hole; it says nothing else of the index. */
static void read_file(uint64_t frames, const char *bytes, size_t len)
{
    static char path[64];
    struct wm_error err;
    struct wm_arena arena;
    struct wm_file *file;
    struct wm_bundle_index whole, alone;
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-bundle.%ld", (long)getpid());
    FILE *out = fopen(path, "wb");
    if (!out || fseek(out, (long)frames, SEEK_SET) || fwrite(bytes, 1, len, out) != len ||
        fclose(out))
        abort();
    wm_arena_init(&arena, 64 << 20);
    if (wm_file_open(path, &file, &err))
        abort();
    if (wm_bundle_read(file, frames + len, &arena, &whole, &err) == 0) {
        check(&whole, frames);
        if (wm_bundle_parse((struct wm_str){bytes, len}, frames + len, &arena, &alone, &err) == 0 &&
            (alone.n_frames != whole.n_frames || alone.checksum != whole.checksum))
            abort();
    }
    wm_file_close(file);
    wm_arena_done(&arena);
    (void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_arena arena;
    struct wm_bundle_index index;
    if (size < 4 + WM_BUNDLE_TRAILER)
        return 0;
    size_t len = size - 4;
    char *bytes = malloc(len);
    if (!bytes)
        return 0;
    memcpy(bytes, data + 4, len);
    wm_put_be64((unsigned char *)bytes + len - 16, XXH3_64bits(bytes, len - 16));
    wm_arena_init(&arena, 64 << 20);
    uint64_t frames = wm_get_be32(data);
    if (wm_bundle_parse((struct wm_str){bytes, len}, frames + len, &arena, &index, &err) == 0)
        check(&index, frames);
    if (frames <= FRAMES_MAX)
        read_file(frames, bytes, len);
    wm_arena_done(&arena);
    free(bytes);
    return 0;
}
