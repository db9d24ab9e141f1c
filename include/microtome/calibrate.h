/* <microtome/calibrate.h>  A head's card fitted to held-out predictions: what a score means, and which score calls a case positive. */
#ifndef MICROTOME_CALIBRATE_H
#define MICROTOME_CALIBRATE_H

#include <microtome/error.h>

G_BEGIN_DECLS

/* NULL and 0: not wanted, or what the comment says.  Shares lie between 0 and 1. */
typedef struct mt_calibrate_params {
    const char *predictions;      /* folder of results of this head, or CSV with columns id, label and logit_<label> */
    const char *labels;           /* CSV: id, label; may be NULL with a CSV of predictions that has a label column */
    const char *head;             /* the head whose card is fitted */
    const char *card;             /* to write; HEAD.points.json goes beside it */
    const char *method;           /* none, temperature, platt, isotonic; NULL: temperature */
    const char *positive;         /* label that is called positive; NULL: the card's */
    double      sensitivity, npv; /* at most one: the threshold, whose lower bound keeps it */
    double      specificity, ppv; /* at most one: with one of the above the threshold of urgent, else the threshold */
    double      prevalence;       /* wanted with npv and ppv */
    double      conformal;        /* alpha of conformal sets */
    bool        by_class;         /* a quantile of its own for each class */
    bool        clopper_pearson;  /* exact bounds in place of Wilson's */
    const char *reference;        /* folder of stored features of the training cases: what they look like goes beside the card */
    bool        stack; /* of an ensemble's card: weights of its members, none below 0, from a folder of its results; nothing else */
    const char *date;  /* NULL: today */
    bool        force; /* replace a card that is there */
} mt_calibrate_params;

/* Fit, choose, write card and points; *json (may be NULL) is what HEAD.points.json holds, *text a summary for people; free with g_free.
 * Nothing is written unless all of it was found.  MT_ERROR_INPUT: cases without label or result, a claim that the cases are too few for (with
 * the number needed); MT_ERROR_USAGE: a card that is there, options that contradict each other; MT_ERROR_MODEL: predictions of another head. */
MT_PUBLIC bool mt_calibrate(const mt_calibrate_params *params, char **text, char **json, GError **error);

G_END_DECLS

#endif
