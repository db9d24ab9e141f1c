/* A table on pages of A4, broad side down, in PDF: for lists that lie on a table. */
#ifndef MT_TABLE_PAGE_H
#define MT_TABLE_PAGE_H

#include <microtome/error.h>

typedef struct mt_table_page {
    const char         *title, *foot;
    int                 n_columns;
    const char *const  *heads;  /* n_columns */
    const double       *shares; /* n_columns, of the width; they add up to 1 */
    const char *const **rows;   /* each n_columns; a NULL ends them */
} mt_table_page;

/* MT_ERROR_INTERNAL where no font of the machine has the letters. */
GBytes *mt_table_page_pdf(const mt_table_page *table, GError **error);

#endif
