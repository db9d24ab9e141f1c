/* Throughput of a model with the team of `run`: one session and one batch per thread. */
#ifndef MT_MODEL_BENCH_H
#define MT_MODEL_BENCH_H

#include <microtome/model.h>

typedef struct mt_model_bench {
    int          batch, threads;
    mt_precision precision;
    double       seconds;
    bool         profile; /* times in `steps` */
    int64_t      size[3]; /* x, y, z of open dimensions; 0: the card's size_px, else 224 for pixels */
    /* answers */
    double     items_per_second, gflops, peak_rss_mb, measured_s;
    double     peak_gflops; /* of the primitives, all threads; 0: not known */
    double     import_s;    /* the file's graph read and checked */
    double     sessions_s;  /* compiled, weights packed, one session a thread */
    double     load_s;      /* both, and the hash known */
    int64_t    items, runs; /* of all threads */
    GPtrArray *steps;       /* mt_step_info, times summed over threads and runs */
} mt_model_bench;

/* "WxH" or "WxHxD"; false: it is neither. */
bool mt_model_bench_parse_size(const char *text, int64_t size[3]);
bool mt_model_bench_run(mt_model_bench *bench, const char *path, GError **error);
void mt_model_bench_clear(mt_model_bench *bench);
/* The steps of a session as a list of mt_step_info that outlives it; free with g_ptr_array_unref. */
GPtrArray *mt_list_steps(const mt_session *session);

#endif
