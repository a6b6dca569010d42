/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces by PCRE2; compiled to machine code where that is allowed. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/split.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>

#include "wetmill/buf.h"

/* In the form tokenizer.json carries them. Possessive rewrites circulate; Oniguruma, which Hugging
 * Face matches with, reads some of those differently. */
const char *const bpe_named_patterns[2] = {
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

enum {
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 1 << 20,
    HEAP_LIMIT_KIB = 64 << 10, /* of the interpreter, for one match */
    DEPTH_LIMIT = 100000,
    MATCH_STEPS = 1 << 20, /* of one match, plus MATCH_STEPS_PER_BYTE of text: a run of n blanks */
    MATCH_STEPS_PER_BYTE = 4, /* gives back one at a time what a greedy \s* took */
};

struct bpe_pattern {
    pcre2_code *code;
    bool jit;
    struct wm_str text;
    char bytes[];
};

struct bpe_splitter {
    const struct bpe_pattern *pattern;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
    struct wm_str text;
    size_t done;      /* everything before has been given out */
    size_t search;    /* where the next match may start */
    size_t match_end; /* of the match that starts at done; = done if none waits */
};

/* PCRE2's \s is the property White_Space and U+180E, which has not been a space since Unicode 6.3
 * and is none to Oniguruma and to tiktoken. Write \s and \S as what those mean. */
static int write_spaces_out(struct wm_str text, struct wm_buf *out, struct wm_error *err)
{
    bool quoted = false; /* between \Q and \E */
    int status = 0;
    for (size_t i = 0, used; i < text.len && !status; i += used) {
        bool escape = text.ptr[i] == '\\' && i + 1 < text.len;
        char letter = escape ? text.ptr[i + 1] : '\0';
        used = !escape || (quoted && letter != 'E') ? 1 : letter == 'c' ? 3 : 2;
        used = used > text.len - i ? text.len - i : used; /* \cs is a control character */
        struct wm_str piece = {text.ptr + i, used};
        if (letter == 's' && !quoted)
            piece = WM_STR("\\p{White_Space}");
        if (letter == 'S' && !quoted)
            piece = WM_STR("\\P{White_Space}");
        if (letter == 'Q' || letter == 'E')
            quoted = letter == 'Q';
        status = wm_buf_add(out, piece.ptr, piece.len, err);
    }
    return status;
}

/* Where PCRE2 stopped is a place in what it read; show the words before it. */
static int compile_failed(int code, struct wm_str read, size_t at, struct wm_error *err)
{
    PCRE2_UCHAR words[160];
    size_t from = at > 16 ? at - 16 : 0;
    if (pcre2_get_error_message(code, words, sizeof words) < 0)
        words[0] = '\0';
    return wm_fail(err, WM_E_CONFIG, "split pattern: %s, behind \"%.*s\"", (const char *)words,
                   (int)(at - from), read.ptr + from);
}

static int compile(struct bpe_pattern *pattern, struct wm_error *err)
{
    enum { LONGER = 8 }; /* times, \s written out */
    struct wm_buf read;
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    wm_buf_init(&read, LONGER * pattern->text.len);
    int status = write_spaces_out(pattern->text, &read, err);
    if (!status)
        pattern->code = pcre2_compile((PCRE2_SPTR)read.ptr, read.len, flags, &code, &at, NULL);
    if (!status && !pattern->code)
        status = compile_failed(code, wm_buf_str(&read), at, err);
    wm_buf_done(&read);
    if (status)
        return status;
    /* Refused where writable and executable memory is, and by (*NO_JIT): then interpreted. */
    size_t jit_size = 0;
    pattern->jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0 &&
                   pcre2_pattern_info(pattern->code, PCRE2_INFO_JITSIZE, &jit_size) == 0 &&
                   jit_size > 0;
    return 0;
}

int bpe_pattern_new(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err)
{
    if (text.len == 0)
        return wm_fail(err, WM_E_CONFIG, "split pattern is empty");
    if (text.len > BPE_MAX_PATTERN)
        return wm_fail(err, WM_E_CONFIG, "split pattern has %zu bytes, over the limit of %d",
                       text.len, BPE_MAX_PATTERN);
    struct bpe_pattern *pattern = calloc(1, sizeof *pattern + text.len + 1);
    if (!pattern)
        return wm_fail_nomem(err, sizeof *pattern + text.len, "split pattern");
    memcpy(pattern->bytes, text.ptr, text.len);
    pattern->text = (struct wm_str){pattern->bytes, text.len};
    int status = compile(pattern, err);
    if (status) {
        bpe_pattern_free(pattern);
        return status;
    }
    *ret = pattern;
    return 0;
}

void bpe_pattern_free(struct bpe_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

struct wm_str bpe_pattern_text(const struct bpe_pattern *pattern)
{
    return pattern->text;
}

int bpe_splitter_new(const struct bpe_pattern *pattern, struct bpe_splitter **ret,
                     struct wm_error *err)
{
    struct bpe_splitter *s = calloc(1, sizeof *s);
    if (!s)
        return wm_fail_nomem(err, sizeof *s, "splitter");
    s->pattern = pattern;
    s->match = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    s->limits = pcre2_match_context_create(NULL);
    if (pattern->jit)
        s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!s->match || !s->limits || (pattern->jit && !s->stack)) {
        bpe_splitter_free(s);
        return wm_fail_nomem(err, JIT_STACK_MAX, "splitter");
    }
    (void)pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KIB);
    (void)pcre2_set_depth_limit(s->limits, DEPTH_LIMIT);
    pcre2_jit_stack_assign(s->limits, NULL, s->stack);
    *ret = s;
    return 0;
}

void bpe_splitter_free(struct bpe_splitter *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

void bpe_split(struct bpe_splitter *s, struct wm_str text)
{
    s->text = text;
    s->done = s->search = s->match_end = 0;
    uint64_t steps = MATCH_STEPS + (uint64_t)MATCH_STEPS_PER_BYTE * text.len;
    (void)pcre2_set_match_limit(s->limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
}

static int match_failed(struct bpe_splitter *s, int code, struct wm_error *err)
{
    PCRE2_UCHAR words[160];
    if (pcre2_get_error_message(code, words, sizeof words) < 0)
        words[0] = '\0';
    wm_fail(err, WM_E_LIMIT, "split pattern fails at byte %zu of a text: %s", s->search,
            (const char *)words);
    return wm_error_hint(err, "a pattern without nested repeats needs fewer steps");
}

/* Next match at or behind `search`: 1 and its ends, 0 if there is none. */
static int find(struct bpe_splitter *s, size_t *start, size_t *end, struct wm_error *err)
{
    const struct bpe_pattern *p = s->pattern;
    PCRE2_SPTR text = (PCRE2_SPTR)s->text.ptr;
    int n = p->jit ? pcre2_jit_match(p->code, text, s->text.len, s->search, 0, s->match, s->limits)
                   : pcre2_match(p->code, text, s->text.len, s->search, PCRE2_NO_UTF_CHECK,
                                 s->match, s->limits);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n < 0)
        return match_failed(s, n, err);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->match);
    *start = ends[0] > s->search ? ends[0] : s->search; /* \K may move it, never backwards here */
    *end = ends[1] > *start ? ends[1] : *start;
    return 1;
}

static size_t next_character(const struct bpe_splitter *s, size_t at)
{
    for (at++; at < s->text.len && ((unsigned char)s->text.ptr[at] & 0xC0) == 0x80;)
        at++;
    return at;
}

static int give(struct bpe_splitter *s, size_t end, struct wm_str *ret)
{
    *ret = (struct wm_str){s->text.ptr + s->done, end - s->done};
    s->done = end;
    return 1;
}

int bpe_next_piece(struct bpe_splitter *s, struct wm_str *ret, struct wm_error *err)
{
    if (s->match_end > s->done)
        return give(s, s->match_end, ret);
    while (s->search < s->text.len) {
        size_t start = 0, end = 0;
        int found = find(s, &start, &end, err);
        if (found < 0)
            return found;
        if (!found)
            break;
        /* An empty match cuts, but the search goes on behind the next character. */
        s->search = end > start ? end : start < s->text.len ? next_character(s, start) : start;
        s->match_end = end;
        if (start > s->done)
            return give(s, start, ret);
        if (end > start)
            return give(s, end, ret);
    }
    s->search = s->text.len;
    return s->done < s->text.len ? give(s, s->text.len, ret) : 0;
}

int bpe_next_pieces(struct bpe_splitter *s, uint32_t *ends, int max, struct wm_error *err)
{
    struct wm_str piece;
    int n = 0, more = 1;
    while (n < max && (more = bpe_next_piece(s, &piece, err)) > 0)
        ends[n++] = (uint32_t)s->done;
    return more < 0 && n == 0 ? more : n;
}
