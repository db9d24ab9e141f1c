/* OUT/summary.csv: one row per case, rebuilt from the headlines of the results. */
#ifndef MT_SUMMARY_CSV_H
#define MT_SUMMARY_CSV_H

#include <microtome/error.h>

typedef struct mt_summary_row {
    const char *headline; /* of the case's result; NULL: there is none */
    const char *id;       /* of such a case; else that of the headline counts */
    const char *patient;  /* NULL: none */
    double      seconds;  /* < 0: unknown */
    const char *error;    /* NULL: none */
    const char *state;    /* of a case without a headline: "running", "pending"; NULL: "failed" */
    const char *withheld; /* why its score is not given, though its result has one; NULL: it is */
    char      **columns;  /* the manifest's values of this case, as many as there are names; elements may be NULL */
} mt_summary_row;

/* Columns: id,patient,status,decision,score,threshold,score_<label>..,tiles,invalid_tiles,tissue_mm2,mpp_x,mpp_y,mpp_source,
 * encoder,head,precision,seconds,error, then the manifest's own columns (one whose name is taken becomes manifest_<name>).  The labels of all cases in order of appearance; what a case does not know is
 * empty.  An encoder made for demonstration reads "NAME (DEMONSTRATION)".  Written whole, over an older one. */
bool mt_summary_csv_write(const char *path, const mt_summary_row *rows, int n, const char *const *columns, GError **error);

#endif
