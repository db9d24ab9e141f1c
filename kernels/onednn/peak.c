#include "kernels/onednn/peak.h"

#include "kernels/onednn/dnnl_compat.h"
#include "src/base/alloc.h"

#include <omp.h>
#include <string.h>

/* The product of ViT-B's first MLP layer for 16 tiles: large enough to be bound by arithmetic, small enough for 0.3 s. */
#define ROWS 3152
#define INNER 768
#define COLUMNS 3072

enum { SRC, WEIGHTS, DST, N_OPERANDS };

static const mt_dtype types[][N_OPERANDS] = {
    [MT_PRECISION_FP32] = {MT_F32, MT_F32, MT_F32},
    [MT_PRECISION_BF16] = {MT_BF16, MT_BF16, MT_BF16},
    [MT_PRECISION_INT8] = {MT_U8, MT_I8, MT_U8},
};

typedef struct trial {
    dnnl_engine_t         engine;
    dnnl_stream_t         stream;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t      primitive;
    mt_md                *mds[N_OPERANDS];
    void                 *data[N_OPERANDS];
    dnnl_exec_arg_t       args[N_OPERANDS];
} trial;

static bool describe(trial *t, mt_precision precision)
{
    mt_md *weights = mt_md_new_any(types[precision][WEIGHTS], 2, (int64_t[]){INNER, COLUMNS});

    t->mds[SRC] = mt_md_new_strided(types[precision][SRC], 2, (int64_t[]){ROWS, INNER}, (int64_t[]){INNER, 1});
    t->mds[DST] = mt_md_new_strided(types[precision][DST], 2, (int64_t[]){ROWS, COLUMNS}, (int64_t[]){COLUMNS, 1});
    bool made = weights != NULL && t->mds[SRC] != NULL && t->mds[DST] != NULL &&
                mt_pd_matmul(&t->pd, t->engine, NULL, t->mds[SRC], weights, NULL, t->mds[DST]);
    mt_md_free(weights);
    t->mds[WEIGHTS] = made ? mt_md_of(t->pd, dnnl_query_weights_md, 0) : NULL;
    return t->mds[WEIGHTS] != NULL && dnnl_primitive_create(&t->primitive, t->pd) == dnnl_success;
}

/* Zeros: no denormal, no overflow in any type. */
static bool provide(trial *t)
{
    static const int ids[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};

    for (int i = 0; i < N_OPERANDS; i++) {
        t->data[i] = mt_alloc((int64_t)mt_md_bytes(t->mds[i]), 1, NULL);
        t->args[i] =
            (dnnl_exec_arg_t){.arg = ids[i], .memory = t->data[i] == NULL ? NULL : mt_memory_new(t->mds[i], t->engine, t->data[i])};
        if (t->args[i].memory == NULL)
            return false;
    }
    return true;
}

static bool multiply(const trial *t)
{
    return dnnl_primitive_execute(t->primitive, t->stream, N_OPERANDS, t->args) == dnnl_success &&
           dnnl_stream_wait(t->stream) == dnnl_success;
}

static bool open_trial(trial *t, mt_precision precision)
{
    return dnnl_engine_create(&t->engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_stream_create(&t->stream, t->engine, dnnl_stream_default_flags) == dnnl_success && describe(t, precision) && provide(t) &&
           multiply(t);
}

static void close_trial(trial *t)
{
    for (int i = 0; i < N_OPERANDS; i++) {
        if (t->args[i].memory != NULL)
            dnnl_memory_destroy(t->args[i].memory);
        mt_free(t->data[i]);
        mt_md_free(t->mds[i]);
    }
    if (t->primitive != NULL)
        dnnl_primitive_destroy(t->primitive);
    if (t->pd != NULL)
        dnnl_primitive_desc_destroy(t->pd);
    if (t->stream != NULL)
        dnnl_stream_destroy(t->stream);
    if (t->engine != NULL)
        dnnl_engine_destroy(t->engine);
}

/* One thread's rate; all begin together. */
static double measure(mt_precision precision, double seconds)
{
    trial  t = {0};
    bool   ok = open_trial(&t, precision);
    int    n = 0;
    gint64 begin, now;

#pragma omp barrier
    begin = now = g_get_monotonic_time();
    while (ok && (double)(now - begin) < seconds * 1e6) {
        ok = multiply(&t);
        now = g_get_monotonic_time();
        n++;
    }
    close_trial(&t);
    return ok && now > begin ? 2e-3 * ROWS * INNER * COLUMNS * n / (double)(now - begin) : 0;
}

double mt_onednn_peak_gflops(mt_precision precision, int threads, double seconds)
{
    g_autofree double *rates = g_new0(double, MAX(threads, 1));
    double             sum = 0;

#pragma omp parallel num_threads(MAX(threads, 1))
    {
        int saved = omp_get_max_threads();

        omp_set_num_threads(1); /* inside the library */
        rates[omp_get_thread_num()] = measure(precision, seconds);
        omp_set_num_threads(saved);
    }
    for (int i = 0; i < threads; i++)
        sum += rates[i];
    return sum;
}
