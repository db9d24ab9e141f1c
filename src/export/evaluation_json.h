/* The parts of an evaluation as JSON that several writers share. */
#ifndef MT_EVALUATION_JSON_H
#define MT_EVALUATION_JSON_H

#include "src/evaluate/evaluation.h"

#include <jansson.h>

/* null: no number, no text. */
json_t *mt_json_number(double value);
json_t *mt_json_text(const char *value);
json_t *mt_json_texts(const GPtrArray *values);
json_t *mt_json_estimate(const mt_estimate *estimate);
json_t *mt_json_metrics(const GArray *metrics);
json_t *mt_json_curve(const mt_curve *curve, const char *x, const char *y);
json_t *mt_json_goals(const GArray *goals);
json_t *mt_json_comparison(const mt_comparison *comparison, bool paired);

#endif
