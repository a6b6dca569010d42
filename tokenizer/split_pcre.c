/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces by PCRE2; compiled to machine code where that is allowed.
 *
 * PCRE2 limits the steps of matching from one place of the text, which is no limit to a search
 * through all of it. So a search gets few steps for each place at first. If those are not enough
 * somewhere, the place is closed in on by searching few places at once, and is given more and more
 * steps out of what the text may cost in all. Running along a text's end again and again, as .(?=.*z)
 * does, is one step each time to PCRE2: long texts have a limit of time as well. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/split_pcre.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wetmill/buf.h"

/* Places of a long text to search at once, times its bytes: a second or so. */
#define PLACES_BYTES ((size_t)1 << 31)

enum {
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 1 << 20,
    HEAP_LIMIT_KIB = 64 << 10, /* of the interpreter, for one match */
    DEPTH_LIMIT = 100000,
    FEW_STEPS = 256,      /* of matching from one place, as a matter of course */
    MORE_STEPS = 8,       /* times as many, every time they were not enough */
    TEXT_STEPS = 4 << 20, /* in all, plus TEXT_STEPS_PER_BYTE: a run of n blanks gives back one */
    TEXT_STEPS_PER_BYTE = 16, /* at a time what a greedy \s* took */
    SHORT_TEXT = 64 << 10,    /* whose square is no time */
    TEXT_SECONDS = 2,         /* in all, plus TEXT_SECONDS_PER_MB, of a long one: a hundred times */
    TEXT_SECONDS_PER_MB = 2,  /* what patterns of this kind take */
};

struct bpe_pcre {
    pcre2_code *code;
    bool jit;
    struct wm_str text;
};

struct bpe_matcher {
    const struct bpe_pcre *pcre;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
    struct wm_str text;
    size_t done;      /* everything before has been given out */
    size_t search;    /* where the next match may start */
    size_t match_end; /* of the match that starts at done; = done if none waits */
    uint64_t steps;   /* left for this text */
    double seconds;   /* spent on it, if long */
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

/* What means something else where a part of the text is searched. */
static int check_local(struct wm_str text, struct wm_error *err)
{
    static const char *const words[] = {"\\G", "(*COMMIT", "(*SKIP"};
    for (size_t i = 0; i < text.len; i++)
        for (size_t w = 0; w < 3; w++)
            if (wm_str_starts((struct wm_str){text.ptr + i, text.len - i}, wm_str_of(words[w])))
                return wm_fail(err, WM_E_CONFIG, "split pattern: %s is not supported", words[w]);
    return 0;
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

static int compile(struct bpe_pcre *p, struct wm_error *err)
{
    enum { LONGER = 8 }; /* times, \s written out */
    struct wm_buf read;
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
    wm_buf_init(&read, LONGER * p->text.len);
    int status = check_local(p->text, err);
    if (!status)
        status = write_spaces_out(p->text, &read, err);
    if (!status)
        p->code = pcre2_compile((PCRE2_SPTR)read.ptr, read.len, flags, &code, &at, NULL);
    if (!status && !p->code)
        status = compile_failed(code, wm_buf_str(&read), at, err);
    wm_buf_done(&read);
    if (status)
        return status;
    /* Refused where writable and executable memory is, and by (*NO_JIT): then interpreted. */
    size_t jit_size = 0;
    p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0 &&
             pcre2_pattern_info(p->code, PCRE2_INFO_JITSIZE, &jit_size) == 0 && jit_size > 0;
    return 0;
}

int bpe_pcre_new(struct wm_str pattern, struct bpe_pcre **ret, struct wm_error *err)
{
    struct bpe_pcre *p = calloc(1, sizeof *p);
    if (!p)
        return wm_fail_nomem(err, sizeof *p, "split pattern");
    p->text = pattern;
    int status = compile(p, err);
    if (status) {
        bpe_pcre_free(p);
        return status;
    }
    *ret = p;
    return 0;
}

void bpe_pcre_free(struct bpe_pcre *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

int bpe_matcher_new(const struct bpe_pcre *pcre, struct bpe_matcher **ret, struct wm_error *err)
{
    struct bpe_matcher *m = calloc(1, sizeof *m);
    if (!m)
        return wm_fail_nomem(err, sizeof *m, "splitter");
    m->pcre = pcre;
    m->match = pcre2_match_data_create_from_pattern(pcre->code, NULL);
    m->limits = pcre2_match_context_create(NULL);
    if (pcre->jit)
        m->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!m->match || !m->limits || (pcre->jit && !m->stack)) {
        bpe_matcher_free(m);
        return wm_fail_nomem(err, JIT_STACK_MAX, "splitter");
    }
    (void)pcre2_set_heap_limit(m->limits, HEAP_LIMIT_KIB);
    (void)pcre2_set_depth_limit(m->limits, DEPTH_LIMIT);
    pcre2_jit_stack_assign(m->limits, NULL, m->stack);
    *ret = m;
    return 0;
}

void bpe_matcher_free(struct bpe_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->match);
    pcre2_match_context_free(m->limits);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

void bpe_matcher_begin(struct bpe_matcher *m, struct wm_str text)
{
    m->text = text;
    m->done = m->search = m->match_end = 0;
    m->seconds = 0;
    m->steps = TEXT_STEPS + (uint64_t)TEXT_STEPS_PER_BYTE * text.len;
}

static int match_failed(struct bpe_matcher *m, int code, struct wm_error *err)
{
    enum { SHOWN = 120 };
    PCRE2_UCHAR words[160];
    struct wm_str pattern = m->pcre->text;
    if (pcre2_get_error_message(code, words, sizeof words) < 0)
        words[0] = '\0';
    wm_fail(err, WM_E_LIMIT, "split pattern fails at byte %zu of a text: %s: %.*s%s", m->search,
            (const char *)words, (int)(pattern.len < SHOWN ? pattern.len : SHOWN), pattern.ptr,
            pattern.len > SHOWN ? "…" : "");
    return wm_error_hint(err, "a pattern without nested repeats needs fewer steps");
}

static size_t next_character(const struct bpe_matcher *m, size_t at)
{
    for (at++; at < m->text.len && ((unsigned char)m->text.ptr[at] & 0xC0) == 0x80;)
        at++;
    return at;
}

/* Look for a match that starts from `search` to `last` and takes up to `steps`: PCRE2's answer. */
static int match(struct bpe_matcher *m, size_t last, uint64_t steps)
{
    const struct bpe_pcre *p = m->pcre;
    PCRE2_SPTR text = (PCRE2_SPTR)m->text.ptr;
    (void)pcre2_set_match_limit(m->limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    (void)pcre2_set_offset_limit(m->limits, last);
    return p->jit ? pcre2_jit_match(p->code, text, m->text.len, m->search, 0, m->match, m->limits)
                  : pcre2_match(p->code, text, m->text.len, m->search, PCRE2_NO_UTF_CHECK, m->match,
                                m->limits);
}

static bool out_of_steps(int answer)
{
    return answer == PCRE2_ERROR_MATCHLIMIT || answer == PCRE2_ERROR_DEPTHLIMIT ||
           answer == PCRE2_ERROR_HEAPLIMIT;
}

/* A match that starts at `search`, however many steps it takes while there are any left. */
static int match_here(struct bpe_matcher *m)
{
    int answer = match(m, m->search, FEW_STEPS);
    for (uint64_t steps = FEW_STEPS; answer == PCRE2_ERROR_MATCHLIMIT && m->steps;) {
        steps = steps * MORE_STEPS < m->steps ? steps * MORE_STEPS : m->steps;
        m->steps -= steps;
        answer = match(m, m->search, steps);
    }
    return answer;
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Count the time since `*begin`, and begin anew; false where a text has had enough of it. */
static bool in_time(struct bpe_matcher *m, double *begin)
{
    if (m->text.len <= SHORT_TEXT)
        return true;
    double now = seconds_now();
    m->seconds += now - *begin;
    *begin = now;
    return m->seconds < TEXT_SECONDS + TEXT_SECONDS_PER_MB * 1e-6 * (double)m->text.len;
}

/* The next match: what matching once with any number of steps would answer. */
static int next_match(struct bpe_matcher *m)
{
    size_t most = m->text.len <= SHORT_TEXT ? SHORT_TEXT : PLACES_BYTES / m->text.len + 1;
    size_t places = most; /* bytes to search at once */
    double begin = m->text.len <= SHORT_TEXT ? 0 : seconds_now();
    while (m->search < m->text.len) {
        size_t left = m->text.len - m->search;
        int answer =
            places == 1 ? match_here(m)
                        : match(m, places < left ? m->search + places - 1 : m->text.len, FEW_STEPS);
        if (!in_time(m, &begin))
            return PCRE2_ERROR_MATCHLIMIT;
        if (out_of_steps(answer) && places > 1) {
            places = 1;
            continue;
        }
        if (answer != PCRE2_ERROR_NOMATCH)
            return answer;
        m->search = next_character(m, m->search + (places < left ? places : left) - 1);
        places = places * 2 < most ? places * 2 : most;
    }
    return PCRE2_ERROR_NOMATCH;
}

/* Next match at or behind `search`: 1 and its ends, 0 if there is none. */
static int find(struct bpe_matcher *m, size_t *start, size_t *end, struct wm_error *err)
{
    int answer = next_match(m);
    if (answer == PCRE2_ERROR_NOMATCH)
        return 0;
    if (answer < 0)
        return match_failed(m, answer, err);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->match);
    *start = ends[0] > m->search ? ends[0] : m->search; /* \K may move it, never backwards here */
    *end = ends[1] > *start ? ends[1] : *start;
    return 1;
}

static int give(struct bpe_matcher *m, size_t end, size_t *ret_end)
{
    *ret_end = m->done = end;
    return 1;
}

int bpe_matcher_next(struct bpe_matcher *m, size_t *ret_end, struct wm_error *err)
{
    if (m->match_end > m->done)
        return give(m, m->match_end, ret_end);
    while (m->search < m->text.len) {
        size_t start = 0, end = 0;
        int found = find(m, &start, &end, err);
        if (found < 0)
            return found;
        if (!found)
            break;
        /* An empty match cuts, but the search goes on behind the next character. */
        m->search = end > start ? end : start < m->text.len ? next_character(m, start) : start;
        m->match_end = end;
        if (start > m->done)
            return give(m, start, ret_end);
        if (end > start)
            return give(m, end, ret_end);
    }
    m->search = m->text.len;
    return m->done < m->text.len ? give(m, m->text.len, ret_end) : 0;
}

void bpe_pcre_unicode(char ret[WM_UNICODE_NAME])
{
    char version[64] = "";
    int len = pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL); /* with the NUL */
    if (len > 0 && (size_t)len <= sizeof version)
        (void)pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    size_t n = strlen(version);
    if (n > 2 && strcmp(version + n - 2, ".0") == 0 && strchr(version, '.') != version + n - 2)
        version[n - 2] = '\0'; /* 14.0.0 is what we call 14.0 */
    (void)snprintf(ret, WM_UNICODE_NAME, "%.*s", WM_UNICODE_NAME - 1, version);
}
