/* What this machine's primitives reach: the yardstick for whole graphs. */
#ifndef MT_PEAK_H
#define MT_PEAK_H

#include <microtome/model.h>

/* mt_engine_peak_gflops, which says what it is. */
double mt_onednn_peak_gflops(mt_precision precision, int threads, double seconds);

#endif
