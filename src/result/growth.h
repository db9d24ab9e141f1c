/* The parts of a comparison: growth.c finds and measures, growth_sentence.c words it, growth_file.c writes it. */
#ifndef MT_GROWTH_PARTS_H
#define MT_GROWTH_PARTS_H

#include "src/result/messages.h"

#include <microtome/growth.h>

/* Sentences of all rows and values. */
void mt_growth_word(mt_growth *growth, mt_language language);

#endif
