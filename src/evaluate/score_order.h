/* Scores against truth, checked once and put into order: what every ranking metric starts from. */
#ifndef MT_SCORE_ORDER_H
#define MT_SCORE_ORDER_H

#include "src/evaluate/estimate.h"

typedef struct mt_score_order {
    int64_t  n, positives, negatives;
    int64_t *rows; /* by score, highest first; equal scores in the order of rows */
} mt_score_order;

/* MT_ERROR_INPUT: a score that is not finite, a truth other than 0 and 1 (the row is named, after `what`: "AUROC"). */
bool mt_scores_check(const char *what, const double *scores, const int *truth, int64_t n, GError **error);
/* The same, and every score in [0, 1]: a probability. */
bool mt_probabilities_check(const char *what, const double *scores, const int *truth, int64_t n, GError **error);
/* Also MT_ERROR_MEMORY. */
bool mt_score_order_init(mt_score_order *order, const char *what, const double *scores, const int *truth, int64_t n, GError **error);
void mt_score_order_clear(mt_score_order *order);
/* Rows by value, lowest first, equal values in the order of rows; free with mt_free. */
int64_t *mt_rows_ascending(const double *values, int64_t n, GError **error);

/* A row of a patient. */
typedef struct mt_row_group {
    int64_t group, row;
} mt_row_group;

/* Rows patient by patient, in the order of rows within one; free with mt_free.  MT_ERROR_INPUT: a negative number. */
mt_row_group *mt_rows_by_group(const char *what, const int64_t *group, int64_t n, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_score_order, mt_score_order_clear)

#endif
