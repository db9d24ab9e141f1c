/* One case of a batch, made and freed. */
#ifndef MT_BATCH_CASES_H
#define MT_BATCH_CASES_H

#include <microtome/batch.h>

/* id NULL or empty: the file's stem. */
mt_batch_case *mt_batch_case_new(const char *path, const char *id);
void           mt_batch_case_free(void *batch_case);

#endif
