/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file inputs.h
 * What is read: the input table, its tasks, and the reader that turns a task into documents.
 *
 * Paths become rows of the input table in order: as given, directories and globs by path bytes,
 * list files line by line. A row is a file, or a range of a large file that can be entered in the
 * middle. Tasks are runs of rows, cut from the input alone (never from -j): they are the unit of
 * parallelism, order, commit and resume.
 *
 * A reader delivers documents in key order. A bad record is counted under a named reason; a bad
 * file is read up to the damage, resumed behind it where the format allows, and reported; only
 * trouble of our own (memory, cancellation) is an error. Every byte of input is accounted for:
 * bytes = bytes in records + bytes skipped (uncompressed; line ends between records are in records).
 *
 * Containers: gzip, zstd (with .warc.zst dictionaries), xz, and tar of these in each other. What a
 * file holds is told by its content, then by its name; hidden files are left out of directories
 * and tars, and so are *.json beside a step.json: a corpus directory gives its documents alone. ARC, WAT and the pages of WARC files are counted under WM_READ_NEEDS_EXTRACT.
 *
 * Text: valid UTF-8, each maximal invalid part replaced by one U+FFFD; CRs before an LF removed, any
 * other CR kept as white space of its line (only LF ends one, not U+0085, U+2028 or a form feed);
 * WARC payloads and plain text without the CRs and LFs at their end. It depends on the record's
 * bytes alone, so that wm_reader_at gives it again.
 *
 * Damage: a compressed member that is corrupt loses itself; what is larger than 8 MiB, or the first
 * member of its file, is kept up to 64 KiB before the damage, but for WARC records that are not what
 * their digest says (a decoder can run astray long before a checksum tells). A Content-Length that leads to no
 * record's end is corrected to where the next record starts; where lengths are wrong, the last
 * record may also end with the file. A record that the file ends in is counted, not kept.
 *
 * Ranges (files over 256 MiB): uncompressed WARC, JSONL and text by lines, and zstd where frames
 * start with records. gzip is one row: where a member starts can only be known by decompressing.
 *
 * Profile ccnet reads WARC files as cc_net does: universal newlines, every line stripped, records
 * cut at lines that are WARC/1.0, header fields by position, the first line a title apart from the
 * text (pipeline/ccnet_source.h). Damage is treated as above; a file is one row. Other formats are
 * read as in profile strict.
 *
 * A line of JSON that our own writer wrote gives its document the key, path, location and line map
 * that the line remembers, not its own.
 *
 * Memory of an open reader: about 24 MiB + 2 max_record; zstd windows up to 128 MiB and xz
 * dictionaries up to 256 MiB come on top where a file asks for them, for as long as it is read, and as
 * far as wm_reader_allow lets them.
 */
#ifndef WETMILL_INPUTS_H
#define WETMILL_INPUTS_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/arena.h"
#include "wetmill/batch.h"
#include "wetmill/error.h"
#include "wetmill/option.h"

enum wm_format { WM_FORMAT_AUTO, WM_FORMAT_WARC, WM_FORMAT_JSONL, WM_FORMAT_TEXT };
enum wm_text_unit { WM_TEXT_FILE, WM_TEXT_LINE };
/** How WARC files are read: strict as this header says, ccnet as cc_net does (docs/ccnet.md). */
enum wm_profile { WM_PROFILE_STRICT, WM_PROFILE_CCNET };
extern const char *const wm_profile_names[]; /**< "strict", "ccnet", NULL */

/** Options of a source: `input:` in YAML. */
struct wm_source_options {
    struct wm_list paths;    /**< Files, directories, globs, *.paths[.gz|.zst|.xz] lists, "-". */
    const char *prefix;      /**< Put before every name of a list file. */
    int format;              /**< enum wm_format; auto goes by content, then by name */
    const char *text_field;  /**< JSONL: "text" unless given; falls back to "raw_content". */
    int text_unit;           /**< enum wm_text_unit: a text file is one document, or each line. */
    int profile;             /**< enum wm_profile */
    uint64_t max_record;     /**< Bytes of one record; a longer one is counted and skipped. */
    uint64_t max_ratio;      /**< Uncompressed per compressed byte of a file, beyond which it is a bomb. */
    const char *root;        /**< Not an option: documents name files below this directory relative
                                  to it (doc->path); wm_reader_at looks relative paths up in it. NULL: as given. */
};
extern const struct wm_option wm_source_option_table[];

/** One row of the input table. */
struct wm_input {
    const char *path;      /**< As listed. */
    uint64_t start, end;   /**< Bytes of the file; end UINT64_MAX = up to its end. */
    uint64_t size;         /**< Of the whole file, bytes; 0 for a pipe. */
    int64_t mtime_ns;
    const char *problem;   /**< Why it cannot be read (absent, a directory …), or NULL. */
    bool passing;          /**< … which it may the next time. */
    bool is_pipe;          /**< Can be read once only, from its start: "-", a named pipe. */
    int codec, framing;    /**< Of a range, as found when it was cut; < 0: by content. Internal. */
};

/** A run of rows. */
struct wm_task {
    uint32_t first, n;     /**< Rows first … first + n − 1. */
    uint64_t bytes;        /**< Compressed bytes: for progress. */
};

struct wm_inputs {
    struct wm_arena arena;
    struct wm_source_options options;
    struct wm_input *rows;
    uint32_t n_rows;
    struct wm_task *tasks;
    uint32_t n_tasks;
    uint64_t bytes;
};

/** Build the table. WM_E_CONFIG if nothing matches. Limits: 2^32 − 2 rows. */
int wm_inputs_open(const struct wm_source_options *options, struct wm_inputs *ret,
                   struct wm_error *err);
void wm_inputs_close(struct wm_inputs *inputs);

/** Read every row again and combine the hashes of their bytes, as wm_job_result.inputs. */
int wm_inputs_hash(const struct wm_inputs *inputs, XXH128_hash_t *ret, struct wm_error *err);

/** The one way row hashes (in order) become one. */
XXH128_hash_t wm_inputs_combine(const XXH128_hash_t *rows, size_t n);

/** Reasons a record is no document, in the order of wm_read_tally.reasons. */
enum wm_read_reason {
    WM_READ_NOT_TEXT,       /**< WARC record of another type: warcinfo, request, metadata. */
    WM_READ_NEEDS_EXTRACT,  /**< response, resource, ARC, WAT: text extraction does not exist yet. */
    WM_READ_BAD_HEADER,     /**< No WARC version line, no type, no usable Content-Length. */
    WM_READ_TOO_LONG,       /**< Over max_record. */
    WM_READ_TRUNCATED,      /**< The file ends inside it. */
    WM_READ_BAD_JSON,       /**< A JSONL line that is not an object. */
    WM_READ_NO_TEXT,        /**< A JSONL object without the text field. */
    WM_READ_DAMAGED,        /**< In a damaged member, and not what its digest says. */
    WM_READ_REASONS,
};
extern const char *const wm_read_reason_names[WM_READ_REASONS];
extern const char *const wm_read_reason_hints[WM_READ_REASONS]; /**< NULL where none. */

/** One damaged or skipped stretch of a file. */
struct wm_damage {
    const char *path;
    uint64_t at;     /**< Byte of the file (compressed) where it was noticed. */
    uint64_t record; /**< Ordinal of the record it hit. */
    const char *what;
    bool unread; /**< Counted under `unread`, below. */
};
enum { WM_DAMAGE_MAX = 1000 }; /**< Listed for one task; further ones are only counted. */

struct wm_read_tally {
    uint64_t bytes_compressed, bytes, bytes_in_records, bytes_skipped;
    uint64_t bytes_damaged;      /**< Of the file: members that do not decode (also what is kept of
                                      them), junk between members, what is not read any more. */
    uint64_t records, documents, reasons[WM_READ_REASONS];
    uint64_t repaired_utf8;      /**< Documents with invalid UTF-8, replaced by U+FFFD. */
    uint64_t files, bad_files;   /**< bad: unreadable, damaged or cut short. A record over the limit, a
                                      line that is no JSON, a length set right: listed, not bad. */
    uint64_t n_damage;
    uint64_t unread;             /**< Times that the system did not give what there may be: an I/O error, a
                                      file that is gone or shorter. The next reading may fare better. */
    uint64_t longest;            /**< Document: bytes of its text and of what passes through with it. */
};

struct wm_reader;
int wm_reader_open(const struct wm_inputs *inputs, const struct wm_task *task,
                   struct wm_reader **ret, struct wm_error *err);
/**
 * Fill `batch` (just recycled: arena empty, n_docs 0) with documents up to max_text bytes of text
 * and max_docs documents; one larger document stands alone. 1 = go on, 0 = end of task, < 0 error.
 * It comes back after 4 max_text bytes of input at the latest, at the end of a record, so that the
 * caller can stop or save where there are no documents for long: the batch may then be empty.
 * Text is valid UTF-8, CRLF turned into LF, the map holds all lines, values are [n_values] unset.
 */
int wm_reader_fill(struct wm_reader *reader, struct wm_batch *batch, size_t n_values,
                   size_t max_text, size_t max_docs, struct wm_error *err);

/** What the windows of a reader's decoders may take beyond the usual 8 MiB of each, and how large a
 *  --memory would have to be for more: memory + readers × (bytes − most). */
struct wm_window_limit {
    uint64_t most;    /**< Bytes, all decoders of the reader together. */
    uint64_t memory;  /**< Bytes with which `most` is given for certain. */
    uint64_t readers; /**< Readers that are open at once with that. */
};
/** Right after wm_reader_open; without, only the formats' own limits hold. What does not fit is
 *  WM_E_NOMEM, before any of it is taken: the error names file, byte, window and the memory to give. */
void wm_reader_allow(struct wm_reader *reader, const struct wm_window_limit *limit);

const struct wm_read_tally *wm_reader_tally(const struct wm_reader *reader);
/** Damage so far: [min(n_damage, WM_DAMAGE_MAX)], borrowed. */
const struct wm_damage *wm_reader_damage(const struct wm_reader *reader);
/** XXH3-128 of each row's bytes as read (fingerprint of the input), [task->n]; valid after the end. */
const XXH128_hash_t *wm_reader_hashes(const struct wm_reader *reader);
/** Compressed bytes consumed so far: for progress. */
uint64_t wm_reader_position(const struct wm_reader *reader);
/** Compressed bytes that the documents so far came from, without what was read ahead: exact where
 *  members are small, in a large one by the share of it that was decoded. */
uint64_t wm_reader_passed(const struct wm_reader *reader);
void wm_reader_close(struct wm_reader *reader);

struct wm_state_out;
struct wm_state_in;
/**
 * Where the reader stands, so that another one of the same task goes on with the next document: 1;
 * or 0 if it cannot be gone on with from here (a pipe, the very start or end, reading that failed,
 * or no document for long in a tar or behind damage).
 * Files are entered at the member (gzip, zstd) or byte (uncompressed) of the next record, what
 * stands before in a member is decompressed and skipped; tars, and places with damage in sight, are
 * read again from the row's start without making documents.
 */
int wm_reader_save(struct wm_reader *reader, struct wm_state_out *state, struct wm_error *err);
/** Right after wm_reader_open. WM_E_MISMATCH if the file is not what it was as far as it had been
 *  read, or the state is not one: the reader is of no more use then. */
int wm_reader_load(struct wm_reader *reader, struct wm_state_in *state, struct wm_error *err);

/** Read the one record at `location` of `path` again into batch->docs[0]. WM_E_MISMATCH if no
 *  record starts there. */
int wm_reader_at(const struct wm_source_options *options, const char *path,
                 const struct wm_location *location, struct wm_batch *batch,
                 struct wm_error *err);

#endif /* WETMILL_INPUTS_H */
