/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of a model directory hold its weights. */
#define XXH_STATIC_LINKING_ONLY /* hash states on the stack */
#include <stdlib.h>

#include "trainer/weights.h"
#include "wetmill/jansson.h"

#define ONE_FILE "model.safetensors"
#define INDEX "model.safetensors.index.json"

enum { INDEX_BYTES = 64 << 20, NAMES_BYTES = 64 << 20 };

/* A file beside the index, not anywhere else. */
static bool is_plain_name(const char *name)
{
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) < 256;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values of {"weight_map": {tensor: file}}, each once, sorted. */
static int take_names(const json_t *index, struct wm_arena *arena, const char ***ret, size_t *ret_n,
                      struct wm_error *err)
{
    json_t *map = json_object_get(index, "weight_map"), *value;
    const char *key;
    size_t n = 0, kept = 0;
    const char **names = wm_arena_alloc(arena, json_object_size(map) + 1, sizeof *names);
    if (!names)
        return wm_fail_nomem(err, json_object_size(map) * sizeof *names, "names of files");
    json_object_foreach(map, key, value)
    {
        const char *name = json_string_value(value);
        if (!is_plain_name(name))
            return wm_fail(err, WM_E_FORMAT, "weight_map: \"%.80s\" is in no file beside it", key);
        names[n++] = name;
    }
    if (!n)
        return wm_fail(err, WM_E_FORMAT, "there is no weight_map, or it is empty");
    qsort(names, n, sizeof *names, compare);
    for (size_t i = 0; i < n; i++) {
        if (kept && strcmp(names[kept - 1], names[i]) == 0)
            continue;
        names[kept] = wm_arena_cstr(arena, wm_str_of(names[i]));
        if (!names[kept++])
            return wm_fail_nomem(err, strlen(names[i]), "names of files");
    }
    if (kept > WM_WEIGHTS_FILES)
        return wm_fail(err, WM_E_LIMIT, "weight_map names more than %d files", WM_WEIGHTS_FILES);
    *ret = names;
    *ret_n = kept;
    return 0;
}

static int read_index(const char *path, struct wm_arena *arena, const char ***ret, size_t *ret_n,
                      struct wm_error *err)
{
    struct wm_buf buf;
    json_error_t where;
    wm_buf_init(&buf, INDEX_BYTES);
    int status = wm_file_load(path, &buf, err);
    if (!status) {
        json_t *json;
        status = wm_json_parse(wm_buf_str(&buf), &json, &where, err);
        if (!status)
            status = json ? take_names(json, arena, ret, ret_n, err)
                      : wm_fail(err, WM_E_FORMAT, "line %d: %s", where.line, where.text);
        json_decref(json);
        if (status)
            (void)wm_error_where(err, "%s", path);
    }
    wm_buf_done(&buf);
    return status;
}

int wm_weights_list(const char *dir, struct wm_arena *arena, const char ***ret_names, size_t *ret_n,
                    struct wm_error *err)
{
    char one[WM_PATH_MAX], index[WM_PATH_MAX];
    int status = wm_path_join(one, dir, ONE_FILE, err);
    if (!status)
        status = wm_path_join(index, dir, INDEX, err);
    if (status)
        return status;
    if (!wm_exists(one) && wm_exists(index))
        return read_index(index, arena, ret_names, ret_n, err);
    const char **names = wm_arena_alloc(arena, 1, sizeof *names);
    if (!names)
        return wm_fail_nomem(err, sizeof *names, "names of files");
    names[0] = ONE_FILE;
    *ret_names = names;
    *ret_n = 1;
    return 0;
}

/* Of one file: its bytes' hash, in the order of the files. */
static int add_file(XXH3_state_t *state, const char *dir, const char *name, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_digest digest;
    XXH128_canonical_t canonical;
    int status = wm_path_join(path, dir, name, err);
    if (!status)
        status = wm_file_digest(path, &digest, err);
    if (status)
        return status;
    XXH128_canonicalFromHash(&canonical, digest.hash);
    (void)XXH3_128bits_update(state, canonical.digest, sizeof canonical.digest);
    return 0;
}

int wm_weights_digest(const char *dir, XXH128_hash_t *ret, struct wm_error *err)
{
    struct wm_arena arena;
    XXH3_state_t state;
    const char **names = NULL;
    size_t n = 0;
    wm_arena_init(&arena, NAMES_BYTES);
    (void)XXH3_128bits_reset(&state);
    int status = add_file(&state, dir, "config.json", err);
    if (!status)
        status = wm_weights_list(dir, &arena, &names, &n, err);
    for (size_t i = 0; i < n && !status; i++)
        status = add_file(&state, dir, names[i], err);
    wm_arena_done(&arena);
    if (!status)
        *ret = XXH3_128bits_digest(&state);
    return status;
}
