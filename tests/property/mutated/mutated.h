/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mutated.h
 * Archives damaged at random and read with the real reader: what may be lost, what may not, and
 * what must never appear.
 *
 *     archives.c   sound archives, and what is known of them: which bytes each document needs
 *     mutate.c     the damage, as a list of pieces: which bytes of the original are still whole
 *     expect.c     what follows from it for what the reader gives
 *     main.c       seeds, child process, time limit, the count
 */
#ifndef WETMILL_TESTS_MUTATED_H
#define WETMILL_TESTS_MUTATED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/buf.h"
#include "wetmill/inputs.h"

/** How records lie in the file, which says how much damage may cost. */
enum layout {
    LAYOUT_PLAIN,  /**< One behind the other, not compressed. */
    LAYOUT_EACH,   /**< A member (or frame) for every record, or for a few. */
    LAYOUT_SINGLE, /**< One member for all. */
    LAYOUT_ANY,    /**< Anything: nothing may crash, and the accounts must be right. */
};

/** A document as the reader gave it. */
struct seen {
    uint64_t member, offset; /**< Its location. */
    XXH128_hash_t text;
    uint64_t name; /**< Hash of record id and digest; of the URL where it has none. */
};

struct reading {
    struct seen *docs;
    size_t n, cap;
    struct wm_read_tally tally;
    char told[2000]; /**< The first words of damage. */
};

/** A document of an archive that is whole. */
struct original {
    uint64_t start, end; /**< Bytes of the file it needs: its record's, or its member's. */
    uint64_t from, head,
        to; /**< Its record in the uncompressed stream; head: where its header ends. */
    struct seen doc;
};

struct archive {
    const char *name; /**< File name: formats are told by it where content does not. */
    enum layout layout;
    bool warc;         /**< Its documents have ids and digests (and headers). */
    bool digests_hold; /**< … which are the text's: what a reader can check. */
    unsigned weight;   /**< How often it is taken. */
    struct wm_buf bytes;
    struct original *originals; /**< [n] in order; none for LAYOUT_ANY. */
    size_t n;
    struct seen *sorted; /**< [n_sorted] all it gives, by name. */
    size_t n_sorted;
    uint64_t *out_at; /**< LAYOUT_SINGLE: uncompressed bytes that the first 64 i bytes hold. */
};

struct archives {
    struct archive *items;
    size_t n, cap;
    unsigned weights;
    char from[64]; /**< Where they come from, for people. */
};

/** Make all archives, writing in `dir`; from `data` if that is there. Ends the program if it cannot. */
void archives_make(struct archives *all, const char *dir, const char *data);
void archives_free(struct archives *all);

/** Read a file as a job does. What fails ends the program: nothing in a file may. */
void reading_take(struct reading *r, const char *path, int profile, size_t max_text);
void reading_free(struct reading *r);

/** A stretch of a mutated file. */
struct piece {
    const char *bytes;
    size_t len;
    const struct archive *donor; /**< The archive it is from, or NULL: nobody's. */
    uint64_t from;               /**< … and where there. */
};

enum { PIECES_MAX = 64, DONORS_MAX = 8 };

struct mutation {
    const struct archive *base;
    struct piece pieces[PIECES_MAX];
    size_t n;
    const struct archive *donors[DONORS_MAX];
    size_t n_donors;
    struct wm_arena arena; /**< Bytes that are nobody's. */
    struct wm_buf bytes;   /**< The file. */
    char what[400];        /**< For people. */
};

/** What follows from (seed, number) alone. */
void mutation_make(struct mutation *m, const struct archives *all, uint64_t seed, uint64_t number);

/** Whether the reading is as it must be; else `why` (size) says what is wrong. */
bool expect_all(const struct mutation *m, const struct reading *r, bool strict, char *why,
                size_t size);

/* ---- small things ---- */
uint64_t rng_next(uint64_t *state);
uint64_t rng_below(uint64_t *state, uint64_t n);
/** Where the words stand first, or NULL. */
const char *find_words(struct wm_str s, const char *words);
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *fmt, ...);

#endif /* WETMILL_TESTS_MUTATED_H */
