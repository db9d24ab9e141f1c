/* A head's card as the start of another: its keys, its decision forgotten, its paths right from where it will stand. */
#ifndef MT_CARD_COPY_H
#define MT_CARD_COPY_H

#include "mil/feature_reference.h"
#include "mil/head_card.h"

/* With another positive label where it is not NULL; calibration, thresholds and sets are those of a card without. */
mt_head_card *mt_card_copy(const mt_head *head, const char *positive, GError **error);
/* The card of the file `from` will be the file `to`: members and reference are paths below the card's folder.  Members that are not below the new
 * one are MT_ERROR_USAGE; a reference that is not comes along: *reference (may be NULL before) is to be written beside `to`. */
bool mt_card_move(mt_head_card *card, const char *from, const char *to, mt_feature_reference **reference, GError **error);
/* The reference (NULL: none), STEM.points.json and the card, in this order. */
bool mt_card_publish(const mt_head_card *card, const char *path, const mt_feature_reference *reference, const char *points, bool replace,
                     GError **error);

#endif
