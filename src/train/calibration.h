/* Fitting scores to what happened: on held-out predictions, never on those that a head was trained with.
 * All three rise with the score, so they change how sure a head says it is and never which of two cases comes first.
 * Serial, in double.  A truth is 1, 0, or NAN (not known: left out).  Too little to fit from is MT_ERROR_INPUT and says what is missing. */
#ifndef MT_CALIBRATION_H
#define MT_CALIBRATION_H

#include <microtome/head.h>

typedef enum mt_calibration_method {
    MT_CALIBRATION_NONE,
    MT_CALIBRATION_TEMPERATURE, /* one number for all classes */
    MT_CALIBRATION_PLATT,       /* a line through the log-odds of the positive label, with Platt's targets (n+1)/(n+2) */
    MT_CALIBRATION_ISOTONIC,    /* pooled adjacent violators over the positive label's score */
} mt_calibration_method;

bool        mt_calibration_parse(const char *name, mt_calibration_method *method);
const char *mt_calibration_name(mt_calibration_method method);

/* The temperature with the least negative log likelihood: of softmax `holds` has one 1 a row, of sigmoid each column counts by itself.
 * logits and holds are n x n_classes.  MT_ERROR_INPUT where none between 1/50 and 50 is best: scores that separate the classes wholly, or
 * say nothing. */
bool mt_calibration_temperature(mt_activation activation, const float *logits, const float *holds, int64_t n, int64_t n_classes,
                                double *temperature, GError **error);
/* The mean over the rows of the negative log likelihood at a temperature; softmax or sigmoid. */
double mt_calibration_likelihood(mt_activation activation, const float *logits, const float *holds, int64_t n, int64_t n_classes,
                                 double temperature);
/* A and B of sigmoid(A m + B).  MT_ERROR_INPUT without both classes, or when A is not above 0: the score runs against the label. */
bool mt_calibration_platt(const double *log_odds, const float *holds, int64_t n, double platt[2], GError **error);
/* Corners of the curve, into an array of mt_curve_point: the ends of every run of equal values, values kept between 1/(n+2) and
 * (n+1)/(n+2), for nothing is certain after n cases. */
GArray *mt_calibration_isotonic(const double *scores, const float *holds, int64_t n, GError **error);

#endif
