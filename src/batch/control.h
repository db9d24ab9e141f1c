/* Control cases: slides whose answer is known.  While one of them is not as expected, the scores of its night are withheld. */
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

#endif
