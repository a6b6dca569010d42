/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/paragraph_key.h"
#include "survey.h"

enum { DOCS_MAX = 64, LINES_MAX = 12 };

/* Survey `texts` (document i is in file files[i], or 0) and apply; f keeps what is left. */
static void run(struct fixture *f, struct survey *s, const char *settings, const char *const *texts,
                const uint32_t *files, size_t n)
{
    struct wm_str strs[DOCS_MAX];
    for (size_t i = 0; i < n; i++)
        strs[i] = wm_str_of(texts[i]);
    survey_init(s);
    fixture_one(f, "paragraph-dedup", settings);
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
    static const char *const texts[] = {"menu\nalpha\nbeta\nalpha", "MENU!\ngamma", "menu", "",
                                        "only here"};
    static const char *const none[] = {"alpha\nbeta", "gamma", NULL, "", "only here"};
    static const char *const first[] = {"menu\nalpha\nbeta", "gamma", NULL, "", "only here"};
    static const uint32_t files[] = {0, 1, 2, 3, 4};
    static const char *const groups[] = {"alpha\nbeta", "gamma", "menu", "", "only here"};
    check("keep=none", texts, none, NULL, 5);
    check("keep=first", texts, first, NULL, 5);
    check("keep=none", texts, none, files, 5);
    check("scope=groups;group_files=2", texts, groups, files, 5);
    check("scope=groups;group_files=5", texts, none, files, 5);
    static const char *const alone[] = {"menu\nalpha\nbeta", "MENU!\ngamma", "menu", "",
                                        "only here"};
    check("scope=groups;group_files=1", texts, alone, files, 5);
}

static void check_lines(void)
{
    static const char *const texts[] = {
        "x y\n\nShared\n\nz",          /* blank lines that meet become one */
        "shared\n\ntext\n\nSHARED.\n", /* none is left at the ends */
        "\n\n***\nown\n\n\nwords\n\n", /* nothing dropped: as it was */
        "Shared\n***\n\n",             /* all that counts is gone */
        "***\n\n---",                  /* nothing counts */
    };
    static const char *const wants[] = {"x y\n\nz", "text", "\n\n***\nown\n\n\nwords\n\n", NULL,
                                        "***\n\n---"};
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

static void check_keys(void)
{
    static const struct {
        const char *line, *left;
    } keys[] = {
        {"", ""},
        {"  \t ", ""},
        {"*-*", ""},
        {" Hello,  World! ", "hello world"},
        {"a - b", "a b"},
        {"12,5 € ２٣", "000 € 00"},
        {"ÄÖÜ Straße ΣΑΣ", "äöü straße σασ"},
        {"\u00AB zero\u200Bwidth\u00AD \u00BB", "zerowidth"},
        {"x\u3000\u00A0y", "x y"},
        {"«A»«B»", "ab"},
        {"Ⅻ½", "ⅻ½"},
    };
    struct wm_error err;
    struct wm_paragraph_hasher *h = NULL;
    CHECK_OK(wm_paragraph_hasher_new(&h, &err), err);
    for (size_t i = 0; h && i < sizeof keys / sizeof *keys; i++) {
        uint64_t hash = 0;
        CHECK_U64(wm_paragraph_key(h, wm_str_of(keys[i].line), &hash), strlen(keys[i].left));
        CHECK_(hash == XXH3_64bits(keys[i].left, strlen(keys[i].left)), "key of \"%s\"",
               keys[i].line);
    }
    for (size_t n = 1000; h && n < 1100; n++) { /* around the size of a chunk, and over it */
        struct wm_str upper = repeated("AbÉ, ", n), lower = repeated("abé ", n);
        uint64_t hash = 0;
        CHECK_U64(wm_paragraph_key(h, upper, &hash), lower.len - 1);
        CHECK_U64(hash, XXH3_64bits(lower.ptr, lower.len - 1));
        CHECK_U64(wm_paragraph_key(h, (struct wm_str){upper.ptr, n}, &hash) > 0, 1);
        forget(upper);
        forget(lower);
    }
    wm_paragraph_hasher_free(h);
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
                                    p->n ? "\nLine," : "line", 'a' + v % 26, 'a' + v / 26,
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
    check_keys();
    check_modes();
    check_lines();
    check_limits();
    check_order();
    for (uint32_t seed = 1; seed <= 20; seed++)
        check_random(seed * 7919, seed % 2);
    return test_summary();
}
