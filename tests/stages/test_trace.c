/* SPDX-License-Identifier: Apache-2.0 */
/* What tracing stands on: for any document and any chain of stages, the final text is what the line
 * map picks from the record's text after all rewriting with nothing dropped. */
#include "survey.h"
#include "wetmill/utf8.h"

enum { DOCS = 40, TEXT_MAX = 4096, ROUNDS = 12 };

static uint64_t seed = 11;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((seed >> 32) * n >> 32);
}

/* Lines of few kinds, so that they repeat; messy ones, so that they change. */
static struct wm_str random_text(char *bytes)
{
    static const char *const pieces[] = {
        "Menu", "menu!",     "  two  words ", "e\u0301", "\u200B",  "\uFEFFx", "\r", "\u2028",
        "\t",   "\u00A0",    "ﬁne",           "Ⅻ",       "9 of 10", "\uFDFA",  "",   "\u0645\u200C",
        "ж",    "\xC2\x85y", "\u1100\u1161",  "***",     "z\x01z"};
    size_t len = 0, n_lines = below(14);
    for (size_t i = 0; i < n_lines; i++) {
        for (uint32_t k = below(4); k > 0; k--) {
            const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
            size_t n = strlen(piece);
            memcpy(bytes + len, piece, n);
            len += n;
        }
        if (below(8))
            bytes[len++] = '\n';
    }
    return (struct wm_str){bytes, len};
}

static void apply_all(struct fixture *f, struct survey *s, const struct wm_str *texts)
{
    for (size_t i = 0; i < f->chain.n; i++) {
        if (!f->chain.links[i].stage->survey)
            continue;
        fixture_fill(f, texts, DOCS);
        CHECK_OK(wm_chain_apply(&f->locals, i, &f->batch, f->links, &f->dropped, &f->err), f->err);
        survey_batch(s, f, i);
        survey_reduce(s, f, i);
    }
    fixture_fill(f, texts, DOCS);
    fixture_apply(f);
}

/* Copies of what was kept, for the batch is used again. */
struct kept {
    size_t document;
    struct wm_str text;
    struct wm_line_map lines;
};

static size_t keep(const struct fixture *f, struct wm_arena *arena, struct kept *kept)
{
    for (size_t i = 0; i < f->batch.n_docs; i++) {
        const struct wm_doc *doc = &f->batch.docs[i];
        kept[i].document = (size_t)doc->key.record;
        kept[i].text = wm_arena_str(arena, doc->text);
        kept[i].lines.n_runs = doc->lines.n_runs;
        kept[i].lines.runs = wm_arena_alloc(arena, doc->lines.n_runs, sizeof *doc->lines.runs);
        memcpy(kept[i].lines.runs, doc->lines.runs, doc->lines.n_runs * sizeof *doc->lines.runs);
    }
    return f->batch.n_docs;
}

static size_t check_chain(struct fixture *f)
{
    static char bytes[DOCS][TEXT_MAX];
    struct wm_str texts[DOCS];
    struct kept kept[DOCS];
    struct survey s;
    struct wm_arena arena;
    survey_init(&s);
    wm_arena_init(&arena, 1 << 24);
    CHECK_OK(fixture_open(f), f->err);
    for (size_t i = 0; i < DOCS; i++)
        texts[i] = random_text(bytes[i]);
    apply_all(f, &s, texts);
    size_t n = keep(f, &arena, kept);
    for (size_t i = 0; i < n; i++) {
        struct wm_str picked = {0};
        fixture_fill(f, &texts[kept[i].document], 1);
        CHECK_OK(wm_chain_rewrite(&f->chain, &f->batch, &f->err), f->err);
        f->batch.rederive = false;
        CHECK(f->batch.n_docs == 1 && !f->batch.docs[0].drop);
        CHECK_U64(wm_line_count(f->batch.docs[0].text), wm_line_count(texts[kept[i].document]));
        CHECK_OK(wm_lines_pick(f->batch.docs[0].text, &kept[i].lines, &arena, &picked, &f->err),
                 f->err);
        CHECK_STR(picked, kept[i].text);
        CHECK(wm_utf8_valid(picked));
    }
    wm_arena_done(&arena);
    fixture_done(f);
    survey_done(&s);
    return n;
}

int main(void)
{
    static const char *const normalisers[] = {NULL, "form=nfkc;blank_lines=drop",
                                              "white_space=trim;blank_lines=keep",
                                              "form=none;white_space=keep"};
    size_t n_kept = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct fixture f;
        fixture_init(&f);
        if (round % 3)
            fixture_add(&f, "normalize", normalisers[round % 4]);
        fixture_add(&f, "length", "min_characters=2");
        fixture_add(&f, "line-repeat", "min_line=1;max_share=0.9");
        fixture_add(&f, "paragraph-dedup", round % 2 ? "keep=first" : "keep=none");
        if (round % 3 != 1)
            fixture_add(&f, "normalize", normalisers[(round + 1) % 4]);
        fixture_add(&f, "symbols", "max_symbols=0.9;max_short_lines=1;max_digits=0.9");
        n_kept += check_chain(&f);
    }
    CHECK(n_kept > 100);
    (void)printf("%zu documents traced\n", n_kept);
    return test_summary();
}
