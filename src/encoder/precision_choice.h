/* Which precision `auto` means: a choice of facts, so that it can be tested on any CPU. */
#ifndef MT_PRECISION_CHOICE_H
#define MT_PRECISION_CHOICE_H

#include <microtome/encoder.h>

/* Each by mt_precision. */
typedef struct mt_precision_facts {
    bool verified[3], native[3];
    bool quantized;
    bool other_model; /* verified= was written for another model file */
} mt_precision_facts;

/* As mt_encoder_auto_precision. */
mt_precision mt_precision_choose(const mt_precision_facts *facts, char **why);

#endif
