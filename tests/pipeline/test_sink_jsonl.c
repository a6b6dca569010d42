/* SPDX-License-Identifier: Apache-2.0 */
/* write-jsonl: the line of a document member by member; frames that stand alone and are cut by the
 * documents; the same lines under every compression. */
#include <zlib.h>
#include <zstd.h>

#include "pipeline/doc_json.h"
#include "pipeline/job_fixture.h"
#include "pipeline/packer.h"

static struct wm_error err;

static void check_line(const struct wm_doc_json *how, const struct wm_doc *doc, struct wm_str want)
{
    struct wm_arena scratch;
    struct wm_buf buf;
    wm_arena_init(&scratch, 1 << 20);
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_doc_json_put(how, doc, &scratch, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), want);
    wm_buf_done(&buf);
    wm_arena_done(&scratch);
}

static void test_line(void)
{
    struct wm_schema schema = {.columns = {{"language", WM_COLUMN_TEXT, 0},
                                           {"score", WM_COLUMN_REAL, 3},
                                           {"hits", WM_COLUMN_COUNT, 0}},
                               .n = 3};
    union wm_value values[3] = {{.text = WM_STR("cs")}, {.real = 0.98765}, {.count = 7}};
    struct wm_line_run runs[] = {{0, 2}, {5, 1}};
    struct wm_doc_json how = {.schema = &schema, .text_field = "text"};
    struct wm_doc doc = {.text = WM_STR("a\nb\"\x01\nc"),
                         .key = {1, 2, 3},
                         .source_lines = 6,
                         .lines = {runs, 2},
                         .values = values};
    check_line(
        &how, &doc,
        WM_STR("{\"text\":\"a\\nb\\\"\\u0001\\nc\",\"key\":[1,2,3],\"location\":{\"offset\":0},"
               "\"lines\":[0,2,5,1],\"source_lines\":6}\n"));
    doc.url = WM_STR("http://x/");
    doc.date = WM_STR("2024-02-21T10:15:00Z");
    doc.digest = WM_STR("sha1:A");
    doc.record_id = WM_STR("<urn:1>");
    doc.path = WM_STR("crawl/0.gz");
    doc.location = (struct wm_location){1234, 567, 89, WM_STR("in.warc")};
    doc.has = 7;
    doc.extra = WM_STR("\"title\":\"T\", \"n\":[1,{\"url\":2}]");
    check_line(
        &how, &doc,
        WM_STR("{\"text\":\"a\\nb\\\"\\u0001\\nc\",\"url\":\"http://x/\",\"date\":\"2024-02-21T10:"
               "15:00Z\",\"digest\":\"sha1:A\",\"record_id\":\"<urn:1>\",\"key\":[1,2,3],"
               "\"location\":{\"file\":\"crawl/0.gz\",\"member\":[1234,567],\"offset\":89,"
               "\"tar\":\"in.warc\"},\"lines\":[0,2,5,1],\"source_lines\":6,\"language\":\"cs\","
               "\"score\":0.988,\"hits\":7,\"title\":\"T\", \"n\":[1,{\"url\":2}]}\n"));

    /* names of ours, also in disguise, give way; names with a NUL in them do not */
    doc = (struct wm_doc){.text = WM_STR("t"), .values = values, .has = 2};
    doc.extra = WM_STR(
        "\"url\":5,\"a\\u0000b\":1,\"tex\\u0074\":2,\"score\":9,\"language\":\"x\",\"z\":{}");
    check_line(&how, &doc,
               WM_STR("{\"text\":\"t\",\"key\":[0,0,0],\"location\":{\"offset\":0},\"lines\":[],"
                      "\"source_lines\":0,\"score\":0.988,\"a\\u0000b\":1,\"z\":{}}\n"));
    how.text_field = "raw_content";
    how.stage = "length";
    how.reason = "too-short";
    doc.extra = WM_STR("\"stage\":1,\"text\":\"kept\"");
    check_line(
        &how, &doc,
        WM_STR("{\"raw_content\":\"t\",\"key\":[0,0,0],\"location\":{\"offset\":0},\"lines\":[],"
               "\"source_lines\":0,\"score\":0.988,\"stage\":\"length\",\"reason\":\"too-short\","
               "\"text\":\"kept\"}\n"));

    struct wm_arena none;
    struct wm_buf buf;
    wm_arena_init(&none, 0);
    wm_buf_init(&buf, 1 << 20);
    CHECK_FAILS(wm_doc_json_put(&how, &doc, &none, &buf, &err), WM_E_NOMEM, err, "memory");
    wm_buf_done(&buf);
    wm_buf_init(&buf, 20);
    wm_arena_init(&none, 1 << 16);
    CHECK_FAILS(wm_doc_json_put(&how, &doc, &none, &buf, &err), WM_E_LIMIT, err, "limit");
    wm_buf_done(&buf);
    wm_arena_done(&none);
}

static struct wm_buf inflate_all(struct wm_str in)
{
    struct wm_buf out;
    wm_buf_init(&out, 1 << 28);
    z_stream z = {0};
    CHECK(inflateInit2(&z, 16 + 15) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    int status = Z_OK;
    while (z.avail_in && status == Z_OK) {
        CHECK_OK(wm_buf_reserve(&out, 1 << 20, &err), err);
        z.next_out = (Bytef *)out.ptr + out.len;
        z.avail_out = 1 << 20;
        status = inflate(&z, Z_NO_FLUSH);
        out.len += (1 << 20) - z.avail_out;
        if (status == Z_STREAM_END)
            status = inflateReset(&z);
    }
    CHECK(status == Z_OK);
    (void)inflateEnd(&z);
    return out;
}

/* Each frame stands alone, is at most WM_FRAME_BYTES or one document, and could take no more. */
static struct wm_buf unzstd(struct wm_str in, size_t *ret_frames)
{
    enum { FRAME = 4 << 20 };
    struct wm_buf out;
    size_t last = SIZE_MAX;
    wm_buf_init(&out, 1 << 28);
    for (*ret_frames = 0; in.len; (*ret_frames)++) {
        size_t packed = ZSTD_findFrameCompressedSize(in.ptr, in.len);
        CHECK(!ZSTD_isError(packed));
        unsigned long long size = ZSTD_getFrameContentSize(in.ptr, in.len);
        CHECK_OK(wm_buf_reserve(&out, size, &err), err);
        struct wm_str frame = {out.ptr + out.len,
                               ZSTD_decompress(out.ptr + out.len, size, in.ptr, packed)};
        CHECK_U64(frame.len, size);
        CHECK(frame.len && frame.ptr[frame.len - 1] == '\n' && frame.ptr[0] == '{');
        CHECK(size <= FRAME || wm_str_count(frame, '\n') == 1);
        size_t first = (size_t)((const char *)memchr(frame.ptr, '\n', frame.len) - frame.ptr) + 1;
        CHECK(*ret_frames == 0 || last + first > FRAME);
        last = frame.len;
        out.len += frame.len;
        in.ptr += packed;
        in.len -= packed;
    }
    return out;
}

static struct wm_buf part_of(const struct fixture *f, const struct wm_job_result *result)
{
    struct wm_buf buf = fixture_load(f->dir, result->parts.items[0].name);
    CHECK_U64(buf.len, result->parts.items[0].digest.size);
    CHECK(XXH128_isEqual(XXH3_128bits(buf.ptr, buf.len), result->parts.items[0].digest.hash));
    return buf;
}

static void test_frames(void)
{
    static const char *const values[] = {"none", "zstd", "gzip"};
    struct wm_buf lines = {0};
    for (int i = 0; i < 3; i++) {
        struct fixture f;
        struct wm_job_result result;
        struct wm_arena arena;
        const char *ext;
        uint64_t file_size;
        wm_arena_init(&arena, 1 << 16);
        fixture_open(&f, 1, 25000);
        fake.large_every = 6000;
        fake.large_bytes = 5 << 20;
        f.inputs.options.max_record = 8 << 20;
        f.job.n_workers = 3;
        CHECK_OK(wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("compression")),
                               f.jsonl, wm_str_of(values[i]), &arena, &err),
                 err);
        wm_jsonl_files(f.jsonl, &ext, &file_size);
        CHECK_U64(file_size, 1 << 30);
        CHECK_OK(fixture_run(&f, &result, &err), err);
        CHECK_U64(result.parts.n, 1);
        CHECK(wm_str_ends(wm_str_of(result.parts.items[0].name), wm_str_of(ext)));
        struct wm_buf part = part_of(&f, &result), plain = {0};
        size_t n_frames = 0;
        if (i == 0)
            lines = part;
        else
            plain = i == 1 ? unzstd(wm_buf_str(&part), &n_frames) : inflate_all(wm_buf_str(&part));
        if (i) {
            CHECK(wm_str_eq(wm_buf_str(&plain), wm_buf_str(&lines)));
            wm_buf_done(&part);
            wm_buf_done(&plain);
        }
        CHECK(i != 1 || n_frames > 8);
        CHECK_U64(wm_str_count(wm_buf_str(&lines), '\n'), 25000);
        wm_job_result_done(&result);
        fixture_close(&f);
        wm_arena_done(&arena);
    }
    wm_buf_done(&lines);
}

/* Text that is nearly all escapes: lines become much longer than text usually does. */
static int quote_apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *e)
{
    (void)shared, (void)local;
    for (size_t i = 0; i < batch->n_docs; i++) {
        char *text = wm_arena_bytes(&batch->arena, batch->docs[i].text.len);
        if (!text)
            return wm_fail(e, WM_E_NOMEM, "text");
        for (size_t b = 0; b < batch->docs[i].text.len; b++)
            text[b] = batch->docs[i].text.ptr[b] == '\n' ? '\n' : '\x01';
        batch->docs[i].text.ptr = text;
    }
    return 0;
}
static const struct wm_stage quote_stage = {
    .name = "quote", .summary = "test", .version = 1, .rewrites = true, .apply = quote_apply};

static void test_escapes(void)
{
    struct wm_buf want = {0};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct wm_job_result result;
        struct wm_arena arena;
        wm_arena_init(&arena, 1 << 16);
        fixture_open(&f, 1, 3000);
        fixture_add(&f, &quote_stage);
        f.job.batch_docs = i ? 1 : 0; /* one at a time there is room enough for most */
        CHECK_OK(wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("compression")),
                               f.jsonl, WM_STR("none"), &arena, &err),
                 err);
        CHECK_OK(fixture_run(&f, &result, &err), err);
        struct wm_buf part = part_of(&f, &result);
        CHECK_U64(wm_str_count(wm_buf_str(&part), '\n'), 3000);
        CHECK(part.len > 5 * result.parts.items[0].text_bytes);
        if (i) {
            CHECK(wm_str_eq(wm_buf_str(&part), wm_buf_str(&want)));
            wm_buf_done(&part);
        } else {
            want = part;
        }
        wm_job_result_done(&result);
        fixture_close(&f);
        wm_arena_done(&arena);
    }
    wm_buf_done(&want);
}

static void test_options(void)
{
    struct fixture f;
    struct wm_job_result result;
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 16);
    fixture_open(&f, 1, 5);
    CHECK_OK(wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("compression")), f.jsonl,
                           WM_STR("gzip"), &arena, &err),
             err);
    CHECK_OK(wm_option_set(wm_option_find(wm_sink_jsonl.options, WM_STR("level")), f.jsonl,
                           WM_STR("19"), &arena, &err),
             err);
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CONFIG, err, "gzip has no level 19");
    fixture_close(&f);
    wm_arena_done(&arena);
}

int main(void)
{
    test_line();
    test_frames();
    test_escapes();
    test_options();
    return test_summary();
}
