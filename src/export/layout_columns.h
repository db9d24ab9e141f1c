/* The numbers of each tile beside its place: attention and the scores of the classes. */
#ifndef MT_LAYOUT_COLUMNS_H
#define MT_LAYOUT_COLUMNS_H

#include "src/export/layout_source.h"

typedef struct mt_layout_columns {
    int        n;
    char     **names;  /* NULL-terminated: prefix and label */
    mt_tensor *values; /* float32 (tiles, n); NULL: there are none */
} mt_layout_columns;

/* The columns of `object`, float32 (tiles, K): "PREFIX_LABEL" by its attribute labels, else "PREFIX" or "PREFIX_0" ..; n 0 where it is not. */
bool mt_layout_columns_read(const mt_layout_source *source, const char *object, const char *prefix, mt_layout_columns *columns,
                            GError **error);
void mt_layout_columns_clear(mt_layout_columns *columns);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_layout_columns, mt_layout_columns_clear)

#endif
