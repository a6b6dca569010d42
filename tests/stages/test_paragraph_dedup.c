/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/dedup_form.h"
#include "stages/hash_set.h"
#include "survey.h"

enum { DOCS_MAX = 64, LINES_MAX = 12 };

/* Five files of one row each. */
static struct wm_inputs five_files(void)
{
    static struct wm_input rows[5];
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++)
        rows[i] = (struct wm_input){.path = names[i], .end = UINT64_MAX};
    return (struct wm_inputs){.rows = rows, .n_rows = 5};
}

/* Survey `texts` (document i is in file files[i], or 0) and apply; f keeps what is left. */
static void run(struct fixture *f, struct survey *s, const char *settings, const char *const *texts,
                const uint32_t *files, size_t n)
{
    struct wm_str strs[DOCS_MAX];
    for (size_t i = 0; i < n; i++)
        strs[i] = wm_str_of(texts[i]);
    struct wm_inputs inputs = five_files();
    survey_init(s);
    fixture_init(f);
    f->inputs = &inputs;
    fixture_add(f, "paragraph-dedup", settings);
    CHECK_OK(fixture_open(f), f->err);
    fixture_fill(f, strs, n);
    for (size_t i = 0; i < n; i++)
        f->batch.docs[i].key.file = files ? files[i] : 0;
    survey_batch(s, f, 0);
    survey_reduce(s, f, 0);
    fixture_apply(f);
}

static void done(struct fixture *f, struct survey *s)
{
    fixture_done(f);
    survey_done(s);
}

/* What becomes of documents, one string for each; NULL = dropped as duplicate. */
static void check(const char *settings, const char *const *texts, const char *const *wants,
                  const uint32_t *files, size_t n)
{
    struct fixture f;
    struct survey s;
    run(&f, &s, settings, texts, files, n);
    size_t kept = 0, dropped = 0;
    for (size_t i = 0; i < n; i++) {
        if (wants[i]) {
            CHECK_(kept < f.batch.n_docs && f.batch.docs[kept].key.record == i,
                   "%s: document %zu was dropped", settings, i);
            if (kept < f.batch.n_docs)
                CHECK_STR(f.batch.docs[kept].text, wm_str_of(wants[i]));
            kept++;
        } else {
            CHECK(dropped < f.dropped.n && f.dropped.docs[dropped].drop == 1);
            dropped++;
        }
    }
    CHECK_U64(f.batch.n_docs, kept);
    done(&f, &s);
}

static void check_modes(void)
{
    static const char *const texts[] = {"menu\nalpha\nbeta\nalpha", "«MENU»\ngamma", "menu", "",
                                        "only here"};
    static const char *const none[] = {"alpha\nbeta", "gamma", NULL, "", "only here"};
    static const char *const first[] = {"menu\nalpha\nbeta", "gamma", NULL, "", "only here"};
    static const uint32_t files[] = {0, 1, 2, 3, 4};
    check("keep=none", texts, none, NULL, 5);
    check("keep=first", texts, first, NULL, 5);
    check("keep=none", texts, none, files, 5);
    check("scope=all;profile=strict", texts, none, files, 5);
}

/* Digits of the Kawi script came with Unicode 15.0: only from then on are these lines the same. */
static void check_unicode(void)
{
    static const char *const texts[] = {"a\npage \U00011F52", "b\npage \U00011F53", "c\npage 7"};
    static const char *const digits[] = {"a", "b", "c"};
    check("keep=none", texts, digits, NULL, 3);
    check("unicode=15.0", texts, digits, NULL, 3);
    check("unicode=14.0", texts, texts, NULL, 3);
    check("profile=ccnet;scope=all", texts, texts, NULL, 3);
    check("profile=ccnet;scope=all;unicode=15.0", texts, digits, NULL, 3);
}

static void check_groups(void)
{
    static const char *const texts[] = {"menu\nalpha\nbeta\nalpha", "«MENU»\ngamma", "menu", "x",
                                        "only here"};
    static const char *const none[] = {"alpha\nbeta", "gamma", NULL, "x", "only here"};
    static const char *const two[] = {"alpha\nbeta", "gamma", "menu", "x", "only here"};
    static const char *const alone[] = {"menu\nalpha\nbeta", "«MENU»\ngamma", "menu", "x",
                                        "only here"};
    static const uint32_t files[] = {0, 1, 2, 3, 4};
    check("scope=groups;shards=5;group_shards=2", texts, two, files, 5);
    check("scope=groups;shards=5;group_shards=2;keep=first", texts,
          (const char *const[]){"menu\nalpha\nbeta", "gamma", "menu", "x", "only here"}, files, 5);
    check("scope=groups;shards=5;group_shards=5", texts, none, files, 5);
    check("scope=groups;shards=1600", texts, alone, files, 5); /* five shards far apart */
    check("scope=groups;shards=5;group_shards=1", texts, alone, files, 5);
    check("profile=ccnet;shards=5;group_shards=1", texts, alone, files, 5);
    check("profile=ccnet;scope=all", texts, none, files, 5);
    /* 5 files in 2 shards: 0 1 | 2 3 4 */
    check("scope=groups;shards=2;group_shards=1", texts, two, files, 5);
    static const uint32_t beyond[] = {0, 1, 4, 3, 77}; /* 77 is as the last */
    check("scope=groups;shards=2;group_shards=1",
          (const char *const[]){"u", "menu", "menu", "x", "menu"},
          (const char *const[]){"u", "menu", NULL, "x", NULL}, beyond, 5);
}

/* Every shard has the files CCNet gives it, and ranges of a file stay together. */
static void check_cut(void)
{
    static const uint64_t counts[][2] = {{1, 1}, {5, 2}, {5, 3}, {7, 7}, {10, 16}, {4000, 1600}};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        uint64_t n = counts[c][0], shards = counts[c][1];
        struct wm_input *rows = calloc(2 * n, sizeof *rows);
        char(*names)[32] = calloc(n, sizeof *names);
        struct wm_error err;
        uint32_t *groups = NULL;
        for (size_t i = 0; i < 2 * n; i++) {
            (void)snprintf(names[i / 2], sizeof *names, "%zu", i / 2);
            rows[i] = (struct wm_input){.path = names[i / 2], .start = i % 2 ? 1000 : 0};
        }
        struct wm_inputs inputs = {.rows = rows, .n_rows = (uint32_t)(2 * n)};
        CHECK_OK(wm_dedup_groups(&inputs, shards, 1, &groups, &err), err);
        size_t wrong = 0;
        for (uint64_t s = 0; s < shards; s++)
            for (uint64_t f = s * n / shards; f < (s + 1) * n / shards; f++)
                wrong += groups[2 * f] != s || groups[2 * f + 1] != s;
        CHECK_U64(wrong, 0);
        free(groups);
        free(names);
        free(rows);
    }
}

/* As cc_net: blank lines count, and nothing is tidied. */
static void check_ccnet(void)
{
    static const char *const texts[] = {
        "one\n\ntwo\n\nthree", "four\n\nfive", "six\n***\nSix\n***", "ONE", "", "seven"};
    static const char *const none[] = {"two\nthree", "four\nfive", "six\n***", NULL, NULL, "seven"};
    static const char *const first[] = {
        "one\n\ntwo\nthree", "four\nfive", "six\n***", NULL, NULL, "seven"};
    struct fixture f;
    struct survey s;
    const char *const *wants[] = {none, first};
    for (size_t k = 0; k < 2; k++) {
        run(&f, &s, k ? "profile=ccnet;keep=first" : "profile=ccnet", texts, NULL, 6);
        size_t kept = 0;
        for (size_t i = 0; i < 6; i++)
            if (wants[k][i] && kept < f.batch.n_docs)
                CHECK_STR(f.batch.docs[kept++].text, wm_str_of(wants[k][i]));
        CHECK_U64(f.batch.n_docs, 4);
        CHECK_U64(f.dropped.n, 2);
        const char *const *reasons = f.chain.links[0].stage->reasons;
        CHECK(strcmp(reasons[f.dropped.docs[0].drop - 1], "duplicate") == 0);
        CHECK(strcmp(reasons[f.dropped.docs[1].drop - 1], "no-text") == 0);
        done(&f, &s);
    }
}

static void check_lines(void)
{
    static const char *const texts[] = {
        "x y\n\nShared\n\nz",         /* blank lines that meet become one */
        "shared\n\ntext\n\nSHARED\n", /* none is left at the ends */
        "\n\n»»\nown\n\n\nwords\n\n", /* nothing dropped: as it was */
        "Shared\n»»\n\n",             /* all that counts is gone */
        "»»\n\n——",                   /* nothing counts */
    };
    static const char *const wants[] = {"x y\n\nz", "text", "\n\n»»\nown\n\n\nwords\n\n", NULL,
                                        "»»\n\n——"};
    check("keep=none", texts, wants, NULL, 5);
    static const char *const short_texts[] = {"ab\nabcdef\nab", "ab\nabcdef\nx", "ab\nown line"};
    static const char *const short_wants[] = {NULL, NULL, "ab\nown line"};
    check("min_line=3", short_texts, short_wants, NULL, 3);
}

static void check_limits(void)
{
    struct fixture f;
    struct survey s;
    static const char *const texts[] = {"shared line\nab", "shared line\nabc", "1\n2\n3\n4\n5"};
    run(&f, &s, "min_characters=3;max_lines=4", texts, NULL, 3);
    CHECK_U64(f.batch.n_docs, 1);
    CHECK_STR(f.batch.docs[0].text, WM_STR("abc"));
    CHECK_U64(f.dropped.n, 2);
    CHECK(strcmp(f.chain.links[0].stage->reasons[f.dropped.docs[0].drop - 1], "too-short") == 0);
    CHECK(strcmp(f.chain.links[0].stage->reasons[f.dropped.docs[1].drop - 1], "too-many-lines") ==
          0);
    done(&f, &s);

    fixture_one(&f, "paragraph-dedup", NULL);
    fixture_fill(&f, &WM_STR("a"), 1);
    CHECK_FAILS(
        f.chain.links[0].stage->apply(f.chain.links[0].shared, f.locals.items[0], &f.batch, &f.err),
        WM_E_FORMAT, f.err, "not loaded");
    fixture_done(&f);
}

/* A key that does not fit its record is told apart from no other: the document goes. */
static void check_key_limit(void)
{
    struct fixture f;
    struct survey s;
    struct wm_str texts[] = {WM_STR("a"), WM_STR("b"), WM_STR("c")};
    for (size_t k = 0; k < 2; k++) {
        survey_init(&s);
        fixture_one(&f, "paragraph-dedup", k ? "keep=none" : "keep=first");
        fixture_fill(&f, texts, 3);
        f.batch.docs[0].key = (struct wm_key){UINT32_MAX, ((uint64_t)1 << 40) - 1, (1 << 24) - 1};
        f.batch.docs[1].key.record = (uint64_t)1 << 40;
        f.batch.docs[2].key.part = 1 << 24;
        survey_batch(&s, &f, 0);
        survey_reduce(&s, &f, 0);
        fixture_apply(&f);
        CHECK_U64(f.batch.n_docs, k ? 3 : 1);
        for (size_t i = 0; i < f.dropped.n; i++)
            CHECK(strcmp(f.chain.links[0].stage->reasons[f.dropped.docs[i].drop - 1],
                         "key-too-large") == 0);
        done(&f, &s);
    }
}

/* ---- hash sets ---- */

/* The hashes of all lines of `texts` as a set at `path`. */
static void save_hashes(const char *settings, const char *const *texts, size_t n, const char *path)
{
    struct fixture f;
    struct survey s;
    struct wm_str strs[DOCS_MAX];
    struct wm_hash_set_out *out;
    uint64_t n_hashes;
    for (size_t i = 0; i < n; i++)
        strs[i] = wm_str_of(texts[i]);
    survey_init(&s);
    fixture_init(&f);
    fixture_add(&f, "paragraph-dedup", settings);
    struct wm_hash_kind kind = wm_dedup_collect(f.chain.links[0].shared);
    CHECK_OK(fixture_open(&f), f.err);
    fixture_fill(&f, strs, n);
    survey_batch(&s, &f, 0);
    survey_reduce(&s, &f, 0);
    CHECK_OK(wm_hash_set_out_open(path, &kind, &out, &f.err), f.err);
    for (unsigned p = 0; p < WM_PARTITIONS; p++)
        CHECK_OK(wm_hash_set_out_add(out, s.tables[p].records, (size_t)s.tables[p].n, &f.err),
                 f.err);
    CHECK_OK(wm_hash_set_out_commit(out, &n_hashes, &f.err), f.err);
    done(&f, &s);
}

/* Old documents, then new ones against the saved hashes of the old: as both at once. */
static void check_known(void)
{
    static const char *const old[] = {"menu\nalpha", "beta\nbeta\nmenu", "***"};
    static const char *const texts[] = {"menu\nnew", "***\nother\nnew", "alpha\nbeta"};
    static const char *const first[] = {"new", "other", NULL};
    static const char *const none[] = {NULL, "other", NULL};
    char first_known[80], none_known[80], both[160];
    struct fixture f;
    struct wm_error err;
    uint64_t n;
    save_hashes("keep=first", old, 2, "old.hashes");
    save_hashes("keep=none", old + 2, 1, "old2.hashes");
    (void)snprintf(first_known, sizeof first_known, "keep=first;known=old.hashes,old2.hashes");
    (void)snprintf(none_known, sizeof none_known, "keep=none;known=old.hashes,old2.hashes");
    check(first_known, texts, first, NULL, 3);
    check(none_known, texts, none, NULL, 3);
    const char *two[] = {"old.hashes", "old2.hashes", "old.hashes"};
    CHECK_OK(wm_hash_set_merge(two, 3, "all.hashes", &n, &err), err);
    CHECK_U64(n, 4);
    check("keep=first;known=all.hashes", texts, first, NULL, 3);

    static const char *const kinds[] = {"profile=ccnet", "unicode=14.0"};
    for (size_t i = 0; i < 2; i++) {
        fixture_init(&f);
        (void)snprintf(both, sizeof both, "%s;known=all.hashes", kinds[i]);
        fixture_add(&f, "paragraph-dedup", both);
        CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "strict, Unicode 15.0");
        CHECK_(strstr(f.err.what, i ? "Unicode 14.0" : "sha1-8") != NULL, "%s", f.err.what);
        CHECK(strstr(f.err.where, "all.hashes") != NULL);
        fixture_done(&f);
    }
    save_hashes("profile=ccnet", old, 2, "old2.hashes");
    CHECK_FAILS(wm_hash_set_merge(two, 2, "all.hashes", &n, &err), WM_E_CONFIG, err, "ccnet");
    for (size_t i = 0; i < 2; i++)
        CHECK_OK(wm_remove(two[i], &err), err);
    CHECK_OK(wm_remove("all.hashes", &err), err);
}

/* Random documents against a search through all of them. */
struct page {
    int lines[LINES_MAX];
    size_t n;
};

static bool has_line(const struct page *p, size_t n, int line)
{
    for (size_t i = 0; i < n; i++)
        if (p->lines[i] == line)
            return true;
    return false;
}

static bool stays(const struct page *pages, size_t n, size_t page, size_t line, bool first)
{
    int what = pages[page].lines[line];
    for (size_t i = 0; i < n; i++)
        if (i != page && (!first || i < page) && has_line(&pages[i], pages[i].n, what))
            return false;
    return !has_line(&pages[page], line, what);
}

static void check_random(uint32_t seed, bool first)
{
    struct page pages[DOCS_MAX];
    static char texts[DOCS_MAX][LINES_MAX * 16], wants[DOCS_MAX][LINES_MAX * 16];
    const char *text_list[DOCS_MAX], *want_list[DOCS_MAX];
    for (size_t i = 0; i < DOCS_MAX; i++) {
        struct page *p = &pages[i];
        size_t len = 0;
        for (p->n = 0; p->n <= (seed >> 8) % LINES_MAX && p->n < LINES_MAX; p->n++) {
            seed = seed * 1664525U + 1013904223U;
            p->lines[p->n] = (int)((seed >> 16) % 300);
            int v = p->lines[p->n];
            len += (size_t)snprintf(texts[i] + len, sizeof texts[i] - len, "%s %c%c %c",
                                    p->n ? "\nLine»" : "line", 'a' + v % 26, 'a' + v / 26,
                                    seed % 2 ? 'x' : 'X');
        }
        text_list[i] = texts[i];
    }
    for (size_t i = 0; i < DOCS_MAX; i++) {
        size_t len = 0;
        struct wm_str rest = wm_str_of(texts[i]);
        for (size_t k = 0; k < pages[i].n; k++) {
            struct wm_str line = wm_str_line(&rest);
            if (stays(pages, DOCS_MAX, i, k, first))
                len += (size_t)snprintf(wants[i] + len, sizeof wants[i] - len, "%s%.*s",
                                        len ? "\n" : "", (int)line.len, line.ptr);
        }
        want_list[i] = len ? wants[i] : NULL;
    }
    check(first ? "keep=first" : "keep=none", text_list, want_list, NULL, DOCS_MAX);
}

/* Which run or batch a document was surveyed in makes no difference. */
static void check_order(void)
{
    struct fixture f;
    struct survey s;
    struct wm_str texts[] = {WM_STR("a\nb"), WM_STR("b\nc"), WM_STR("c\nd")};
    survey_init(&s);
    fixture_one(&f, "paragraph-dedup", "keep=first");
    for (size_t i = 3; i-- > 0;) {
        fixture_fill(&f, &texts[i], 1);
        f.batch.docs[0].key.record = i;
        survey_batch(&s, &f, 0);
    }
    survey_reduce(&s, &f, 0);
    fixture_fill(&f, texts, 3);
    fixture_apply(&f);
    CHECK_U64(f.batch.n_docs, 3);
    CHECK_STR(f.batch.docs[0].text, WM_STR("a\nb"));
    CHECK_STR(f.batch.docs[1].text, WM_STR("c"));
    CHECK_STR(f.batch.docs[2].text, WM_STR("d"));
    done(&f, &s);
}

int main(void)
{
    check_modes();
    check_unicode();
    check_groups();
    check_cut();
    check_ccnet();
    check_key_limit();
    check_known();
    check_lines();
    check_limits();
    check_order();
    for (uint32_t seed = 1; seed <= 20; seed++)
        check_random(seed * 7919, seed % 2);
    return test_summary();
}
