/* How the cells of a labels file are read as targets (targets.c and its readers share it). */
#ifndef MT_TARGET_VALUES_H
#define MT_TARGET_VALUES_H

#include "src/evaluate/targets.h"

struct mt_targets {
    mt_task task;
    guint   n, n_unknown;
    char  **labels;
    int     n_labels;
    char   *positive;
    int    *classes; /* n; -1: unknown */
    float  *holds;   /* n x n_labels, findings only */
    double *times;   /* n, survival only; NAN: unknown */
    bool   *events;  /* n, survival only */
    int    *strata;  /* n */
};

/* The column, or MT_ERROR_INPUT that tells the columns there are; -1 on failure. */
int mt_target_column(const mt_labels *labels, const char *name, const char *why, GError **error);
/* A finite number in the cell. */
bool mt_target_number(const char *cell, double *value);
/* The whole numbers of a column, sorted: true when all cells that are not blank hold one. */
bool mt_target_integer(const char *cell, gint64 *value);
int  mt_target_index(char *const *labels, const char *label);

/* One each: fill what the task needs; the strata too. */
bool mt_targets_read_classes(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error);
bool mt_targets_read_findings(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error);
bool mt_targets_read_survival(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error);

#endif
