/* The losses of every epoch of every fold, as a table and as a picture. */
#ifndef MT_LEARNING_CURVES_H
#define MT_LEARNING_CURVES_H

#include <microtome/train.h>

typedef struct mt_learning_curve {
    const char   *name;  /* of the fold; "all": the final head */
    const GArray *curve; /* mt_train_epoch */
} mt_learning_curve;

/* fold, epoch, train_loss, val_loss, val_metric; a cell is empty where nothing was watched. */
bool mt_learning_curves_csv(const mt_learning_curve *curves, int n, const char *path, GError **error);
/* Train losses full, validation losses dashed, the figure of merit `metric` of validation as points; a colour each. */
bool mt_learning_curves_png(const mt_learning_curve *curves, int n, const char *title, const char *metric, const char *path,
                            GError **error);

#endif
