/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file members.h
 * What a source says once decompressed: one stream of bytes, seen through a window.
 *
 * gzip members and zstd frames ("members" here) follow each other in one stream. Common Crawl
 * compresses each record into a member of its own; other writers put a whole file into one, or cut
 * at any byte. So records may span members, and only damage ends a *segment* of the stream: what
 * stands behind it is not a continuation of what stood before. The window gives the bytes of one
 * segment; wm_members_resume goes on to the next.
 *
 * Damage. A member that fits WM_MEMBER_WHOLE is shown only when all of it decoded and its checksum
 * and length agree: it is lost whole or not at all. What does not fit is shown as it decodes, but
 * WM_MEMBER_HELD bytes later, so that bytes from just before the damage, where a decoder already
 * runs astray, are never shown; the same goes for the first member of a file, which may be all there
 * is. What is shown without a checksum to vouch for it is in doubt (wm_members_doubt). A member that
 * the file ends in is shown as far as it goes. Behind damage, the next place where a member's header
 * stands and its data decode is looked for.
 *
 * A skippable zstd frame is passed over if a frame, or the end, stands behind its claimed length; else
 * it is damage, and frames are looked for right behind its header. Where what stands there cannot be
 * seen (more than WM_SOURCE_BUFFER ahead in a pipe or a tar, and frames of up to 4 GiB cannot be held
 * back), the length is believed until a frame is met that decodes, which makes it damage too: so a
 * skippable frame that holds zstd frames of its own, and is that large, is passed over in a file, but
 * reported, and what it holds read, in a pipe.
 *
 * Memory: window (largest record + WM_MEMBER_WHOLE), WM_SOURCE_BUFFER, and the codec's own window
 * (zstd at most WM_ZSTD_WINDOW, xz at most WM_XZ_DICTIONARY; what is beyond the usual only as far as
 * `windows` lets it, and only up to wm_members_end). One thread.
 */
#ifndef WETMILL_PIPELINE_MEMBERS_H
#define WETMILL_PIPELINE_MEMBERS_H

#include "pipeline/report.h"
#include "pipeline/source.h"
#include "pipeline/window.h"
#include "wetmill/str.h"

enum {
    WM_MEMBER_WHOLE = 8 << 20,     /**< Uncompressed bytes up to which a member is held back. */
    WM_MEMBER_HELD = 64 << 10,     /**< Bytes held back of a larger one. */
    WM_ZSTD_WINDOW = 128 << 20,    /**< Largest zstd window: what `zstd -d` takes unasked. */
    WM_ZSTD_DICTIONARY = 16 << 20, /**< Largest dictionary frame. */
    WM_XZ_DICTIONARY = 256 << 20,  /**< Largest xz dictionary. */
    WM_RATIO_FREE = 64 << 20,      /**< Output from which on max_ratio counts. */
};

enum wm_codec { WM_CODEC_NONE, WM_CODEC_GZIP, WM_CODEC_ZSTD, WM_CODEC_XZ };

/** By the first bytes. */
enum wm_codec wm_codec_detect(const unsigned char *bytes, size_t len);

/** Where a member starts. */
struct wm_mark {
    uint64_t at;             /**< In the stream of uncompressed bytes. */
    uint64_t offset, length; /**< In the file; length 0 = unknown. */
    uint64_t decoded;        /**< Bytes decoded before it … */
    uint64_t ordinal;        /**< … and members begun. */
    bool pieces;             /**< It was taken for a large one. */
};

struct wm_members;
struct wm_gzip;
struct wm_zstd;
struct wm_xz;

/** Why a member was not read. */
enum wm_member_fault {
    WM_FAULT_JUNK,
    WM_FAULT_CORRUPT,
    WM_FAULT_SHORT,
    WM_FAULT_LONG,  /**< A skippable frame is longer than the file. */
    WM_FAULT_LOOSE, /**< What stands behind one is no frame. */
    WM_FAULT_INNER, /**< A frame starts inside one. */
    WM_FAULTS,
};

/** Looking for the next member behind damage. */
struct wm_search {
    bool on;
    enum wm_member_fault fault;
    bool kept;     /**< Some of the damaged member is shown. */
    uint64_t from; /**< Byte of the source where what is lost starts. */
};

/** One codec. */
struct wm_codec_ops {
    int (*start)(struct wm_members *m, struct wm_error *err);
    /** Add to the window, or set `ended`. Fails only for lack of memory. */
    int (*pull)(struct wm_members *m, struct wm_error *err);
    void (*done)(struct wm_members *m);
    /** Does a member start at source->pos? It is asked at every `magic` byte behind damage. NULL:
     *  there is no way on behind damage. */
    int (*probe)(struct wm_members *m, bool *ret, struct wm_error *err);
    unsigned char magic;
    const char *name, *member; /**< As reports say it. */
};
extern const struct wm_codec_ops wm_codec_none, wm_codec_gzip, wm_codec_zstd, wm_codec_xz;

struct wm_members {
    struct wm_source *source;
    struct wm_source *file; /**< The file itself: `source`, unless that is a member of a tar. */
    struct wm_report *report;
    const struct wm_codec_ops *ops;
    uint64_t max_ratio;         /**< 0 = not checked. */
    struct wm_windows *windows; /**< Of the reader; NULL: no limit. Set before wm_members_start. */
    uint64_t window_held;       /**< Of them, by the codec. */

    char *window; /**< [pos, len) is seen; [len, ready) is decoded but held back. */
    size_t pos, len, ready, cap;
    uint64_t at;      /**< Place of window[pos] in the stream. */
    bool ended;       /**< The segment ends at window[len]. */
    bool broken;      /**< … because of damage. */
    bool more;        /**< … and there is another segment. */
    size_t noticed;   /**< Item of the list of damage that tells of it, from 1; 0 = none. */
    uint64_t decoded; /**< Bytes decoded so far, shown or not. */
    uint64_t doubt, doubt_end; /**< Places in the stream between which no checksum vouches. */

    struct wm_mark *marks; /**< [first_mark, n_marks) of members that reach into the window. */
    size_t first_mark, n_marks, cap_marks;

    bool inside;             /**< A member is being decoded piece by piece. */
    bool large;              /**< … and is too large to hold back. */
    bool prefer_pieces;      /**< The last member was large: so will the next one be. */
    size_t fed;              /**< Bytes of the source the decoder has, from source->pos on. */
    size_t held_from;        /**< Where in the window it starts, while it is not large. */
    uint64_t member_offset;  /**< Where in the file it starts. */
    uint64_t n_members;      /**< Begun so far. */
    uint64_t wasted;         /**< Bytes decoded in vain: bounds the search behind damage. */
    struct wm_search search; /**< `on` and not `ended`: the segment starts where it will end. */
    uint64_t pause_at;       /**< Byte of the file from which on the search pauses; 0 = never. */
    struct wm_gzip *gzip;
    struct wm_zstd *zstd;
    struct wm_xz *xz;
};

/** Start on `source`, which stands at the start of a member. Memory of earlier streams is reused. */
int wm_members_start(struct wm_members *m, struct wm_source *source, struct wm_source *file,
                     enum wm_codec codec, uint64_t max_ratio, struct wm_report *report,
                     struct wm_error *err);
/** The source is at its end: what the codec took beyond the usual is freed. */
void wm_members_end(struct wm_members *m);
void wm_members_done(struct wm_members *m); /**< Safe on a zeroed one. */

/** Said in place of 0 or 1, by what reads records too: the caller can look up from its work, and come
 *  back. */
enum { WM_PAUSED = 2 };

/** See at least `want` bytes, fewer only if the segment ends. Moves the window: slices of it die.
 *  WM_PAUSED, with m->pause_at, only at the start of a segment behind damage, nothing being seen. */
int wm_members_need(struct wm_members *m, size_t want, struct wm_error *err);
static inline struct wm_str wm_members_seen(const struct wm_members *m)
{
    return (struct wm_str){m->window + m->pos, m->len - m->pos};
}
/** Go on by `n` bytes that are seen. */
void wm_members_skip(struct wm_members *m, size_t n);
/** Behind damage (`ended` and nothing seen): true if there is another segment, which starts. */
bool wm_members_resume(struct wm_members *m);
/** May bytes [from, to) of the stream be wrong? They are of a member that turned out to be damaged,
 *  or that is larger than what is held back; whether its end was sound is not asked, since when that
 *  is known depends on how far is read ahead. */
static inline bool wm_members_doubt(const struct wm_members *m, uint64_t from, uint64_t to)
{
    return to > m->doubt && from < m->doubt_end;
}
/** Give up what is left: everything is at its end. */
void wm_members_stop(struct wm_members *m);

/** Where the byte `at` of the stream (at or behind the window's first) is stored. */
void wm_members_place(struct wm_members *m, uint64_t at, uint64_t *ret_member, uint64_t *ret_length,
                      uint64_t *ret_offset);
/** The member that holds the byte `at` of the stream: where decoding starts for it. */
struct wm_mark wm_members_mark_of(struct wm_members *m, uint64_t at);
/** Right behind wm_members_start, the source standing at mark->offset: as if all members before had
 *  been read. */
void wm_members_enter(struct wm_members *m, const struct wm_mark *mark, uint64_t wasted);
/** Byte of the file to name when something is wrong at byte `at` of the stream. */
uint64_t wm_members_file_at(struct wm_members *m, uint64_t at);

/* ---- for codecs ---- */

/** Room for `room` bytes behind window[ready]. Moves the window. */
int wm_members_room(struct wm_members *m, size_t room, struct wm_error *err);
/** The codec is about to take `window` bytes for `what`. WM_E_NOMEM: it is refused. */
int wm_members_window(struct wm_members *m, uint64_t window, const char *what,
                      struct wm_error *err);
/** A member that starts at `offset` of the file follows at window[ready]. */
int wm_members_mark(struct wm_members *m, uint64_t offset, uint64_t length, struct wm_error *err);

/** Piece by piece: a member starts at source->pos. */
int wm_member_begin(struct wm_members *m, struct wm_error *err);
/** The decoder took `in` bytes and gave `out`; show what may be shown. */
void wm_member_step(struct wm_members *m, size_t in, size_t out);
/** It is whole and its checksum agrees. */
void wm_member_end(struct wm_members *m);

/** Place in the stream where the member that is being decoded starts. */
static inline uint64_t wm_member_at(const struct wm_members *m)
{
    return m->at + (m->held_from - m->pos);
}
/** A segment starts, but where (m->search)? Look on: 0, WM_PAUSED, or WM_E_NOMEM. */
int wm_member_search(struct wm_members *m, struct wm_error *err);
/** The member does not decode, or no member stands where one should: look for the next, report what
 *  was skipped, end the segment. Where that takes long the next segment starts with looking. */
int wm_member_damaged(struct wm_members *m, enum wm_member_fault fault, struct wm_error *err);
/** Pass up to byte `until` of the source while no member starts; `*ret`: one does. */
int wm_member_pass(struct wm_members *m, uint64_t until, bool *ret, struct wm_error *err);
/** What stands from byte `from` of the source to where a member starts now is lost. */
void wm_member_lost(struct wm_members *m, enum wm_member_fault fault, uint64_t from);

#endif /* WETMILL_PIPELINE_MEMBERS_H */
