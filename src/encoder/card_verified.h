/* The lines of a card that say what was verified, written into a file that otherwise stays as its owner wrote it. */
#ifndef MT_CARD_VERIFIED_H
#define MT_CARD_VERIFIED_H

/* The text of a card with `lines` ("key=value\n"...) in place of its verified keys in [encoder]; at the end of that group where it
 * has none.  Comments, blank lines, order and all other keys stay.  Free with g_free. */
char *mt_card_replace_verified(const char *text, const char *lines);

#endif
