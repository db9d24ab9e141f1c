/* What a batch tells others while it works: metrics.prom, and the operator's commands on a decision or a failure. */
#ifndef MT_ANNOUNCE_H
#define MT_ANNOUNCE_H

#include <microtome/batch.h>

#include <jansson.h>

typedef struct mt_announce mt_announce;

/* Takes the reference to an event for the log. */
typedef void (*mt_announce_log)(void *user, json_t *event);

/* `options` are kept by reference.  OUT is made absolute for the commands. */
mt_announce *mt_announce_new(const mt_batch_options *options, mt_announce_log log, void *user);
/* `result`: status, decision, score, tiles of the headline. */
void mt_announce_done(mt_announce *announce, const mt_batch_case *c, const json_t *result);
void mt_announce_failed(mt_announce *announce, const mt_batch_case *c, const char *reason, const char *stage, int exit_code);
void mt_announce_tick(mt_announce *announce);
/* The last metrics, and all commands waited for: a minute, of a stopped batch 3 s. */
void mt_announce_finish(mt_announce *announce, bool stopped);
void mt_announce_free(mt_announce *announce);

#endif
