/* SPDX-License-Identifier: Apache-2.0 */
/* ARPA text to tables. Orders come one after the other, so when an n-gram is read all shorter ones
 * are there: its suffix and its context learn that they go on. A suffix that was pruned is put
 * back, with the probability that backing off gives it, as KenLM does; so a look-up may stop at
 * the first order that is not there. */
#include <stdlib.h>

#include "scorers/ngram.h"

enum {
    LOAD_PERCENT = 72, /* of the slots that are taken: most look-ups end in their home bucket */
    FULL_PERCENT = 86, /* when restored suffixes make a table grow */
    MAX_GROWTHS = 8,
    BATCH = 64, /* n-grams whose buckets are fetched ahead */
};

static const float UNKNOWN_LOG10 = -100;

struct table {
    struct wm_ngram_memory memory;
    uint64_t buckets, entries;
    unsigned slots, value_size; /* of a bucket, of a value */
    unsigned growths;
};

struct build {
    struct wm_ngram_arpa arpa;
    uint64_t memory, used;
    struct table tables[WM_NGRAM_MAX_ORDER + 1];
    struct wm_ngram_memory unigrams, starts, slots, bytes;
    uint64_t mask;
    uint32_t n_words, n_bytes;
    bool has_unknown;
};

/* Hashes and words go from the last word to the first. */
struct gram {
    uint64_t line;
    uint32_t words[WM_NGRAM_MAX_ORDER];
    uint64_t suffix[WM_NGRAM_MAX_ORDER + 1];  /* by order: the last `order` words */
    uint64_t context[WM_NGRAM_MAX_ORDER + 1]; /* by order: those before the last word */
    float prob, backoff;
};

static int take_pages(struct build *b, uint64_t bytes, const char *what,
                      struct wm_ngram_memory *ret, struct wm_error *err)
{
    if (b->memory && (bytes > b->memory || b->used > b->memory - bytes)) {
        (void)wm_fail(err, WM_E_LIMIT, "the tables take over %llu bytes of memory",
                      (unsigned long long)b->memory);
        return wm_error_hint(err, "allow %llu MiB or more",
                             (unsigned long long)((b->used + bytes) >> 20) + 1);
    }
    int status = wm_ngram_pages(bytes, what, ret, err);
    if (!status)
        b->used += ret->bytes;
    return status;
}

static void give_pages(struct build *b, struct wm_ngram_memory *memory)
{
    b->used -= memory->bytes;
    wm_ngram_pages_free(memory);
}

static int table_new(struct build *b, unsigned order, uint64_t entries, struct wm_error *err)
{
    struct table *t = &b->tables[order];
    bool longest = order == b->arpa.order;
    t->slots = longest ? WM_NGRAM_LONGESTS : WM_NGRAM_MIDDLES;
    t->value_size = longest ? 4 : 8;
    t->buckets = entries / t->slots * 100 / LOAD_PERCENT + 2;
    return take_pages(b, t->buckets * WM_NGRAM_BUCKET, "n-grams", &t->memory, err);
}

static unsigned char *bucket_at(const struct table *t, uint64_t index)
{
    return (unsigned char *)t->memory.at + index * WM_NGRAM_BUCKET;
}

/* The value of `key`; or NULL, and where there is room for it (ret_free NULL: none within reach).
 */
static unsigned char *look_up(const struct table *t, uint64_t key, unsigned char **ret_free)
{
    uint64_t home = wm_ngram_home(key, t->buckets);
    *ret_free = NULL;
    for (unsigned probes = 0; probes < WM_NGRAM_MAX_PROBES; probes++) {
        unsigned char *bucket = bucket_at(t, home);
        for (unsigned i = 0; i < t->slots; i++) {
            uint64_t there = wm_ngram_u64(bucket + 8 * i);
            if ((there & ~UINT64_C(1)) == key)
                return bucket + 8 * t->slots + t->value_size * i;
            if (there == 0) {
                *ret_free = bucket + 8 * i;
                return NULL;
            }
        }
        home = home + 1 < t->buckets ? home + 1 : 0;
    }
    return NULL;
}

/* Buckets from the key's home to that of `slot` are full: let look-ups go on from there. */
static unsigned char *put_key(const struct table *t, uint64_t key, unsigned char *slot)
{
    uint64_t home = wm_ngram_home(key, t->buckets);
    uint64_t last = (uint64_t)(slot - (unsigned char *)t->memory.at) / WM_NGRAM_BUCKET;
    for (; home != last; home = home + 1 < t->buckets ? home + 1 : 0)
        bucket_at(t, home)[wm_ngram_flag(key)] |= 1;
    unsigned char *bucket = bucket_at(t, last);
    unsigned i = (unsigned)(slot - bucket) / 8;
    memcpy(slot, &key, sizeof key);
    return bucket + 8 * t->slots + t->value_size * i;
}

/* Everything into a larger table. */
static int grow(struct build *b, struct table *t, struct wm_error *err)
{
    struct table larger = *t;
    if (++t->growths > MAX_GROWTHS)
        return wm_fail(err, WM_E_LIMIT, "too many n-grams have the same hash");
    larger.growths = t->growths;
    larger.buckets = t->buckets + t->buckets / 2 + 1;
    int status = take_pages(b, larger.buckets * WM_NGRAM_BUCKET, "n-grams", &larger.memory, err);
    if (status)
        return status;
    for (uint64_t i = 0; i < t->buckets; i++) {
        const unsigned char *bucket = bucket_at(t, i);
        for (unsigned k = 0; k < t->slots; k++) {
            uint64_t key = wm_ngram_u64(bucket + 8 * k) & ~UINT64_C(1);
            unsigned char *slot = NULL;
            if (!key)
                continue;
            (void)look_up(&larger, key, &slot);
            if (!slot) {
                give_pages(b, &larger.memory);
                return wm_fail(err, WM_E_LIMIT, "too many n-grams have the same hash");
            }
            memcpy(put_key(&larger, key, slot), bucket + 8 * t->slots + t->value_size * k,
                   t->value_size);
        }
    }
    give_pages(b, &t->memory);
    *t = larger;
    return 0;
}

/* A place for a key's value; `*ret_old` if it was there already. */
static int insert(struct build *b, unsigned order, uint64_t hash, unsigned char **ret,
                  bool *ret_old, struct wm_error *err)
{
    struct table *t = &b->tables[order];
    uint64_t key = wm_ngram_key(hash);
    unsigned char *slot = NULL;
    *ret = look_up(t, key, &slot);
    *ret_old = *ret != NULL;
    while (!*ret_old &&
           (!slot || t->entries >= t->buckets * t->slots / 100 * FULL_PERCENT + t->slots)) {
        int status = grow(b, t, err);
        if (status)
            return status;
        (void)look_up(t, key, &slot);
    }
    if (!*ret_old) {
        *ret = put_key(t, key, slot);
        t->entries++;
    }
    return 0;
}

static float get_float(const unsigned char *at)
{
    return wm_ngram_float(at);
}

static void put_float(unsigned char *at, float f)
{
    memcpy(at, &f, sizeof f);
}

static unsigned char *unigram_at(const struct build *b, uint32_t word)
{
    return (unsigned char *)b->unigrams.at + 8 * (size_t)word;
}

/* A longer n-gram ends with this one: clear the sign. */
static void goes_left(unsigned char *value)
{
    put_float(value, wm_ngram_from_bits(wm_ngram_bits(get_float(value)) & ~WM_NGRAM_SIGN));
}

/* A longer n-gram starts with this one: no -0.0. */
static float goes_right(unsigned char *value)
{
    if (wm_ngram_bits(get_float(value + 4)) == WM_NGRAM_SIGN)
        put_float(value + 4, 0);
    return get_float(value + 4);
}

/* The value of the `order` words before the last one, or NULL. */
static unsigned char *context_value(const struct build *b, const struct gram *g, unsigned order)
{
    unsigned char *slot;
    if (order == 1)
        return unigram_at(b, g->words[1]);
    return look_up(&b->tables[order], wm_ngram_key(g->context[order]), &slot);
}

/* Tell the suffixes of an n-gram that it is there, putting back those that are missing. */
static int mark_suffixes(struct build *b, const struct gram *g, unsigned n, struct wm_error *err)
{
    unsigned order = n - 1;
    unsigned char *value, *slot;
    while (order > 1 && !look_up(&b->tables[order], wm_ngram_key(g->suffix[order]), &slot))
        order--;
    value = order > 1 ? look_up(&b->tables[order], wm_ngram_key(g->suffix[order]), &slot)
                      : unigram_at(b, g->words[0]);
    float prob = -wm_ngram_from_bits(wm_ngram_bits(get_float(value)) & ~WM_NGRAM_SIGN);
    goes_left(value);
    for (order++; order < n; order++) {
        bool old;
        unsigned char *context = context_value(b, g, order - 1);
        if (context)
            prob += goes_right(context);
        int status = insert(b, order, g->suffix[order], &value, &old, err);
        if (status)
            return status;
        put_float(value, prob);
        put_float(value + 4, -0.0f);
        goes_left(value);
    }
    return 0;
}

static int add_gram(struct build *b, const struct gram *g, unsigned n, struct wm_error *err)
{
    bool old;
    unsigned char *value;
    int status = insert(b, n, g->suffix[n], &value, &old, err);
    if (status)
        return status;
    if (old)
        return wm_fail(err, WM_E_FORMAT, "this %u-gram is there already", n);
    put_float(value, wm_ngram_from_bits(wm_ngram_bits(g->prob) | WM_NGRAM_SIGN));
    if (b->tables[n].value_size == 8)
        put_float(value + 4, g->backoff);
    status = mark_suffixes(b, g, n, err);
    if (status)
        return status;
    value = context_value(b, g, n - 1);
    if (!value)
        return wm_fail(err, WM_E_FORMAT, "the context of this %u-gram is no %u-gram", n, n - 1);
    (void)goes_right(value);
    return 0;
}

static uint32_t find_word(const struct build *b, struct wm_str word, uint64_t *ret_slot)
{
    const uint64_t *slots = b->slots.at;
    const uint32_t *starts = b->starts.at;
    uint64_t hash = wm_ngram_word_hash(word), i = hash & b->mask;
    for (; slots[i]; i = (i + 1) & b->mask) {
        uint32_t index = (uint32_t)slots[i];
        if (slots[i] >> 32 == hash >> 32 &&
            wm_str_eq(word, (struct wm_str){(char *)b->bytes.at + starts[index],
                                            starts[index + 1] - starts[index]}))
            return index;
    }
    *ret_slot = i;
    return WM_NGRAM_UNKNOWN;
}

static bool is_unknown(struct wm_str word)
{
    return wm_str_eq(word, WM_STR("<unk>")) || wm_str_eq(word, WM_STR("<UNK>"));
}

static int grow_bytes(struct build *b, size_t more, struct wm_error *err)
{
    struct wm_ngram_memory larger;
    if (more > (size_t)WM_NGRAM_MAX_WORD_BYTES - b->n_bytes)
        return wm_fail(err, WM_E_LIMIT, "the words take over %d bytes", WM_NGRAM_MAX_WORD_BYTES);
    if (b->n_bytes + more <= b->bytes.bytes)
        return 0;
    int status = take_pages(b, 2 * (b->n_bytes + more) + 4096, "words", &larger, err);
    if (status)
        return status;
    if (b->n_bytes)
        memcpy(larger.at, b->bytes.at, b->n_bytes);
    give_pages(b, &b->bytes);
    b->bytes = larger;
    return 0;
}

static int add_word(struct build *b, const struct wm_ngram_entry *e, struct wm_error *err)
{
    struct wm_str word = e->words[0];
    uint64_t slot = 0;
    uint32_t *starts = b->starts.at, index = 0;
    if (is_unknown(word) ? b->has_unknown : find_word(b, word, &slot) != WM_NGRAM_UNKNOWN)
        return wm_fail(err, WM_E_FORMAT, "this word is there already");
    if (is_unknown(word)) {
        b->has_unknown = true;
    } else {
        int status = grow_bytes(b, word.len, err);
        if (status)
            return status;
        index = b->n_words++;
        memcpy((char *)b->bytes.at + b->n_bytes, word.ptr, word.len);
        b->n_bytes += (uint32_t)word.len;
        starts[index + 1] = b->n_bytes;
        ((uint64_t *)b->slots.at)[slot] = wm_ngram_word_hash(word) >> 32 << 32 | index;
    }
    put_float(unigram_at(b, index), wm_ngram_from_bits(wm_ngram_bits(e->prob) | WM_NGRAM_SIGN));
    put_float(unigram_at(b, index) + 4, e->backoff);
    return 0;
}

static int read_words(struct build *b, struct wm_error *err)
{
    uint64_t n = b->arpa.counts[1], slots = 4;
    if (n >= WM_NGRAM_MAX_WORDS)
        return wm_fail(err, WM_E_LIMIT, "more than %d words", WM_NGRAM_MAX_WORDS);
    while (slots < 2 * (n + 1))
        slots *= 2;
    b->mask = slots - 1;
    b->n_words = 1;
    int status = take_pages(b, 8 * (n + 1), "words", &b->unigrams, err);
    if (!status)
        status = take_pages(b, 4 * (n + 2), "words", &b->starts, err);
    if (!status)
        status = take_pages(b, 8 * slots, "words", &b->slots, err);
    if (!status)
        status = grow_bytes(b, 1, err);
    if (!status)
        status = wm_ngram_arpa_section(&b->arpa, 1, err);
    for (uint64_t i = 0; !status && i < n; i++) {
        struct wm_ngram_entry e;
        status = wm_ngram_arpa_entry(&b->arpa, 1, &e, err);
        if (!status && (status = add_word(b, &e, err)) != 0)
            (void)wm_ngram_arpa_where(&b->arpa, err);
    }
    if (!status && !b->has_unknown) {
        put_float(unigram_at(b, 0), UNKNOWN_LOG10);
        put_float(unigram_at(b, 0) + 4, -0.0f);
    }
    return status;
}

static int parse_gram(struct build *b, unsigned n, struct gram *g, struct wm_error *err)
{
    struct wm_ngram_entry e;
    int status = wm_ngram_arpa_entry(&b->arpa, n, &e, err);
    if (status)
        return status;
    for (unsigned i = 0; i < n; i++) {
        uint64_t slot;
        struct wm_str word = e.words[n - 1 - i];
        g->words[i] = find_word(b, word, &slot);
        if (g->words[i] == WM_NGRAM_UNKNOWN && !is_unknown(word)) {
            (void)wm_fail(err, WM_E_FORMAT, "a word of this %u-gram is not among the 1-grams", n);
            return wm_ngram_arpa_where(&b->arpa, err);
        }
    }
    g->line = wm_ngram_text_number(b->arpa.text);
    g->prob = e.prob;
    g->backoff = e.backoff;
    g->suffix[1] = g->words[0];
    g->context[1] = g->words[1];
    for (unsigned i = 2; i <= n; i++)
        g->suffix[i] = wm_ngram_join(g->suffix[i - 1], g->words[i - 1]);
    for (unsigned i = 2; i < n; i++)
        g->context[i] = wm_ngram_join(g->context[i - 1], g->words[i]);
    return 0;
}

static void fetch(const struct build *b, unsigned order, uint64_t hash)
{
    const struct table *t = &b->tables[order];
    if (order > 1)
        __builtin_prefetch(bucket_at(t, wm_ngram_home(wm_ngram_key(hash), t->buckets)), 1);
}

static int read_order(struct build *b, unsigned n, struct gram *grams, struct wm_error *err)
{
    int status = table_new(b, n, b->arpa.counts[n], err);
    if (!status)
        status = wm_ngram_arpa_section(&b->arpa, n, err);
    for (uint64_t left = b->arpa.counts[n]; !status && left > 0;) {
        unsigned batch = left < BATCH ? (unsigned)left : BATCH;
        for (unsigned i = 0; !status && i < batch; i++) {
            status = parse_gram(b, n, &grams[i], err);
            if (status)
                break;
            fetch(b, n, grams[i].suffix[n]);
            fetch(b, n - 1, grams[i].suffix[n - 1]);
            fetch(b, n - 1, grams[i].context[n - 1]);
        }
        for (unsigned i = 0; !status && i < batch; i++)
            if ((status = add_gram(b, &grams[i], n, err)) != 0)
                (void)wm_error_where(err, "%s%sline %llu", b->arpa.name ? b->arpa.name : "",
                                     b->arpa.name ? ", " : "", (unsigned long long)grams[i].line);
        left -= batch;
    }
    return status;
}

/* The pieces become the model's. */
static void hand_over(struct wm_ngram_memory *piece, struct wm_ngram *model)
{
    model->pieces[model->n_pieces++] = *piece;
    *piece = (struct wm_ngram_memory){0};
}

static int finish(struct build *b, struct wm_ngram *model, struct wm_error *err)
{
    uint64_t slot;
    model->order = b->arpa.order;
    model->n_words = b->n_words;
    model->begin = find_word(b, WM_STR("<s>"), &slot);
    model->end = find_word(b, WM_STR("</s>"), &slot);
    if (!model->begin || !model->end)
        return wm_fail(err, WM_E_FORMAT, "the model has no %s", model->begin ? "</s>" : "<s>");
    model->unigrams = b->unigrams.at;
    model->unigram_size = 8;
    model->counts[1] = b->n_words;
    model->words =
        (struct wm_ngram_words){b->slots.at, b->mask, b->starts.at, b->bytes.at, b->n_bytes};
    hand_over(&b->unigrams, model);
    hand_over(&b->starts, model);
    hand_over(&b->slots, model);
    hand_over(&b->bytes, model);
    for (unsigned order = 2; order <= model->order; order++) {
        struct table *t = &b->tables[order];
        model->tables[order].at = t->memory.at;
        model->tables[order].buckets = t->buckets;
        model->counts[order] = t->entries;
        hand_over(&t->memory, model);
    }
    wm_ngram_own_use(model);
    return 0;
}

int wm_ngram_build(struct wm_ngram_text *text, const char *name, uint64_t memory,
                   struct wm_ngram *model, struct wm_error *err)
{
    struct build *b = calloc(1, sizeof *b);
    struct gram *grams = calloc(BATCH, sizeof *grams);
    int status = 0;
    if (!b || !grams) {
        status = wm_fail_nomem(err, sizeof *b + BATCH * sizeof *grams, "n-grams");
        goto done;
    }
    b->arpa = (struct wm_ngram_arpa){.name = name, .text = text};
    b->memory = memory;
    status = wm_ngram_arpa_begin(&b->arpa, err);
    if (!status)
        status = read_words(b, err);
    for (unsigned n = 2; !status && n <= b->arpa.order; n++)
        status = read_order(b, n, grams, err);
    if (!status)
        status = wm_ngram_arpa_end(&b->arpa, err);
    if (!status)
        status = finish(b, model, err);
    wm_ngram_pages_free(&b->unigrams);
    wm_ngram_pages_free(&b->starts);
    wm_ngram_pages_free(&b->slots);
    wm_ngram_pages_free(&b->bytes);
    for (unsigned n = 2; n <= WM_NGRAM_MAX_ORDER; n++)
        wm_ngram_pages_free(&b->tables[n].memory);
done:
    free(grams);
    free(b);
    return status;
}
