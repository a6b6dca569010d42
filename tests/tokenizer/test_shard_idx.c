/* SPDX-License-Identifier: Apache-2.0 */
/* One .bin/.idx pair: refusals, and finding tokens at the seams. */
#include "shard_fixture.h"
#include "tokenizer/shard_format.h"
#include "tokenizer/shard_write.h"

/* An index over sequences of the lengths given, as other programs may write it. */
static size_t make_idx(unsigned char *out, unsigned width, const uint32_t *lengths, size_t n,
                       const uint64_t *bounds, size_t n_bounds)
{
    memcpy(out, WM_IDX_MAGIC, WM_IDX_MAGIC_LEN);
    wm_set_le64(out + 9, 1);
    out[17] = width == 2 ? 8 : 4;
    wm_set_le64(out + 18, n);
    wm_set_le64(out + 26, n_bounds);
    unsigned char *p = out + 34;
    for (size_t i = 0; i < n; i++, p += 4)
        wm_set_le32(p, lengths[i]);
    uint64_t offset = 0;
    for (size_t i = 0; i < n; offset += (uint64_t)lengths[i++] * width, p += 8)
        wm_set_le64(p, offset);
    for (size_t i = 0; i < n_bounds; i++, p += 8)
        wm_set_le64(p, bounds[i]);
    return (size_t)(p - out);
}

static int check(unsigned char *idx, size_t len, size_t bin_len, struct wm_shard *ret)
{
    static const unsigned char bin[4096];
    /* An exact copy, so that reading past the end is noticed. */
    unsigned char *copy = malloc(len ? len : 1);
    memcpy(copy, idx, len);
    *ret = (struct wm_shard){.bin = {bin, bin_len}, .idx = {copy, len}};
    int status = wm_shard_check(ret, &err);
    if (!status) {
        uint64_t sequence, first, length;
        for (uint64_t at = 0; at < ret->n_tokens; at++) {
            wm_shard_find(ret, at, &sequence, &first, &length);
            CHECK(first <= at && at - first < length && sequence < ret->n_sequences);
        }
    }
    free(copy);
    return status;
}

static const uint32_t lengths[] = {3, 1, 0, 0, 7, 2, 0};
static const uint64_t bounds[] = {0, 2, 2, 5, 7};

static void test_foreign(void)
{
    unsigned char idx[512];
    struct wm_shard shard;
    for (unsigned width = 2; width <= 4; width += 2) {
        size_t len = make_idx(idx, width, lengths, 7, bounds, 5);
        CHECK_OK(check(idx, len, 13 * width, &shard), err);
        CHECK_U64(shard.width, width);
        CHECK_U64(shard.n_sequences, 7);
        CHECK_U64(shard.n_documents, 4);
        CHECK_U64(shard.n_tokens, 13);
    }
    /* Nothing in it. */
    size_t len = make_idx(idx, 2, NULL, 0, bounds, 1);
    CHECK_OK(check(idx, len, 0, &shard), err);
    CHECK_U64(shard.n_documents, 0);
}

static void test_find(void)
{
    static const unsigned char bin[26];
    unsigned char idx[512];
    size_t len = make_idx(idx, 2, lengths, 7, bounds, 5);
    struct wm_shard shard = {.bin = {bin, sizeof bin}, .idx = {idx, len}};
    CHECK_OK(wm_shard_check(&shard, &err), err);
    static const uint64_t want[13][3] = {{0, 0, 3}, {0, 0, 3},  {0, 0, 3}, {1, 3, 1}, {4, 4, 7},
                                         {4, 4, 7}, {4, 4, 7},  {4, 4, 7}, {4, 4, 7}, {4, 4, 7},
                                         {4, 4, 7}, {5, 11, 2}, {5, 11, 2}};
    for (uint64_t at = 0; at < 13; at++) {
        uint64_t sequence, first, length;
        wm_shard_find(&shard, at, &sequence, &first, &length);
        CHECK_U64(sequence, want[at][0]);
        CHECK_U64(first, want[at][1]);
        CHECK_U64(length, want[at][2]);
    }
}

static void test_damage(void)
{
    unsigned char idx[512];
    struct wm_shard shard;
    size_t len = make_idx(idx, 2, lengths, 7, bounds, 5);
    for (size_t cut = 0; cut < len; cut++)
        CHECK(check(idx, cut, 26, &shard) == WM_E_FORMAT);
    /* No single bit can change unnoticed but in the document boundaries. */
    for (size_t bit = 0; bit < 8 * len; bit++) {
        idx[bit / 8] ^= (unsigned char)(1u << bit % 8);
        int status = check(idx, len, 26, &shard);
        CHECK_(status == WM_E_FORMAT || (status == 0 && bit / 8 >= len - 40), "bit %zu gives %d",
               bit, status);
        idx[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK_FAILS(check(idx, len, 25, &shard), WM_E_FORMAT, err, "25 bytes");
    CHECK_FAILS(check(idx, len, 28, &shard), WM_E_FORMAT, err, "index says 26");
    CHECK_FAILS(check(idx, 0, 0, &shard), WM_E_FORMAT, err, "MMIDIDX");

    idx[17] = 5;
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "type 5");
    idx[17] = 8;
    idx[9] = 2;
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "version is 2");
    idx[9] = 1;
    wm_set_le64(idx + 18, UINT64_MAX / 12 + 1); /* × 12 wraps */
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "not those of");
    wm_set_le64(idx + 18, 7);
    wm_set_le64(idx + 26, UINT64_C(1) << 61);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "not those of");

    static const uint64_t none_first[] = {1, 7}, falling[] = {0, 5, 2, 7}, short_[] = {0, 6},
                          beyond[] = {0, 8};
    len = make_idx(idx, 2, lengths, 7, none_first, 2);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "start with 0");
    len = make_idx(idx, 2, lengths, 7, falling, 4);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "boundary 2");
    len = make_idx(idx, 2, lengths, 7, short_, 2);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "sequence 6 of 7");
    len = make_idx(idx, 2, lengths, 7, beyond, 2);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "boundary 1");
    len = make_idx(idx, 2, lengths, 7, NULL, 0);
    CHECK_FAILS(check(idx, len, 26, &shard), WM_E_FORMAT, err, "start with 0");
    static const uint32_t negative[] = {0x80000000};
    len = make_idx(idx, 2, negative, 1, falling, 1);
    CHECK_FAILS(check(idx, len, 0, &shard), WM_E_FORMAT, err, "negative");
}

static void test_files(void)
{
    unsigned char idx[512];
    struct wm_shard shard;
    size_t len = make_idx(idx, 4, lengths, 2, (uint64_t[]){0, 1, 2}, 3);
    static const char bin[16] = "\1\0\0\0\2\0\0\0\xFF\xFF\xFF\xFF\0\0\1";
    make_top("test_shard_idx");
    CHECK_FAILS(wm_shard_open(in_top("x"), &shard, &err), WM_E_IO, err, "No such file");
    CHECK_OK(wm_file_store(in_top("x.bin"), (struct wm_str){bin, 16}, &err), err);
    CHECK_FAILS(wm_shard_open(in_top("x"), &shard, &err), WM_E_IO, err, "No such file");
    CHECK_OK(wm_file_store(in_top("x.idx"), (struct wm_str){(char *)idx, len - 1}, &err), err);
    CHECK_FAILS(wm_shard_open(in_top("x"), &shard, &err), WM_E_FORMAT, err, "bytes");
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("x.idx")));
    CHECK_OK(wm_file_store(in_top("x.idx"), (struct wm_str){(char *)idx, len}, &err), err);
    CHECK_OK(wm_shard_open(in_top("x"), &shard, &err), err);
    uint32_t ids[4];
    wm_shard_read(&shard, 0, 4, ids);
    CHECK(ids[0] == 1 && ids[1] == 2 && ids[2] == UINT32_MAX && ids[3] == 65536);
    struct wm_shard_facts facts;
    CHECK_OK(wm_shard_inspect(&shard, 10, 1, NULL, &facts, &err), err);
    CHECK_U64(facts.n_outside, 2);
    CHECK_U64(facts.max_id, UINT32_MAX);
    CHECK_U64(facts.n_eod, 1);
    CHECK_U64(facts.n_ended, 0);
    CHECK_U64(facts.shortest, 1);
    CHECK_U64(facts.longest, 3);
    wm_shard_close(&shard);
    wm_shard_close(&shard);
    static char longest[WM_PATH_MAX + 8];
    memset(longest, 'x', sizeof longest - 1);
    CHECK_FAILS(wm_shard_open(longest, &shard, &err), WM_E_LIMIT, err, "longer");
    CHECK_OK(wm_remove_tree(top, &err), err);
}

/* Index tables longer than what is held of them in memory; lengths beyond the format. */
static void test_many(void)
{
    static const uint64_t sizes[] = {0, 1, 4095, 8191, 8192, 8193, 20000};
    static const unsigned char row[10];
    make_top("test_shard_idx");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct wm_shard_out *out;
        struct wm_shard_digests digests;
        struct wm_shard shard;
        uint64_t n_tokens = 0, sequence, first, length;
        CHECK_OK(wm_shard_out_open(in_top("many"), 4, WM_STR("{}"), &out, &err), err);
        for (uint64_t i = 0; i < sizes[s]; i++) {
            unsigned char ids[12] = {0};
            for (unsigned k = 0; k < 3; k++)
                wm_set_le32(ids + 4 * k, (uint32_t)i);
            struct wm_shard_doc doc = {.ids = {(char *)ids, 4 * (1 + i % 3)},
                                       .row = {(const char *)row, sizeof row}};
            CHECK_OK(wm_shard_out_add(out, &doc, &err), err);
            n_tokens += 1 + i % 3;
        }
        CHECK_U64(wm_shard_out_tokens(out), n_tokens);
        CHECK_U64(wm_shard_out_documents(out), sizes[s]);
        struct wm_shard_doc over = {.ids = {(const char *)row, 4 * ((size_t)INT32_MAX + 1)}};
        CHECK_FAILS(wm_shard_out_add(out, &over, &err), WM_E_LIMIT, err, "format's limit");
        CHECK_OK(wm_shard_out_commit(out, &digests, &err), err);
        wm_shard_out_free(out, true);
        CHECK(!wm_exists(in_top("many.lengths")));
        CHECK_U64(digests.idx.size, wm_idx_size(sizes[s]));
        CHECK_OK(wm_shard_open(in_top("many"), &shard, &err), err);
        CHECK_U64(shard.n_tokens, n_tokens);
        CHECK_U64(shard.n_documents, sizes[s]);
        for (uint64_t at = 0; at < n_tokens; at++) {
            uint32_t id;
            wm_shard_read(&shard, at, 1, &id);
            wm_shard_find(&shard, at, &sequence, &first, &length);
            CHECK(sequence == id && first <= at && at < first + length && length == 1 + id % 3);
        }
        wm_shard_close(&shard);
    }
    CHECK_OK(wm_remove_tree(top, &err), err);
}

int main(void)
{
    test_many();
    test_foreign();
    test_find();
    test_damage();
    test_files();
    return test_summary();
}
