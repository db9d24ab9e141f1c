/* What a result says, item by item, for messages to information systems: decision, scores, findings, measures, and all of it in words. */
#ifndef MT_REPORT_ITEMS_H
#define MT_REPORT_ITEMS_H

#include "src/export/handover_case.h"

G_BEGIN_DECLS

typedef struct mt_report_item {
    char  *key;       /* "decision", "score.tumour", "measure.ratio", "finding.1": printable ASCII without |^~\& */
    char  *name;      /* in words */
    char  *text;      /* its value in words; of a number NULL */
    double value;     /* finite, unless there is a text */
    char  *unit;      /* UCUM: "1", "mm", "mm2", "mm3", "/mm2" */
    double threshold; /* from which on a score is positive; NaN: none */
} mt_report_item;

typedef struct mt_report_items {
    mt_report_item *items;
    int             n;
    char           *words;     /* all of it, ending in the sentence on intended use */
    char           *research;  /* that sentence */
    bool            pathology; /* a slide: else an image */
} mt_report_items;

/* A message about nobody is filed nowhere: MT_ERROR_INPUT.  (A DICOM object goes to its study.) */
bool             mt_report_check_patient(const mt_handover_case *c, GError **error);
mt_report_items *mt_report_items_new(const mt_handover_case *c, GError **error);
void             mt_report_items_free(mt_report_items *report);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_report_items, mt_report_items_free)

G_END_DECLS

#endif
