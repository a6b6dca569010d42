/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml.h
 * Configuration files: the part of YAML that says one thing in one way, as a tree, bound to option
 * tables.
 *
 * Refused: duplicate keys, anchors and aliases, tags, directives for tags, more than one document,
 * keys that are not scalars, anything but UTF-8, and what goes over the limits below. Scalars have
 * no type of their own: the option that takes one decides (`no` in a list of languages is
 * Norwegian). Every error is WM_E_CONFIG, with where = file:line:column and the line as excerpt.
 *
 * Nodes and strings live in the arena given, the source text too; nothing is freed singly. A tree
 * may be read by any number of threads; wm_yaml_set wants it alone.
 */
#ifndef WETMILL_YAML_H
#define WETMILL_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/str.h"

enum {
    WM_YAML_DEPTH = 64,
    WM_YAML_FILE = 16 << 20, /**< Bytes. */
    WM_YAML_NODES = 1000000,
    WM_YAML_TABLE = 256, /**< Options of one table. */
};

enum wm_yaml_kind { WM_YAML_SCALAR, WM_YAML_MAP, WM_YAML_SEQUENCE };

/** Where nodes come from. */
struct wm_yaml_source {
    const char *name; /**< Path, or "--set a.b=1". */
    struct wm_str text;
    bool
        command_line; /**< --set: no line and column; paths are relative to the working directory. */
};

struct wm_yaml_node;
struct wm_yaml_child {
    struct wm_yaml_node *key; /**< A scalar; NULL in a sequence. */
    struct wm_yaml_node *value;
};

struct wm_yaml_node {
    enum wm_yaml_kind kind;
    bool quoted;                    /**< SCALAR: in quotes, or a block | or >. */
    uint32_t line, column;          /**< From 1; the column counts characters. */
    struct wm_str text;             /**< SCALAR; a NUL follows it. */
    struct wm_yaml_child *children; /**< [n] MAP and SEQUENCE, in the order of the file. */
    size_t n;
    const struct wm_yaml_source *source;
};

/** Load a file ("-": standard input). `*ret` is the root, of any kind. A file that cannot be read is
 *  WM_E_CONFIG too. */
int wm_yaml_load(const char *path, struct wm_arena *arena, struct wm_yaml_node **ret,
                 struct wm_error *err);

/** As wm_yaml_load, from memory (copied). `name` stands for the path in errors. */
int wm_yaml_parse(const char *name, struct wm_str text, struct wm_arena *arena,
                  struct wm_yaml_node **ret, struct wm_error *err);

/** Value of `key` in `map`; NULL if it has none or is no map. */
const struct wm_yaml_node *wm_yaml_get(const struct wm_yaml_node *map, const char *key);

/** An unquoted scalar that is empty, `~` or `null`. */
bool wm_yaml_is_null(const struct wm_yaml_node *node);

/** Fail with WM_E_CONFIG at `node`. */
__attribute__((format(printf, 3, 4))) int wm_yaml_fail(const struct wm_yaml_node *node,
                                                       struct wm_error *err, const char *fmt, ...);

/** Hint at the name that `word` may stand for, or, if none is near, at all of them where they are few.
 *  Returns err->status. */
int wm_hint_names(struct wm_error *err, struct wm_str word, const char *const *names, size_t n);

/** Say that an error happened at `node`, unless a place is known. Returns err->status. */
int wm_yaml_at(const struct wm_yaml_node *node, struct wm_error *err);

/**
 * Bind the entries of `map` to the options of `table`, values into `target` (which holds the
 * defaults already). Keys in `other_keys` (ends with NULL; may be NULL) are left to the caller; any
 * other unknown key fails with "did you mean". REQUIRED options must be there. An empty scalar is an
 * empty map. For TEXT and PATH `null` means unset. A LIST takes a sequence, or a scalar "a, b"; PATHS a
 * sequence, or one path. PATH and PATHS become relative to `base_dir` (NULL, "" or ".": unchanged);
 * absolute ones, "-" and those with "://" stand as they are.
 */
int wm_yaml_bind(const struct wm_yaml_node *map, const struct wm_option *table, void *target,
                 const char *const *other_keys, const char *base_dir, struct wm_arena *arena,
                 struct wm_error *err);

/**
 * Apply --set: "a.b.c=value". A segment is a key (- and _ alike), "[2]" an item of a sequence
 * (its length: append), or the name of an item of a sequence of names (`- length` or
 * `- length: {…}`). Missing maps are made. The value is a scalar, or a sequence or map if it starts
 * with [ or {.
 */
int wm_yaml_set(struct wm_yaml_node *root, struct wm_str assignment, struct wm_arena *arena,
                struct wm_error *err);

#endif /* WETMILL_YAML_H */
