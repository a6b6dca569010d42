/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/schema.h"

int wm_schema_slot(const struct wm_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

static const char *type_name(enum wm_column_type type)
{
    static const char *const names[] = {
        [WM_COLUMN_COUNT] = "count", [WM_COLUMN_REAL] = "real", [WM_COLUMN_TEXT] = "text"};
    return names[type];
}

int wm_schema_add(struct wm_schema *schema, const struct wm_column *columns, struct wm_error *err)
{
    for (const struct wm_column *c = columns; c && c->name; c++) {
        int slot = wm_schema_slot(schema, c->name);
        if (slot >= 0 && schema->columns[slot].type == c->type)
            continue;
        if (slot >= 0)
            return wm_fail(err, WM_E_CONFIG, "column %s is a %s here and a %s before", c->name,
                           type_name(c->type), type_name(schema->columns[slot].type));
        if (schema->n == WM_COLUMNS_MAX)
            return wm_fail(err, WM_E_CONFIG, "the stages write more than %d columns",
                           (int)WM_COLUMNS_MAX);
        schema->columns[schema->n++] = *c;
    }
    return 0;
}
