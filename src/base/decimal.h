/* Numbers as people would write them: the shortest decimal that reads back as the same number. */
#ifndef MT_DECIMAL_H
#define MT_DECIMAL_H

#define MT_DECIMAL_BYTES 40

/* Into `digits`, which is returned. */
const char *mt_decimal_text(double value, char digits[MT_DECIMAL_BYTES]);
/* The double whose shortest text is this float's: 0.3, not 0.300000011920929. */
double mt_decimal_of_float(float value);

#endif
