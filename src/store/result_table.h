/* Columns of a compound dataset ("/measurements"), read one by one: who wrote more of them does not matter. */
#ifndef MT_RESULT_TABLE_H
#define MT_RESULT_TABLE_H

#include <microtome/result.h>

/* Rows of the dataset; -1 with MT_ERROR_INPUT: it is no table. */
int64_t mt_result_table_rows(const mt_result *result, const char *object, GError **error);
/* rows + 1 values; NULL with MT_ERROR_INPUT: no such column, or one of another kind.  Free with g_free. */
double *mt_result_table_numbers(const mt_result *result, const char *object, const char *column, GError **error);
/* NULL-terminated; free with g_strfreev. */
char **mt_result_table_texts(const mt_result *result, const char *object, const char *column, GError **error);

#endif
