/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/unicode_normal.c stages/clean_line.c stages/normalize.c */
/* Normal forms of any text are ICU's; and the stage gives lines that are valid, as many as its map
 * says. Two bytes of options, then the text. */
#include <stdlib.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "pipeline/chain.h"
#include "pipeline/tally.h"
#include "wetmill/unicode.h"
#include "wetmill/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 16 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_form(enum wm_normal_form form, struct wm_str text)
{
    static UChar in[TEXT_MAX], out[18 * TEXT_MAX];
    static char want[54 * TEXT_MAX];
    UErrorCode code = U_ZERO_ERROR;
    int32_t n = 0, len = 0;
    const UNormalizer2 *icu =
        form == WM_FORM_NFC ? unorm2_getNFCInstance(&code) : unorm2_getNFKCInstance(&code);
    (void)u_strFromUTF8(in, TEXT_MAX, &n, text.ptr, (int32_t)text.len, &code);
    n = unorm2_normalize(icu, in, n, out, 18 * TEXT_MAX, &code);
    (void)u_strToUTF8(want, sizeof want, &len, out, n, &code);
    check(U_SUCCESS(code));

    struct wm_normaliser normaliser = {0};
    struct wm_error err;
    struct wm_buf got;
    wm_buf_init(&got, SIZE_MAX);
    check(wm_normalise(&normaliser, form, text, &got, &err) == 0);
    check(wm_str_eq(wm_buf_str(&got), (struct wm_str){want, (size_t)len}));
    size_t prefix = wm_normal_prefix(form, text);
    check(prefix <= got.len && (!prefix || memcmp(got.ptr, text.ptr, prefix) == 0));
    wm_buf_done(&got);
    wm_normaliser_done(&normaliser);
}

static void set(const struct wm_stage *stage, void *shared, const char *name, const char *value)
{
    struct wm_error err;
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 10);
    const struct wm_option *option = wm_option_find(stage->options, wm_str_of(name));
    check(option && wm_option_set(option, shared, wm_str_of(value), &arena, &err) == 0);
    wm_arena_done(&arena);
}

static void set_options(const struct wm_stage *stage, void *shared, unsigned bits)
{
    static const char *const forms[] = {"nfc", "nfkc", "none", "nfc"};
    static const char *const joiners[] = {"where-used", "keep", "remove", "keep"};
    static const char *const spaces[] = {"collapse", "trim", "keep", "trim"};
    static const char *const blanks[] = {"collapse", "drop", "keep", "drop"};
    set(stage, shared, "form", forms[bits & 3]);
    set(stage, shared, "joiners", joiners[bits >> 2 & 3]);
    set(stage, shared, "white_space", spaces[bits >> 4 & 3]);
    set(stage, shared, "blank_lines", blanks[bits >> 6 & 3]);
    set(stage, shared, "controls", bits >> 8 & 1 ? "no" : "yes");
    set(stage, shared, "invisible", bits >> 9 & 1 ? "no" : "yes");
}

static void make_document(struct wm_batch *batch, struct wm_str text)
{
    struct wm_doc *doc = wm_arena_alloc(&batch->arena, 1, sizeof *doc);
    check(doc != NULL);
    *doc = (struct wm_doc){.text = text, .source_lines = (uint32_t)wm_line_count(text)};
    doc->lines.runs = wm_arena_alloc(&batch->arena, 1, sizeof *doc->lines.runs);
    doc->values = wm_arena_alloc(&batch->arena, WM_COLUMNS_MAX, sizeof *doc->values);
    check(doc->lines.runs && doc->values);
    doc->lines.runs[0] = (struct wm_line_run){0, doc->source_lines};
    doc->lines.n_runs = 1;
    batch->docs = doc;
    batch->n_docs = 1;
}

static void check_stage(unsigned bits, struct wm_str text)
{
    const struct wm_stage *stage = wm_stage_find(WM_STR("normalize"));
    struct wm_chain chain;
    struct wm_locals locals = {0};
    struct wm_link_tally *links = NULL;
    struct wm_batch batch = {0};
    struct wm_error err;
    void *shared;
    wm_arena_init(&batch.arena, (size_t)1 << 30);
    wm_arena_init(&batch.scratch, (size_t)1 << 30);
    wm_chain_init(&chain);
    check(wm_chain_add(&chain, stage, &shared, &err) == 0);
    set_options(stage, shared, bits);
    check(wm_chain_open(&chain, 1, NULL, &err) == 0 &&
          wm_locals_open(&locals, &chain, 1, &err) == 0 && wm_links_new(&chain, &links, &err) == 0);
    make_document(&batch, text);
    check(wm_chain_apply(&locals, 1, &batch, links, NULL, &err) == 0);
    if (batch.n_docs) {
        const struct wm_doc *doc = &batch.docs[0];
        uint64_t lines = 0;
        for (size_t i = 0; i < doc->lines.n_runs; i++)
            lines += doc->lines.runs[i].count;
        check(wm_utf8_valid(doc->text) && lines == wm_line_count(doc->text));
    }
    wm_locals_close(&locals);
    wm_chain_close(&chain);
    free(links);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_arena arena;
    struct wm_str text;
    if (size < 2 || size - 2 > TEXT_MAX / 3) /* a byte that is repaired becomes three */
        return 0;
    unsigned bits = (unsigned)data[0] | (unsigned)data[1] << 8;
    wm_arena_init(&arena, 1 << 24);
    struct wm_str bytes = {(const char *)data + 2, size - 2};
    check(wm_utf8_repair(bytes, &arena, &text, NULL, &err) == 0);
    check_form(WM_FORM_NFC, text);
    check_form(WM_FORM_NFKC, text);
    check_stage(bits, text);
    wm_arena_done(&arena);
    return 0;
}
