/* SPDX-License-Identifier: Apache-2.0 */
/* covers: stages/hash_set.c stages/hash_set_merge.c */
/* A hash set, as it is and with its checksums set right. What is taken is looked up and merged with
 * itself: every hash is found, and the result holds each once. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stages/hash_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_le64(unsigned char *dst, uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        dst[i] = (unsigned char)v;
}

static void check(const char *path, const char *merged)
{
    struct wm_error err;
    struct wm_hash_set set;
    const char *twice[] = {path, path};
    uint64_t n = 0, distinct = 0, last = 0;
    if (wm_hash_set_open(path, &set, &err))
        return;
    const unsigned char *hashes = set.map.ptr + WM_HASH_SET_HEADER;
    for (uint64_t i = 0; i < set.n; i++) {
        uint64_t hash = wm_get_be64(hashes + i * 8);
        if (!wm_hash_set_has(&set, hash) || (i && hash < last))
            abort();
        distinct += !i || hash != last;
        last = hash;
    }
    if (wm_hash_set_merge(twice, 2, merged, &n, &err) || n != distinct)
        abort();
    wm_hash_set_close(&set);
}

static void try_bytes(const unsigned char *bytes, size_t size)
{
    struct wm_error err;
    char path[] = "/tmp/fuzz-hash-set.XXXXXX", merged[64];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    (void)close(fd);
    (void)snprintf(merged, sizeof merged, "%s.merged", path);
    check(path, merged);
    (void)wm_remove(path, &err);
    (void)wm_remove(merged, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_bytes(data, size);
    if (size < WM_HASH_SET_HEADER)
        return 0;
    unsigned char *fixed = malloc(size);
    if (!fixed)
        return 0;
    size_t n = (size - WM_HASH_SET_HEADER) / 8;
    memcpy(fixed, data, size);
    put_le64(fixed + 72, n);
    put_le64(fixed + 80, XXH3_64bits(fixed + WM_HASH_SET_HEADER, n * 8));
    put_le64(fixed + 88, XXH3_64bits(fixed, 88));
    try_bytes(fixed, WM_HASH_SET_HEADER + n * 8);
    free(fixed);
    return 0;
}
