/* SPDX-License-Identifier: Apache-2.0 */
/* A long stretch that is no record, or one record that is not kept: the reader comes back while it
 * passes over it, can be saved there, and what it gives and tells does not depend on either. */
#include "reading_help.h"
#include "wetmill/state.h"

static struct wm_error err;

enum { JUNK = 20 << 20, PAGE = 3000, TEXT = 1 << 19, SLACK = 12 << 20, STATE_MOST = 1 << 20 };

/** What came of a file. */
struct outcome {
    struct wm_read_tally tally;
    char words[4096];
    XXH128_hash_t texts, file;
    uint64_t n_empty, n_saved;
};

static void note(struct outcome *o, const struct wm_reader *reader)
{
    o->tally = *wm_reader_tally(reader);
    o->file = wm_reader_hashes(reader)[0];
    for (uint64_t i = 0; i < o->tally.n_damage; i++) {
        const struct wm_damage *d = &wm_reader_damage(reader)[i];
        size_t used = strlen(o->words);
        (void)snprintf(o->words + used, sizeof o->words - used, "@%" PRIu64 " #%" PRIu64 " %s\n",
                       d->at, d->record, d->what);
    }
}

/* Put away and taken up again: false if it cannot be here. */
static bool reopen(const struct wm_inputs *inputs, struct wm_reader **reader)
{
    struct wm_state_out state;
    wm_state_out_open(&state, STATE_MOST);
    int saved = wm_reader_save(*reader, &state, &err);
    CHECK_(saved >= 0, "%s", err.what);
    if (saved == 1) {
        struct wm_state_in in = {.rest = wm_buf_str(&state.buf)};
        wm_reader_close(*reader);
        CHECK_OK(wm_reader_open(inputs, &inputs->tasks[0], reader, &err), err);
        CHECK_OK(wm_reader_load(*reader, &in, &err), err);
    }
    wm_state_out_done(&state);
    return saved == 1;
}

/* `max_text` UINT32_MAX: never pauses. `saves`: put away behind every batch without documents. */
static void read_file(const char *path, int profile, size_t max_text, bool saves,
                      struct outcome *ret)
{
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    struct wm_reader *reader;
    struct wm_batch batch = {0};
    XXH3_state_t *texts = XXH3_createState();
    *ret = (struct outcome){0};
    options.paths = (struct wm_list){&path, 1};
    options.max_record = TEXT;
    options.profile = profile;
    (void)XXH3_128bits_reset(texts);
    wm_arena_init(&batch.arena, 1 << 30);
    CHECK_OK(wm_inputs_open(&options, &inputs, &err), err);
    CHECK_OK(wm_reader_open(&inputs, &inputs.tasks[0], &reader, &err), err);
    int more;
    for (uint64_t before = 0, now;
         (more = wm_reader_fill(reader, &batch, 1, max_text, 100, &err)) > 0; before = now) {
        now = wm_reader_position(reader);
        CHECK_(max_text > TEXT || now - before <= 4 * max_text + SLACK,
               "%s: %" PRIu64 " bytes for a batch", path, now - before);
        for (size_t i = 0; i < batch.n_docs; i++)
            (void)XXH3_128bits_update(texts, batch.docs[i].text.ptr, batch.docs[i].text.len);
        ret->n_empty += batch.n_docs == 0;
        if (saves && batch.n_docs == 0)
            ret->n_saved += reopen(&inputs, &reader);
        wm_arena_reset(&batch.arena);
    }
    CHECK_(more == 0, "%s: %s", path, err.what);
    note(ret, reader);
    ret->texts = XXH3_128bits_digest(texts);
    wm_reader_close(reader);
    wm_inputs_close(&inputs);
    wm_arena_done(&batch.arena);
    (void)XXH3_freeState(texts);
}

/* `documents` 0: none, or very many. `saved` points at least are to be possible. */
static void check(const char *name, struct wm_buf *bytes, int profile, uint64_t documents,
                  const char *words, unsigned saved)
{
    const char *path = help_store(name, bytes);
    struct outcome whole, paused, resumed;
    read_file(path, profile, UINT32_MAX, false, &whole);
    read_file(path, profile, TEXT, false, &paused);
    read_file(path, profile, TEXT, true, &resumed);
    CHECK_(documents ? whole.tally.documents == documents : whole.tally.documents != 1,
           "%s: %" PRIu64 " documents", name, whole.tally.documents);
    CHECK_(strstr(whole.words, words) != NULL, "%s: \"%s\"", name, whole.words);
    CHECK_(paused.n_empty >= 2, "%s: %" PRIu64 " empty batches", name, paused.n_empty);
    CHECK_(resumed.n_saved >= saved, "%s: saved %" PRIu64 " times", name, resumed.n_saved);
    const struct outcome *others[] = {&paused, &resumed};
    for (size_t i = 0; i < 2; i++) {
        CHECK_(memcmp(&others[i]->tally, &whole.tally, sizeof whole.tally) == 0, "%s, %zu", name,
               i);
        CHECK_(strcmp(others[i]->words, whole.words) == 0, "%s, %zu:\n%s%s", name, i,
               others[i]->words, whole.words);
        CHECK(XXH128_isEqual(others[i]->texts, whole.texts));
        CHECK(XXH128_isEqual(others[i]->file, whole.file));
    }
}

/* Bytes that are no member, no record and no line, though some start as members do. */
static void put_junk(struct wm_buf *out, size_t len)
{
    static const char marks[] = "no \x1F\x8B\x08\x1F zero \x28\xB5\x2F\xFD\xFF WARC/";
    char piece[4096] = {0};
    memcpy(piece, marks, sizeof marks);
    for (size_t n = 0; n < len; n += sizeof piece)
        help_add(out, piece, sizeof piece);
}

static void put_member(struct wm_buf *out, unsigned i, const char *ending)
{
    struct wm_buf page = help_buf();
    help_page(&page, i, PAGE);
    help_pack(out, wm_buf_str(&page), ending);
    wm_buf_done(&page);
}

static void test_members(const char *ending)
{
    struct wm_buf bytes = help_buf();
    char name[64], words[64];
    (void)snprintf(words, sizeof words, "%d bytes are no %s data", JUNK,
                   ending[1] == 'g' ? "gzip" : "zstd");
    for (int profile = WM_PROFILE_STRICT; profile <= WM_PROFILE_CCNET; profile++) {
        put_member(&bytes, 1, ending);
        put_junk(&bytes, JUNK);
        put_member(&bytes, 2, ending);
        put_member(&bytes, 3, ending);
        (void)snprintf(name, sizeof name, "between%d.warc%s", profile, ending);
        check(name, &bytes, profile, profile ? 0 : 3, words, 3); /* ccnet wants another header */
    }
    put_member(&bytes, 1, ending);
    put_junk(&bytes, JUNK);
    (void)snprintf(name, sizeof name, "behind.warc%s", ending);
    check(name, &bytes, WM_PROFILE_STRICT, 1, words, 3);
    put_junk(&bytes, JUNK); /* what the file is has not been seen: it is begun anew */
    put_member(&bytes, 2, ending);
    (void)snprintf(name, sizeof name, "before.warc%s", ending);
    check(name, &bytes, WM_PROFILE_STRICT, 1, words, 0);
    /* a large member that breaks off is kept up to there */
    struct wm_buf pages = help_buf();
    for (unsigned i = 0; i < 4000; i++)
        help_page(&pages, i, PAGE);
    help_pack(&bytes, wm_buf_str(&pages), ending);
    bytes.len = bytes.len * 9 / 10;
    put_junk(&bytes, JUNK);
    put_member(&bytes, 2, ending);
    (void)snprintf(name, sizeof name, "broken.warc%s", ending);
    check(name, &bytes, WM_PROFILE_STRICT, 0, "what stood well before the damage is kept", 3);
    wm_buf_done(&pages);
    wm_buf_done(&bytes);
}

static void test_in_tar(void)
{
    struct wm_buf bytes = help_buf(), tar = help_buf();
    put_member(&bytes, 1, ".gz");
    put_junk(&bytes, JUNK);
    put_member(&bytes, 2, ".gz");
    help_tar(&tar, &(struct help_file){"a.warc.gz", wm_buf_str(&bytes)}, 1);
    check("junk.tar", &tar, WM_PROFILE_STRICT, 2, "bytes are no gzip data", 0);
    wm_buf_done(&bytes);
    wm_buf_done(&tar);
}

static void test_records(void)
{
    struct wm_buf bytes = help_buf(), body = help_buf(), packed = help_buf();
    help_page(&bytes, 1, PAGE);
    put_junk(&bytes, JUNK);
    help_text(&bytes, "\n");
    help_page(&bytes, 2, PAGE);
    check("junk.warc", &bytes, WM_PROFILE_STRICT, 2, "bytes hold no WARC record", 3);
    put_junk(&body, JUNK);
    for (int type = 0; type < 2; type++) {
        help_page(&bytes, 1, PAGE);
        help_record(&bytes, type ? "response" : "conversion", "http://a.example/",
                    wm_buf_str(&body), type ? JUNK + 1000 : -1);
        help_page(&bytes, 2, PAGE);
        check("giant.warc", &bytes, WM_PROFILE_STRICT, 2, type ? "" : "is longer than max_record",
              3);
    }
    help_page(&bytes, 1, PAGE);
    help_record(&bytes, "response", "http://a.example/", wm_buf_str(&body), -1);
    help_page(&bytes, 2, PAGE);
    help_gzip(&packed, wm_buf_str(&bytes), 0);
    bytes.len = 0;
    check("giant.warc.gz", &packed, WM_PROFILE_STRICT, 2, "", 3);
    help_page(&bytes, 1, PAGE);
    help_record(&bytes, "response", "http://a.example/", wm_buf_str(&body), JUNK + 9999);
    check("cut.warc", &bytes, WM_PROFILE_STRICT, 1, "the file ends inside a record", 3);
    help_text(&bytes, "{\"text\":\"a\"}\n{\"text\":\"");
    help_fill(&bytes, 'x', JUNK);
    help_text(&bytes, "\"}\n{\"text\":\"b\"}\n");
    check("giant.jsonl", &bytes, WM_PROFILE_STRICT, 2, "a line is longer than max_record", 3);
    help_text(&bytes, "http://a.example/ 1.2.3.4 20240102030405 text/html 20971520\n");
    help_add(&bytes, body.ptr, body.len);
    help_text(&bytes, "\nhttp://a.example/ 1.2.3.4 20240102030405 text/html 5\nhello\n");
    check("giant.arc", &bytes, WM_PROFILE_STRICT, 0, "", 3);
    wm_buf_done(&bytes);
    wm_buf_done(&body);
    wm_buf_done(&packed);
}

int main(void)
{
    help_open();
    test_members(".gz");
    test_members(".zst");
    test_in_tar();
    test_records();
    help_close();
    return test_summary();
}
