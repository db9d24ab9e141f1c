/* RFC 4180 tables with a header row. */
#ifndef MT_CSV_H
#define MT_CSV_H

#include <microtome/error.h>

typedef struct mt_csv {
    GPtrArray *header; /* char * */
    GPtrArray *rows;   /* GPtrArray * of char *, as long as the header */
} mt_csv;

/* UTF-8, comma, optional BOM, quotes; ragged rows are MT_ERROR_INPUT with the line number. */
mt_csv     *mt_csv_read(const char *path, GError **error);
void        mt_csv_free(mt_csv *csv);
int         mt_csv_column(const mt_csv *csv, const char *name); /* -1 when absent */
const char *mt_csv_cell(const mt_csv *csv, guint row, int column);
/* Append one cell, quoted where needed; a text cell that a spreadsheet would run (=, +, -, @, tab or return first) gets a ' in front.
 * `first` suppresses the comma. */
void mt_csv_append_text(GString *line, const char *text, bool first);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_csv, mt_csv_free)

#endif
