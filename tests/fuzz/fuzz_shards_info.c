/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/shard_info.c without split_json wm_shards_info_write entry_json digest_json
 * info_json wm_shards_check_tokenizer */
/* shards.json: totals of what is taken are the sums, and names never lead elsewhere. */
#include <string.h>

#include "file_fuzz.h"
#include "wetmill/shards.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_split(const struct wm_split_info *split)
{
    uint64_t tokens = 0, documents = 0, bytes = 0;
    for (size_t i = 0; i < split->n; i++) {
        const struct wm_shard_entry *entry = &split->shards[i];
        fuzz_check(memchr(entry->name, '\0', sizeof entry->name) && !strchr(entry->name, '/'));
        tokens += entry->tokens;
        documents += entry->documents;
        bytes += entry->text_bytes;
    }
    fuzz_check(tokens == split->tokens && documents == split->documents &&
               bytes == split->text_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[WM_PATH_MAX];
    struct wm_error err = {0};
    struct wm_shards_info info = {0};
    struct wm_shard_set set;
    const char *dir = fuzz_dir("shards_info");
    fuzz_path(path, dir, "shards.json");
    fuzz_write(path, data, size);
    int status = wm_shards_info_read(dir, &info, &err);
    fuzz_check(status == 0 || (err.status == status && err.what[0] != '\0'));
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++)
        check_split(&info.splits[i]);
    wm_shards_info_done(&info);
    for (int split = 0; !status && split < WM_SHARD_SPLITS; split++)
        if (wm_shard_set_open(dir, (enum wm_shard_split)split, &set, &err) == 0)
            wm_shard_set_close(&set);
    fuzz_remove(dir);
    return 0;
}
