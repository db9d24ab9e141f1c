/* What open pages are told as it happens: server-sent events (HTML Living Standard 9.2).  Any thread. */
#ifndef MT_EVENTS_H
#define MT_EVENTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MT_EVENTS_LISTENERS 128

typedef struct mt_events mt_events;

mt_events *mt_events_new(void);
void       mt_events_free(mt_events *events);
/* `data` is a line of JSON. */
void mt_events_tell(mt_events *events, const char *name, const char *data);
/* Every listener's next text is NULL. */
void mt_events_end(mt_events *events);

/* false: too many listen. */
bool mt_events_listen(mt_events *events, uint64_t *seen);
void mt_events_leave(mt_events *events);
/* The events after *seen as they are sent, a comment where there is none for `wait_s`; NULL: they have ended. */
char *mt_events_next(mt_events *events, uint64_t *seen, int wait_s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_events, mt_events_free)

#endif
