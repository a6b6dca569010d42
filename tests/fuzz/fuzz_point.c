/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/point.c pipeline/task_save.c pipeline/reader_save.c pipeline/stream_enter.c
 * pipeline/sink_split.c base/state.c */
/* The point of a job that was stopped, changed under a checksum made right: the job goes on from it or
 * begins anew, and comes to its end. First byte: which job, and what the rest is (enum change). */
#include <signal.h>
#include <string.h>

#include "file_fuzz.h"
#include "pipeline/point.h"
#include "pipeline/reading.h"
#include "pipeline/reading_help.h"
#include "pipeline/sort_stage.h"
#include "wetmill/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { JOBS = 4, DOCS = 24, BATCH = 4, STOP = 3 /* batches */, FILES_MAX = 32 };

enum change {
    EDITS, /* u16 BE place, u8 value, and so on; one or two bytes at the end: how much is cut off */
    BODY,  /* all that stands behind the head */
    WHOLE, /* all that stands before the checksum */
    WRONG, /* edits, but the checksum stays what it was */
};

/* What a job stopped in its middle left. */
static struct stopped {
    bool made;
    struct wm_inputs inputs;
    char names[FILES_MAX][96]; /* below the job's directory */
    struct wm_buf files[FILES_MAX];
    size_t n, point, head, body; /* number of the point's file; bytes of its parts */
    XXH128_hash_t want;          /* of the parts of the job let alone */
    unsigned fills;              /* batches it takes then */
} all[JOBS];

static const char *top;
static struct wm_error err;

static void clean(void)
{
    for (size_t i = 0; i < JOBS; i++) {
        if (all[i].made)
            wm_inputs_close(&all[i].inputs);
        for (size_t f = 0; f < all[i].n; f++)
            wm_buf_done(&all[i].files[f]);
    }
    (void)wm_remove_tree(top, &err);
    help_close();
}

/* ---- inputs ---- */

static void add_line(struct wm_buf *out, unsigned i)
{
    fuzz_check(wm_buf_printf(out, &err, "{\"url\":\"u%u\",\"text\":\"line %u\\nsame\"}\n", i, i) ==
               0);
}

static const char *make_members(void)
{
    struct wm_buf page = help_buf(), out = help_buf();
    for (unsigned i = 0; i < DOCS; i++) {
        help_page(&page, i, 300);
        if (i % 3 == 2) {
            help_gzip(&out, wm_buf_str(&page), 6);
            page.len = 0;
        }
    }
    const char *path = help_store("pages.warc.wet.gz", &out);
    wm_buf_done(&page);
    wm_buf_done(&out);
    return path;
}

static const char *make_lines(void)
{
    struct wm_buf out = help_buf();
    for (unsigned i = 0; i < DOCS; i++) {
        add_line(&out, i);
        if (i % 8 == 3)
            help_text(&out, "{\"url\": no JSON\n"); /* a list of damage */
    }
    const char *path = help_store("lines.jsonl", &out);
    wm_buf_done(&out);
    return path;
}

static const char *make_files(void)
{
    struct wm_buf out = help_buf();
    fuzz_check(wm_mkdirs(help_path("files"), &err) == 0);
    for (unsigned i = 0; i < DOCS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "files/%02u.txt", i);
        fuzz_check(wm_buf_printf(&out, &err, "file %c%u\nsame\n", 'a' + (int)i, i) == 0);
        (void)help_store(name, &out);
    }
    wm_buf_done(&out);
    return help_path("files");
}

static const char *make_tar(void)
{
    struct wm_buf lines = help_buf(), out = help_buf();
    for (unsigned i = 0; i < DOCS; i++)
        add_line(&lines, i);
    help_tar(&out, (struct help_file[]){{"x/a.jsonl", wm_buf_str(&lines)}}, 1);
    const char *path = help_store("lines.tar", &out);
    wm_buf_done(&lines);
    wm_buf_done(&out);
    return path;
}

/* ---- a job ---- */

static unsigned n_fills, stop_at;
static struct wm_cancel cancel;

static int counted_fill(struct wm_reader *reader, struct wm_batch *batch, size_t n_values,
                        size_t max_text, size_t max_docs, struct wm_error *e)
{
    int status = wm_reader_fill(reader, batch, n_values, max_text, max_docs, e);
    if (status > 0 && ++n_fills == stop_at)
        wm_cancel_raise(&cancel, SIGTERM);
    return status;
}

static XXH128_hash_t hash_of(const struct wm_parts *parts)
{
    XXH128_hash_t hash = {0, 0};
    for (size_t i = 0; i < parts->n; i++) {
        XXH128_hash_t both[2] = {hash, parts->items[i].digest.hash};
        hash = XXH3_128bits(both, sizeof both);
    }
    return hash;
}

/* `batches`: stop after so many; 0 = never. */
static int run(const struct stopped *s, unsigned batches, XXH128_hash_t *ret)
{
    char dir[WM_PATH_MAX], rejects[WM_PATH_MAX];
    struct wm_chain chain;
    struct wm_job_result result;
    void *shared, *sink = calloc(1, wm_sink_jsonl.shared_size);
    const size_t kind = (size_t)(s - all);
    fuzz_check(sink != NULL);
    wm_chain_init(&chain);
    fuzz_check(wm_chain_add(&chain, &sort_stage, &shared, &err) == 0);
    if (kind == 2)
        fuzz_check(wm_chain_add(&chain, wm_stage_find(WM_STR("paragraph-dedup")), &shared, &err) ==
                   0);
    wm_options_default(wm_sink_jsonl.options, sink);
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    if (kind == 1)
        fuzz_check(wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("split")), sink,
                                 WM_STR("group"), &arena, &err) == 0);
    fuzz_path(dir, top, "job");
    fuzz_path(rejects, top, "job/rejects");
    memset(&cancel, 0, sizeof cancel);
    n_fills = 0;
    stop_at = batches;
    const struct wm_job job = {.inputs = &s->inputs,
                               .chain = &chain,
                               .sink = &wm_sink_jsonl,
                               .sink_shared = sink,
                               .dir = dir,
                               .rejects = kind == 1 ? NULL : rejects,
                               .identity = "00000000000000000000000000000007",
                               .n_workers = 1,
                               .max_bad_files = 1,
                               .max_bad_records = 1,
                               .batch_docs = BATCH,
                               .cancel = &cancel};
    struct wm_reading counted = wm_reading_inputs;
    counted.fill = counted_fill;
    int status = wm_job_run_with(&job, &counted, &result, &err);
    if (!status) {
        *ret = hash_of(&result.parts);
        wm_job_result_done(&result);
    }
    wm_sink_jsonl.close(sink);
    wm_chain_close(&chain);
    wm_arena_done(&arena);
    free(sink);
    return status;
}

/* ---- what it leaves ---- */

static void remove_job(void)
{
    char dir[WM_PATH_MAX];
    fuzz_path(dir, top, "job");
    fuzz_remove(dir);
}

static const char *const folders[] = {"commits/pass0", "runs/pass0", "parts", "rejects"};

static void keep_folder(struct stopped *s, const char *folder)
{
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    fuzz_path(dir, top, "job");
    fuzz_path(path, dir, folder);
    if (!wm_exists(path))
        return;
    memcpy(dir, path, sizeof dir);
    wm_arena_init(&arena, 1 << 20);
    fuzz_check(wm_list_dir(dir, &arena, &names, &n, &err) == 0 && s->n + n <= FILES_MAX);
    for (size_t i = 0; i < n; i++, s->n++) {
        if (strstr(names[i], ".point"))
            s->point = s->n;
        (void)snprintf(s->names[s->n], sizeof s->names[s->n], "%s/%s", folder, names[i]);
        s->files[s->n] = help_buf();
        fuzz_path(path, dir, names[i]);
        fuzz_check(wm_file_load(path, &s->files[s->n], &err) == 0);
    }
    wm_arena_done(&arena);
}

/* Where its head ends, and its body. */
static void take_apart(struct stopped *s)
{
    char dir[WM_PATH_MAX];
    struct wm_state_file file;
    const struct wm_job job = {
        .dir = dir, .inputs = &s->inputs, .identity = "00000000000000000000000000000007"};
    fuzz_path(dir, top, "job");
    fuzz_check(wm_point_open(&job, 0, 0, &file, &err) == 1);
    s->head = (size_t)(file.body.rest.ptr - (const char *)file.map.ptr);
    s->body = file.body.rest.len;
    wm_state_file_close(&file);
}

static void make(struct stopped *s)
{
    static const char *(*const makers[JOBS])(void) = {make_members, make_lines, make_files,
                                                      make_tar};
    struct wm_source_options options = help_options();
    XXH128_hash_t ignored;
    if (!top) {
        help_open();
        top = fuzz_dir("point");
        fuzz_check(atexit(clean) == 0);
    }
    const char *path = makers[s - all]();
    options.paths = (struct wm_list){&path, 1};
    options.max_record = 1 << 20;
    fuzz_check(wm_inputs_open(&options, &s->inputs, &err) == 0);
    s->inputs.options.paths = (struct wm_list){0}; /* a path of the moment */
    s->made = true;
    fuzz_check(s->inputs.n_tasks == 1 && run(s, 0, &s->want) == 0);
    s->fills = n_fills;
    remove_job();
    fuzz_check(run(s, STOP, &ignored) == WM_E_CANCELLED);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        keep_folder(s, folders[i]);
    take_apart(s);
    remove_job();
}

/* ---- one input ---- */

static void put_number(struct wm_buf *buf, uint64_t number)
{
    unsigned char bytes[8];
    wm_put_be64(bytes, number);
    help_add(buf, bytes, sizeof bytes);
}

static void edit(struct wm_buf *buf, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3)
        buf->ptr[((size_t)data[0] << 8 | data[1]) % buf->len] = (char)data[2];
    size_t cut = size == 2 ? (size_t)data[0] << 8 | data[1] : size == 1 ? data[0] : 0;
    buf->len -= cut < buf->len ? cut : 0;
}

static struct wm_buf make_point(const struct stopped *s, enum change change, const uint8_t *data,
                                size_t size)
{
    const struct wm_buf *old = &s->files[s->point];
    const size_t names = s->head + s->body; /* where their length stands */
    struct wm_buf buf = help_buf();
    if (change == WHOLE) {
        help_add(&buf, data, size);
    } else {
        help_add(&buf, old->ptr, change == BODY ? s->head : names);
        if (change == BODY)
            help_add(&buf, data, size);
        else
            edit(&buf, data, size);
        help_add(&buf, old->ptr + names, old->len - names - 16);
    }
    if (change == WRONG) {
        help_add(&buf, old->ptr + old->len - 16, 16);
    } else {
        XXH128_hash_t hash = XXH3_128bits(buf.ptr, buf.len);
        put_number(&buf, hash.high64);
        put_number(&buf, hash.low64);
    }
    return buf;
}

static void place(const struct stopped *s, const struct wm_buf *point)
{
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    fuzz_path(dir, top, "job");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        fuzz_path(path, dir, folders[i]);
        fuzz_check(wm_mkdirs(path, &err) == 0);
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct wm_buf *file = i == s->point ? point : &s->files[i];
        fuzz_path(path, dir, s->names[i]);
        fuzz_write(path, file->ptr, file->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    XXH128_hash_t got;
    if (size < 1)
        return 0;
    struct stopped *s = &all[data[0] % JOBS];
    const enum change change = (enum change)(data[0] / JOBS % 4);
    if (!s->made)
        make(s);
    struct wm_buf point = make_point(s, change, data + 1, size - 1);
    const struct wm_buf *old = &s->files[s->point];
    const bool same = wm_str_eq(wm_buf_str(&point), wm_buf_str(old));
    place(s, &point);
    err.what[0] = '\0';
    int status = run(s, 0, &got);
    fuzz_check(status == 0 || err.what[0]);
    if (same) /* nothing is lost, and not all is done again */
        fuzz_check(status == 0 && XXH128_isEqual(got, s->want) && n_fills < s->fills);
    else if (change == WRONG)
        fuzz_check(status == 0 && XXH128_isEqual(got, s->want) && n_fills == s->fills);
    wm_buf_done(&point);
    remove_job();
    return 0;
}
