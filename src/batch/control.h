/* Control cases: slides whose answer is known.  While one of them is not as expected, the scores made since its run began are withheld. */
#ifndef MT_CONTROL_H
#define MT_CONTROL_H

#include <microtome/batch.h>

/* "LO..HI" of the headline's score, both included, or the label that has the highest score. */
typedef struct mt_control_wish {
    double low, high;
    char  *label; /* NULL: the interval counts */
} mt_control_wish;

bool mt_control_parse(const char *text, mt_control_wish *wish);
void mt_control_wish_clear(mt_control_wish *wish);

/* What is wrong with the control `c` of the folder: "its score is 0.12", "it has no result yet"; NULL: it is as it has to be. */
char *mt_control_fault(const char *out, const mt_batch_case *c);
/* Look at the control cases among `cases`: OUT/withheld/<id>.json is written for those that are not as expected and removed for those that
 * are.  Any number of processes may do so at any time.  `faults` takes a sentence (char *) for each that is not; MT_ERROR_IO. */
bool mt_control_review(const char *out, GPtrArray *cases, GPtrArray *faults, GError **error);

#endif
