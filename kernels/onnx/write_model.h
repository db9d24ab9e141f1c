/* Graph -> ONNX file.  The bytes are a function of the graph alone, and weights go from their tensors straight to the file. */
#ifndef MT_WRITE_MODEL_H
#define MT_WRITE_MODEL_H

#include "kernels/graph/graph.h"

typedef struct mt_onnx_file {
    const mt_graph *graph;    /* operators of ONNX alone; only what its outputs need is written */
    GHashTable     *metadata; /* text -> text, may be NULL */
    int64_t         external; /* a file above this many bytes keeps its weights in TARGET.data; 0: above what ONNX allows, 2 GiB */
    bool            replace;  /* TARGET may exist */
} mt_onnx_file;

/* Publishes `target` whole or not at all.  MT_ERROR_MODEL for a node that ONNX has no operator for. */
bool mt_onnx_file_write(const mt_onnx_file *file, const char *target, GError **error);

#endif
