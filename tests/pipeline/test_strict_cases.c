/* SPDX-License-Identifier: Apache-2.0 */
/* Records that readers which go by position or by lines are known to lose: each must come out with
 * its exact text, from whatever it is compressed in, and with its neighbours damaged. */
#include <dirent.h>

#include "reading_help.h"
#include "wetmill/utf8.h"

#define BYTES(literal)                  \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }

/* `fields` are what stands between version line and Content-Length; "\r\n" at the end of each. */
static const struct strict_case {
    const char *name, *version, *fields;
    struct wm_str body, text;
    const char *url;
} cases[] = {
    {"plain", "WARC/1.0", "WARC-Type: conversion\r\nWARC-Target-URI: http://a/0\r\n",
     BYTES("Title\nfirst line\nsecond line\n"), BYTES("Title\nfirst line\nsecond line"),
     "http://a/0"},
    {"a language among the fields, as since 2020", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/1\r\nWARC-Date: 2023-01-01T00:00:00Z\r\n"
     "WARC-Record-ID: <urn:uuid:1>\r\nWARC-Refers-To: <urn:uuid:2>\r\n"
     "WARC-Block-Digest: sha1:A\r\nWARC-Identified-Content-Language: eng,deu\r\n"
     "Content-Type: text/plain\r\n",
     BYTES("Title\nmodern"), BYTES("Title\nmodern"), "http://a/1"},
    {"version 1.1", "WARC/1.1", "WARC-Type: conversion\r\nWARC-Target-URI: http://a/2\r\n",
     BYTES("Title\nof version 1.1\n"), BYTES("Title\nof version 1.1"), "http://a/2"},
    {"a lone CR stays, as white space of its line", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/3\r\n",
     BYTES("Title\nbefore\rbehind\n\rfirst\nlast\r\r"),
     BYTES("Title\nbefore\rbehind\n\rfirst\nlast"), "http://a/3"},
    {"line ends of both kinds", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/4\r\n",
     BYTES("Title\r\nof\r\r\ntwo\nkinds\r\n"), BYTES("Title\nof\ntwo\nkinds"), "http://a/4"},
    {"a version line in the text", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/5\r\n",
     BYTES("Title\nA file starts so:\nWARC/1.0\n\nand goes on\nWARC/1.0\n"),
     BYTES("Title\nA file starts so:\nWARC/1.0\n\nand goes on\nWARC/1.0"), "http://a/5"},
    {"a whole record in the text", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/6\r\n",
     BYTES("Title\n\r\n\r\nWARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: "
           "2\r\n\r\nno\r\n\r\nyes"),
     BYTES("Title\n\n\nWARC/1.0\nWARC-Type: conversion\nContent-Length: 2\n\nno\n\nyes"),
     "http://a/6"},
    {"bytes that are no UTF-8", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/7\r\n",
     BYTES("Title\ncaf\xE9 \xFF\xFE \xE2\x82 \xED\xA0\x80\nna\xC3\xAFve"),
     BYTES("Title\ncaf\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD "
           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\nna\xC3\xAFve"),
     "http://a/7"},
    {"fields in another order, and in small letters", "WARC/1.0",
     "content-type: text/plain\r\nwarc-date: 2020-01-01T00:00:00Z\r\n"
     "warc-target-uri: http://a/8\r\nwarc-type: conversion\r\n",
     BYTES("Title\nother order"), BYTES("Title\nother order"), "http://a/8"},
    {"an address with a space", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/9 and more.html\r\n",
     BYTES("Title\nspace"), BYTES("Title\nspace"), "http://a/9 and more.html"},
    {"one line", "WARC/1.0", "WARC-Type: conversion\r\nWARC-Target-URI: http://a/10\r\n",
     BYTES("Title"), BYTES("Title"), "http://a/10"},
    {"nothing at all", "WARC/1.0", "WARC-Type: conversion\r\nWARC-Target-URI: http://a/11\r\n",
     BYTES(""), BYTES(""), "http://a/11"},
    {"line separators that are no line ends, and a NUL", "WARC/1.0",
     "WARC-Type: conversion\r\nWARC-Target-URI: http://a/12\r\n",
     BYTES("Title\na\x0B"
           "b\x0C"
           "c\xC2\x85"
           "d\xE2\x80\xA8"
           "e\0f\n\n\n"),
     BYTES("Title\na\x0B"
           "b\x0C"
           "c\xC2\x85"
           "d\xE2\x80\xA8"
           "e\0f"),
     "http://a/12"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void put_case(struct wm_buf *out, const struct strict_case *c)
{
    CHECK_OK(wm_buf_printf(out, &help_err, "%s\r\n%sContent-Length: %zu\r\n\r\n", c->version,
                           c->fields, c->body.len),
             help_err);
    help_add(out, c->body.ptr, c->body.len);
    help_text(out, "\r\n\r\n");
}

/* All cases but `without` (N_CASES: none), in order. */
static void check_cases(const struct help_docs *all, size_t without, size_t n)
{
    CHECK_U64(all->n, n);
    for (size_t i = 0, k = 0; i < N_CASES && k < all->n && k < n; i++) {
        if (i == without)
            continue;
        const struct wm_doc *doc = &all->docs[k++];
        CHECK_(wm_str_eq(doc->text, cases[i].text), "%s: \"%.*s\"", cases[i].name,
               (int)doc->text.len, doc->text.ptr);
        CHECK_(wm_str_eq(doc->url, wm_str_of(cases[i].url)), "%s: %.*s", cases[i].name,
               (int)doc->url.len, doc->url.ptr);
    }
}

/* Each case a member of its own; starts[i] is where it starts, starts[N_CASES] the end. */
static void pack_cases(struct wm_buf *out, const char *ending, size_t starts[N_CASES + 1])
{
    struct wm_buf one = help_buf();
    for (size_t i = 0; i < N_CASES; i++) {
        starts[i] = out->len;
        one.len = 0;
        put_case(&one, &cases[i]);
        help_pack(out, wm_buf_str(&one), ending);
    }
    starts[N_CASES] = out->len;
    wm_buf_done(&one);
}

static void test_whole(void)
{
    static const char *const endings[] = {"", ".gz", ".zst", ".xz", NULL};
    for (size_t e = 0; endings[e]; e++) {
        struct wm_buf all_in_one = help_buf(), members = help_buf();
        size_t starts[N_CASES + 1];
        char name[64];
        for (size_t i = 0; i < N_CASES; i++)
            put_case(&all_in_one, &cases[i]);
        (void)snprintf(name, sizeof name, "cases.warc.wet%s", endings[e]);
        help_pack(&members, wm_buf_str(&all_in_one), endings[e]);
        struct help_docs one = help_read(help_store(name, &members));
        check_cases(&one, N_CASES, N_CASES);
        CHECK_U64(one.tally.n_damage, 0);
        CHECK_U64(one.tally.repaired_utf8, 1);
        pack_cases(&members, endings[e], starts);
        struct help_docs each = help_read(help_store(name, &members));
        check_cases(&each, N_CASES, N_CASES);
        CHECK_U64(each.tally.n_damage, 0);
        help_done(&one);
        help_done(&each);
        wm_buf_done(&all_in_one);
        wm_buf_done(&members);
    }
}

/* Whichever member is corrupt, it alone is lost. */
static void test_corrupt_member(void)
{
    struct wm_buf members = help_buf();
    size_t starts[N_CASES + 1];
    for (size_t hit = 0; hit < N_CASES; hit++) {
        members.len = 0;
        pack_cases(&members, ".gz", starts);
        size_t middle = starts[hit] + (starts[hit + 1] - starts[hit]) / 2;
        members.ptr[middle] = (char)(members.ptr[middle] ^ 0x55);
        struct help_docs all = help_read(help_store("corrupt.warc.wet.gz", &members));
        check_cases(&all, hit, N_CASES - 1);
        CHECK_U64(all.tally.bad_files, 1);
        CHECK_DAMAGE(all, "gzip");
        help_done(&all);
    }
    wm_buf_done(&members);
}

/* Cut off inside member `hit`: all before it are there. */
static void test_truncated(void)
{
    struct wm_buf members = help_buf();
    size_t starts[N_CASES + 1];
    for (size_t hit = 1; hit < N_CASES; hit++) {
        members.len = 0;
        pack_cases(&members, ".gz", starts);
        members.len = starts[hit] + 12;
        struct help_docs all = help_read(help_store("cut.warc.wet.gz", &members));
        check_cases(&all, N_CASES, hit);
        CHECK_U64(all.tally.bad_files, 1);
        help_done(&all);
    }
    wm_buf_done(&members);
}

/* All in one member, cut at any byte: what was whole before the cut comes out, nothing else. */
static void test_truncated_single(void)
{
    struct wm_buf plain = help_buf(), packed = help_buf(), cut = help_buf();
    for (size_t i = 0; i < N_CASES; i++)
        put_case(&plain, &cases[i]);
    help_pack(&packed, wm_buf_str(&plain), ".gz");
    size_t last = 0;
    for (size_t len = 40; len < packed.len; len += 31) {
        help_add(&cut, packed.ptr, len);
        struct help_docs all = help_read(help_store("cut-single.warc.wet.gz", &cut));
        CHECK(all.n >= last && all.n <= N_CASES);
        last = all.n;
        check_cases(&all, N_CASES, all.n);
        CHECK_U64(all.tally.bad_files, 1);
        help_done(&all);
    }
    CHECK(last + 2 >= N_CASES);
    wm_buf_done(&plain);
    wm_buf_done(&packed);
    wm_buf_done(&cut);
}

/* ---- conformance vectors ---- */

/* Where field `name:` has its value in a header, by the plainest of means; NULL if it has none. */
static const char *value_of(const char *header, const char *end, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = header; line && (size_t)(end - line) > len;) {
        if (memcmp(line, name, len) == 0)
            return line + len;
        line = memchr(line, '\n', (size_t)(end - line));
        line += line != NULL;
    }
    return NULL;
}

static void plain_text(const char *body, size_t len, struct wm_buf *raw)
{
    while (len && (body[len - 1] == '\n' || body[len - 1] == '\r'))
        len--;
    raw->len = 0;
    for (size_t i = 0; i < len; i++) {
        size_t run = i;
        while (run < len && body[run] == '\r')
            run++;
        if (run < len && body[run] == '\n')
            i = run;
        help_add(raw, body + i, 1);
    }
}

/* A file that says its lengths rightly, read by them alone: every conversion must be there. */
static void check_by_lengths(const char *path)
{
    struct wm_buf bytes = help_buf();
    CHECK_OK(wm_file_load(path, &bytes, &help_err), help_err);
    help_add(&bytes, "", 1); /* strstr and strtoul stop there */
    bytes.len--;
    struct help_docs all = help_read(path);
    struct wm_buf raw = help_buf();
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
    size_t n = 0;
    while (at < end) {
        if (*at == '\r' || *at == '\n') {
            at++;
            continue;
        }
        const char *type = value_of(at, end, "WARC-Type: ");
        const char *length = value_of(at, end, "Content-Length: ");
        const char *body = length ? strstr(length, "\r\n\r\n") : NULL;
        if (!type || !body)
            break;
        size_t len = strtoul(length, NULL, 10);
        at = body + 4 + len;
        if (memcmp(type, "conversion", 10) != 0)
            continue;
        struct wm_str want;
        plain_text(body + 4, len, &raw);
        CHECK_OK(wm_utf8_repair(wm_buf_str(&raw), &all.arena, &want, NULL, &help_err), help_err);
        if (n < all.n)
            CHECK_STR(all.docs[n].text, want);
        n++;
    }
    CHECK_(n == all.n && n > 0, "%s: %zu documents, want %zu", path, all.n, n);
    CHECK_U64(all.tally.n_damage, 0);
    help_done(&all);
    wm_buf_done(&raw);
    wm_buf_done(&bytes);
}

static void test_vector_files(void)
{
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/ccnet/e2e", test_vectors());
    DIR *list = opendir(dir);
    if (!list) {
        (void)fprintf(stderr, "no %s: vectors left out\n", dir);
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));) {
        if (!wm_str_ends(wm_str_of(entry->d_name), WM_STR(".warc.wet")))
            continue;
        (void)snprintf(path, sizeof path, "%.2000s/%.250s", dir, entry->d_name);
        check_by_lengths(path);
    }
    (void)closedir(list);
}

int main(void)
{
    help_open();
    test_whole();
    test_corrupt_member();
    test_truncated();
    test_truncated_single();
    test_vector_files();
    help_close();
    return test_summary();
}
