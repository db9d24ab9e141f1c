/* What the events of a review add up to, for each case: for the worklist.  One thread at a time. */
#ifndef MT_OPINIONS_H
#define MT_OPINIONS_H

#include "src/serve/review_store.h"

#include <jansson.h>

typedef struct mt_opinions mt_opinions;

mt_opinions *mt_opinions_new(mt_review_store *store, GError **error);
void         mt_opinions_free(mt_opinions *opinions);
void         mt_opinions_add(mt_opinions *opinions, const mt_review_event *event);
/* {version, state, user, at}; NULL: nothing was said. */
json_t *mt_opinions_json(const mt_opinions *opinions, const char *case_id);
bool    mt_opinions_has(const mt_opinions *opinions, const char *case_id, const char *user);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_opinions, mt_opinions_free)

#endif
