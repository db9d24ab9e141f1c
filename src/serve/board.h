/* The worklist of a desk: every case of the folder with what is known of it and what was said about it, kept up to date by a thread of its own.
 * Any thread. */
#ifndef MT_BOARD_H
#define MT_BOARD_H

#include "src/serve/review_store.h"

#include <microtome/folder.h>

#include <jansson.h>

typedef struct mt_board mt_board;

/* One case; constant. */
typedef struct mt_board_case {
    char   *key; /* opaque: what stands in addresses, 32 hex digits */
    char   *id, *patient, *result, *content_sha256;
    char   *study_uid, *accession; /* of the manifest; NULL: not there */
    char   *decision;
    double  score;
    json_t *row; /* of the worklist, without what was said; its users hold no lock: it is never changed */
} mt_board_case;

/* `key`: of the ids' HMAC.  `changed` is called on the board's thread when there is a new generation. */
mt_board *mt_board_new(const char *out, const char *diagnoses, const uint8_t *key, gsize key_bytes, mt_review_store *store,
                       void (*changed)(void *user), void *user, GError **error);
void      mt_board_free(mt_board *board);

/* A copy of what is known (mt_board_case_free); NULL: no such case. */
mt_board_case *mt_board_find(mt_board *board, const char *key);
mt_board_case *mt_board_find_id(mt_board *board, const char *id);
void           mt_board_case_free(mt_board_case *c);
/* Cases of the patient, that one too: JSON array of {case, id, decision, score}; `plain`: without the latter two. */
json_t *mt_board_patient(mt_board *board, const char *patient, bool plain);

/* An event was stored. */
void mt_board_said(mt_board *board, const mt_review_event *event);
/* Whether `user` gave an opinion of the case, or asked for the score after it was signed. */
bool mt_board_gave_opinion(mt_board *board, const char *id, const char *user);

/* The worklist as `user` may see it: read_first hides what the model says until his opinion is there. */
char    *mt_board_text(mt_board *board, const char *user, bool read_first);
uint64_t mt_board_generation(mt_board *board);
void     mt_board_counts(mt_board *board, int64_t *cases, int64_t *done, int64_t *failed);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_board, mt_board_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_board_case, mt_board_case_free)

#endif
