/* What people said about cases: an append-only trail in SQLite (WAL, synchronous=FULL).  Nothing is overwritten: every word is an event with its
 * user, time and the state before; the state of a case is what its events add up to.  Events are chained by SHA-256, so that a row changed by
 * other hands is seen.  Any thread. */
#ifndef MT_REVIEW_STORE_H
#define MT_REVIEW_STORE_H

#include <microtome/error.h>

typedef struct mt_review_store mt_review_store;

/* What an event says; its body is an object of JSON.
 * OPENED, REVEALED: the case, the score were seen (of no version).  OPINION: the reader's own, before the score.  DECISION: agree or disagree, with a
 * reason.  REGION: outlines, replacing one of its id, or (empty) taking it away.  COMMENT.  MASK: a corrected mask came in.  SIGN closes a case,
 * REOPEN opens it again. */
typedef enum mt_review_kind {
    MT_REVIEW_OPENED,
    MT_REVIEW_REVEALED,
    MT_REVIEW_OPINION,
    MT_REVIEW_DECISION,
    MT_REVIEW_REGION,
    MT_REVIEW_COMMENT,
    MT_REVIEW_MASK,
    MT_REVIEW_SIGN,
    MT_REVIEW_REOPEN,
    MT_REVIEW_KINDS
} mt_review_kind;

typedef struct mt_review_event {
    int64_t        id, version; /* version of its case behind it: how many events changed it */
    char          *at;          /* UTC, "2026-11-23T17:30:00.123Z" */
    char          *user, *case_id, *result_sha256;
    char          *region; /* id of REGION's; NULL for the others */
    mt_review_kind kind;
    char          *body, *before; /* JSON; before: of what it replaces, "null" where nothing */
} mt_review_event;

typedef enum mt_review_outcome { MT_REVIEW_STORED, MT_REVIEW_CONFLICT, MT_REVIEW_CLOSED, MT_REVIEW_FAILED } mt_review_outcome;

/* MT_ERROR_INPUT for a file that is no store, is damaged or of a newer version; MT_ERROR_IO. */
mt_review_store *mt_review_store_open(const char *path, GError **error);
void             mt_review_store_free(mt_review_store *store);

/* Append; on disk when it returns.  `expected`: the version that the user saw, -1: any.  CONFLICT: the case has another by now; CLOSED: it is signed,
 * and only REOPEN goes.  at, version, id and before of `event` are filled (free them with mt_review_event_clear). */
mt_review_outcome mt_review_store_append(mt_review_store *store, mt_review_event *event, int64_t expected, GError **error);
void              mt_review_event_clear(mt_review_event *event);

int64_t mt_review_store_version(mt_review_store *store, const char *case_id, GError **error); /* 0: nothing was said; -1: error */
/* Events of a case (NULL: of all) from the first on; mt_review_event *. */
GPtrArray *mt_review_store_events(mt_review_store *store, const char *case_id, GError **error);
/* Whether every event is as it was written: MT_ERROR_INPUT names the first that is not. */
bool mt_review_store_check(mt_review_store *store, GError **error);

const char    *mt_review_kind_name(mt_review_kind kind);
mt_review_kind mt_review_kind_parse(const char *name); /* MT_REVIEW_KINDS: unknown */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_review_store, mt_review_store_free)

#endif
