/* The k vectors of greatest cosine with a query, of any number that are shown one after the other, in bounded memory.
 * A product in float over blocks of rows finds who may be among them; those are compared in double, each in one serial order, so that
 * the answer depends neither on blocks nor on threads. */
#ifndef MT_NEAREST_H
#define MT_NEAREST_H

#include <microtome/error.h>

typedef struct mt_nearest mt_nearest;

typedef struct mt_near {
    double  score; /* cosine */
    guint   source;
    int64_t row;
} mt_near;

/* `query` (copied) is `dim` floats.  MT_ERROR_INPUT when it is not finite or zero. */
mt_nearest *mt_nearest_new(const float *query, int64_t dim, int k, GError **error);
void        mt_nearest_free(mt_nearest *nearest);
/* Show one vector.  One of zeros is like nothing and is passed over; MT_ERROR_INPUT for one that is not finite. */
bool mt_nearest_show(mt_nearest *nearest, const float *vector, guint source, int64_t row, GError **error);
/* The answer, greatest first, equal ones by source, then row; afterwards nothing more is shown. */
bool    mt_nearest_finish(mt_nearest *nearest, const mt_near **found, int *n, GError **error);
int64_t mt_nearest_compared(const mt_nearest *nearest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_nearest, mt_nearest_free)

#endif
