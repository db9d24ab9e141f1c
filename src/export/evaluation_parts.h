/* The parts of an evaluation's page and table. */
#ifndef MT_EVALUATION_PARTS_H
#define MT_EVALUATION_PARTS_H

#include "src/evaluate/evaluation.h"

#include <microtome/evaluation_report.h>

#include <jansson.h>

#define MT_ESTIMATE_TEXT_BYTES 96

/* evaluation_words.c */
/* "0.934 (0.881 to 0.968)", "not defined". */
const char *mt_estimate_text(const mt_estimate *estimate, char text[MT_ESTIMATE_TEXT_BYTES]);
/* "AUROC" of "auroc", and what it says in one line; the key itself where it is not known. */
const char *mt_metric_title(const char *name);
const char *mt_metric_meaning(const char *name);

/* evaluation_plots.c: SVG text; NULL where the data do not define it.  Free with g_free. */
char *mt_evaluation_plot_roc(const mt_evaluation *evaluation);
char *mt_evaluation_plot_pr(const mt_evaluation *evaluation);
char *mt_evaluation_plot_reliability(const mt_evaluation *evaluation);
char *mt_evaluation_plot_decision(const mt_evaluation *evaluation);
char *mt_evaluation_plot_groups(const mt_grouping *grouping);
char *mt_evaluation_plot_survival(const mt_evaluation *evaluation);

/* evaluation_survival_report.c: Kaplan-Meier of the two groups of risk; nothing of other tasks. */
void    mt_evaluation_survival_html(const mt_evaluation *evaluation, GString *html);
void    mt_evaluation_survival_text(const mt_evaluation *evaluation, GString *text);
json_t *mt_evaluation_survival_json(const mt_evaluation *evaluation); /* null of other tasks */

/* evaluation_gallery.c: the section of wrong cases, nothing where nothing is wrong. */
void mt_evaluation_gallery(const mt_evaluation *evaluation, int most, GString *html);

/* evaluation_text.c */
void mt_text_metric(GString *table, const mt_metric *metric);
void mt_text_goals(GString *table, const GArray *goals);
void mt_text_comparison(GString *table, const mt_comparison *comparison, const char *title, bool paired);

/* evaluation_html.c: a page up to <body>, and its sections. */
GString *mt_html_begin(const char *folder);
void     mt_html_warnings(GString *html, const GPtrArray *warnings); /* NULL-terminated */
void     mt_html_card(GString *html, const GArray *metrics, const char *name);
void     mt_html_goals(GString *html, const GArray *goals);
void     mt_html_metrics(GString *html, const GArray *metrics, int rounds);
void     mt_html_comparison(GString *html, const mt_comparison *comparison, const char *title, const char *first, const char *second,
                            bool paired);
/* evaluation_html.c: `text` made safe. */
void mt_html_text(GString *html, const char *text);
void mt_html_printf(GString *html, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
