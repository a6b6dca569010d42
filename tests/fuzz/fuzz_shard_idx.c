/* SPDX-License-Identifier: Apache-2.0 */
/* Input: u16 LE length of a .bin (of zeros), then a .idx. Whatever passes the check must hold
 * together: every token found in a sequence that contains it. */
#include <stdlib.h>

#include "tokenizer/shard_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    if (size < 2)
        return 0;
    size_t bin_len = wm_le16(data);
    unsigned char *bin = calloc(1, bin_len + 1);
    struct wm_shard shard = {.bin = {bin, bin_len}, .idx = {data + 2, size - 2}};
    if (bin && wm_shard_check(&shard, &err) == 0) {
        uint64_t sequence, first, length, sum = 0;
        for (uint64_t at = 0; at < shard.n_tokens; at += 1 + shard.n_tokens / 64) {
            uint32_t id;
            wm_shard_find(&shard, at, &sequence, &first, &length);
            wm_shard_read(&shard, at, 1, &id);
            if (first > at || at - first >= length || sequence >= shard.n_sequences || id)
                abort();
        }
        for (uint64_t i = 0; i < shard.n_sequences; i++, sum += length) {
            wm_shard_sequence(&shard, i, &first, &length);
            if (first != sum)
                abort();
        }
        if (sum != shard.n_tokens)
            abort();
    }
    free(bin);
    return 0;
}
