/* OUT/withheld/<control id>.json: a control case of the folder is not as expected, so the scores made since its run began are not given.
 * Results are published once and never edited; who tells a score asks here first. */
#ifndef MT_WITHHELD_H
#define MT_WITHHELD_H

#include "src/result/headline.h"

typedef struct mt_withheld mt_withheld;

/* NULL: nothing is withheld.  A record that cannot be read withholds everything. */
mt_withheld *mt_withheld_read(const char *out);
void         mt_withheld_free(mt_withheld *withheld);
/* Why the score of this result is not given; NULL: it is.  By the file's time, which the file system of the record gave too. */
const char *mt_withheld_why(const mt_withheld *withheld, const char *result_path);
/* When `path` was changed, µs since 1970; -1: it is not there. */
gint64 mt_withheld_changed_us(const char *path);
/* Status withheld, decision none, no score; `why` is the reason. */
void mt_headline_withhold(mt_headline *headline, const char *why);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_withheld, mt_withheld_free)

#endif
