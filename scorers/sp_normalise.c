/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece's normaliser. At each place the first of these that applies is taken: the longest
 * user-defined symbol, the longest rule of the character map, the character as it is, U+FFFD for
 * one byte. The map is {u32 bytes of the trie, trie, replacements that end with NUL}; the trie is a
 * Darts-clone double array whose values are offsets into the replacements. Its offsets come from
 * the file: every one is checked where it is followed, and one that leads outside is no rule.
 *
 * Darts-clone unit: bits 0–7 label, 8 "a value hangs here", 9 offset is in blocks of 256, 10–31
 * offset; a value has bit 31 set.
 */
#include <stdlib.h>

#include "scorers/sp_model.h"
#include "wetmill/utf8.h"

static const char REPLACEMENT_CHARACTER[] = "\xEF\xBF\xBD";

static uint32_t load_unit(const struct wm_sp_normaliser *n, size_t i)
{
    uint32_t unit;
    memcpy(&unit, n->charsmap + i * sizeof unit, sizeof unit);
    return unit;
}

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}

/* Where the root's children are looked for. */
static size_t root_of(const struct wm_sp_normaliser *n)
{
    return n->n_units ? offset_of(load_unit(n, 0)) : SIZE_MAX;
}

/* From `*at` over byte `c`; false if no rule goes on so. `*ret_rule` is the value that hangs there,
 * or NULL. */
static bool step(const struct wm_sp_normaliser *n, size_t *at, unsigned char c,
                 const char **ret_rule)
{
    size_t to = *at ^ c;
    if (to >= n->n_units)
        return false;
    uint32_t unit = load_unit(n, to);
    if ((unit & (1U << 31 | 0xFF)) != c)
        return false;
    to ^= offset_of(unit);
    *at = to;
    *ret_rule = NULL;
    if ((unit & 1U << 8) && to < n->n_units) {
        size_t value = load_unit(n, to) & ~(1U << 31);
        if (value < n->replacement_bytes)
            *ret_rule = n->replacements + value;
    }
    return true;
}

/* Bytes of the longest rule that `text` [len] starts with, or 0. */
static size_t find_rule(const struct wm_sp_normaliser *n, const char *text, size_t len,
                        const char **ret)
{
    const char *rule = NULL;
    size_t longest = 0, at = root_of(n);
    for (size_t i = 0; i < len && step(n, &at, (unsigned char)text[i], &rule); i++)
        if (rule) {
            longest = i + 1;
            *ret = rule;
        }
    return longest;
}

int wm_sp_charsmap_take(struct wm_str charsmap, struct wm_sp_normaliser *n, struct wm_error *err)
{
    uint32_t trie_bytes = 0;
    if (charsmap.len == 0)
        return 0;
    if (charsmap.len > sizeof trie_bytes)
        memcpy(&trie_bytes, charsmap.ptr, sizeof trie_bytes);
    size_t left = charsmap.len - sizeof trie_bytes;
    if (charsmap.len <= sizeof trie_bytes || trie_bytes >= left || trie_bytes % 4)
        return wm_fail(err, WM_E_FORMAT, "the character map has %zu bytes, its trie %u",
                       charsmap.len, trie_bytes);
    n->charsmap = wm_sp_alloc(left + 1, 1, "character map", err);
    if (!n->charsmap)
        return WM_E_NOMEM;
    memcpy(n->charsmap, charsmap.ptr + sizeof trie_bytes, left);
    n->n_units = trie_bytes / sizeof(uint32_t);
    n->replacements = n->charsmap + trie_bytes;
    n->replacement_bytes = left - trie_bytes + 1;
    for (size_t i = 0; i < n->replacement_bytes;) {
        size_t len = strlen(n->replacements + i);
        if (len > WM_SP_MAX_REPLACEMENT)
            return wm_fail(err, WM_E_LIMIT,
                           "a rule of the character map writes %zu bytes, want "
                           "at most %d",
                           len, WM_SP_MAX_REPLACEMENT);
        i += len + 1;
    }
    return 0;
}

static void classify(struct wm_sp_normaliser *n, unsigned char c)
{
    const char *rule = NULL;
    size_t at = root_of(n), next;
    bool special = n->user_first[c];
    n->classes[c] = c == ' ' ? WM_SP_BLANK : WM_SP_PLAIN;
    n->joins[c] = false;
    if (step(n, &at, c, &rule)) {
        special = special || rule;
        for (unsigned d = 0; d < 256; d++) {
            next = at;
            if (!step(n, &next, (unsigned char)d, &rule))
                continue;
            if (d < 128)
                special = true;
            else
                n->joins[c] = true;
        }
    }
    if (special)
        n->classes[c] = WM_SP_SPECIAL;
}

void wm_sp_normaliser_prepare(struct wm_sp_normaliser *n)
{
    memset(n->classes, WM_SP_SPECIAL, sizeof n->classes);
    n->graphic_is_plain = true;
    for (unsigned c = 0; c < 128; c++) {
        classify(n, (unsigned char)c);
        if (c > ' ' && c < 0x7F && n->classes[c] != WM_SP_PLAIN)
            n->graphic_is_plain = false;
    }
}

void wm_sp_normaliser_done(struct wm_sp_normaliser *n)
{
    free(n->charsmap);
    n->charsmap = NULL;
}

/* ---- texts ---- */

/* What a text goes through. Room is kept for three bytes a byte still to come ("▁" for " "). */
struct run {
    const struct wm_sp_normaliser *n;
    const struct wm_sp *symbols;
    const char *at, *end;
    struct wm_sp_scratch *s;
    bool after_space; /* and spaces are to be left out here */
};

static int make_room(struct run *r, size_t more, struct wm_error *err)
{
    struct wm_sp_scratch *s = r->s;
    size_t want = s->text_len + 3 * (more + (size_t)(r->end - r->at) + 2) + WM_SP_PADDING;
    if (s->text_len + 3 * more > WM_SP_MAX_NORMALISED)
        return wm_fail(err, WM_E_LIMIT, "a text of more than %d bytes, normalised",
                       WM_SP_MAX_NORMALISED);
    if (want <= s->text_cap)
        return 0;
    size_t cap = s->text_cap + s->text_cap / 2 > want ? s->text_cap + s->text_cap / 2 : want;
    char *text = realloc(s->text, cap);
    if (!text)
        return wm_fail_nomem(err, cap, "normalised text");
    s->text = text;
    s->text_cap = cap;
    return 0;
}

static void add_space(struct run *r)
{
    struct wm_sp_scratch *s = r->s;
    if (r->n->escape_whitespaces) {
        memcpy(s->text + s->text_len, WM_SP_SPACE, 3);
        s->text_len += 3;
    } else {
        s->text[s->text_len++] = ' ';
    }
}

/* What stands at r->at becomes `*ret`; returns the bytes it takes. */
static size_t prefix(const struct run *r, struct wm_str *ret, bool *ret_is_utf8)
{
    const char *text = r->at, *rule = NULL;
    size_t len = (size_t)(r->end - r->at), used = 0;
    uint32_t code = 0;
    if (r->symbols && r->n->user_first[(unsigned char)*text])
        used = wm_sp_user_defined(r->symbols, text, len, &code);
    if (used) {
        *ret = (struct wm_str){text, used};
        *ret_is_utf8 = wm_utf8_valid(*ret);
        return used;
    }
    used = find_rule(r->n, text, len, &rule);
    if (used) {
        *ret = wm_str_of(rule);
        *ret_is_utf8 = wm_utf8_valid(*ret);
        return used;
    }
    used = wm_utf8_decode((struct wm_str){text, len}, &code);
    *ret_is_utf8 = true;
    /* U+FFFD that is in the text has three bytes; an invalid part may have three as well */
    if (code != WM_UTF8_REPLACEMENT || (used == 3 && memcmp(text, REPLACEMENT_CHARACTER, 3) == 0)) {
        *ret = (struct wm_str){text, used};
        return used;
    }
    *ret = (struct wm_str){REPLACEMENT_CHARACTER, 3};
    return 1;
}

static int special(struct run *r, struct wm_error *err)
{
    struct wm_str now = {0};
    bool is_utf8 = true;
    struct wm_sp_scratch *s = r->s;
    r->at += prefix(r, &now, &is_utf8);
    s->text_is_utf8 = s->text_is_utf8 && is_utf8;
    while (r->after_space && now.len && now.ptr[0] == ' ') {
        now.ptr++;
        now.len--;
    }
    if (now.len == 0)
        return 0;
    int status = make_room(r, now.len, err);
    if (status)
        return status;
    for (size_t i = 0; i < now.len; i++)
        if (now.ptr[i] == ' ')
            add_space(r);
        else
            s->text[s->text_len++] = now.ptr[i];
    r->after_space = r->n->remove_extra_whitespaces && now.ptr[now.len - 1] == ' ';
    return 0;
}

/* Bytes at the start of eight that are from "!" to "~". The lowest flag is right: what is carried or
 * borrowed goes upwards. */
static unsigned count_graphic(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101U, tops = ones << 7;
    uint64_t below = (x - ones * 0x21) & ~x, above = (x + ones) | x;
    uint64_t others = (below | above) & tops;
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The ASCII in front that stands for itself. */
static void plain(struct run *r)
{
    const uint8_t *classes = r->n->classes;
    const char *at = r->at, *end = r->end;
    char *out = r->s->text + r->s->text_len;
    unsigned n = r->n->graphic_is_plain ? 8 : 0;
    while (n == 8 && end - at >= 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        memcpy(out, &eight, sizeof eight); /* there is room for more */
        n = count_graphic(eight);
        at += n;
        out += n;
    }
    while (at < end && classes[(unsigned char)*at] == WM_SP_PLAIN)
        *out++ = *at++;
    if (at < end && (unsigned char)*at >= 0x80 && at > r->at &&
        r->n->joins[(unsigned char)at[-1]]) {
        at--;
        out--;
    }
    if (at > r->at)
        r->after_space = false;
    r->s->text_len = (size_t)(out - r->s->text);
    r->at = at;
}

static int body(struct run *r, struct wm_error *err)
{
    int status = 0;
    while (r->at < r->end && !status) {
        plain(r);
        if (r->at == r->end)
            break;
        bool joins = r->end - r->at > 1 && (unsigned char)r->at[1] >= 0x80;
        if (r->n->classes[(unsigned char)*r->at] != WM_SP_BLANK || joins) {
            status = special(r, err);
            continue;
        }
        if (!r->after_space)
            add_space(r);
        r->after_space = r->n->remove_extra_whitespaces;
        r->at++;
    }
    return status;
}

static void skip_leading_spaces(struct run *r)
{
    struct wm_str now = {0};
    bool is_utf8;
    while (r->at < r->end) {
        size_t used = prefix(r, &now, &is_utf8);
        if (!wm_str_eq(now, WM_STR(" ")))
            break;
        r->at += used;
    }
}

static void drop_trailing_spaces(struct run *r)
{
    struct wm_str space = r->n->escape_whitespaces ? WM_STR(WM_SP_SPACE) : WM_STR(" ");
    struct wm_sp_scratch *s = r->s;
    while (wm_str_ends((struct wm_str){s->text, s->text_len}, space))
        s->text_len -= space.len;
}

int wm_sp_normalise_into(const struct wm_sp_normaliser *n, const struct wm_sp *symbols,
                         struct wm_str text, struct wm_sp_scratch *s, struct wm_error *err)
{
    struct run r = {.n = n, .symbols = symbols, .at = text.ptr, .s = s};
    r.end = text.len ? text.ptr + text.len : text.ptr;
    r.after_space = n->remove_extra_whitespaces;
    s->text_len = 0;
    s->text_is_utf8 = true;
    int status =
        text.len > WM_SP_MAX_NORMALISED
            ? wm_fail(err, WM_E_LIMIT, "a text of more than %d bytes", WM_SP_MAX_NORMALISED)
            : make_room(&r, 0, err);
    if (status)
        return status;
    if (n->remove_extra_whitespaces)
        skip_leading_spaces(&r);
    if (r.at < r.end) {
        if (n->add_dummy_prefix && !n->space_is_suffix)
            add_space(&r);
        status = body(&r, err);
        if (n->remove_extra_whitespaces)
            drop_trailing_spaces(&r);
        if (n->add_dummy_prefix && n->space_is_suffix)
            add_space(&r);
    }
    if (!status && s->text_len > WM_SP_MAX_NORMALISED)
        return wm_fail(err, WM_E_LIMIT, "a text of more than %d bytes, normalised",
                       WM_SP_MAX_NORMALISED);
    if (!status)
        memset(s->text + s->text_len, 0, WM_SP_PADDING);
    return status;
}
