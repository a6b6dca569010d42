/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file option.h
 * Options as data: one constant table per stage, sink, step or command. Defaults, help, man page,
 * YAML binding, --set, --print-config and step identity are all derived from the table; values
 * land in the owner's struct at `offset`. A table ends with {0}.
 *
 * A field's C type is checked at compile time by the WM_… macros below.
 */
#ifndef WETMILL_OPTION_H
#define WETMILL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum wm_option_type {
    WM_OPTION_END = 0,
    WM_OPTION_REAL,     /**< double */
    WM_OPTION_COUNT,    /**< uint64_t, a whole number */
    WM_OPTION_SIZE,     /**< uint64_t, bytes; takes k M G T KiB MiB GiB TiB */
    WM_OPTION_DURATION, /**< double, seconds; takes s m h d */
    WM_OPTION_BOOL,     /**< bool; true false yes no on off */
    WM_OPTION_TEXT,     /**< const char *, NULL if unset */
    WM_OPTION_PATH,     /**< const char *; in YAML relative to the config file */
    WM_OPTION_CHOICE,   /**< int, index into `choices` */
    WM_OPTION_LIST,     /**< struct wm_list of strings */
    WM_OPTION_PATHS,    /**< struct wm_list of paths */
};

/** A list of NUL-terminated strings, owned by the arena the options were bound with. Zeroed is
 *  empty; only wm_option_set and wm_option_append may add to it. */
struct wm_list {
    const char **items;
    size_t n;
};

enum { WM_LIST_MAX = 1 << 24 }; /**< Most items of a list. */

enum wm_option_flags {
    WM_OPTION_SPEED = 1,    /**< Cannot change the output's bytes: left out of step identity. */
    WM_OPTION_REQUIRED = 2, /**< Must be given. */
};

struct wm_option {
    const char *name; /**< snake_case; the command line also takes kebab-case. */
    enum wm_option_type type;
    size_t offset;
    double def, min, max;       /**< REAL COUNT SIZE DURATION (min = max = 0: any value ≥ 0, for
                                     REAL any); BOOL and CHOICE use def. */
    const char *def_text;       /**< TEXT PATH: default, or NULL. */
    const char *const *choices; /**< CHOICE: ends with NULL. */
    const char *unit;           /**< "bytes", "lines", "share", "" … shown in help. */
    const char *help;           /**< One line, lower case, no full stop. */
    unsigned flags;             /**< enum wm_option_flags. */
};

/** Offset of `field`, refused at compile time unless the field has type `want`. */
#define WM_OFFSET_(type, field, want) \
    (offsetof(type, field) + 0 * sizeof(char[_Generic(((type *)0)->field, want : 1, default : -1)]))
#define WM_REAL(type, field, def, min, max, unit, help)                                           \
    {                                                                                             \
#        field, WM_OPTION_REAL, WM_OFFSET_(type, field, double), def, min, max, 0, 0, unit, help, \
            0                                                                                     \
    }
#define WM_COUNT(type, field, def, min, max, unit, help)                                       \
    {                                                                                          \
#        field, WM_OPTION_COUNT, WM_OFFSET_(type, field, uint64_t), def, min, max, 0, 0, unit, \
            help, 0                                                                            \
    }
#define WM_SIZE(type, field, def, min, max, help)                                                \
    {                                                                                            \
#        field, WM_OPTION_SIZE, WM_OFFSET_(type, field, uint64_t), def, min, max, 0, 0, "bytes", \
            help, 0                                                                              \
    }
#define WM_DURATION(type, field, def, min, max, help)                                     \
    {                                                                                     \
#        field, WM_OPTION_DURATION, WM_OFFSET_(type, field, double), def, min, max, 0, 0, \
            "seconds", help, 0                                                            \
    }
#define WM_BOOL(type, field, def, help)                                                     \
    {                                                                                       \
#        field, WM_OPTION_BOOL, WM_OFFSET_(type, field, bool), def, 0, 1, 0, 0, "", help, 0 \
    }
#define WM_TEXT(type, field, def, help)                                                           \
    {                                                                                             \
#        field, WM_OPTION_TEXT, WM_OFFSET_(type, field, const char *), 0, 0, 0, def, 0, "", help, \
            0                                                                                     \
    }
#define WM_PATH(type, field, def, help)                                                           \
    {                                                                                             \
#        field, WM_OPTION_PATH, WM_OFFSET_(type, field, const char *), 0, 0, 0, def, 0, "", help, \
            0                                                                                     \
    }
#define WM_CHOICE(type, field, choices, def, help)                                                 \
    {                                                                                              \
#        field, WM_OPTION_CHOICE, WM_OFFSET_(type, field, int), def, 0, 0, 0, choices, "", help, 0 \
    }
#define WM_LIST(type, field, help)                                                                \
    {                                                                                             \
#        field, WM_OPTION_LIST, WM_OFFSET_(type, field, struct wm_list), 0, 0, 0, 0, 0, "", help, \
            0                                                                                     \
    }
#define WM_PATHS(type, field, help)                                                                \
    {                                                                                              \
#        field, WM_OPTION_PATHS, WM_OFFSET_(type, field, struct wm_list), 0, 0, 0, 0, 0, "", help, \
            0                                                                                      \
    }

/** Write every default of `table` into `target`. */
void wm_options_default(const struct wm_option *table, void *target);

/** The option called `name` (snake_case or kebab-case), or NULL. */
const struct wm_option *wm_option_find(const struct wm_option *table, struct wm_str name);

/**
 * Parse `value` by the option's type, check its range, store it in `target`. A LIST takes
 * "a,b,c". Strings are copied to `arena`. WM_E_CONFIG names option, value and what it wants.
 */
int wm_option_set(const struct wm_option *option, void *target, struct wm_str value,
                  struct wm_arena *arena, struct wm_error *err);

/** Append one item to a LIST or PATHS option. */
int wm_option_append(const struct wm_option *option, void *target, struct wm_str item,
                     struct wm_arena *arena, struct wm_error *err);

/** WM_E_CONFIG if a REQUIRED option of a text or list type is unset or empty in `target`. */
int wm_options_required(const struct wm_option *table, const void *target, struct wm_error *err);

/**
 * Append the value as canonical text: "0.3", "100000", "16 MiB", "90 s", "null", "[a, b]"; strings
 * in double quotes where YAML needs it. For --print-config and step identity: the same value gives
 * the same text always, and wm_yaml_bind reads the same value back.
 */
int wm_option_format(const struct wm_option *option, const void *target, struct wm_buf *out,
                     struct wm_error *err);

/** Append `s` as a YAML scalar that reads back as this string: plain if it can be, else quoted. */
int wm_option_quote(struct wm_str s, struct wm_buf *out, struct wm_error *err);

/** What it takes, for help and errors: "a number from 0 to 1 (share)", "one of all, first". */
int wm_option_wants(const struct wm_option *option, struct wm_buf *out, struct wm_error *err);

/**
 * Of `n` names the one nearest to `word`: edit distance (with swaps of neighbours, case and - _
 * alike) ≤ 1 + length/4 and below the length, the first of equals; else the only name that starts
 * with `word` (3 letters or more); else NULL.
 */
const char *wm_nearest(struct wm_str word, const char *const *names, size_t n);

/** "16 MiB", "4M" (decimal), "1.5 GiB", "4096" → bytes, fractions of a byte cut off. WM_E_CONFIG
 *  with the accepted forms otherwise. */
int wm_parse_size(struct wm_str text, uint64_t *ret_bytes, struct wm_error *err);

/** "90", "1.5 h", "250 ms", "1h30m" → seconds. WM_E_CONFIG with the accepted forms otherwise. */
int wm_parse_duration(struct wm_str text, double *ret_seconds, struct wm_error *err);

struct wm_json_out;
/** What shapes bytes, as one JSON object: {"option":"value",…} without WM_OPTION_SPEED ones and
 *  without paths (contents are described by their digests). Part of recipes and step identities. */
int wm_options_put(struct wm_json_out *w, const struct wm_option *table, const void *values,
                   struct wm_error *err);
/** The same, appended to `out`. */
int wm_options_describe(const struct wm_option *table, const void *values, struct wm_buf *out,
                        struct wm_error *err);

#endif /* WETMILL_OPTION_H */
