/* <microtome/evaluation_report.h>  An evaluation as text, JSON, CSV and one HTML page.  The same bytes for the same evaluation. */
#ifndef MICROTOME_EVALUATION_REPORT_H
#define MICROTOME_EVALUATION_REPORT_H

#include <microtome/evaluate.h>

G_BEGIN_DECLS

/* The table for a terminal; free with g_free. */
MT_PUBLIC char *mt_evaluation_text(const mt_evaluation *evaluation);
/* Stable keys (docs/evaluation.md); what is not defined is null and its reason stands under "undefined".  Free with g_free. */
MT_PUBLIC char *mt_evaluation_json(const mt_evaluation *evaluation);
/* One row a case: truth, scores, call, right or wrong. */
MT_PUBLIC char *mt_evaluation_csv(const mt_evaluation *evaluation);
/* A self-contained page: pictures inside, nothing fetched.  `gallery`: errors shown of each kind at most, with the tiles that led to them. */
MT_PUBLIC char *mt_evaluation_html(const mt_evaluation *evaluation, int gallery);
/* folder/{evaluation.json, cases.csv, evaluation.html}; each appears whole, over an older one.  MT_ERROR_IO. */
MT_PUBLIC bool mt_evaluation_write(const mt_evaluation *evaluation, const char *folder, int gallery, GError **error);

G_END_DECLS

#endif
