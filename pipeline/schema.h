/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schema.h
 * Building the schema of a chain from what its stages declare.
 */
#ifndef WETMILL_PIPELINE_SCHEMA_H
#define WETMILL_PIPELINE_SCHEMA_H

#include "wetmill/batch.h"

/** Add the columns of `columns` (ends with {0}; may be NULL) that are not there yet. WM_E_CONFIG if
 *  one is there with another type, or there are more than WM_COLUMNS_MAX. */
int wm_schema_add(struct wm_schema *schema, const struct wm_column *columns, struct wm_error *err);

#endif /* WETMILL_PIPELINE_SCHEMA_H */
