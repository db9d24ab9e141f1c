/* A card as text again: what a resolved recipe repeats of it, and a card file for a contract that was found elsewhere. */
#ifndef MT_CARD_TEXT_H
#define MT_CARD_TEXT_H

#include <microtome/encoder.h>

/* Lines `key=value`: one; nothing when value is NULL; n numbers separated by ';'. */
void mt_card_text_put(GString *text, const char *key, const char *value);
void mt_card_text_put_numbers(GString *text, const char *key, const double *values, int n);
/* Every key from input to interpolation of a complete card. */
void mt_card_text_put_contract(GString *text, const mt_card *card);
/* A card file that says the same as `card`; free with g_free. */
char *mt_card_text_new(const mt_card *card);

#endif
