/* The intermediate representation: values joined by nodes, in topological order.
 * A graph owns its values and nodes.  Constant tensors are shared (reference counted) between a model's graph and the
 * clones that sessions bind and rewrite, so a packed weight can be keyed by its tensor.  One thread at a time. */
#ifndef MT_GRAPH_H
#define MT_GRAPH_H

#include <microtome/error.h>
#include <microtome/tensor.h>

typedef struct mt_value    mt_value;
typedef struct mt_node     mt_node;
typedef struct mt_graph    mt_graph;
typedef struct mt_operator mt_operator; /* kernels/reference/operator.h */

struct mt_value {
    char      *name;
    mt_dtype   dtype;              /* MT_DTYPE_NONE until inferred */
    int        rank;               /* -1 until inferred */
    int64_t    shape[MT_MAX_RANK]; /* -1: not known yet */
    mt_tensor *constant;           /* not NULL: its value is known */
    mt_node   *producer;           /* NULL: an input or a constant */
};

typedef enum mt_attr_type { MT_ATTR_INT, MT_ATTR_FLOAT, MT_ATTR_STRING, MT_ATTR_INTS, MT_ATTR_FLOATS, MT_ATTR_TENSOR } mt_attr_type;

typedef struct mt_attr {
    mt_attr_type type;
    int64_t      i;
    double       f;
    char        *s; /* zero-terminated */
    int          n; /* of ints or floats */
    int64_t     *ints;
    double      *floats;
    mt_tensor   *tensor;
} mt_attr;

struct mt_node {
    const char        *op; /* ONNX operator name, interned */
    char              *name;
    int                opset;   /* of the model's default domain */
    const mt_operator *kernel;  /* its entry in the operator table */
    GPtrArray         *inputs;  /* mt_value *, NULL for an omitted optional one; not owned */
    GPtrArray         *outputs; /* mt_value *, NULL for an omitted one; not owned */
    GHashTable        *attrs;   /* name -> mt_attr */
    void              *fused;   /* what a pass attached for the lowering (post-ops); NULL for plain nodes */
    GDestroyNotify     fused_free;
};

struct mt_graph {
    GPtrArray *values;  /* owned */
    GPtrArray *nodes;   /* owned, topological order */
    GPtrArray *inputs;  /* mt_value *, the ones a caller feeds */
    GPtrArray *outputs; /* mt_value * */
    int        opset;
    bool       fold_quantised; /* constants behind DequantizeLinear become float32: sessions in int8 want the bytes */
};

mt_graph *mt_graph_new(int opset);
void      mt_graph_free(mt_graph *graph);
/* Deep but for constant tensors, which are shared. `fused` is not cloned: passes that attach it run on sessions' clones. */
mt_graph *mt_graph_clone(const mt_graph *graph);

/* A value; name may be NULL (one is made). */
mt_value *mt_graph_add_value(mt_graph *graph, const char *name, mt_dtype dtype, int rank, const int64_t *shape);
mt_value *mt_graph_add_constant(mt_graph *graph, const char *name, mt_tensor *tensor); /* takes a reference */
mt_value *mt_graph_add_input(mt_graph *graph, const char *name, mt_dtype dtype, int rank, const int64_t *shape);
void      mt_graph_mark_output(mt_graph *graph, mt_value *value);
/* A node at the end (before = NULL) or before another, with n_inputs values and n_outputs fresh outputs.  NULL and
 * MT_ERROR_MODEL when the operator table has no `op`. */
mt_node *mt_graph_add_node(mt_graph *graph, const char *op, const char *name, mt_value *const *inputs, int n_inputs, int n_outputs,
                           mt_node *before, GError **error);
void     mt_graph_remove_node(mt_graph *graph, mt_node *node);                 /* its outputs lose their producer */
void     mt_graph_replace_uses(mt_graph *graph, mt_value *from, mt_value *to); /* in nodes and graph outputs */
int      mt_graph_n_uses(const mt_graph *graph, const mt_value *value);        /* uses by nodes + 1 per graph output */
mt_node *mt_graph_only_user(const mt_graph *graph, const mt_value *value);     /* NULL unless exactly one use, by a node */

mt_value      *mt_node_input(const mt_node *node, int i); /* NULL when omitted or absent */
mt_value      *mt_node_output(const mt_node *node, int i);
void           mt_node_set_int(mt_node *node, const char *name, int64_t value);
void           mt_node_set_float(mt_node *node, const char *name, double value);
void           mt_node_set_string(mt_node *node, const char *name, const char *value);
void           mt_node_set_ints(mt_node *node, const char *name, const int64_t *values, int n);
void           mt_node_set_floats(mt_node *node, const char *name, const double *values, int n);
void           mt_node_set_tensor(mt_node *node, const char *name, mt_tensor *tensor); /* takes a reference */
const mt_attr *mt_node_attr(const mt_node *node, const char *name);                    /* NULL when absent */
int64_t        mt_node_int(const mt_node *node, const char *name, int64_t fallback);
double         mt_node_float(const mt_node *node, const char *name, double fallback);
const char    *mt_node_string(const mt_node *node, const char *name, const char *fallback);
/* The list, its length in *n; NULL and 0 when absent. */
const int64_t *mt_node_ints(const mt_node *node, const char *name, int *n);
/* An empty table of attributes, and a copy of one. */
GHashTable *mt_attrs_new(void);
GHashTable *mt_attrs_copy(GHashTable *attrs);

/* Fix input i to a shape with every dimension known.  MT_ERROR_MODEL when it contradicts the file's. */
bool mt_graph_bind(mt_graph *graph, int input, int rank, const int64_t *shape, GError **error);
/* The same, and fix its value too: for an input that is a shape, a list of axes or a bound, on which the shapes of other values
 * depend.  It stays an input; what is fed to it later must be equal.  Takes a reference. */
bool mt_graph_bind_value(mt_graph *graph, int input, mt_tensor *tensor, GError **error);
/* Shapes and types of every value from those of the inputs, folding each node whose inputs are all constant (kernels/
 * graph/infer.c).  Afterwards, on a bound graph, every value has a full shape.  An error names node, operator, opset. */
bool mt_graph_infer(mt_graph *graph, GError **error);
/* The same as far as it goes: a shape that depends on data stays open, as a value bound later may settle it. */
bool mt_graph_infer_open(mt_graph *graph, GError **error);
/* Drop nodes and values that no output needs. */
void mt_graph_sweep(mt_graph *graph);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_graph, mt_graph_free)

#endif
