/* SPDX-License-Identifier: Apache-2.0 */
/* What no checksum finds: files that are as recorded, but whose records do not fit them or each
 * other. Each fact is changed in turn, the record sealed anew. */
#include <sys/stat.h>

#include "run/step.h"
#include "run_fixture.h"

struct findings {
    char text[4096];
};

static void on_finding(void *arg, const struct wm_finding *finding)
{
    struct findings *f = arg;
    size_t n = strlen(f->text);
    (void)snprintf(f->text + n, sizeof f->text - n, "%s|%s|%s\n", finding->step, finding->file,
                   finding->what);
}

static uint64_t verify(const char *out, struct findings *found)
{
    struct wm_error err = {0};
    struct wm_verify_result result;
    const struct wm_verify_job job = {
        .dir = out, .n_workers = 2, .on_finding = on_finding, .arg = found};
    found->text[0] = '\0';
    CHECK_OK(wm_run_verify(&job, &result, &err), err);
    CHECK(!result.n_findings == !*result.repair);
    return result.n_findings;
}

/* Follow "a.b.0.c" in a JSON value. */
static json_t *follow(json_t *at, const char *path)
{
    char word[64];
    while (at && *path) {
        size_t n = strcspn(path, ".");
        (void)snprintf(word, sizeof word, "%.*s", (int)n, path);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(word)) : json_object_get(at, word);
        path += n + (path[n] == '.');
    }
    return at;
}

/* Add `by` to a fact of a step's record; verify must say `want`. */
static void lie(const char *out, const char *step, const char *path, int by, const char *want)
{
    char dir[600], file[700];
    struct wm_error err = {0};
    struct findings found;
    (void)snprintf(dir, sizeof dir, "%s/%s", out, step);
    (void)snprintf(file, sizeof file, "%s/step.json", dir);
    json_t *record = NULL;
    CHECK_OK(wm_record_read(dir, &record, &err), err);
    json_t *fact = follow(record, path);
    CHECK_(json_is_integer(fact), "%s has no %s", step, path);
    struct wm_buf old;
    wm_buf_init(&old, 1 << 20);
    CHECK_OK(wm_file_load(file, &old, &err), err);
    if (json_is_integer(fact)) {
        CHECK(!json_integer_set(fact, json_integer_value(fact) + by));
        CHECK_OK(wm_json_seal(record, &err), err);
        CHECK_OK(wm_json_store(file, record, &err), err);
        (void)verify(out, &found);
        CHECK_(strstr(found.text, want), "%s %s: no \"%s\" in:\n%s", step, path, want, found.text);
        CHECK(strstr(found.text, "manifest.json")); /* which says otherwise */
    }
    CHECK_OK(wm_file_store(file, wm_buf_str(&old), &err), err);
    wm_buf_done(&old);
    json_decref(record);
}

static void test_lies(const char *out)
{
    static const struct {
        const char *step, *path;
        int by;
        const char *want;
    } lies[] = {
        {"corpus", "facts.tally.bytes", 1, "bytes of the input are not conserved"},
        {"corpus", "facts.tally.bytes_skipped", 1, "bytes of the input are not conserved"},
        {"corpus", "facts.tally.records", 1, "records are not conserved"},
        {"corpus", "facts.tally.not_documents.not-text", 1, "records are not conserved"},
        {"corpus", "facts.tally.documents", 1, "documents of stage normalize are not conserved"},
        {"corpus", "facts.tally.stages.1.documents_in", 1, "documents of stage length"},
        {"corpus", "facts.tally.stages.1.dropped.too-short", -1, "documents of stage length"},
        {"corpus", "facts.tally.stages.3.lines_in", 1, "lines on their way to stage symbols"},
        {"corpus", "facts.tally.stages.3.bytes_in", 1, "bytes on their way to stage symbols"},
        {"corpus", "facts.tally.stages.5.documents_out", 1, "the files hold"},
        {"corpus", "facts.tally.stages.5.documents_out", 1, "tokenizer|tokenizer|read"},
        {"corpus", "facts.tally.stages.5.documents_out", 1, "shards|shards|hold"},
        {"corpus", "facts.tally.stages.5.lines_out", 1, "lines, "},
        {"corpus", "facts.tally.stages.5.bytes_out", 1, "bytes of text; "},
        {"tokenizer", "facts.vocabulary", 1, "tokenizer/tokenizer.json|has 600 entries"},
        {"tokenizer", "facts.documents", 1, "documents are not conserved"},
        {"tokenizer", "facts.documents_read", 1, "tokenizer|tokenizer|read"},
        {"shards", "facts.train.tokens", 1, "shards/shards.json|train: "},
        {"shards", "facts.validation.documents", 1, "validation: "},
        {"shards", "facts.train.text_bytes", -1, "text_bytes, step.json says"},
        {"shards", "facts.left_out", 1, "shards|shards|hold"},
        {"model", "facts.parameters", 1, "model/model.safetensors|has "},
        {"samples", "facts.samples", 1, "samples/samples.jsonl|has 2 lines"},
        {"shards", "outputs.0.size", 1, "was written with"},
    };
    struct findings found;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        lie(out, lies[i].step, lies[i].path, lies[i].by, lies[i].want);
    CHECK_U64(verify(out, &found), 0);
}

/* A lock says that a run is at work: what stands there may be half of it. */
static void test_lock(const char *out)
{
    struct wm_error err = {0};
    struct wm_lock *lock;
    struct wm_verify_result result;
    char path[600], note[WM_LOCK_TEXT];
    const struct wm_verify_job job = {.dir = out};
    (void)snprintf(path, sizeof path, "%s/lock", out);
    CHECK_OK(wm_lock_take(path, NULL, &lock, note, &err), err);
    CHECK(wm_run_verify(&job, &result, &err) == WM_E_BUSY);
    wm_lock_release(lock);
    CHECK_OK(wm_run_verify(&job, &result, &err), err);
    struct wm_cancel cancel = {0};
    wm_cancel_raise(&cancel, 2);
    struct wm_verify_job stopped = job;
    stopped.cancel = &cancel;
    CHECK(wm_run_verify(&stopped, &result, &err) == WM_E_CANCELLED);
}

/* A record may be anybody's: what it names is read only where it is a file of the step. */
static void test_names(const char *out)
{
    static const struct {
        const char *name, *want;
    } names[] = {
        {"/dev/zero", "shards//dev/zero|is no name of a file of this step"},
        {"../model/step.json", "is no name of a file"},
        {"x/../../model/step.json", "is no name of a file"},
        {"..", "is no name of a file"},
        {"", "is no name of a file"},
        {"pipe", "shards/pipe|is no regular file"},
        {"link", "shards/link|is no regular file"},
        {".", "is no regular file"},
        {"..x", "shards/..x|is missing"},
    };
    char dir[600], file[700], path[700];
    struct wm_error err = {0};
    struct findings found;
    struct wm_buf old;
    (void)snprintf(dir, sizeof dir, "%s/shards", out);
    (void)snprintf(file, sizeof file, "%s/step.json", dir);
    (void)snprintf(path, sizeof path, "%s/pipe", dir);
    CHECK(mkfifo(path, 0666) == 0);
    (void)snprintf(path, sizeof path, "%s/link", dir);
    CHECK(symlink("/dev/zero", path) == 0);
    wm_buf_init(&old, 1 << 20);
    CHECK_OK(wm_file_load(file, &old, &err), err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *record = NULL;
        CHECK_OK(wm_record_read(dir, &record, &err), err);
        json_t *output = follow(record, "outputs.0");
        CHECK(!json_object_set_new(output, "name", json_string(names[i].name)));
        CHECK(!json_object_set_new(output, "size", json_integer(0)));
        CHECK(
            !wm_record_stands(record, dir, json_string_value(json_object_get(record, "identity"))));
        CHECK_OK(wm_json_seal(record, &err), err);
        CHECK_OK(wm_json_store(file, record, &err), err);
        (void)verify(out, &found);
        CHECK_(strstr(found.text, names[i].want), "%s: no \"%s\" in:\n%s", names[i].name,
               names[i].want, found.text);
        json_decref(record);
        CHECK_OK(wm_file_store(file, wm_buf_str(&old), &err), err);
    }
    wm_buf_done(&old);
    CHECK_OK(wm_remove(path, &err), err);
    (void)snprintf(path, sizeof path, "%s/pipe", dir);
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_U64(verify(out, &found), 0);
}

static void stop_at_sample(void *cancel, const char *step, const char *state)
{
    if (strcmp(step, "sample") == 0 && strcmp(state, "runs") == 0)
        wm_cancel_raise(cancel, 2);
}

/* Another run into the directory, stopped when some of it is replaced: what stands is whole, and
 * what is said of it is not what the former run says. */
static void test_stopped(const char *dir, const char *out)
{
    struct wm_error err = {0};
    struct wm_run_result result = {0};
    struct findings found;
    struct wm_cancel cancel = {0};
    const struct wm_run_hooks hooks = {.step = stop_at_sample, .arg = &cancel, .cancel = &cancel};
    struct fixture_how how = {.out = "out", .jobs = 2, .set = {"train.steps=4"}, .hooks = &hooks};
    CHECK(fixture_run(dir, &how, &result, &err) == WM_E_CANCELLED);
    CHECK(result.ran[WM_STEP_TRAIN] && !result.ran[WM_STEP_SHARDS]);
    wm_run_result_done(&result);
    CHECK_U64(verify(out, &found), 1);
    CHECK_(strstr(found.text, "sample|samples|was made from another train than the one that stands "
                              "here: the run was stopped"),
           "%s", found.text);
    how.hooks = NULL;
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    wm_run_result_done(&result);
    CHECK_U64(verify(out, &found), 0);
    char path[600];
    (void)snprintf(path, sizeof path, "%s/manifest.json", out);
    CHECK(wm_exists(path));
}

static bool sealed(json_t *object)
{
    struct wm_error err = {0};
    bool good = false;
    CHECK_OK(wm_json_sealed(object, &good, &err), err);
    return good;
}

static void test_seal(void)
{
    struct wm_error err = {0};
    json_t *object = json_pack("{s:i, s:f, s:s}", "a", 1, "b", 0.1, "c", "x\"y");
    CHECK(!sealed(object));
    CHECK_OK(wm_json_seal(object, &err), err);
    CHECK(sealed(object) && json_object_get(object, "check"));
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_t *back = json_loads(text ? text : "", 0, NULL);
    CHECK(sealed(back));
    CHECK(!json_object_set_new(back, "a", json_integer(2)) && !sealed(back));
    CHECK_OK(wm_json_seal(back, &err), err);
    CHECK(sealed(back));
    CHECK(!json_object_set_new(back, "check", json_string("no hex")) && !sealed(back));
    json_decref(object);
    json_decref(back);
    free(text);
}

int main(void)
{
    const char *dir = fixture_dir("verify");
    char out[512];
    struct wm_error err = {0};
    struct wm_run_result result = {0};
    struct findings found;
    const struct fixture_how how = {.out = "out", .jobs = 2};
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    wm_run_result_done(&result);
    (void)snprintf(out, sizeof out, "%s/out", dir);
    CHECK_U64(verify(out, &found), 0);
    test_seal();
    test_lies(out);
    test_lock(out);
    test_names(out);
    test_stopped(dir, out);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
