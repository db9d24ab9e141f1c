/* Which classes a case may belong to: the set that holds the truth with a promised probability (split conformal prediction). */
#ifndef MT_CONFORMAL_SET_H
#define MT_CONFORMAL_SET_H

#include <microtome/head.h>

/* Classes that sets are made of: those of a softmax head; "not LABEL" and LABEL of a sigmoid head with one label. */
int mt_conformal_n_classes(const mt_head_card *card);
/* The score of one of them. */
double mt_conformal_score(const mt_head_card *card, const float *scores, int i);
/* Its name; free with g_free. */
char *mt_conformal_name(const mt_head_card *card, int i);
/* Names in the set, NULL-terminated, possibly none (the case is like no class); NULL: the card promises nothing.  Free with g_strfreev. */
char **mt_conformal_set(const mt_head_card *card, const float *scores);

#endif
