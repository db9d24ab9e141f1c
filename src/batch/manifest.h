/* A manifest: one row a case, and what its columns mean. */
#ifndef MT_MANIFEST_H
#define MT_MANIFEST_H

#include <microtome/batch.h>

/* Append the cases of a CSV to `cases`; relative paths are below the manifest's folder.  MT_ERROR_MISSING, MT_ERROR_INPUT for what is no
 * table, MT_ERROR_USAGE for a cell that means nothing: file, row, column, value and what is allowed are named. */
bool mt_manifest_read(const char *manifest, GPtrArray *cases, GError **error);

/* The cell of `priority`: a number, or urgent, high, routine, low. */
bool mt_manifest_parse_priority(const char *text, double *priority);
/* The cell of `due`: an ISO 8601 date (its last second) or date and time, local where it names no zone; µs since 1970. */
bool mt_manifest_parse_due(const char *text, gint64 *due_us);

#endif
