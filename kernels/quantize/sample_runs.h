/* A graph run over calibration samples, its values shown one by one. */
#ifndef MT_SAMPLE_RUNS_H
#define MT_SAMPLE_RUNS_H

#include "kernels/graph/graph.h"

#include <microtome/quantize.h>

typedef struct mt_samples {
    mt_tensor *const *tensors; /* n x n_inputs */
    int               n, n_inputs;
    int               threads;
} mt_samples;

/* Value i of the list, as sample `sample` makes it; false with an error ends the run. */
typedef bool (*mt_visit_fn)(void *user, int sample, int i, const mt_tensor *tensor, GError **error);

/* Runs `graph` (open, untouched) over all samples in order and shows each float32 value of `values`; those may be inputs.  Where the
 * values of one sample take much memory, the samples run again for each part of them. */
bool mt_sample_runs(const mt_graph *graph, const GPtrArray *values, const mt_samples *samples, mt_visit_fn visit, void *user,
                    GError **error);

#endif
