#include "kernels/onednn/attention.h"

#include <omp.h>

#define BLOCK_FLOATS INT64_C(65536) /* scores of one block of rows: 256 KiB, a share of the second-level cache */

/* What one thread works with. */
typedef struct bench {
    float          *scores; /* of one block of rows */
    dnnl_exec_arg_t args[3];
    int             n_args;
} bench;

struct mt_attention {
    mt_attention_shape    shape;
    int64_t               rows; /* of a block */
    int                   threads;
    dnnl_engine_t         engine;
    dnnl_stream_t         stream;
    mt_md                *block_md, *scratch_md;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t      softmax;
    bench                *benches;
};

static int64_t block_rows(const mt_attention_shape *a)
{
    int64_t rows = MAX(BLOCK_FLOATS / MAX(a->s, 1), 16), blocks;

    if (rows >= a->l)
        return a->l;
    blocks = (a->l + rows - 1) / rows;
    return (a->l + blocks - 1) / blocks;
}

static bool create_softmax(mt_attention *a)
{
    dnnl_primitive_attr_t attr = NULL;
    bool                  made;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success)
        return false;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user); /* threads share the primitive */
    made = mt_pd_softmax(&a->pd, a->engine, attr, false, a->block_md, 1);
    dnnl_primitive_attr_destroy(attr);
    return made && dnnl_primitive_create(&a->softmax, a->pd) == dnnl_success;
}

mt_attention *mt_attention_new(const mt_attention_shape *shape, int threads, dnnl_engine_t engine, dnnl_stream_t stream)
{
    mt_attention *a = g_new0(mt_attention, 1);

    *a = (mt_attention){.shape = *shape, .rows = block_rows(shape), .threads = threads, .engine = engine, .stream = stream};
    a->block_md = mt_md_new_strided(MT_F32, 2, (int64_t[]){a->rows, shape->s}, (int64_t[]){shape->s, 1});
    a->benches = g_new0(bench, threads);
    if (a->block_md != NULL && create_softmax(a)) {
        a->scratch_md = mt_md_of(a->pd, dnnl_query_scratchpad_md, 0);
        return a;
    }
    mt_attention_free(a);
    return NULL;
}

void mt_attention_free(mt_attention *a)
{
    for (int t = 0; t < a->threads; t++)
        for (int i = 0; i < a->benches[t].n_args; i++)
            dnnl_memory_destroy(a->benches[t].args[i].memory);
    g_free(a->benches);
    if (a->softmax != NULL)
        dnnl_primitive_destroy(a->softmax);
    if (a->pd != NULL)
        dnnl_primitive_desc_destroy(a->pd);
    mt_md_free(a->block_md);
    mt_md_free(a->scratch_md);
    g_free(a);
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t bench_bytes(const mt_attention *a)
{
    return round_up(mt_md_bytes(a->block_md)) + (a->scratch_md == NULL ? 0 : round_up(mt_md_bytes(a->scratch_md)));
}

size_t mt_attention_scratch(const mt_attention *a)
{
    return bench_bytes(a) * (size_t)a->threads;
}

static bool add_arg(bench *b, int id, dnnl_memory_t memory)
{
    if (memory != NULL)
        b->args[b->n_args++] = (dnnl_exec_arg_t){.arg = id, .memory = memory};
    return memory != NULL;
}

bool mt_attention_bind(mt_attention *a, void *scratch)
{
    for (int t = 0; t < a->threads; t++) {
        bench *b = &a->benches[t];
        char  *own = (char *)scratch + bench_bytes(a) * (size_t)t;

        b->scores = (float *)own;
        if (!add_arg(b, DNNL_ARG_SRC, mt_memory_new(a->block_md, a->engine, own)) ||
            !add_arg(b, DNNL_ARG_DST, mt_memory_new(a->block_md, a->engine, own)))
            return false;
        own += round_up(mt_md_bytes(a->block_md));
        if (a->scratch_md != NULL && !add_arg(b, DNNL_ARG_SCRATCHPAD, mt_memory_new(a->scratch_md, a->engine, own)))
            return false;
    }
    return true;
}

static void add_mask(float *scores, int64_t rows, int64_t s, const float *mask, const mt_matrices *m)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < s; k++)
            scores[i * s + k] += mask[i * m->rows + k * m->columns];
}

/* Leading dimension and transposition letter of a row-major product's operand. */
static char letter(const mt_matrices *m, int64_t *leading)
{
    *leading = m->columns == 1 ? m->rows : m->columns;
    return m->columns == 1 ? 'N' : 'T';
}

/* Rows [from, from + rows) of matrix `i`.  The softmax always runs over a whole block: rows past the end are not read. */
static bool run_block(const mt_attention *attention, const bench *b, int64_t i, int64_t from, int64_t rows, const float *q, const float *kt,
                      const float *v, const float *mask, float *out)
{
    const mt_attention_shape *a = &attention->shape;
    int64_t                   ld_q, ld_k, ld_v;
    char                      tq = letter(&a->q, &ld_q), tk = letter(&a->kt, &ld_k), tv = letter(&a->v, &ld_v);
    const float              *q_block = q + a->q.starts[i] + from * a->q.rows;
    float                    *out_block = out + a->out.starts[i] + from * a->out.rows;

    if (dnnl_sgemm(tq, tk, rows, a->s, a->d, (float)a->scale, q_block, ld_q, kt + a->kt.starts[i], ld_k, 0, b->scores, a->s) !=
        dnnl_success)
        return false;
    if (a->mask.starts != NULL)
        add_mask(b->scores, rows, a->s, mask + a->mask.starts[i] + from * a->mask.rows, &a->mask);
    if (dnnl_primitive_execute(attention->softmax, attention->stream, b->n_args, b->args) != dnnl_success)
        return false;
    return dnnl_sgemm('N', tv, rows, a->e, a->s, 1, b->scores, a->s, v + a->v.starts[i], ld_v, 0, out_block, a->out.rows) == dnnl_success;
}

bool mt_attention_run(const mt_attention *a, const float *q, const float *kt, const float *v, const float *mask, float *out)
{
    int64_t l = a->shape.l, blocks = (l + a->rows - 1) / a->rows;
    int     failed = 0;

#pragma omp parallel for schedule(static) num_threads(a->threads) reduction(| : failed)
    for (int64_t i = 0; i < a->shape.batch * blocks; i++) {
        int64_t from = i % blocks * a->rows, n = MIN(l - from, a->rows);

        failed |= !run_block(a, &a->benches[omp_get_thread_num()], i / blocks, from, n, q, kt, v, mask, out);
    }
    return failed == 0;
}
