/* SPDX-License-Identifier: Apache-2.0 */
/** @file yaml_tree.h  Building trees: shared by loading and --set. */
#ifndef WETMILL_BASE_YAML_TREE_H
#define WETMILL_BASE_YAML_TREE_H

#include "wetmill/yaml.h"

/** A node of `source`; NULL without memory. */
struct wm_yaml_node *wm_yaml_node_new(struct wm_arena *arena, const struct wm_yaml_source *source,
                                      enum wm_yaml_kind kind);

/** Append a child to a map (key) or sequence (key NULL). WM_E_NOMEM. */
int wm_yaml_node_add(struct wm_yaml_node *parent, struct wm_yaml_node *key,
                     struct wm_yaml_node *value, struct wm_arena *arena, struct wm_error *err);

/** Parse source->text. */
int wm_yaml_parse_source(const struct wm_yaml_source *source, struct wm_arena *arena,
                         struct wm_yaml_node **ret, struct wm_error *err);

/** Say where (lines and columns from 0, characters) and show the line, unless a place is known. */
int wm_yaml_locate(const struct wm_yaml_source *source, size_t line, size_t column,
                   struct wm_error *err);

#endif /* WETMILL_BASE_YAML_TREE_H */
