/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/shard_read.c */
/* Input: u16 LE length of a .bin (of zeros), then a .idx. Whatever passes the check must hold
 * together: every token found in a sequence that contains it. */
#include "file_fuzz.h"
#include "tokenizer/shard_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the only shard of a directory: read as a stream it is the same. */
static void read_set(const struct wm_shard *shard)
{
    static const char zeros[] = "00000000000000000000000000000000";
    char path[WM_PATH_MAX], json[1500];
    struct wm_error err;
    struct wm_shard_set set;
    const char *dir = fuzz_dir("shard_idx");
    fuzz_path(path, dir, "train_00000.bin");
    fuzz_write(path, shard->bin.ptr, shard->bin.len);
    fuzz_path(path, dir, "train_00000.idx");
    fuzz_write(path, shard->idx.ptr, shard->idx.len);
    const unsigned long long tokens = shard->n_tokens, documents = shard->n_documents;
    int n = snprintf(
        json, sizeof json,
        "{\"format\":\"wetmill-shards\",\"version\":1,\"tokenizer\":\"%s\",\"vocabulary\":%d,"
        "\"eod\":0,\"token_type\":\"%s\",\"left_out\":0,\"seed\":1,\"validation_share\":0,"
        "\"splits\":{\"train\":{\"tokens\":%llu,\"documents\":%llu,\"text_bytes\":1,"
        "\"unigram_nats\":1,\"shards\":[{\"name\":\"train_00000\",\"tokens\":%llu,"
        "\"documents\":%llu,\"text_bytes\":1,\"bin\":{\"size\":%zu,\"xxh3\":\"%s\"},"
        "\"idx\":{\"size\":%zu,\"xxh3\":\"%s\"},\"sidecar\":{\"size\":1,\"xxh3\":\"%s\"}}]},"
        "\"validation\":{\"tokens\":0,\"documents\":0,\"text_bytes\":0,\"unigram_nats\":0,"
        "\"shards\":[]}}}",
        zeros, shard->width == 2 ? 1000 : 100000, shard->width == 2 ? "uint16" : "int32", tokens,
        documents, tokens, documents, shard->bin.len, zeros, shard->idx.len, zeros, zeros);
    fuzz_check(n > 0 && (size_t)n < sizeof json);
    fuzz_path(path, dir, "shards.json");
    fuzz_write(path, json, (size_t)n);
    if (wm_shard_set_open(dir, WM_TRAIN, &set, &err) == 0) {
        uint32_t some[64], first[1] = {1};
        uint64_t at;
        size_t few = set.n_tokens < 64 ? (size_t)set.n_tokens : 64;
        fuzz_check(set.n_tokens == shard->n_tokens && set.n == 1);
        wm_shard_set_read(&set, set.n_tokens - few, few, some);
        for (size_t i = 0; i < few; i++)
            fuzz_check(some[i] == 0);
        fuzz_check(wm_shard_set_find(&set, 0, &at) == 0 && at == 0);
        wm_shard_set_read(&set, 0, few > 0, first);
        fuzz_check(few == 0 || first[0] == 0);
        wm_shard_set_close(&set);
    }
    fuzz_remove(dir);
}

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
        read_set(&shard);
    }
    free(bin);
    return 0;
}
