/* SPDX-License-Identifier: Apache-2.0 */
/* A model's sizes, offsets and scores never lead outside, and what is read can be used: its pieces
 * cover the normalised text, and can be decoded. */
#include <stdint.h>
#include <stdlib.h>

#include "wetmill/sentencepiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text)
{
    struct wm_error err;
    struct wm_sp_pieces pieces;
    struct wm_buf out;
    if (wm_sp_encode(model, scratch, text, &pieces, &err))
        return;
    size_t end = 0;
    for (size_t i = 0; i < pieces.n; i++) {
        if (pieces.ids[i] >= wm_sp_count(model) || pieces.ends[i] <= end)
            abort();
        end = pieces.ends[i];
        if (wm_sp_surface(model, &pieces, i).len == 0)
            abort();
    }
    if (end != pieces.text.len)
        abort();
    wm_buf_init(&out, 1 << 20);
    (void)wm_sp_decode(model, pieces.ids, pieces.n, &out, &err);
    wm_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    struct wm_str bytes = {(const char *)data, size};
    if (wm_sp_parse(bytes, &model, &err) || wm_sp_scratch_new(model, &scratch, &err))
        goto done;
    size_t start = size > 4096 ? size - 4096 : 0; /* any bytes do for a text */
    use(model, scratch, WM_STR("the fox, \xC3\xA9 </s>  <sep>\xE2\x96\x81 \xEF\xAC\x81 the\xFF"));
    use(model, scratch, (struct wm_str){bytes.ptr + start, size - start});
    use(model, scratch, WM_STR("the fox, the fox"));
    if (wm_sp_memory(model) == 0 || wm_sp_scratch_memory(scratch) == 0)
        abort();
done:
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    return 0;
}
