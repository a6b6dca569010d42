/* SPDX-License-Identifier: Apache-2.0 */
/* covers: run/record.c */
/* step.json, as it is and with its checksum set right; files beside it are held against it. What is
 * taken is written anew for the files that are there, and then stands. */
#include "file_fuzz.h"
#include "run/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const char *dir, const json_t *record, const char *identity)
{
    static struct wm_step_context ctx;
    struct wm_error err;
    json_t *facts = json_object_get(record, "facts"), *none = json_object(), *made = NULL;
    (void)snprintf(ctx.out_dir, sizeof ctx.out_dir, "%s", dir);
    (void)snprintf(ctx.identity, sizeof ctx.identity, "%s", identity);
    (void)snprintf(ctx.reads[0], sizeof ctx.reads[0], "%032d", 1);
    fuzz_check(
        wm_record_write(&ctx, wm_steps[WM_STEP_TOKENIZER], facts ? facts : none, &made, &err) == 0);
    json_t *read = NULL;
    XXH128_hash_t of_read, of_made;
    fuzz_check(wm_record_read(dir, &read, &err) == 0);
    fuzz_check(read && json_equal(read, made) && wm_record_stands(read, dir, ctx.identity));
    fuzz_check(wm_record_outputs(read, &of_read, &err) == 0 &&
               wm_record_outputs(made, &of_made, &err) == 0 && XXH128_isEqual(of_read, of_made));
    fuzz_check(wm_run_check_copy(dir, "a.txt", WM_STR("a"), &err) == 0);
    fuzz_check(wm_run_check_copy(dir, "a.txt", WM_STR("b"), &err) == WM_E_FORMAT);
    fuzz_check(wm_run_check_copy(dir, "a.txt", (struct wm_str){0}, &err) == WM_E_FORMAT);
    json_decref(read);
    json_decref(made);
    json_decref(none);
}

static void read_record(const char *dir)
{
    struct wm_error err;
    XXH128_hash_t outputs;
    json_t *record = NULL;
    fuzz_check(wm_record_read(dir, &record, &err) == 0);
    const int status = wm_run_check_copy(dir, "a.txt", WM_STR("a"), &err);
    fuzz_check(status == 0 || status == WM_E_FORMAT);
    if (!record)
        return;
    const char *identity = json_string_value(json_object_get(record, "identity"));
    (void)wm_record_stands(record, dir, identity ? identity : "");
    fuzz_check(wm_record_outputs(record, &outputs, &err) == 0);
    write_again(dir, record, identity ? identity : "");
    json_decref(record);
}

static void seal(const char *path, const uint8_t *data, size_t size)
{
    struct wm_error err;
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json) && wm_json_seal(json, &err) == 0)
        fuzz_check(json_dump_file(json, path, JSON_REAL_PRECISION(17)) == 0);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[WM_PATH_MAX], deep[WM_PATH_MAX];
    const char *dir = fuzz_dir("step_record");
    fuzz_path(path, dir, "below");
    fuzz_check(mkdir(path, 0700) == 0);
    fuzz_path(deep, path, "b.bin");
    fuzz_write(deep, "12345", 5);
    fuzz_path(path, dir, "a.txt");
    fuzz_write(path, "a", 1);
    fuzz_path(path, dir, "step.json");
    fuzz_write(path, data, size);
    read_record(dir);
    seal(path, data, size);
    read_record(dir);
    fuzz_remove(dir);
    return 0;
}
