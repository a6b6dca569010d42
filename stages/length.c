/* SPDX-License-Identifier: Apache-2.0 */
/* length: drop what is too short or too long.
 *
 * Characters are code points, newlines among them (CCNet's default is 300 as well). Words are what
 * white space parts: scripts without it (Chinese, Thai …) have few. Lines are those with anything
 * but white space. The first limit that is passed gives the reason, in the order of the options. */
#include "stages/stages.h"
#include "wetmill/unicode.h"
#include "wetmill/utf8.h"

struct length {
    uint64_t min_characters, max_characters, min_words, max_words, min_lines, max_lines;
};

enum {
    TOO_SHORT,
    TOO_LONG,
    TOO_FEW_WORDS,
    TOO_MANY_WORDS,
    TOO_FEW_LINES,
    TOO_MANY_LINES,
    NO_REASON
};

struct counts {
    uint64_t characters, words, lines;
};

static struct counts count(const struct wm_unicode *u, struct wm_str text)
{
    struct counts n = {0};
    bool in_word = false, in_line = false;
    while (text.len) {
        uint32_t c = wm_utf8_next(&text);
        bool space = c == '\n' || wm_char_is_space(wm_unicode_entry(u, c));
        n.characters++;
        n.words += !space && !in_word;
        n.lines += !space && !in_line;
        in_word = !space;
        in_line = !space || (in_line && c != '\n');
    }
    return n;
}

static unsigned judge(const struct length *cfg, const struct counts *n)
{
    if (n->characters < cfg->min_characters)
        return TOO_SHORT;
    if (cfg->max_characters && n->characters > cfg->max_characters)
        return TOO_LONG;
    if (n->words < cfg->min_words)
        return TOO_FEW_WORDS;
    if (cfg->max_words && n->words > cfg->max_words)
        return TOO_MANY_WORDS;
    if (n->lines < cfg->min_lines)
        return TOO_FEW_LINES;
    if (cfg->max_lines && n->lines > cfg->max_lines)
        return TOO_MANY_LINES;
    return NO_REASON;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct length *cfg = shared;
    const struct wm_unicode *u = wm_unicode();
    bool only_characters = !cfg->min_words && !cfg->max_words && !cfg->min_lines && !cfg->max_lines;
    (void)local;
    if (!u)
        return wm_fail_nomem(err, sizeof *u, "character table");
    for (size_t i = 0; i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        struct counts n =
            only_characters ? (struct counts){wm_utf8_count(doc->text), 0, 0} : count(u, doc->text);
        unsigned reason = judge(cfg, &n);
        if (reason != NO_REASON)
            wm_drop(batch, doc, reason);
    }
    return 0;
}

static int check(void *shared, const struct wm_env *env, struct wm_error *err)
{
    const struct length *cfg = shared;
    const struct {
        const char *what;
        uint64_t least, most;
    } pairs[] = {{"characters", cfg->min_characters, cfg->max_characters},
                 {"words", cfg->min_words, cfg->max_words},
                 {"lines", cfg->min_lines, cfg->max_lines}};
    (void)env;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].most && pairs[i].least > pairs[i].most)
            return wm_fail(err, WM_E_CONFIG, "min_%s %ju is over max_%s %ju: nothing would be left",
                           pairs[i].what, (uintmax_t)pairs[i].least, pairs[i].what,
                           (uintmax_t)pairs[i].most);
    return 0;
}

static const struct wm_option options[] = {
    WM_COUNT(struct length, min_characters, 300, 0, 0, "characters", "drop shorter documents"),
    WM_COUNT(struct length, max_characters, 0, 0, 0, "characters",
             "drop longer documents; 0 = no limit"),
    WM_COUNT(struct length, min_words, 0, 0, 0, "words", "drop documents of fewer words"),
    WM_COUNT(struct length, max_words, 0, 0, 0, "words",
             "drop documents of more words; 0 = no limit"),
    WM_COUNT(struct length, min_lines, 0, 0, 0, "lines",
             "drop documents of fewer lines that are not blank"),
    WM_COUNT(struct length, max_lines, 0, 0, 0, "lines",
             "drop documents of more lines that are not blank; 0 = no limit"),
    {0},
};

const struct wm_stage wm_stage_length = {
    .name = "length",
    .summary = "drop documents that are too short or too long",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .options = options,
    .reasons = (const char *const[]){[TOO_SHORT] = "too-short",
                                     [TOO_LONG] = "too-long",
                                     [TOO_FEW_WORDS] = "too-few-words",
                                     [TOO_MANY_WORDS] = "too-many-words",
                                     [TOO_FEW_LINES] = "too-few-lines",
                                     [TOO_MANY_LINES] = "too-many-lines",
                                     NULL},
    .shared_size = sizeof(struct length),
    .libraries = (const char *const[]){"icu", NULL},
    .open = check,
    .apply = apply,
};
