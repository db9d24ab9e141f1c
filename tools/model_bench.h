/* Throughput of a model with the team of `run`: one session and one batch per thread. */
#ifndef MT_MODEL_BENCH_H
#define MT_MODEL_BENCH_H

#include <microtome/model.h>

typedef struct mt_model_bench {
    int          batch, threads;
    mt_precision precision;
    double       seconds;
    bool         profile;
    /* answers */
    double  items_per_second, gflops, peak_rss_mb, measured_s;
    int64_t items;
    char   *table; /* with profile; free with g_free */
} mt_model_bench;

bool mt_model_bench_run(mt_model_bench *bench, mt_model *model, GError **error);

#endif
