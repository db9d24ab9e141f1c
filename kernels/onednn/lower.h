/* Lowering a bound graph to oneDNN primitives, node by node.
 * Each value has one or more places: memory, the type in which it is stored and the layout in which it lies there.  A family's
 * lowering asks for its sources in the layout its primitive wants, appends the primitive and puts the place of its result.
 * While a node is lowered, its float32 values are read and written in one storage type (mt_lower_type): bfloat16 where the
 * session computes in it and the family can, uint8 inside quantised nets, else float32.  What has no lowering, or another
 * type, runs through the reference operators over row-major memory. */
#ifndef MT_LOWER_H
#define MT_LOWER_H

#include "kernels/graph/fused.h"
#include "kernels/graph/quantised.h"
#include "kernels/graph/session_private.h"
#include "kernels/graph/view.h"
#include "kernels/onednn/dnnl_compat.h"

typedef struct mt_place {
    mt_buffer *buffer;
    size_t     offset;  /* bytes */
    mt_dtype   type;    /* as which it is stored */
    mt_quant   quant;   /* of stored MT_U8 and MT_I8: what the numbers mean */
    bool       strided; /* `view` says where elements lie; else `md`, a blocked layout */
    mt_view    view;
    mt_md     *md;
} mt_place;

typedef struct mt_lowering mt_lowering;

typedef enum mt_lowered {
    MT_LOWERED,
    MT_NOT_HERE,     /* no primitive does this: the reference operator is to */
    MT_LOWER_FAILED, /* error set */
} mt_lowered;

typedef enum mt_storage {
    MT_STORE_F32,   /* float32 only */
    MT_STORE_ANY,   /* float32 or bfloat16, whichever the session computes in */
    MT_STORE_ORDER, /* the same, or bytes where the input comes as bytes: only the order of numbers matters */
    MT_STORE_SAME,  /* as the first input is stored: nothing is computed */
} mt_storage;

typedef struct mt_lower_entry {
    const char *op;
    mt_lowered (*lower)(mt_lowering *l, const mt_node *node, GError **error);
    mt_storage storage;
} mt_lower_entry;

/* One array a family, ended by an entry without a name. */
extern const mt_lower_entry mt_lower_attention[], mt_lower_binary[], mt_lower_concat[], mt_lower_conv[], mt_lower_eltwise[],
    mt_lower_matmul[], mt_lower_norm[], mt_lower_pool[], mt_lower_quantise[], mt_lower_reduce[], mt_lower_resize[], mt_lower_softmax[],
    mt_lower_views[];

/* Says why a family leaves `node` to the reference operator, for `model bench --verbose`. `reason` is a constant. */
void mt_lower_decline(mt_lowering *l, const mt_node *node, const char *reason);

mt_session   *mt_lower_session(const mt_lowering *l);
dnnl_engine_t mt_lower_engine(const mt_lowering *l);
dnnl_stream_t mt_lower_stream(const mt_lowering *l);

/* --- places (places.c) --- */

/* How float32 values are read and written at the moment. */
mt_dtype mt_lower_type(const mt_lowering *l);
/* Another one from here on; returns what it was. */
mt_dtype mt_lower_set_type(mt_lowering *l, mt_dtype type);

/* Where and how `value` was left by its producer, whatever the type. */
const mt_place *mt_lower_origin(mt_lowering *l, const mt_value *value);
/* Its producer has left it to the next node: it lies nowhere. */
bool mt_lower_waits(mt_lowering *l, const mt_value *value);
/* The rest: in the type of mt_lower_type, converted if it is stored in none such. */
/* In its producer's layout if that type is the producer's. */
const mt_place *mt_lower_native(mt_lowering *l, const mt_value *value, GError **error);
/* Strided, whatever the strides and cuts. */
const mt_place *mt_lower_strided(mt_lowering *l, const mt_value *value, GError **error);
/* Row-major without gaps. */
const mt_place *mt_lower_plain(mt_lowering *l, const mt_value *value, GError **error);
/* The same in float32, whatever mt_lower_type says: scales, shifts, biases. */
const mt_place *mt_lower_vector(mt_lowering *l, const mt_value *value, GError **error);
/* As strided as it lies if one part per dimension and no gaps say it all, or blocked; else row-major. */
const mt_place *mt_lower_dense(mt_lowering *l, const mt_value *value, GError **error);
/* Exactly in layout `md`, of the value's own dimensions. */
const mt_place *mt_lower_as(mt_lowering *l, const mt_value *value, const mt_md *md, GError **error);
/* Exactly at the strides of `view`. */
const mt_place *mt_lower_like(mt_lowering *l, const mt_value *value, const mt_view *view, GError **error);
/* Note a place of `value`. */
void mt_lower_put(mt_lowering *l, const mt_value *value, const mt_place *place);
/* Fresh memory: of the type of `md`; of mt_lower_type. */
mt_place mt_lower_new(mt_lowering *l, const mt_md *md);
mt_place mt_lower_new_view(mt_lowering *l, const mt_view *view);
mt_place mt_lower_new_typed(mt_lowering *l, mt_dtype type, const mt_view *view);
/* The descriptor of a place whose dimensions have one part each; the lowering frees it. */
const mt_md *mt_place_md(mt_lowering *l, const mt_place *place);
/* Descriptor of n dimensions at these strides; the lowering frees it. NULL strides: row-major. */
const mt_md *mt_lower_md(mt_lowering *l, int n, const int64_t *dims, const int64_t *strides);
const mt_md *mt_lower_typed_md(mt_lowering *l, mt_dtype type, int n, const int64_t *dims, const int64_t *strides);
const mt_md *mt_lower_any(mt_lowering *l, int n, const int64_t *dims);
const mt_md *mt_lower_typed_any(mt_lowering *l, mt_dtype type, int n, const int64_t *dims);
/* The lowering frees `md`. */
const mt_md *mt_lower_keep(mt_lowering *l, mt_md *md);
/* Elements in the same places, sizes of 1 aside. */
bool mt_same_layout(const mt_md *a, const mt_md *b);
/* A constant, lying as `from` says, in the type and layout `to`; packed once per model. */
bool mt_lower_packed(mt_lowering *l, const mt_tensor *tensor, const mt_md *from, const mt_md *to, mt_place *place, GError **error);
/* The part of it that begins with element `first`. */
bool mt_lower_packed_part(mt_lowering *l, const mt_tensor *tensor, int64_t first, const mt_md *from, const mt_md *to, mt_place *place,
                          GError **error);
/* Nobody reads the memory of `place` after the node being lowered, and it may be written. */
bool mt_lower_dies(mt_lowering *l, const mt_place *place);

/* --- primitives (primitive.c) --- */

typedef struct mt_primitive mt_primitive;

/* Appends a step that runs `pd`, which it owns; call after all sources are in place.  NULL with the error set on failure. */
mt_primitive *mt_lower_primitive(mt_lowering *l, const char *name, dnnl_primitive_desc_t pd, GError **error);
void          mt_primitive_reads(mt_primitive *p, int arg, const mt_place *place, const mt_md *md);
void          mt_primitive_writes(mt_primitive *p, int arg, const mt_place *place, const mt_md *md);
/* `to` may take the memory of `from` if that dies here. */
void mt_primitive_in_place(mt_primitive *p, const mt_place *from, const mt_place *to);
/* An attribute object with the session's rules: scratch memory is ours. */
dnnl_primitive_attr_t mt_lower_attr(void);
bool                  mt_is_slow(const_dnnl_primitive_desc_t pd); /* the library's plain reference code */
/* Run `pd`, which it owns, here and now. */
bool mt_execute_now(mt_lowering *l, dnnl_primitive_desc_t pd, const mt_md *from_md, const void *from, const mt_md *to_md, void *to,
                    GError **error);
bool mt_lower_reorder(mt_lowering *l, const char *name, const mt_place *from, const mt_md *from_md, const mt_place *to, const mt_md *to_md,
                      GError **error);

/* --- posts (posts.c) --- */

typedef struct mt_posts {
    dnnl_primitive_attr_t attr;
    int                   n;
    int                   args[MT_POSTS_MAX];
    const mt_place       *places[MT_POSTS_MAX];
    const mt_md          *mds[MT_POSTS_MAX];
    const mt_place       *sum; /* the result is added to what is here, and stays here */
} mt_posts;

dnnl_alg_kind_t mt_library_function(const mt_activation *activation, float *alpha, float *beta);
/* Posts `first`.. of the node as attributes of a primitive whose result lies as `dst` says; `view`, if the primitive sees the
 * result as rows (count, width) of it.  `sum` allows to add into a dying operand that is not `source`.  False: error. */
bool mt_posts_init(mt_posts *posts, mt_lowering *l, const mt_node *node, int first, const mt_md *dst, const mt_view *view,
                   const mt_buffer *source, bool sum, GError **error);
void mt_posts_clear(mt_posts *posts);
void mt_posts_bind(const mt_posts *posts, mt_primitive *p);
/* Posts `first`.. as steps of their own over `place`, where the node's result lies; puts the result. */
bool mt_posts_apart(mt_lowering *l, const mt_node *node, int first, mt_place place, GError **error);

/* --- shared by families --- */

/* As what the result of a product or convolution is best stored: float32 where it leaves the graph or enters attention. */
mt_dtype mt_lower_result_type(const mt_lowering *l, const mt_node *node);
bool     mt_is_quantised(mt_dtype type);
/* Appends a loop from one type to another over dense memory of one layout. */
void mt_lower_convert(mt_lowering *l, const char *name, const mt_place *from, const mt_place *to);

/* A function of one element over dense memory, `to` in the layout of `from`. */
bool mt_lower_function(mt_lowering *l, const char *name, const mt_activation *activation, const mt_place *from, const mt_place *to,
                       GError **error);
/* to = a op b for `a` where it lies, of the shape of `out`, and `b` broadcast to it; with `swapped` to = b op a.  `node` may
 * bring posts from `first` on; they are done too. Puts the result of `node`. */
bool mt_lower_arithmetic(mt_lowering *l, const mt_node *node, dnnl_alg_kind_t alg, const mt_place *a, const mt_value *b, bool swapped,
                         int first, GError **error);
bool mt_is_f32(const mt_value *value);
/* A transposed convolution whose windows do not overlap (lower_patches.c). */
mt_lowered mt_lower_patches(mt_lowering *l, const mt_node *node, const mt_spatial *s, GError **error);
/* Kernel, strides, dilations and pads of a convolution or pooling node whose kernel has `n` dimensions. */
bool mt_spatial_of(const mt_node *node, int n, const int64_t *kernel, mt_spatial *s);

#define MT_LOWER_TRY(call)                                                                                                                 \
    if (!(call))                                                                                                                           \
    return MT_LOWER_FAILED

#endif
