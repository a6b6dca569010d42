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
    struct wm_buf buf;
    wm_buf_init(&buf, RECORD_MAX);
    int status = wm_json_text(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17), &buf, err);
    if (!status)
        status = wm_buf_add(&buf, "\n", 1, err);
    if (!status)
        status = wm_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    return status;
}

static int digest_json(const json_t *value, size_t flags, XXH128_hash_t *ret, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, RECORD_MAX);
    int status = wm_json_text(value, JSON_COMPACT | flags, &buf, err);
    if (!status)
        *ret = XXH3_128bits(buf.ptr, buf.len);
    wm_buf_done(&buf);
    return status;
}

int wm_json_seal(json_t *object, struct wm_error *err)
{
    char hex[WM_HEX128];
    XXH128_hash_t hash;
    (void)json_object_del(object, "check");
    int status = digest_json(object, JSON_REAL_PRECISION(17), &hash, err);
    if (status)
        return status;
    wm_hex128(hash, hex);
    return json_object_set_new(object, "check", json_string(hex)) ? wm_fail_nomem(err, 0, "JSON")
                                                                  : 0;
}

int wm_json_sealed(json_t *object, bool *ret, struct wm_error *err)
{
    json_t *check = json_incref(json_object_get(object, "check"));
    XXH128_hash_t want, got;
    int status = 0;
    *ret = wm_unhex128(json_string_value(check) ? json_string_value(check) : "", &want);
    if (*ret) {
        (void)json_object_del(object, "check");
        status = digest_json(object, JSON_REAL_PRECISION(17), &got, err);
        *ret = !status && XXH128_isEqual(got, want);
        if (json_object_set(object, "check", check) && !status)
            status = wm_json_ok(NULL, err);
    }
    json_decref(check);
    return status;
}

int wm_json_load(const char *path, json_t **ret, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, RECORD_MAX);
    *ret = NULL;
    int status = wm_file_load(path, &buf, err);
    if (!status)
        status = wm_json_parse(wm_buf_str(&buf), ret, NULL, err);
    wm_buf_done(&buf);
    return status;
}

int wm_record_look(const char *dir, json_t **ret, bool *ret_damaged, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    json_t *record = NULL;
    bool there = false, good = true;
    *ret = NULL;
    *ret_damaged = false;
    int status = wm_path_join(path, dir, "step.json", err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_json_load(path, &record, err);
    /* Records have had a checksum since they say what was read. */
    bool sealed = json_object_get(record, "reads") || json_object_get(record, "check");
    if (!status && sealed)
        status = wm_json_sealed(record, &good, err);
    const json_t *outputs = json_object_get(record, "outputs");
    good = good && (!outputs || json_is_array(outputs)) &&
           json_integer_value(json_object_get(record, "format")) == RECORD_FORMAT;
    *ret_damaged = !status && there && !good;
    if (status || !good)
        json_decref(record);
    else
        *ret = record;
    return status;
}

int wm_record_read(const char *dir, json_t **ret, struct wm_error *err)
{
    bool damaged;
    return wm_record_look(dir, ret, &damaged, err);
}

int wm_record_given(const char *dir, json_t **ret, struct wm_error *err)
{
    bool damaged;
    int status = wm_record_look(dir, ret, &damaged, err);
    if (status || !damaged)
        return status;
    wm_fail(err, WM_E_FORMAT, "the record of what stands here is damaged, or of a newer wetmill");
    (void)wm_error_where(err, "%s%sstep.json", dir,
                         wm_str_ends(wm_str_of(dir), WM_STR("/")) ? "" : "/");
    return wm_error_hint(err, "repeat the command that made the directory, with --verify; if the "
                              "other files are known to be whole, remove step.json");
}

/* A record may be anybody's. */
static bool leads_out(const char *name)
{
    if (name[0] == '/' || !*name)
        return true;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcmp(part, "..") == 0 || strncmp(part, "../", 3) == 0)
            return true;
    }
    return false;
}

bool wm_output_path(const char *dir, const char *name, char path[WM_PATH_MAX], const char **ret_why)
{
    struct wm_error none = {0};
    struct wm_stat st;
    *ret_why = NULL;
    if (leads_out(name) || wm_path_join(path, dir, name, &none))
        *ret_why = "is no name of a file of this step";
    else if (wm_stat(path, &st, &none))
        *ret_why = "is missing";
    else if (!st.is_regular)
        *ret_why = "is no regular file";
    return !*ret_why;
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
        const char *why;
        if (!name || !wm_output_path(dir, name, path, &why) || wm_stat(path, &st, &err) ||
            st.size != (uint64_t)json_integer_value(json_object_get(output, "size")))
            return false;
    }
    return true;
}

static const json_t *find_output(const json_t *record, const char *name)
{
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(record, "outputs"), i, output)
    {
        const char *is = json_string_value(json_object_get(output, "name"));
        if (is && strcmp(is, name) == 0)
            return output;
    }
    return NULL;
}

int wm_run_check_copy(const char *dir, const char *name, struct wm_str bytes, struct wm_error *err)
{
    json_t *record;
    XXH128_hash_t want;
    int status = bytes.ptr ? wm_record_given(dir, &record, err) : wm_record_read(dir, &record, err);
    if (status)
        return status;
    const json_t *output = find_output(record, name);
    if (!bytes.ptr) {
        if (output) {
            wm_fail(err, WM_E_FORMAT, "the file is missing, and step.json speaks of it");
            (void)wm_error_where(err, "%s/%s", dir, name);
            status =
                wm_error_hint(err, "repeat the command that made the directory, with --verify");
        }
        json_decref(record);
        return status;
    }
    const char *hex = json_string_value(json_object_get(output, "xxh3"));
    if (hex && wm_unhex128(hex, &want) &&
        !XXH128_isEqual(want, XXH3_128bits(bytes.len ? bytes.ptr : "", bytes.len))) {
        const json_int_t size = json_integer_value(json_object_get(output, "size"));
        wm_fail(err, WM_E_FORMAT,
                "what stands there, %zu bytes, is not what step.json says, %llu bytes", bytes.len,
                (unsigned long long)size);
        (void)wm_error_where(err, "%s/%s", dir, name);
        status = wm_error_hint(err, "repeat the command that made the directory, with --verify; "
                                    "if the change is wanted, remove step.json");
    }
    json_decref(record);
    return status;
}

int wm_record_outputs(const json_t *record, XXH128_hash_t *ret, struct wm_error *err)
{
    const json_t *outputs = json_object_get(record, "outputs");
    if (outputs)
        return digest_json(outputs, 0, ret, err);
    *ret = XXH3_128bits("", 0);
    return 0;
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
    bool whole = true;
    for (int id = 0; id < WM_STEPS; id++)
        if (*ctx->reads[id])
            whole &= !json_object_set_new(reads, wm_steps[id]->name, json_string(ctx->reads[id]));
    if (whole)
        return reads;
    json_decref(reads);
    return NULL;
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
