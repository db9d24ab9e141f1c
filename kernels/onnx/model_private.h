/* A loaded model: the imported graph with constants folded as far as open shapes allow. */
#ifndef MT_MODEL_PRIVATE_H
#define MT_MODEL_PRIVATE_H

#include "kernels/graph/compiled.h"
#include "kernels/graph/graph.h"
#include "kernels/onnx/model_hash.h"

#include <microtome/model.h>

#include <pthread.h>

struct mt_model {
    gint            ref_count;
    mt_graph       *graph; /* never changed once loaded; sessions clone it */
    char           *name;  /* its path, or the name given, for messages */
    mt_model_hash  *hash;  /* NULL: there is no file */
    int64_t         opset;
    int             n_nodes;      /* as the file has them, before folding */
    int64_t         n_parameters; /* elements of the initialisers */
    GPtrArray      *operators;    /* names of the nodes' operators in the file's order, interned */
    GHashTable     *metadata;
    mt_port        *inputs, *outputs; /* names are owned by the graph's values */
    int             n_inputs, n_outputs;
    mt_compiled    *compiled[2];  /* what oneDNN sessions share, in int8 the second; made by the first of them, under `compile_lock` */
    pthread_mutex_t compile_lock; /* pthread's: ThreadSanitizer knows it */
};

/* What sessions on oneDNN share of `model`, those in int8 (`bytes`) apart; lives as long as the model. */
mt_compiled *mt_model_compiled(mt_model *model, bool bytes, GError **error);

#endif
