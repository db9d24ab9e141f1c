/* OUT/manifest.csv: every case that the folder was ever asked for, with all columns of its manifests; so that the pending are known.
 * What a run was given is also kept as runs/cases-<hash>.csv, which no other run replaces: of two runs that start together and merge
 * into manifest.csv at once, the rows of neither are lost.  Paths are kept as bare file names: parent folders may hold names. */
#ifndef MT_CASE_TABLE_H
#define MT_CASE_TABLE_H

#include <microtome/batch.h>

typedef struct mt_case_table {
    GPtrArray  *columns; /* char *; the first is "id" */
    GPtrArray  *rows;    /* GPtrArray * of char *, at most as long as `columns`; NULL is no value */
    GHashTable *by_id;   /* id -> row + 1 */
} mt_case_table;

mt_case_table *mt_case_table_new(void);
void           mt_case_table_free(mt_case_table *table);
/* The row of a case, a new one if need be. */
guint mt_case_table_row(mt_case_table *table, const char *id);
/* Of cases as a command line gave them. */
void mt_case_table_add_cases(mt_case_table *table, GPtrArray *cases);
/* -1 and NULL: not there. */
int         mt_case_table_column(const mt_case_table *table, const char *name);
const char *mt_case_table_cell(const mt_case_table *table, guint row, int column);
/* Merge a table as mt_case_table_csv writes it: its values win.  MT_ERROR_INPUT, MT_ERROR_MISSING. */
bool  mt_case_table_merge(mt_case_table *table, const char *path, GError **error);
char *mt_case_table_csv(const mt_case_table *table);

/* All of the folder: manifest.csv and the lists of its runs; empty where there are none.  What cannot be read is left out. */
mt_case_table *mt_case_table_of_folder(const char *out);
/* Keep `cases` in the folder: their list among the runs, then manifest.csv. */
bool mt_case_table_record(const char *out, GPtrArray *cases, GError **error);
/* manifest.csv again, from the lists of all runs. */
bool mt_case_table_refresh(const char *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_case_table, mt_case_table_free)

#endif
