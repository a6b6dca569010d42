/* SPDX-License-Identifier: Apache-2.0 */
/* A stage whose output changes needs a new version, or finished work would be taken for up to date.
 * If this test fails, raise the stage's version and record the new hash beside it. (Another release
 * of ICU may change it as well: it is part of the identity of a step already.) */
#include <xxhash.h>

#include "survey.h"

static const struct {
    const char *stage, *settings;
    unsigned version;
    uint64_t hash;
} golden[] = {
    {"language", "min_score=0.3;model=" WM_SOURCE_DIR "/samples/lid.176.ftz", 1,
     UINT64_C(0x56FB64A2E08C8A3A)},
    {"language", "profile=ccnet;min_score=0.3;model=" WM_SOURCE_DIR "/samples/lid.176.ftz", 1,
     UINT64_C(0x4171A3A5CBDFDD28)},
    {"length", "min_characters=80;max_words=60;min_lines=2", 1, UINT64_C(0xEA31E1A48A6BAB8)},
    {"line-repeat", "min_line=4;max_share=0.2", 1, UINT64_C(0x2D48327473489D75)},
    {"normalize", NULL, 1, UINT64_C(0xB4D449736DF5BA84)},
    {"normalize", "form=nfkc;white_space=trim;blank_lines=drop", 1, UINT64_C(0x375F8659F811C5CD)},
    {"paragraph-dedup", "keep=none", 2, UINT64_C(0xDD28959CB931B89E)},
    {"paragraph-dedup", "profile=ccnet", 2, UINT64_C(0x45B2FF7703F61E16)},
    {"paragraph-dedup", "keep=first;min_line=12;min_characters=40", 2,
     UINT64_C(0xD1550FEB7D3C1B57)},
    {"symbols", "max_symbols=0.1;max_digits=0.05;max_short_lines=0.6", 1,
     UINT64_C(0x8806FCB062EF097)},
};

enum { DOCS = 60, LINES = 12, TEXT_MAX = 4096 };

/* Pages of twelve lines out of these, in an order of their own. */
static const char *const lines[] = {
    "The quick brown fox jumps over the lazy dog, and then it rests.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le renard brun saute par-dessus le chien paresseux; puis il dort.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "敏捷的棕色狐狸跳过懒狗，然后休息。",
    "Home | Products | Contact",
    "home | products | contact!",
    "\u00A9 2024  All rights\u00A0reserved.\u200B",
    "Tel. 0123 456 789, Fax 0123 456 780",
    "",
    "   ",
    "cafe\u0301 \uFB01ne \uFF21\uFF22\uFF23 \u212B",
    "*** *** ***",
    "می\u200Cخواهم به خانه بروم",
    "if (x == 0x1F) { return y[i++] & ~mask; }\t",
    "A short one.",
};

static void make_texts(char (*bytes)[TEXT_MAX], struct wm_str *texts)
{
    uint32_t seed = 2024;
    for (size_t i = 0; i < DOCS; i++) {
        size_t len = 0;
        uint32_t kind = (uint32_t)i % 5; /* pages of mostly one language */
        for (int k = 0; k < LINES; k++) {
            seed = seed * 1664525U + 1013904223U;
            uint32_t pick = seed >> 28;
            const char *line = lines[k % 2 && i % 3 ? kind : pick];
            len += (size_t)snprintf(bytes[i] + len, TEXT_MAX - len, "%s%s", k ? "\n" : "", line);
        }
        if (i % 2)
            len += (size_t)snprintf(bytes[i] + len, TEXT_MAX - len, "\nOnly page %c%c says this.",
                                    (int)('a' + i % 26), (int)('a' + i / 26));
        texts[i] = (struct wm_str){bytes[i], len};
    }
}

static uint64_t hash_of(const struct fixture *f)
{
    XXH3_state_t *state = XXH3_createState();
    (void)XXH3_64bits_reset(state);
    for (size_t i = 0; i < f->batch.n_docs; i++) {
        const struct wm_doc *doc = &f->batch.docs[i];
        (void)XXH3_64bits_update(state, &doc->key.record, sizeof doc->key.record);
        (void)XXH3_64bits_update(state, doc->text.ptr, doc->text.len);
        for (size_t c = 0; c < f->chain.schema.n; c++) {
            char shown[64];
            int n = f->chain.schema.columns[c].type == WM_COLUMN_TEXT
                        ? snprintf(shown, sizeof shown, "%.*s", (int)doc->values[c].text.len,
                                   doc->values[c].text.ptr)
                        : snprintf(shown, sizeof shown, "%.2f", doc->values[c].real);
            (void)XXH3_64bits_update(state, shown, (size_t)n);
        }
    }
    for (size_t i = 0; i < f->dropped.n; i++) {
        const struct wm_doc *doc = &f->dropped.docs[i];
        const char *reason = f->chain.links[0].stage->reasons[doc->drop - 1];
        (void)XXH3_64bits_update(state, reason, strlen(reason));
    }
    uint64_t hash = XXH3_64bits_digest(state);
    (void)XXH3_freeState(state);
    return hash;
}

int main(void)
{
    static char bytes[DOCS][TEXT_MAX];
    struct wm_str texts[DOCS];
    make_texts(bytes, texts);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct fixture f;
        struct survey s;
        survey_init(&s);
        fixture_one(&f, golden[i].stage, golden[i].settings);
        fixture_fill(&f, texts, DOCS);
        if (f.chain.links[0].stage->survey) {
            survey_batch(&s, &f, 0);
            survey_reduce(&s, &f, 0);
        }
        fixture_apply(&f);
        uint64_t hash = hash_of(&f);
        CHECK_(hash == golden[i].hash, "%s %s: the output's hash is %#" PRIx64 ", %zu kept",
               golden[i].stage, golden[i].settings ? golden[i].settings : "", hash, f.batch.n_docs);
        CHECK_U64(f.chain.links[0].stage->version, golden[i].version);
        CHECK(f.batch.n_docs > 0);
        fixture_done(&f);
        survey_done(&s);
    }
    return test_summary();
}
