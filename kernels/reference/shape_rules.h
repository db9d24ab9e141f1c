/* What infer functions share: demands on inputs, axes, lists that are attributes in one opset and inputs in another. */
#ifndef MT_SHAPE_RULES_H
#define MT_SHAPE_RULES_H

#include "kernels/reference/operator.h"

#define MT_TYPE_BIT(dtype) (1u << (dtype))
#define MT_TYPES_FLOAT (MT_TYPE_BIT(MT_F32) | MT_TYPE_BIT(MT_F64) | MT_TYPE_BIT(MT_F16) | MT_TYPE_BIT(MT_BF16))
#define MT_TYPES_BYTE (MT_TYPE_BIT(MT_I8) | MT_TYPE_BIT(MT_U8))
#define MT_TYPES_INDEX (MT_TYPE_BIT(MT_I64) | MT_TYPE_BIT(MT_I32))
#define MT_TYPES_UNSIGNED (MT_TYPE_BIT(MT_U8) | MT_TYPE_BIT(MT_U16) | MT_TYPE_BIT(MT_U32) | MT_TYPE_BIT(MT_U64))
#define MT_TYPES_INT (MT_TYPES_BYTE | MT_TYPES_INDEX | MT_TYPE_BIT(MT_I16) | MT_TYPES_UNSIGNED)
#define MT_TYPES_FLOAT8 (MT_TYPE_BIT(MT_F8_E4M3FN) | MT_TYPE_BIT(MT_F8_E4M3FNUZ) | MT_TYPE_BIT(MT_F8_E5M2) | MT_TYPE_BIT(MT_F8_E5M2FNUZ))
#define MT_TYPES_NIBBLE (MT_TYPE_BIT(MT_I4) | MT_TYPE_BIT(MT_U4))
#define MT_TYPES_NUMBER (MT_TYPES_FLOAT | MT_TYPES_INT)
#define MT_TYPES_BOOL MT_TYPE_BIT(MT_BOOL)
#define MT_TYPES_ANY (MT_TYPES_NUMBER | MT_TYPES_BOOL)

/* Inputs 0 .. required-1 are there, there are at most `most`, and output 0 is wanted. */
bool mt_want_inputs(const mt_node *node, int required, int most, GError **error);
/* Input i, where there, has a type of the mask. */
bool mt_want_type(const mt_node *node, int i, unsigned types, GError **error);
bool mt_want_rank(const mt_node *node, int i, int least, int most, GError **error);
/* Inputs i and k, where both there, have one type. */
bool mt_want_same_type(const mt_node *node, int i, int k, GError **error);
/* An axis in [-rank, rank) brought into [0, rank). */
bool mt_want_axis(const mt_node *node, int64_t axis, int rank, int *result, GError **error);

void mt_set_output(mt_node *node, int i, mt_dtype dtype, int rank, const int64_t *shape);
/* Output 0 is like input 0, which is there; for operators that keep type and shape. */
void mt_set_like_input(mt_node *node);
/* Known elements, -1 when a dimension is open. */
int64_t mt_value_count(const mt_value *value);
/* Product of dimensions [from, to). */
int64_t mt_product_of(const int64_t *shape, int from, int to);

/* Element i of `indices`, brought into [0, size); -1 and an error when it is outside [-size, size). */
int64_t mt_pick_index(const mt_node *node, const mt_tensor *indices, int64_t i, int64_t size, GError **error);

typedef enum mt_list_state {
    MT_LIST_ABSENT,
    MT_LIST_KNOWN,
    MT_LIST_OPEN, /* an input whose value is not known yet; n is its length or -1 */
    MT_LIST_BAD,  /* error set */
} mt_list_state;

/* A list of integers: input `input` (pass `inputs` when running, NULL when inferring; -1: never an input), else attribute
 * `attr` (NULL: never an attribute).  A scalar input or an int attribute is a list of one. */
mt_list_state mt_node_list(const mt_node *node, const mt_tensor *const *inputs, int input, const char *attr, int64_t *values, int most,
                           int *n, GError **error);
/* A list of axes: as above, each brought into [0, rank), none twice. */
mt_list_state mt_node_axes(const mt_node *node, const mt_tensor *const *inputs, int input, int rank, int64_t *axes, int *n, GError **error);

#endif
