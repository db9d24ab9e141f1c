/* Held-out predictions and what was true: the logits of each case beside its labels. */
#ifndef MT_CALIBRATION_DATA_H
#define MT_CALIBRATION_DATA_H

#include <microtome/head.h>

typedef struct mt_calibration_data {
    int64_t    n, n_classes, n_unknown; /* rows; labels of the head; rows that were left out, for nothing is known of them */
    GPtrArray *ids;
    float     *logits; /* n x n_classes, at temperature 1 */
    float     *holds;  /* n x n_classes: 1, 0, NAN */
    char      *sha256; /* of ids, labels and logits */
} mt_calibration_data;

/* From a folder of results or a CSV.  MT_ERROR_INPUT: a labelled case without a prediction, a column that is missing, a number that is none;
 * MT_ERROR_MODEL: results of another head. */
mt_calibration_data *mt_calibration_data_read(const char *predictions, const char *labels, const mt_head *head, const char *positive,
                                              GError **error);
void                 mt_calibration_data_free(mt_calibration_data *data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_calibration_data, mt_calibration_data_free)

#endif
