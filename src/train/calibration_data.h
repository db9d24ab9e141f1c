/* Held-out predictions and what was true: the logits of each case beside its labels. */
#ifndef MT_CALIBRATION_DATA_H
#define MT_CALIBRATION_DATA_H

#include <microtome/head.h>

typedef struct mt_calibration_data {
    int64_t    n, n_unknown;        /* rows; rows that were left out, for nothing is known of them */
    int64_t    n_classes, n_logits; /* labels of the head; what it gives: one less of an ordinal head */
    GPtrArray *ids;
    float     *logits; /* n x n_logits, at temperature 1 */
    float     *holds;  /* n x n_classes: 1, 0, NAN */
    float *questions;  /* n x n_logits, of ordinal (more than grade k?) and hazard (the event in interval t?): 1, 0, NAN; NULL of others */
    char  *sha256;     /* of ids, labels and logits */
} mt_calibration_data;

/* From a folder of results or a CSV.  MT_ERROR_INPUT: a labelled case without a prediction, a column that is missing, a number that is none;
 * MT_ERROR_MODEL: results of another head. */
mt_calibration_data *mt_calibration_data_read(const char *predictions, const char *labels, const mt_head *head, const char *positive,
                                              GError **error);
void                 mt_calibration_data_free(mt_calibration_data *data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_calibration_data, mt_calibration_data_free)

#endif
