/* What `status` prints of an output folder. */
#ifndef MT_STATUS_REPORT_H
#define MT_STATUS_REPORT_H

#include <microtome/folder.h>

#include <stdio.h>

/* Every case, then the totals.  `brief`: of the cases only what is running or failed. */
void mt_status_table(const mt_folder *folder, bool brief, FILE *stream);
void mt_status_totals(const mt_folder *folder, FILE *stream);
void mt_status_json(const mt_folder *folder, FILE *stream);
/* 65 with failed cases; 75 with cases to do, running or not; else 0. */
int mt_status_exit_code(const mt_folder *folder);

#endif
