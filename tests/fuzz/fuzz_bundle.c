/* SPDX-License-Identifier: Apache-2.0 */
/* Input: u32 BE bytes of frames, then the index of a bundle; the checksum is made to fit. Whatever is
 * taken must hold together: frames fill the file, each is of a group, names are safe. */
#include <stdlib.h>

#include "pipeline/bundle.h"
#include "wetmill/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    wm_arena_done(&arena);
    free(bytes);
    return 0;
}
