/* Progress of a batch on stderr: a bar with tiles/s and time left on a terminal, plain lines otherwise. */
#ifndef MT_PROGRESS_BAR_H
#define MT_PROGRESS_BAR_H

#include <microtome/batch.h>

typedef struct mt_progress_bar mt_progress_bar;

/* `command` ("run") is whose warnings they are; it must outlive the bar. */
mt_progress_bar *mt_progress_bar_new(const char *command);
void             mt_progress_bar_event(void *bar, const mt_batch_event *event);
void             mt_progress_bar_free(mt_progress_bar *bar);

#endif
