/* The words of a card's keys; each list is in the order of its enumeration and ends with NULL. */
#ifndef MT_CARD_WORDS_H
#define MT_CARD_WORDS_H

extern const char *const mt_card_pools[], *const mt_card_fits[], *const mt_card_channels[], *const mt_card_filters[];
/* Without range, which carries its numbers. */
extern const char *const mt_card_value_rules[];
extern const char *const mt_card_precisions[];

/* Index, -1 when it is none of them. */
int mt_card_find_word(const char *const *words, const char *word);

#endif
