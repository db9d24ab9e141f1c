/* <microtome/place_report.h>  An evaluation of masks or findings as text, JSON, CSV and one HTML page.  The same bytes for the same evaluation. */
#ifndef MICROTOME_PLACE_REPORT_H
#define MICROTOME_PLACE_REPORT_H

#include <microtome/evaluate_places.h>

G_BEGIN_DECLS

/* Free each with g_free. */
MT_PUBLIC char *mt_place_text(const mt_place_evaluation *evaluation);
MT_PUBLIC char *mt_place_json(const mt_place_evaluation *evaluation);
MT_PUBLIC char *mt_place_csv(const mt_place_evaluation *evaluation);
MT_PUBLIC char *mt_place_html(const mt_place_evaluation *evaluation);
/* folder/{evaluation.json, cases.csv, evaluation.html}; each appears whole, over an older one.  MT_ERROR_IO. */
MT_PUBLIC bool mt_place_write(const mt_place_evaluation *evaluation, const char *folder, GError **error);

G_END_DECLS

#endif
