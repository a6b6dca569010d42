/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a run reads: by name and size for its identity, by mtime to trust them unread. */
#define XXH_STATIC_LINKING_ONLY /* hash states on the stack */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/step.h"

static void add_u64(XXH3_state_t *state, uint64_t v)
{
    unsigned char bytes[8];
    wm_put_be64(bytes, v);
    (void)XXH3_128bits_update(state, bytes, sizeof bytes);
}

/* The part of a path below the root: the same wherever the tree stands. */
static const char *below_root(const struct wm_inputs *inputs, const char *path)
{
    const char *root = inputs->options.root;
    size_t n = root ? strlen(root) : 0;
    return n && strncmp(path, root, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

void wm_inputs_fingerprint(const struct wm_inputs *inputs, XXH128_hash_t *ret_names,
                           XXH128_hash_t *ret_times)
{
    XXH3_state_t names, times;
    (void)XXH3_128bits_reset(&names);
    (void)XXH3_128bits_reset(&times);
    for (uint32_t i = 0; i < inputs->n_rows; i++) {
        const struct wm_input *row = &inputs->rows[i];
        const char *path = below_root(inputs, row->path);
        (void)XXH3_128bits_update(&names, path, strlen(path) + 1);
        add_u64(&names, row->start);
        add_u64(&names, row->end);
        add_u64(&names, row->size);
        add_u64(&times, (uint64_t)row->mtime_ns);
    }
    *ret_names = XXH3_128bits_digest(&names);
    *ret_times = XXH3_128bits_digest(&times);
}

int wm_dir_fingerprint(const char *path, XXH128_hash_t *ret, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_stat st;
    const char **names = NULL;
    size_t n = 0;
    XXH3_state_t state;
    wm_arena_init(&arena, 256 << 20);
    (void)XXH3_128bits_reset(&state);
    int status = wm_stat(path, &st, err);
    if (!status && st.is_dir)
        status = wm_list_dir(path, &arena, &names, &n, err);
    for (size_t i = 0; !status && i < (n ? n : 1); i++) {
        char file[WM_PATH_MAX];
        status = wm_path_join(file, n ? path : ".", n ? names[i] : path, err);
        if (!status)
            status = wm_stat(file, &st, err);
        if (status || st.is_dir)
            continue;
        (void)XXH3_128bits_update(&state, n ? names[i] : "", n ? strlen(names[i]) + 1 : 0);
        add_u64(&state, st.size);
        add_u64(&state, (uint64_t)st.mtime_ns);
    }
    *ret = XXH3_128bits_digest(&state);
    wm_arena_done(&arena);
    return status;
}

/* A container's limit counts before the machine's size. */
static uint64_t cgroup_limit(void)
{
    struct wm_error err = {0};
    struct wm_buf buf;
    uint64_t limit = UINT64_MAX;
    wm_buf_init(&buf, 4096);
    if (wm_exists("/sys/fs/cgroup/memory.max") &&
        !wm_file_load("/sys/fs/cgroup/memory.max", &buf, &err) && !wm_buf_add(&buf, "", 1, &err) &&
        buf.ptr[0] >= '0' && buf.ptr[0] <= '9')
        limit = strtoull(buf.ptr, NULL, 10);
    wm_buf_done(&buf);
    return limit;
}

uint64_t wm_default_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 1ull << 31;
    uint64_t limit = cgroup_limit();
    return (limit < machine ? limit : machine) / 10 * 6;
}
