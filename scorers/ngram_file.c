/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill's own format of n-gram models; docs/formats.md has it byte by byte. */
#include <stddef.h>
#include <xxhash.h>

#include "scorers/ngram.h"

enum {
    VERSION = 1,
    BYTE_ORDER_MARK = 0x01020304,
    ALIGN = 4096,
    FORGET_FROM = 64 << 20, /* bytes of a file whose tables are far larger than caches */
    SLOTS = 0,
    STARTS,
    BYTES,
    UNIGRAMS,
    TABLES, /* order 2, 3, … */
    SECTIONS = TABLES + WM_NGRAM_MAX_ORDER - 1
};

struct section {
    uint64_t offset, hash;
};

struct header {
    char magic[8];
    uint32_t version, mark;
    uint64_t file_bytes;
    uint32_t order, n_words, begin, end;
    uint64_t n_slots, n_bytes;
    uint64_t counts[WM_NGRAM_MAX_ORDER], buckets[WM_NGRAM_MAX_ORDER];
    struct section sections[SECTIONS];
    uint64_t hash; /* of all before */
};

static const char magic[8] = "wmngram";

bool wm_ngram_is_own(struct wm_str bytes)
{
    return bytes.len >= sizeof magic && memcmp(bytes.ptr, magic, sizeof magic) == 0;
}

static uint64_t section_bytes(const struct header *h, unsigned i)
{
    switch (i) {
    case SLOTS:
        return 8 * h->n_slots;
    case STARTS:
        return 4 * ((uint64_t)h->n_words + 1);
    case BYTES:
        return h->n_bytes;
    case UNIGRAMS:
        return 8 * (uint64_t)h->n_words;
    default:
        return WM_NGRAM_BUCKET * h->buckets[i - TABLES + 1];
    }
}

static unsigned n_sections(const struct header *h)
{
    return TABLES + h->order - 1;
}

/* Sizes that cannot overflow once the file's length bounds them. */
static bool sizes_are_right(const struct header *h, uint64_t file_bytes)
{
    bool right = h->file_bytes == file_bytes && h->order >= 1 && h->order <= WM_NGRAM_MAX_ORDER &&
                 h->n_words >= 1 && h->n_words <= WM_NGRAM_MAX_WORDS && h->begin < h->n_words &&
                 h->end < h->n_words && h->n_slots > h->n_words && h->n_slots <= file_bytes &&
                 (h->n_slots & (h->n_slots - 1)) == 0 && h->n_bytes <= WM_NGRAM_MAX_WORD_BYTES;
    for (unsigned order = 2; right && order <= h->order; order++)
        right = h->buckets[order - 1] >= 1 && h->buckets[order - 1] <= file_bytes;
    for (unsigned i = 0; right && i < n_sections(h); i++) {
        uint64_t offset = h->sections[i].offset;
        right = offset % WM_NGRAM_BUCKET == 0 && offset >= sizeof *h && offset <= file_bytes &&
                section_bytes(h, i) <= file_bytes - offset;
    }
    return right;
}

static int read_header(struct wm_str bytes, struct header *h, struct wm_error *err)
{
    if (bytes.len < sizeof *h)
        return wm_fail(err, WM_E_FORMAT, "the model ends within its header");
    memcpy(h, bytes.ptr, sizeof *h);
    if (h->mark != BYTE_ORDER_MARK || h->version != VERSION)
        return wm_fail(err, WM_E_FORMAT, "a model of version %u; this wetmill reads version %d",
                       (unsigned)h->version, VERSION);
    if (h->hash != XXH3_64bits(h, offsetof(struct header, hash)))
        return wm_fail(err, WM_E_FORMAT, "the model's header is damaged");
    if (!sizes_are_right(h, bytes.len))
        return wm_fail(err, WM_E_FORMAT, "the model's sizes are not those of the file");
    return 0;
}

static int check_sections(struct wm_str bytes, const struct header *h, unsigned from, unsigned to,
                          struct wm_error *err)
{
    for (unsigned i = from; i < to; i++) {
        const struct section *s = &h->sections[i];
        if (XXH3_64bits(bytes.ptr + s->offset, (size_t)section_bytes(h, i)) != s->hash)
            return wm_fail(err, WM_E_FORMAT, "the model is damaged: its %s are not as written",
                           i < UNIGRAMS ? "words" : "n-grams");
    }
    return 0;
}

int wm_ngram_own_open(struct wm_ngram *m, struct wm_error *err)
{
    struct header h;
    int status = read_header(m->bytes, &h, err);
    if (!status)
        status = check_sections(m->bytes, &h, SLOTS, TABLES, err);
    if (status)
        return status;
    const unsigned char *base = (const unsigned char *)m->bytes.ptr;
    m->format = "wetmill";
    m->order = h.order;
    m->n_words = h.n_words;
    m->begin = h.begin;
    m->end = h.end;
    m->unigrams = base + h.sections[UNIGRAMS].offset;
    m->unigram_size = 8;
    m->words = (struct wm_ngram_words){
        .slots = base + h.sections[SLOTS].offset,
        .mask = h.n_slots - 1,
        .starts = base + h.sections[STARTS].offset,
        .bytes = m->bytes.ptr + h.sections[BYTES].offset,
        .n_bytes = (uint32_t)h.n_bytes,
    };
    for (unsigned order = 1; order <= m->order; order++)
        m->counts[order] = h.counts[order - 1];
    for (unsigned order = 2; order <= m->order; order++) {
        m->tables[order].at = base + h.sections[TABLES + order - 2].offset;
        m->tables[order].buckets = h.buckets[order - 1];
    }
    wm_ngram_own_use(m);
    return 0;
}

int wm_ngram_verify(const struct wm_ngram *m, struct wm_error *err)
{
    struct header h;
    if (!wm_ngram_is_own(m->bytes))
        return 0;
    int status = read_header(m->bytes, &h, err);
    return status ? status : check_sections(m->bytes, &h, SLOTS, n_sections(&h), err);
}

static const void *section_of(const struct wm_ngram *m, unsigned i)
{
    switch (i) {
    case SLOTS:
        return m->words.slots;
    case STARTS:
        return m->words.starts;
    case BYTES:
        return m->words.bytes;
    case UNIGRAMS:
        return m->unigrams;
    default:
        return m->tables[i - TABLES + 2].at;
    }
}

static uint64_t aligned(uint64_t offset)
{
    return (offset + ALIGN - 1) / ALIGN * ALIGN;
}

static void make_header(const struct wm_ngram *m, struct header *h)
{
    memset(h, 0, sizeof *h);
    memcpy(h->magic, magic, sizeof magic);
    h->version = VERSION;
    h->mark = BYTE_ORDER_MARK;
    h->order = m->order;
    h->n_words = m->n_words;
    h->begin = m->begin;
    h->end = m->end;
    h->n_slots = m->words.mask + 1;
    h->n_bytes = m->words.n_bytes;
    for (unsigned order = 1; order <= m->order; order++)
        h->counts[order - 1] = m->counts[order];
    for (unsigned order = 2; order <= m->order; order++)
        h->buckets[order - 1] = m->tables[order].buckets;
    h->file_bytes = sizeof *h;
    for (unsigned i = 0; i < n_sections(h); i++) {
        h->sections[i].offset = aligned(h->file_bytes);
        h->sections[i].hash = XXH3_64bits(section_of(m, i), (size_t)section_bytes(h, i));
        h->file_bytes = h->sections[i].offset + section_bytes(h, i);
    }
    h->hash = XXH3_64bits(h, offsetof(struct header, hash));
}

int wm_ngram_own_write(const struct wm_ngram *m, const char *path, struct wm_error *err)
{
    static const char zeros[ALIGN];
    struct header h;
    struct wm_out *out = NULL;
    make_header(m, &h);
    int status = wm_out_open(path, &out, err);
    if (status)
        return status;
    status = wm_out_write(out, &h, sizeof h, err);
    uint64_t at = sizeof h;
    for (unsigned i = 0; !status && i < n_sections(&h); i++) {
        status = wm_out_write(out, zeros, (size_t)(h.sections[i].offset - at), err);
        if (!status)
            status = wm_out_write(out, section_of(m, i), (size_t)section_bytes(&h, i), err);
        at = h.sections[i].offset + section_bytes(&h, i);
    }
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    status = wm_out_commit(out, NULL, err);
    if (!status && h.file_bytes >= FORGET_FROM)
        wm_file_forget(path);
    return status;
}
