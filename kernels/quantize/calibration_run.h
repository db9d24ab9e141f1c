/* The float model over the samples: what its values look like, and what it gives. */
#ifndef MT_CALIBRATION_RUN_H
#define MT_CALIBRATION_RUN_H

#include "kernels/quantize/observed.h"
#include "kernels/quantize/quantize_plan.h"
#include "kernels/quantize/sample_runs.h"

typedef struct mt_calibration_run {
    const mt_graph           *graph;
    const mt_samples         *samples;
    const mt_quantize_params *params;
    GHashTable               *seen;     /* mt_value -> mt_observed, owned */
    GPtrArray                *outputs;  /* mt_tensor *, sample after sample, of the compared outputs; NULL: not wanted */
    GPtrArray                *compared; /* mt_value *, those outputs */
} mt_calibration_run;

/* Extremes of `values`, and the model's outputs when `outputs` is set.  `channels` holds the values whose last axis is wanted too. */
bool mt_calibration_run_extremes(mt_calibration_run *run, const GPtrArray *values, GHashTable *channels, GError **error);
/* Histograms of values whose extremes are known. */
bool mt_calibration_run_histograms(mt_calibration_run *run, const GPtrArray *values, GError **error);

/* Smallest cosine, over samples and rows, of the outputs that `other` gives in their place. */
bool mt_calibration_run_compare(const mt_calibration_run *run, const mt_graph *other, double *cosine, GError **error);

/* The float32 numbers behind an output: itself, or what a cast to half precision at the graph's end reads; NULL: there are none. */
mt_value *mt_calibration_run_float_of(mt_value *output);

mt_observed *mt_calibration_run_seen(const mt_calibration_run *run, const mt_value *value);

#endif
