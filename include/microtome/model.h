/* <microtome/model.h>  A compiled ONNX graph, and sessions that run it for given shapes.
 * A model is immutable once loaded: share it between threads freely.  A session belongs to one thread at a time;
 * sessions of one model share its packed weights. */
#ifndef MICROTOME_MODEL_H
#define MICROTOME_MODEL_H

#include <microtome/tensor.h>

G_BEGIN_DECLS

typedef struct mt_model   mt_model;
typedef struct mt_session mt_session;

/* Name, type and shape of a graph input or output. A dimension that the file leaves open is -1. */
typedef struct mt_port {
    const char *name;
    mt_dtype    dtype;
    int         rank; /* -1: the file does not say */
    int64_t     shape[MT_MAX_RANK];
} mt_port;

/* Read, check and compile `path`.  MT_ERROR_MISSING, MT_ERROR_MODEL (unknown operator, type or opset: the message
 * names node, operator and opset), MT_ERROR_LIMIT. */
MT_PUBLIC mt_model *mt_model_load(const char *path, GError **error);
/* The same from memory (an embedded model); `name` is for messages. */
MT_PUBLIC mt_model *mt_model_load_bytes(GBytes *bytes, const char *name, GError **error);
MT_PUBLIC mt_model *mt_model_ref(mt_model *model);
MT_PUBLIC void      mt_model_unref(mt_model *model);

MT_PUBLIC int            mt_model_n_inputs(const mt_model *model);
MT_PUBLIC int            mt_model_n_outputs(const mt_model *model);
MT_PUBLIC const mt_port *mt_model_input(const mt_model *model, int i);
MT_PUBLIC const mt_port *mt_model_output(const mt_model *model, int i);
/* Index by name, -1 when absent. */
MT_PUBLIC int mt_model_find_input(const mt_model *model, const char *name);
MT_PUBLIC int mt_model_find_output(const mt_model *model, const char *name);
/* ONNX metadata_props value, NULL when absent. */
MT_PUBLIC const char *mt_model_metadata(const mt_model *model, const char *key);
/* SHA-256 of the file and its external data, 64 hex digits. */
MT_PUBLIC const char *mt_model_sha256(const mt_model *model);
MT_PUBLIC int64_t     mt_model_opset(const mt_model *model);
MT_PUBLIC int         mt_model_n_nodes(const mt_model *model);
MT_PUBLIC int64_t     mt_model_n_parameters(const mt_model *model);
/* Operator -> count as "Conv 53, Relu 49"; free with g_free. */
MT_PUBLIC char *mt_model_operators(const mt_model *model);

typedef enum mt_backend {
    MT_BACKEND_AUTO,      /* oneDNN where it was built in, reference otherwise */
    MT_BACKEND_REFERENCE, /* plain float loops: the definition of right */
    MT_BACKEND_ONEDNN,
} mt_backend;

/* What convolutions and matrix products compute in.  Inputs and outputs of a session keep the types of the file. */
typedef enum mt_precision {
    MT_PRECISION_FP32,
    MT_PRECISION_BF16, /* weights and activations; float32 where accuracy needs it */
    MT_PRECISION_INT8, /* as the QuantizeLinear and DequantizeLinear nodes of the model say */
} mt_precision;

/* "fp32", "bf16", "int8". */
MT_PUBLIC const char *mt_precision_name(mt_precision precision);
MT_PUBLIC bool        mt_precision_parse(const char *name, mt_precision *precision);
/* This CPU computes faster in it than in float32. */
MT_PUBLIC bool mt_precision_is_native(mt_precision precision);
/* The model holds QuantizeLinear nodes: it may run in MT_PRECISION_INT8. */
MT_PUBLIC bool mt_model_is_quantized(const mt_model *model);

typedef struct mt_session_params {
    mt_backend     backend;
    mt_precision   precision; /* the reference backend computes all of them in float32 */
    int            threads;   /* oneDNN threads inside run(); >= 1 */
    const mt_port *inputs;    /* n_inputs ports, in the model's order, with every dimension bound; names are ignored */
    int            n_inputs;
    /* NULL, or the inputs themselves, for a model whose shapes follow from their elements (a shape, a bound, what NonZero or
     * NonMaxSuppression finds).  Those it depends on are fixed: run() refuses others.  NULL among them: shapes do not follow from
     * this one. */
    const mt_tensor *const *values;
    bool                    profile; /* keep the time of each step for mt_session_profile */
} mt_session_params;

/* Bind shapes, infer all others, plan memory, pack weights.  MT_ERROR_MODEL when a shape does not fit, or when int8 is
 * wanted of a model without QuantizeLinear nodes. */
MT_PUBLIC mt_session *mt_session_new(mt_model *model, const mt_session_params *params, GError **error);
MT_PUBLIC void        mt_session_free(mt_session *session);
/* The port of output i with its bound shape. */
MT_PUBLIC const mt_port *mt_session_output(const mt_session *session, int i);
/* Run once.  inputs: contiguous data of the bound shapes.  outputs[i]: caller's buffer of the bound shape, or NULL for
 * an output that is not wanted.  Single caller at a time. */
MT_PUBLIC bool mt_session_run(mt_session *session, const void *const *inputs, void *const *outputs, GError **error);
/* Multiply-adds x 2 of the convolutions and matrix products for the bound shapes. */
MT_PUBLIC double mt_session_flop(const mt_session *session);
/* Bytes of activations and scratch this session holds. */
MT_PUBLIC size_t mt_session_bytes(const mt_session *session);
/* A table (one line a step: seconds, implementation, node), NULL without `profile`; free with g_free. */
MT_PUBLIC char *mt_session_profile(const mt_session *session);

/* One step of a session, in the order of execution.  The strings belong to the session. */
typedef struct mt_step_info {
    const char *node;           /* its name; of a change of layout the name of the value */
    const char *op;             /* the operator after fusion; "reorder" for a change of layout */
    const char *implementation; /* as the library calls it; "reference": the plain loops */
    const char *reason;         /* why nothing faster runs, NULL where it does */
    double      seconds;        /* of all runs so far, with `profile` */
    double      flop;           /* of one run; 0 for what is neither convolution nor matrix product */
} mt_step_info;

MT_PUBLIC int mt_session_n_steps(const mt_session *session);
/* False for i out of range. */
MT_PUBLIC bool mt_session_step_info(const mt_session *session, int i, mt_step_info *info);

/* What `threads` of them reach together, each with a large matrix product of its own: 10^9 multiplications and additions per
 * second, measured here and now for `seconds`.  0 without oneDNN, or where it has no product in this precision. */
MT_PUBLIC double mt_engine_peak_gflops(mt_precision precision, int threads, double seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_model, mt_model_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_session, mt_session_free)

G_END_DECLS

#endif
