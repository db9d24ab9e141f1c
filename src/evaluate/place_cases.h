/* Which cases an evaluation of places has, and the files of each. */
#ifndef MT_PLACE_CASES_H
#define MT_PLACE_CASES_H

#include "src/evaluate/labels.h"
#include "src/evaluate/place_evaluation.h"

/* What both sides of a case are read from; NULL: there is none. */
typedef struct mt_place_pair {
    char *id, *patient, *predicted, *reference;
} mt_place_pair;

/* Files of a folder by their name without ending: id -> path.  MT_ERROR_MISSING: no folder; MT_ERROR_INPUT: two of one id. */
GHashTable *mt_place_folder(const char *folder, const char *const *endings, GError **error);
/* True when `path` has one of the endings, which are lower case. */
bool mt_place_has_ending(const char *path, const char *const *endings);
/* The labels, where they are given, else NULL without an error. */
mt_labels *mt_place_labels(const mt_place_params *params, GError **error);
/* Whether the row is of the split that is asked for. */
bool mt_place_row_counts(const mt_labels *labels, guint row, const char *split, GError **error);
/* mt_place_pair *, ascending by id: of the labels' rows, else of the reference's ids.  Both tables id -> path may be NULL: the column says it.
 * A case without its file is refused with its name, or (allow_missing) named in e->missing. */
GPtrArray *mt_place_pairs(mt_place_evaluation *e, const mt_place_params *params, GError **error);
/* Refuse `missing` ids, or keep them in e->missing. */
bool mt_place_missing(mt_place_evaluation *e, const mt_place_params *params, const GPtrArray *missing, const char *what, GError **error);
gint mt_place_compare_text(gconstpointer a, gconstpointer b); /* of char ** */

#endif
