/* What `tile` tells of the cases it cut: lines for people, JSON for programs. */
#ifndef MT_TILE_REPORT_H
#define MT_TILE_REPORT_H

#include <microtome/cut.h>

typedef struct mt_tile_report mt_tile_report;

mt_tile_report *mt_tile_report_new(bool json);
/* A case that was cut (error NULL) or not; prints what people are told of it. */
void mt_tile_report_add(mt_tile_report *report, const mt_job *job, const char *folder, const mt_cut_summary *summary, const GError *error);
/* Print the JSON, when it was asked for. */
void mt_tile_report_end(mt_tile_report *report);

#endif
