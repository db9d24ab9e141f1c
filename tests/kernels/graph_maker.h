/* Small random graphs for tests, and both backends run against one another. */
#ifndef MT_GRAPH_MAKER_H
#define MT_GRAPH_MAKER_H

#include "kernels/graph/graph.h"

#include <microtome/model.h>

typedef struct maker {
    mt_graph *graph;
    GRand    *rand;
} maker;

#define DIMS(...)                                                                                                                          \
    (int)G_N_ELEMENTS(((int64_t[]){__VA_ARGS__})), (int64_t[])                                                                             \
    {                                                                                                                                      \
        __VA_ARGS__                                                                                                                        \
    }

maker maker_new(guint32 seed, int opset);
/* Frees what was not handed on. */
void maker_clear(maker *m);

/* A float32 input; a constant with elements in [-scale, scale] + offset. */
mt_value *maker_input(maker *m, int rank, const int64_t *shape);
mt_value *maker_constant(maker *m, double scale, double offset, int rank, const int64_t *shape);
mt_value *maker_number(maker *m, double number);
mt_value *maker_list(maker *m, int n, const int64_t *values);
/* A node of `n` inputs; its first output.  Attributes are set on maker_node() of that. */
mt_value *maker_op(maker *m, const char *op, int n, mt_value *const *inputs);
#define OP(m, op, ...) maker_op(m, op, (int)G_N_ELEMENTS(((mt_value *[]){__VA_ARGS__})), (mt_value *[]){__VA_ARGS__})
mt_node *maker_node(const mt_value *value);
void     maker_ints(mt_value *value, const char *name, int n, const int64_t *values);

/* Runs the graph with `outputs` on the reference backend and on oneDNN with 1 and 2 threads, each twice.  oneDNN is within
 * `tolerance` (relative error of each output), and equal bit for bit whatever the threads and the run; in bfloat16 within 2 %.
 * The graph is used up. */
void maker_check(maker *m, const char *what, double tolerance, int n_outputs, mt_value *const *outputs);
#define CHECK(m, what, ...) maker_check(m, what, 2e-5, (int)G_N_ELEMENTS(((mt_value *[]){__VA_ARGS__})), (mt_value *[]){__VA_ARGS__})

/* A model of the graph, which it takes. */
mt_model *maker_model(mt_graph *graph);
/* One run of a model; outputs allocated, freed by the caller with g_ptr_array_unref. */
GPtrArray *maker_run(mt_model *model, mt_backend backend, int threads, GPtrArray *inputs, GError **error);
GPtrArray *maker_run_in(mt_model *model, mt_backend backend, mt_precision precision, int threads, GPtrArray *inputs, GError **error);
/* Random inputs of the graph's shapes. */
GPtrArray *maker_inputs(const mt_model *model, guint32 seed);
double     maker_error(const mt_tensor *given, const mt_tensor *wanted);

#endif
