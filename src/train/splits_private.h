#ifndef MT_SPLITS_PRIVATE_H
#define MT_SPLITS_PRIVATE_H

#include "src/train/splits.h"

struct mt_splits {
    guint      n;
    GPtrArray *names; /* char *, one a fold */
    GPtrArray *sides; /* uint8_t[n] each, of mt_side */
};

mt_splits *mt_splits_new(guint n);
/* Appends a fold whose sides are all NONE; its sides, to be filled. */
uint8_t *mt_splits_add(mt_splits *splits, const char *name);
/* MT_ERROR_INPUT naming the patient and both cases when a patient stands on two sides of a fold. */
bool mt_splits_check(const mt_splits *splits, const mt_split_case *cases, GError **error);

#endif
