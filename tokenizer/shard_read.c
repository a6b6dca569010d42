/* SPDX-License-Identifier: Apache-2.0 */
/* One .bin/.idx pair, and the shards of a split as one stream. Layout: Megatron-LM's indexed
 * dataset, version 1. */
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/shard_format.h"

const char *const wm_shard_split_names[] = {"train", "validation", NULL};

static int check_header(const struct wm_shard *shard, unsigned *ret_width, struct wm_error *err)
{
    const unsigned char *p = shard->idx.ptr;
    if (shard->idx.len < WM_IDX_HEADER || memcmp(p, WM_IDX_MAGIC, WM_IDX_MAGIC_LEN) != 0)
        return wm_fail(err, WM_E_FORMAT, "not a Megatron index: it does not start with MMIDIDX");
    uint64_t version = wm_le64(p + 9);
    if (version != WM_IDX_VERSION)
        return wm_fail(err, WM_E_FORMAT, "index version is %llu, want %d",
                       (unsigned long long)version, WM_IDX_VERSION);
    if (p[17] != WM_IDX_INT32 && p[17] != WM_IDX_UINT16)
        return wm_fail(err, WM_E_FORMAT, "tokens are of type %d, want 8 (uint16) or 4 (int32)",
                       p[17]);
    *ret_width = p[17] == WM_IDX_UINT16 ? 2 : 4;
    return 0;
}

/* Every token belongs to exactly one sequence: offsets start at 0, follow the lengths without
 * holes, and end with the .bin. */
static int check_sequences(const struct wm_shard *shard, struct wm_error *err)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < shard->n_sequences; i++) {
        uint32_t length = wm_le32(shard->lengths + 4 * i);
        uint64_t offset = wm_le64(shard->offsets + 8 * i);
        if (length > INT32_MAX)
            return wm_fail(err, WM_E_FORMAT, "sequence %llu has a negative length",
                           (unsigned long long)i);
        if (offset != at)
            return wm_fail(err, WM_E_FORMAT, "sequence %llu starts at byte %llu, want %llu",
                           (unsigned long long)i, (unsigned long long)offset,
                           (unsigned long long)at);
        at += (uint64_t)length * shard->width;
    }
    if (at != shard->bin.len)
        return wm_fail(err, WM_E_FORMAT, "the .bin has %zu bytes, its index says %llu",
                       shard->bin.len, (unsigned long long)at);
    return 0;
}

static int check_documents(const struct wm_shard *shard, const unsigned char *bounds, uint64_t n,
                           struct wm_error *err)
{
    uint64_t last = 0;
    if (!n || wm_le64(bounds) != 0)
        return wm_fail(err, WM_E_FORMAT, "document boundaries do not start with 0");
    for (uint64_t i = 1; i < n; i++) {
        uint64_t bound = wm_le64(bounds + 8 * i);
        if (bound < last || bound > shard->n_sequences)
            return wm_fail(err, WM_E_FORMAT, "document boundary %llu is out of order",
                           (unsigned long long)i);
        last = bound;
    }
    if (last != shard->n_sequences)
        return wm_fail(err, WM_E_FORMAT, "document boundaries end at sequence %llu of %llu",
                       (unsigned long long)last, (unsigned long long)shard->n_sequences);
    return 0;
}

int wm_shard_check(struct wm_shard *shard, struct wm_error *err)
{
    int status = check_header(shard, &shard->width, err);
    if (status)
        return status;
    const unsigned char *p = shard->idx.ptr;
    uint64_t n = wm_le64(p + 18), n_bounds = wm_le64(p + 26), room = shard->idx.len - WM_IDX_HEADER;
    if (n > room / 12 || n_bounds > room / 8 || n * 12 + n_bounds * 8 != room)
        return wm_fail(err, WM_E_FORMAT,
                       "the index has %zu bytes, not those of %llu sequences and %llu boundaries",
                       shard->idx.len, (unsigned long long)n, (unsigned long long)n_bounds);
    shard->n_sequences = n;
    shard->lengths = p + WM_IDX_HEADER;
    shard->offsets = shard->lengths + 4 * n;
    shard->n_tokens = shard->bin.len / shard->width;
    status = check_sequences(shard, err);
    if (!status)
        status = check_documents(shard, shard->offsets + 8 * n, n_bounds, err);
    shard->n_documents = status ? 0 : n_bounds - 1;
    return status;
}

int wm_shard_open(const char *base, struct wm_shard *ret, struct wm_error *err)
{
    struct wm_shard shard = {0};
    char path[WM_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s.bin", base);
    if (n < 0 || n >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
    int status = wm_map_open(path, &shard.bin, err);
    memcpy(path + n - 3, "idx", 4);
    if (!status)
        status = wm_map_open(path, &shard.idx, err);
    if (!status && (status = wm_shard_check(&shard, err)))
        wm_error_where(err, "%s", path);
    if (status)
        wm_shard_close(&shard);
    else
        *ret = shard;
    return status;
}

void wm_shard_close(struct wm_shard *shard)
{
    wm_map_close(&shard->bin);
    wm_map_close(&shard->idx);
    *shard = (struct wm_shard){0};
}

void wm_shard_read(const struct wm_shard *shard, uint64_t first, size_t n, uint32_t *dst)
{
    const unsigned char *p = shard->bin.ptr + first * shard->width;
    if (shard->width == 2) {
        for (size_t i = 0; i < n; i++)
            dst[i] = wm_le16(p + 2 * i);
    } else {
        for (size_t i = 0; i < n; i++)
            dst[i] = wm_le32(p + 4 * i);
    }
}

void wm_shard_sequence(const struct wm_shard *shard, uint64_t sequence, uint64_t *ret_first,
                       uint64_t *ret_length)
{
    *ret_first = wm_le64(shard->offsets + 8 * sequence) / shard->width;
    *ret_length = wm_le32(shard->lengths + 4 * sequence);
}

/* The last sequence that starts at or before the token. Of several with the same start only the
 * last has a length, so empty sequences are passed over. */
void wm_shard_find(const struct wm_shard *shard, uint64_t at, uint64_t *ret_sequence,
                   uint64_t *ret_first, uint64_t *ret_length)
{
    uint64_t low = 0, high = shard->n_sequences, byte = at * shard->width;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (wm_le64(shard->offsets + 8 * middle) <= byte)
            low = middle;
        else
            high = middle;
    }
    *ret_sequence = low;
    wm_shard_sequence(shard, low, ret_first, ret_length);
}

/* ---- the stream of a split ---- */

static int open_listed(const char *dir, const struct wm_shards_info *info,
                       const struct wm_shard_entry *entry, struct wm_shard *ret,
                       struct wm_error *err)
{
    char base[WM_PATH_MAX];
    int status = wm_path_join(base, dir, entry->name, err);
    if (!status)
        status = wm_shard_open(base, ret, err);
    if (status)
        return status;
    if (ret->n_tokens == entry->tokens && ret->n_sequences == entry->documents &&
        ret->n_documents == entry->documents && ret->width == info->width)
        return 0;
    wm_fail(err, WM_E_MISMATCH,
            "has %llu tokens of %u bytes in %llu documents; shards.json says %llu of %u in %llu",
            (unsigned long long)ret->n_tokens, ret->width, (unsigned long long)ret->n_documents,
            (unsigned long long)entry->tokens, info->width, (unsigned long long)entry->documents);
    return wm_error_where(err, "%s", base);
}

static int open_all(const char *dir, const struct wm_shards_info *info,
                    const struct wm_split_info *split, struct wm_shard_set *set,
                    struct wm_error *err)
{
    set->shards = calloc(split->n + 1, sizeof *set->shards);
    set->starts = calloc(split->n + 1, sizeof *set->starts);
    if (!set->shards || !set->starts)
        return wm_fail_nomem(err, (split->n + 1) * sizeof *set->shards, "table of shards");
    for (size_t i = 0; i < split->n; i++) {
        int status = open_listed(dir, info, &split->shards[i], &set->shards[i], err);
        set->n = i + 1;
        if (status)
            return status;
        set->starts[i + 1] = set->starts[i] + set->shards[i].n_tokens;
    }
    return 0;
}

int wm_shard_set_open(const char *dir, enum wm_shard_split split, struct wm_shard_set *ret,
                      struct wm_error *err)
{
    struct wm_shards_info info = {0};
    int status = wm_shards_info_read(dir, &info, err);
    if (status)
        return status;
    const struct wm_split_info *listed = &info.splits[split];
    struct wm_shard_set set = {
        .n_tokens = listed->tokens,
        .n_documents = listed->documents,
        .n_bytes = listed->text_bytes,
        .unigram_nats = listed->unigram_nats,
        .vocabulary = info.vocabulary,
        .eod = info.eod,
        .tokenizer = info.tokenizer,
    };
    status = open_all(dir, &info, listed, &set, err);
    wm_shards_info_done(&info);
    if (status)
        wm_shard_set_close(&set);
    else
        *ret = set;
    return status;
}

void wm_shard_set_close(struct wm_shard_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        wm_shard_close(&set->shards[i]);
    free(set->shards);
    free(set->starts);
    *set = (struct wm_shard_set){0};
}

size_t wm_shard_set_find(const struct wm_shard_set *set, uint64_t at, uint64_t *ret_at)
{
    size_t low = 0, high = set->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (set->starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    *ret_at = at - set->starts[low];
    return low;
}

void wm_shard_set_read(const struct wm_shard_set *set, uint64_t first, size_t n, uint32_t *dst)
{
    if (!n)
        return;
    uint64_t at;
    for (size_t i = wm_shard_set_find(set, first, &at); n > 0; i++, at = 0) {
        uint64_t left = set->shards[i].n_tokens - at;
        size_t now = left < n ? (size_t)left : n;
        wm_shard_read(&set->shards[i], at, now, dst);
        dst += now;
        n -= now;
    }
}
