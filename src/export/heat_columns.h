/* The numbers of each tile beside its heat: attention and the scores of the classes. */
#ifndef MT_HEAT_COLUMNS_H
#define MT_HEAT_COLUMNS_H

#include <microtome/heat_tables.h>

#include <stdio.h>

typedef struct mt_heat_columns {
    int     n;
    char  **names;  /* "attention", "attention_CLASS", "score_CLASS" */
    double *values; /* n_tiles x n */
} mt_heat_columns;

mt_heat_columns *mt_heat_columns_new(const mt_heatmap *heatmap, const mt_result *result, GError **error);
void             mt_heat_columns_free(mt_heat_columns *columns);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_heat_columns, mt_heat_columns_free)

/* `value` as JSON and CSV have it, shortest that reads back as a float32; NaN is `none`. */
void mt_heat_put_number(FILE *out, double value, const char *none);
/* A JSON string with its quotes. */
void mt_heat_put_string(FILE *out, const char *text);

#endif
