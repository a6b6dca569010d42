/* SPDX-License-Identifier: Apache-2.0 */
/* step.json: what a finished step was made from and what it wrote. No times, no hosts: the same
 * result gives the same bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "run/step.h"

enum {
    RECORD_FORMAT = 1,
    RECORD_MAX = 256 << 20,   /* bytes of one step.json */
    OUTPUTS_ARENA = 256 << 20 /* bytes for the names of a step's outputs */
};

int wm_json_ok(const void *value, struct wm_error *err)
{
    return value ? 0 : wm_fail_nomem(err, 0, "JSON");
}

int wm_store(const char *path, struct wm_str bytes, struct wm_error *err)
{
    struct wm_error none = {0};
    struct wm_buf old;
    wm_buf_init(&old, RECORD_MAX);
    bool same =
        wm_exists(path) && !wm_file_load(path, &old, &none) && wm_str_eq(wm_buf_str(&old), bytes);
    wm_buf_done(&old);
    return same ? 0 : wm_file_store(path, bytes, err);
}

int wm_json_store(const char *path, const json_t *value, struct wm_error *err)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (!text)
        return wm_fail_nomem(err, 0, "JSON");
    struct wm_buf buf;
    wm_buf_init(&buf, RECORD_MAX);
    int status = wm_buf_printf(&buf, err, "%s\n", text);
    free(text);
    if (!status)
        status = wm_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    return status;
}

static XXH128_hash_t digest_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
    XXH128_hash_t hash = XXH3_128bits(text ? text : "", text ? strlen(text) : 0);
    free(text);
    return hash;
}

int wm_json_seal(json_t *object, struct wm_error *err)
{
    char hex[WM_HEX128];
    (void)json_object_del(object, "check");
    wm_hex128(digest_json(object), hex);
    return json_object_set_new(object, "check", json_string(hex)) ? wm_fail_nomem(err, 0, "JSON")
                                                                  : 0;
}

bool wm_json_sealed(json_t *object)
{
    json_t *check = json_incref(json_object_get(object, "check"));
    XXH128_hash_t want;
    bool good = wm_unhex128(json_string_value(check) ? json_string_value(check) : "", &want);
    if (good) {
        (void)json_object_del(object, "check");
        good = XXH128_isEqual(digest_json(object), want);
        (void)json_object_set(object, "check", check);
    }
    json_decref(check);
    return good;
}

json_t *wm_record_read(const char *dir)
{
    struct wm_error err = {0};
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    wm_buf_init(&buf, RECORD_MAX);
    json_t *record = NULL;
    if (!wm_path_join(path, dir, "step.json", &err) && wm_exists(path) &&
        !wm_file_load(path, &buf, &err))
        record = json_loadb(buf.ptr, buf.len, JSON_REJECT_DUPLICATES, NULL);
    wm_buf_done(&buf);
    /* Records have had a checksum since they say what was read. */
    bool sealed = json_object_get(record, "reads") || json_object_get(record, "check");
    if (json_integer_value(json_object_get(record, "format")) != RECORD_FORMAT ||
        (sealed && !wm_json_sealed(record))) {
        json_decref(record);
        return NULL;
    }
    return record;
}

bool wm_record_stands(const json_t *record, const char *dir, const char *identity)
{
    const char *made = json_string_value(json_object_get(record, "identity"));
    if (!made || strcmp(made, identity) != 0)
        return false;
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(record, "outputs"), i, output)
    {
        const char *name = json_string_value(json_object_get(output, "name"));
        struct wm_error err = {0};
        struct wm_stat st;
        char path[WM_PATH_MAX];
        if (!name || wm_path_join(path, dir, name, &err) || wm_stat(path, &st, &err) ||
            st.size != (uint64_t)json_integer_value(json_object_get(output, "size")))
            return false;
    }
    return true;
}

XXH128_hash_t wm_record_outputs(const json_t *record)
{
    char *text = json_dumps(json_object_get(record, "outputs"), JSON_COMPACT);
    XXH128_hash_t hash = XXH3_128bits(text ? text : "", text ? strlen(text) : 0);
    free(text);
    return hash;
}

/* Every file below `dir`/`below`, depth first, names sorted by bytes. */
static int add_outputs(const char *dir, const char *below, unsigned depth, struct wm_arena *arena,
                       json_t *outputs, struct wm_error *err)
{
    char path[WM_PATH_MAX], name[WM_PATH_MAX];
    const char **names;
    size_t n;
    if (depth > 4)
        return wm_fail(err, WM_E_LIMIT, "results are nested over 4 directories deep");
    int status = wm_path_join(path, dir, *below ? below : ".", err);
    if (!status)
        status = wm_list_dir(path, arena, &names, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        struct wm_stat st;
        struct wm_digest digest;
        char hex[WM_HEX128];
        if (!*below && strcmp(names[i], "step.json") == 0)
            continue;
        int len = snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", names[i]);
        if (len < 0 || (size_t)len >= sizeof name) {
            status = wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1);
            break;
        }
        if ((status = wm_path_join(path, dir, name, err)) || (status = wm_stat(path, &st, err)))
            break;
        if (st.is_dir) {
            status = add_outputs(dir, name, depth + 1, arena, outputs, err);
            continue;
        }
        if ((status = wm_file_digest(path, &digest, err)))
            break;
        wm_hex128(digest.hash, hex);
        if (json_array_append_new(outputs, json_pack("{s:s, s:I, s:s}", "name", name, "size",
                                                     (json_int_t)digest.size, "xxh3", hex)))
            status = wm_fail_nomem(err, 0, "JSON");
    }
    return status;
}

/* The digests of what was read, by step. New reference, NULL without memory. */
static json_t *reads_json(const struct wm_step_context *ctx)
{
    json_t *reads = json_object();
    for (int id = 0; id < WM_STEPS; id++)
        if (*ctx->reads[id])
            (void)json_object_set_new(reads, wm_steps[id]->name, json_string(ctx->reads[id]));
    return reads;
}

int wm_record_write(const struct wm_step_context *ctx, const struct wm_step *step,
                    const json_t *facts, json_t **ret, struct wm_error *err)
{
    const char *dir = ctx->out_dir;
    struct wm_arena arena;
    wm_arena_init(&arena, OUTPUTS_ARENA);
    char path[WM_PATH_MAX];
    json_t *outputs = json_array();
    json_t *record =
        json_pack("{s:i, s:s, s:i, s:s, s:o, s:O, s:O}", "format", RECORD_FORMAT, "step",
                  step->name, "version", (int)step->version, "identity", ctx->identity, "reads",
                  reads_json(ctx), "outputs", outputs, "facts", facts);
    int status = wm_json_ok(record, err);
    if (!status)
        status = add_outputs(dir, "", 0, &arena, outputs, err);
    if (!status)
        status = wm_json_seal(record, err);
    if (!status)
        status = wm_path_join(path, dir, "step.json", err);
    if (!status)
        status = wm_json_store(path, record, err);
    json_decref(outputs);
    wm_arena_done(&arena);
    if (status)
        json_decref(record);
    else
        *ret = record;
    return status;
}
