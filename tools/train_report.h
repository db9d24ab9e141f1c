/* What a training tells: epochs as they end, and what came of it. */
#ifndef MT_TRAIN_REPORT_TEXT_H
#define MT_TRAIN_REPORT_TEXT_H

#include <microtome/train.h>

typedef struct mt_epoch_line mt_epoch_line;

/* On stderr: one line that is redrawn on a terminal; else a line as each head is done. */
mt_epoch_line *mt_epoch_line_new(void);
void           mt_epoch_line_draw(mt_epoch_line *line, const mt_train_epoch *epoch);
void           mt_epoch_line_free(mt_epoch_line *line);

/* On stdout: as text, or one JSON object. */
void mt_train_report_print(const mt_train_report *report, bool json);

#endif
