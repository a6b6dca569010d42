/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding: against a naive encoder, round trips of any bytes, added tokens, long pieces. */
#include "bpe_helpers.h"

#include <pthread.h>
#include <time.h>

/* The rule as written: merge the pair of lowest rank, the leftmost, until none is left. */
static void naive_piece(const struct wm_tokenizer *tok, struct wm_str piece, struct wm_ids *ids)
{
    struct wm_error err = {0};
    size_t first = ids->n;
    CHECK_OK(bpe_ids_reserve(ids, piece.len, &err), err);
    for (size_t i = 0; i < piece.len; i++)
        ids->ids[ids->n++] = tok->byte_ids[(unsigned char)piece.ptr[i]];
    for (;;) {
        uint32_t best = BPE_NONE;
        size_t at = 0;
        for (size_t i = first; i + 1 < ids->n; i++) {
            for (uint32_t rank = 0; rank < tok->n_merges && rank < best; rank++) {
                if (tok->merges[rank].left == ids->ids[i] &&
                    tok->merges[rank].right == ids->ids[i + 1]) {
                    best = rank;
                    at = i;
                }
            }
        }
        if (best == BPE_NONE)
            return;
        ids->ids[at] = tok->merges[best].id;
        ids->n--;
        memmove(ids->ids + at + 1, ids->ids + at + 2, (ids->n - at - 1) * sizeof *ids->ids);
    }
}

static void test_against_naive(void)
{
    struct wm_error err = {0};
    uint64_t state = 7;
    char text[300];
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct wm_tokenizer_options options = small_options((int)(seed % 2), 257 + 20 * seed);
        struct wm_tokenizer *tok = random_tokenizer(seed, &options);
        struct bpe_scratch scratch = {0};
        struct wm_ids got = {0}, want = {0};
        for (int round = 0; round < 200; round++) {
            /* lengths on both sides of the border between the short and the long way */
            struct wm_str piece = {text, random_text(&state, true, text, round % 2 ? 80 : 300)};
            got.n = want.n = 0;
            CHECK_OK(bpe_merge_piece(tok, &scratch, piece, &got, &err), err);
            naive_piece(tok, piece, &want);
            CHECK(got.n == want.n && memcmp(got.ids, want.ids, got.n * sizeof *got.ids) == 0);
        }
        bpe_scratch_done(&scratch);
        wm_ids_done(&got);
        wm_ids_done(&want);
        wm_tokenizer_free(tok);
    }
}

static void check_same(const struct wm_ids *got, const struct wm_ids *want, const char *what)
{
    CHECK_(got->n == want->n && memcmp(got->ids, want->ids, got->n * sizeof *got->ids) == 0,
           "%s: %zu ids, want %zu", what, got->n, want->n);
}

/* Long pieces: in windows as with the heap. Runs of tokens make borders move over whole windows. */
static void test_windows(void)
{
    enum { LONGEST = 6000 };
    struct wm_error err = {0};
    static char text[LONGEST];
    uint64_t state = 3;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 300 + 150 * seed);
        struct wm_tokenizer *tok = random_tokenizer(seed, &options);
        struct bpe_scratch scratch = {0};
        struct wm_ids got = {0}, want = {0};
        CHECK(tok->origins != NULL);
        for (int round = 0; round < 60; round++) {
            size_t n =
                round % 3 ? random_text(&state, true, text, LONGEST) : LONGEST - (size_t)round;
            size_t kinds = 1 + (size_t)round % 4;
            for (size_t i = 0; i < n && round % 3 == 0; i++)
                text[i] = "abht"[random_below(&state, kinds)];
            if (n <= BPE_SHORT_PIECE)
                continue;
            got.n = want.n = 0;
            CHECK_OK(bpe_ids_reserve(&got, BPE_SHORT_PIECE, &err), err);
            CHECK_OK(bpe_merge_windows(tok, &scratch, (struct wm_str){text, n}, &got, &err), err);
            CHECK_OK(bpe_merge_heap(tok, &scratch, (struct wm_str){text, n}, &want, &err), err);
            check_same(&got, &want, "windows");
        }
        bpe_scratch_done(&scratch);
        wm_ids_done(&got);
        wm_ids_done(&want);
        wm_tokenizer_free(tok);
    }
}

/* Two tokens stay apart if and only if their joined bytes are encoded as the two. */
static void test_stays_apart(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 420);
    struct wm_tokenizer *tok = random_tokenizer(21, &options);
    struct bpe_scratch scratch = {0};
    struct wm_ids ids = {0};
    struct wm_buf joined;
    wm_buf_init(&joined, 1 << 16);
    size_t n_apart = 0;
    CHECK(tok->origins != NULL);
    for (uint32_t a = 0; a < tok->n_ids; a++) {
        for (uint32_t b = a % 7; b < tok->n_ids; b += 3) {
            struct wm_str left = wm_token_bytes(tok, a), right = wm_token_bytes(tok, b);
            joined.len = ids.n = 0;
            if (wm_token_is_special(tok, a) || wm_token_is_special(tok, b))
                continue;
            CHECK_OK(wm_buf_add(&joined, left.ptr, left.len, &err), err);
            CHECK_OK(wm_buf_add(&joined, right.ptr, right.len, &err), err);
            CHECK_OK(bpe_merge_heap(tok, &scratch, wm_buf_str(&joined), &ids, &err), err);
            bool apart = ids.n == 2 && ids.ids[0] == a && ids.ids[1] == b;
            CHECK(bpe_stays_apart(tok, a, b) == apart);
            n_apart += apart;
        }
    }
    CHECK(n_apart > 1000);
    wm_buf_done(&joined);
    wm_ids_done(&ids);
    bpe_scratch_done(&scratch);
    wm_tokenizer_free(tok);
}

/* A token that two merges make: windows cannot be used, and are not. */
static void test_two_origins(void)
{
    static const struct wm_str merged[] = {{"ab", 2}, {"bc", 2}, {"abc", 3}};
    static const uint32_t merges[][3] = {
        {'b', 'c', 257}, {'a', 'b', 256}, {256, 'c', 258}, {'a', 257, 258}};
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct bpe_scratch scratch = {0};
    struct wm_ids got = {0}, want = {0};
    char text[200];
    uint64_t state = 5;
    CHECK_OK(bpe_new(&tok, &err), err);
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        CHECK_OK(bpe_put_token(tok, i, (struct wm_str){&byte, 1}, BPE_TOKEN, &err), err);
    }
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(bpe_put_token(tok, 256 + i, merged[i], BPE_TOKEN, &err), err);
    CHECK_OK(bpe_index_tokens(tok, &err), err);
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(bpe_add_merge(tok, merges[i][0], merges[i][1], merges[i][2], &err), err);
    CHECK_OK(bpe_set_pattern(tok, WM_STR("\\w+"), &err), err);
    CHECK_OK(bpe_finish(tok, &err), err);
    CHECK(tok->origins == NULL);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = "abc"[random_below(&state, 3)];
        got.n = want.n = 0;
        CHECK_OK(bpe_merge_piece(tok, &scratch, (struct wm_str){text, sizeof text}, &got, &err),
                 err);
        naive_piece(tok, (struct wm_str){text, sizeof text}, &want);
        check_same(&got, &want, "two origins");
    }
    bpe_scratch_done(&scratch);
    wm_ids_done(&got);
    wm_ids_done(&want);
    wm_tokenizer_free(tok);
}

/* Blocks of pieces, table of short tokens and cache against piece by piece, both for tokens taken
 * whole and for tokens that must come from merges. */
static void test_blocks(void)
{
    struct wm_error err = {0};
    static char text[20000];
    uint64_t state = 8;
    for (int whole = 0; whole < 2; whole++) {
        struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 700);
        struct wm_tokenizer *tok = random_tokenizer(13, &options);
        struct wm_encoder *enc = NULL;
        struct bpe_splitter *splitter = NULL;
        struct wm_ids got = {0}, want = {0};
        struct wm_str piece;
        tok->ignore_merges = whole;
        CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
        CHECK_OK(bpe_splitter_new(tok->pattern, &splitter, &err), err);
        for (int round = 0; round < 30; round++) {
            struct wm_str all = {text, random_text(&state, false, text, sizeof text)};
            got.n = want.n = 0;
            CHECK_OK(wm_encode(enc, all, 0, &got, &err), err);
            bpe_split(splitter, all);
            while (bpe_next_piece(splitter, &piece, &err) > 0) {
                uint32_t id = whole ? bpe_find(tok, piece) : BPE_NONE;
                CHECK_OK(bpe_ids_reserve(&want, 1, &err), err);
                if (id != BPE_NONE)
                    want.ids[want.n++] = id;
                else
                    naive_piece(tok, piece, &want);
            }
            check_same(&got, &want, "blocks");
        }
        bpe_splitter_free(splitter);
        wm_encoder_free(enc);
        wm_ids_done(&got);
        wm_ids_done(&want);
        wm_tokenizer_free(tok);
    }
}

static void check_round_trip(const struct wm_tokenizer *tok, struct wm_encoder *enc,
                             struct wm_str text, unsigned flags)
{
    struct wm_error err = {0};
    struct wm_ids ids = {0};
    struct wm_buf back;
    wm_buf_init(&back, 1 << 24);
    CHECK_OK(wm_encode(enc, text, flags, &ids, &err), err);
    CHECK_OK(wm_decode(tok, ids.ids, ids.n, false, &back, &err), err);
    CHECK(wm_str_eq(wm_buf_str(&back), text));
    wm_ids_done(&ids);
    wm_buf_done(&back);
}

static void test_round_trips(void)
{
    struct wm_error err = {0};
    const char *names[] = {"<|endoftext|>", "<|", "漢é"};
    uint64_t state = 11;
    static char text[4000];
    for (int split = 0; split < 3; split++) {
        struct wm_tokenizer_options options = small_options(split, 600);
        struct wm_encoder *enc = NULL;
        options.pattern = split == WM_SPLIT_PATTERN ? "[a-z]+|\\s(?=\\d)" : NULL;
        options.specials = (struct wm_list){names, 3};
        struct wm_tokenizer *tok = random_tokenizer(5, &options);
        CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
        for (unsigned b = 0; b < 256; b++) {
            char byte = (char)b;
            check_round_trip(tok, enc, (struct wm_str){&byte, 1}, 0);
        }
        for (int round = 0; round < 400; round++) {
            size_t n = random_text(&state, true, text, sizeof text);
            check_round_trip(tok, enc, (struct wm_str){text, n}, round % 2);
            for (size_t i = 0; i < 200; i++)
                text[i] = (char)random_next(&state);
            check_round_trip(tok, enc, (struct wm_str){text, 200}, round % 2);
        }
        check_round_trip(tok, enc, (struct wm_str){NULL, 0}, WM_ENCODE_SPECIALS);
        wm_encoder_free(enc);
        wm_tokenizer_free(tok);
    }
}

/* Ids of `text`, specials as <name>, other tokens as their bytes, each behind a |. */
static void check_tokens(const struct wm_tokenizer *tok, unsigned flags, const char *text,
                         const char *want)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    struct wm_buf got;
    wm_buf_init(&got, 1 << 20);
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, wm_str_of(text), flags, &ids, &err), err);
    for (size_t i = 0; i < ids.n; i++) {
        struct wm_str bytes = wm_token_bytes(tok, ids.ids[i]);
        bool special = wm_token_is_special(tok, ids.ids[i]);
        CHECK_OK(
            wm_buf_printf(&got, &err, special ? "|<%.*s>" : "|%.*s", (int)bytes.len, bytes.ptr),
            err);
    }
    CHECK_STR(wm_buf_str(&got), wm_str_of(want));
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_buf_done(&got);
}

static void test_specials(void)
{
    struct wm_error err = {0};
    const char *names[] = {"[a]", "[a][b", "[b]", "x"};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 260);
    options.specials = (struct wm_list){names, 3};
    struct wm_str nothing = WM_STR("");
    struct wm_tokenizer *tok = train_on(&options, &nothing, 1);
    check_tokens(tok, WM_ENCODE_SPECIALS, "[a][b]", "|<[a][b>|]");
    check_tokens(tok, WM_ENCODE_SPECIALS, "[a][c[b][b", "|<[a]>|[|c|<[b]>|[|b");
    check_tokens(tok, 0, "[a]", "|[|a|]");
    uint32_t id = 0;
    CHECK(wm_tokenizer_special(tok, WM_STR("[b]"), &id) && id == 258);
    CHECK(!wm_tokenizer_special(tok, WM_STR("b"), &id));
    CHECK(!wm_tokenizer_special(tok, WM_STR("nothing"), &id));
    CHECK(wm_tokenizer_eod(tok, &id) && id == 256);
    CHECK_U64(wm_tokenizer_size(tok), 259);
    CHECK_U64(wm_token_bytes(tok, 259).len, 0);
    struct wm_buf out;
    wm_buf_init(&out, 100);
    CHECK_OK(wm_decode(tok, (uint32_t[]){256, 64, 257}, 3, true, &out, &err), err);
    CHECK_STR(wm_buf_str(&out), WM_STR("a"));
    CHECK_FAILS(wm_decode(tok, (uint32_t[]){64, 259}, 2, true, &out, &err), WM_E_FORMAT, err,
                "no token has the id 259");
    CHECK_STR(wm_buf_str(&out), WM_STR("a"));
    wm_buf_done(&out);
    wm_tokenizer_free(tok);
    struct wm_bpe_trainer *trainer = NULL;
    options.specials = (struct wm_list){names, 4};
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err,
                "\"x\" is how a byte is written");
}

/* tiktoken's rule for invalid UTF-8: the last piece before it, and blank tokens before that, are
 * merged with all that follows as one piece. */
static void test_invalid(void)
{
    static const struct wm_str merged[] = {
        {"\n ", 2}, {" \xFF", 2}, {"a ", 2}, {"b\xFF", 2}, {"\xFFz", 2}};
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(bpe_new(&tok, &err), err);
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        CHECK_OK(bpe_put_token(tok, i, (struct wm_str){&byte, 1}, BPE_TOKEN, &err), err);
    }
    for (uint32_t i = 0; i < 5; i++)
        CHECK_OK(bpe_put_token(tok, 256 + i, merged[i], BPE_TOKEN, &err), err);
    CHECK_OK(bpe_index_tokens(tok, &err), err);
    for (uint32_t i = 0; i < 5; i++)
        CHECK_OK(bpe_add_merge(tok, (unsigned char)merged[i].ptr[0],
                               (unsigned char)merged[i].ptr[1], 256 + i, &err),
                 err);
    CHECK_OK(bpe_set_pattern(tok, wm_str_of(bpe_named_patterns[WM_SPLIT_CL100K]), &err), err);
    CHECK_OK(bpe_finish(tok, &err), err);
    check_tokens(tok, 0, "\n \xFF", "|\n |\xFF");
    check_tokens(tok, 0, "a \xFFz", "|a| \xFF|z");
    check_tokens(tok, 0, "b\xFF", "|b\xFF");
    check_tokens(tok, 0, "\xFFz a b", "|\xFFz| |a |b");
    wm_tokenizer_free(tok);
}

/* A vocabulary without all bytes refuses a text it cannot give back. */
static void test_missing_byte(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    CHECK_OK(bpe_new(&tok, &err), err);
    CHECK_OK(bpe_put_token(tok, 0, WM_STR("a"), BPE_TOKEN, &err), err);
    CHECK_OK(bpe_index_tokens(tok, &err), err);
    CHECK_OK(bpe_set_pattern(tok, WM_STR("\\w+"), &err), err);
    CHECK_OK(bpe_finish(tok, &err), err);
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, WM_STR("aa"), 0, &ids, &err), err);
    CHECK_U64(ids.n, 2);
    CHECK_FAILS(wm_encode(enc, WM_STR("a b"), 0, &ids, &err), WM_E_FORMAT, err,
                "no token for the byte 0x20");
    CHECK_U64(ids.n, 2);
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_tokenizer_free(tok);
}

/* ---- threads share a tokenizer ---- */

struct thread {
    const struct wm_tokenizer *tok;
    XXH64_hash_t hash; /* of all ids */
};

static void *encode_much(void *arg)
{
    struct thread *thread = arg;
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    char text[500];
    uint64_t state = 77;
    if (wm_encoder_new(thread->tok, &enc, &err))
        return NULL;
    for (int i = 0; i < 300; i++) {
        struct wm_str s = {text, random_text(&state, true, text, sizeof text)};
        if (wm_encode(enc, s, WM_ENCODE_SPECIALS, &ids, &err))
            break;
    }
    thread->hash = XXH3_64bits(ids.ids, ids.n * sizeof *ids.ids);
    wm_ids_done(&ids);
    wm_encoder_free(enc);
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4 };
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 600);
    struct wm_tokenizer *tok = random_tokenizer(9, &options);
    struct thread alone = {.tok = tok}, threads[THREADS];
    pthread_t handles[THREADS];
    (void)encode_much(&alone);
    CHECK(alone.hash != 0);
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.tok = tok};
        CHECK(pthread_create(&handles[i], NULL, encode_much, &threads[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(handles[i], NULL) == 0);
        CHECK_U64(threads[i].hash, alone.hash);
    }
    wm_tokenizer_free(tok);
}

static double seconds_for(struct wm_encoder *enc, struct wm_str text)
{
    struct wm_error err = {0};
    struct wm_ids ids = {0};
    struct timespec begin, end;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    CHECK_OK(wm_encode(enc, text, 0, &ids, &err), err);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    CHECK(ids.n > 0);
    wm_ids_done(&ids);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

/* One piece of many bytes: far from quadratic, which would be 256 times the time for 16 times the
 * bytes. */
static void test_long_pieces(void)
{
    enum { SMALL = 1 << 16, LARGE = 1 << 20 };
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 2000);
    struct wm_tokenizer *tok = random_tokenizer(3, &options);
    struct wm_encoder *enc = NULL;
    char *text = malloc(LARGE);
    uint64_t state = 1;
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < LARGE; i++)
            text[i] = kind ? "abhtet"[random_below(&state, 6)] : 'a';
        double small = seconds_for(enc, (struct wm_str){text, SMALL});
        double large = seconds_for(enc, (struct wm_str){text, LARGE});
        CHECK_(large < 80 * small + 0.2, "%d bytes take %g s, %d bytes %g s", SMALL, small, LARGE,
               large);
    }
    wm_encoder_free(enc);
    free(text);
    wm_tokenizer_free(tok);
}

int main(void)
{
    test_against_naive();
    test_windows();
    test_stays_apart();
    test_two_origins();
    test_blocks();
    test_round_trips();
    test_specials();
    test_invalid();
    test_missing_byte();
    test_threads();
    test_long_pieces();
    return test_summary();
}
