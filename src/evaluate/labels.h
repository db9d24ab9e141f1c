/* What is known about the cases of a cohort: a labels file, one row a case.
 * Columns: id (also slide_id, case, wsi, image: CLAM, manifests and the chest X-ray sets name it so), patient (with slide_id also case_id),
 * label, split; all others are kept under their own names.  Immutable once read. */
#ifndef MT_LABELS_H
#define MT_LABELS_H

#include "src/base/csv.h"

typedef struct mt_labels mt_labels;

/* MT_ERROR_MISSING, MT_ERROR_INPUT: no id column, no rows, an empty id, the same id twice (both lines are named), a ragged row. */
mt_labels *mt_labels_read(const char *path, GError **error);
void       mt_labels_free(mt_labels *labels);
/* As given; for messages. */
const char *mt_labels_path(const mt_labels *labels);
guint       mt_labels_n(const mt_labels *labels);
const char *mt_labels_id(const mt_labels *labels, guint row);
/* The case itself where the file names no patient: each case is then a patient of its own. */
const char *mt_labels_patient(const mt_labels *labels, guint row);
/* Of a case id; -1: not in the file. */
int mt_labels_find(const mt_labels *labels, const char *id);
/* Column by name, "label" and "split" too; -1 when absent. */
int mt_labels_column(const mt_labels *labels, const char *name);
/* "" where the cell is empty. */
const char *mt_labels_cell(const mt_labels *labels, guint row, int column);
/* The line of the file, counted from 1; for messages. */
guint mt_labels_line(const mt_labels *labels, guint row);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_labels, mt_labels_free)

#endif
