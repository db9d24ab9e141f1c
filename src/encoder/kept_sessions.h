/* Sessions of one encoder between its cases: making one costs as much as several small images. */
#ifndef MT_KEPT_SESSIONS_H
#define MT_KEPT_SESSIONS_H

#include <microtome/model.h>

/* Bytes of all idle sessions together; large ones are freed at once, their making is small beside their work. */
#define MT_KEPT_SESSIONS_BYTES ((size_t)128 << 20)

typedef struct mt_kept_sessions mt_kept_sessions;

mt_kept_sessions *mt_kept_sessions_new(void);
/* Frees the idle ones; all others have to be given back. */
void mt_kept_sessions_free(mt_kept_sessions *kept);
/* An idle session of this model (of one input), bound alike, else a new one.  Any thread. */
mt_session *mt_kept_sessions_take(mt_kept_sessions *kept, mt_model *model, const mt_session_params *params, GError **error);
/* Back: kept where it has room, the oldest idle ones going first; else freed.  NULL is allowed.  Any thread. */
void mt_kept_sessions_give(mt_kept_sessions *kept, mt_session *session);

#endif
