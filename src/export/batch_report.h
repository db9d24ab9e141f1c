/* report.html of a batch: one page that stands for itself, written case by case so that its size costs no memory. */
#ifndef MT_BATCH_REPORT_H
#define MT_BATCH_REPORT_H

#include "src/result/headline.h"

#include <microtome/findings.h>

#define MT_REPORT_PICTURES 300 /* as many cases have their pictures in the page */

/* open and tissue, read, encode, score, write */
#define MT_REPORT_STAGES 5

typedef enum mt_report_group { MT_REPORT_RESCAN, MT_REPORT_SETTING, MT_REPORT_RERUN, MT_REPORT_HELP, MT_REPORT_GROUPS } mt_report_group;

typedef struct mt_report_failure {
    mt_report_group group;
    const char     *id, *reason, *stage;                /* stage NULL: not known */
    int             exit_code, signal_number, attempts; /* signal 0: none */
} mt_report_failure;

typedef struct mt_report_case {
    const char        *id, *patient; /* patient NULL: none */
    const char        *state;        /* NULL: done; else "running", "pending" in the page's language */
    const mt_headline *headline;     /* of a done one */
    const char        *path;         /* of its result, for the pictures; NULL: without them */
    const double      *stages;       /* MT_REPORT_STAGES, in seconds; NULL: not known */
    double             seconds;      /* < 0: not known */
    int                superseded;
} mt_report_case;

typedef struct mt_report_facts {
    mt_language              language;
    const char              *finished; /* when, as text */
    int                      total, done, failed, running, pending, withheld, urgent, review, clear;
    bool                     demonstration;
    int                      pictures; /* the first so many cases have theirs */
    const mt_report_failure *failures; /* `failed` of them */
} mt_report_facts;

typedef struct mt_batch_report mt_batch_report;

/* Head, counts and failures.  MT_ERROR_IO. */
mt_batch_report *mt_batch_report_begin(const char *path, const mt_report_facts *facts, GError **error);
/* A row; a picture that cannot be drawn is left out. */
bool mt_batch_report_case(mt_batch_report *report, const mt_report_case *c, GError **error);
/* Publish over an older one. */
bool mt_batch_report_end(mt_batch_report *report, GError **error);
/* Without publishing: nothing is left. */
void mt_batch_report_free(mt_batch_report *report);

/* What a case's row shows of its findings: the first n of `order`. */
typedef struct mt_report_findings {
    const mt_finding_list   *list; /* NULL: none could be read */
    const mt_finding *const *order;
    int                      n;
} mt_report_findings;

/* batch_report_picture.c: slide and evidence of a result as two cells, or its findings as one over both.  result NULL: empty ones. */
void mt_batch_report_pictures(GString *html, const mt_result *result, const mt_report_findings *findings, const char *id);

#endif
