/* <microtome/tensor.h>  A dense row-major array with a type and a shape.
 * Reference counted (atomically); the data of a shared tensor is read-only by agreement. */
#ifndef MICROTOME_TENSOR_H
#define MICROTOME_TENSOR_H

#include <microtome/error.h>

G_BEGIN_DECLS

#define MT_MAX_RANK 8

typedef enum mt_dtype {
    MT_DTYPE_NONE = 0,
    MT_F32,
    MT_F64,
    MT_F16,  /* IEEE half, stored as uint16_t */
    MT_BF16, /* stored as uint16_t */
    MT_I64,
    MT_I32,
    MT_I16,
    MT_U16,
    MT_I8,
    MT_U8,
    MT_BOOL, /* one byte, 0 or 1 */
    MT_U32,
    MT_U64,
    MT_F8_E4M3FN, /* one byte; no infinities */
    MT_F8_E4M3FNUZ,
    MT_F8_E5M2,
    MT_F8_E5M2FNUZ,
    MT_U4, /* one to a byte here, two in files */
    MT_I4,
} mt_dtype;

typedef struct mt_tensor {
    mt_dtype dtype;
    int      rank; /* 0..MT_MAX_RANK; 0 is a scalar of one element */
    int64_t  shape[MT_MAX_RANK];
    void    *data; /* element (0, .., 0); contiguous, row-major, 64-byte aligned when the tensor owns it */
    /*< private >*/
    gint    ref_count;
    GBytes *owner;  /* keeps `data` alive when it is a view */
    bool    mapped; /* `data` lies in a file's read-only mapping, as the file has it */
} mt_tensor;

/* Bytes of one element; 0 for MT_DTYPE_NONE. */
MT_PUBLIC size_t mt_dtype_size(mt_dtype dtype);
/* "float32", "int64", ... as NumPy names them ("bfloat16" for MT_BF16). */
MT_PUBLIC const char *mt_dtype_name(mt_dtype dtype);

/* A zeroed tensor.  MT_ERROR_LIMIT for a rank or size out of range, MT_ERROR_MEMORY when refused. */
MT_PUBLIC mt_tensor *mt_tensor_new(mt_dtype dtype, int rank, const int64_t *shape, GError **error);
/* A view on `data`, kept alive by a reference on `owner` (NULL: the caller keeps it alive). */
MT_PUBLIC mt_tensor *mt_tensor_new_view(mt_dtype dtype, int rank, const int64_t *shape, void *data, GBytes *owner);
MT_PUBLIC mt_tensor *mt_tensor_ref(mt_tensor *tensor);
MT_PUBLIC void       mt_tensor_unref(mt_tensor *tensor);
/* Elements; 1 for a scalar. */
MT_PUBLIC int64_t mt_tensor_count(const mt_tensor *tensor);
MT_PUBLIC size_t  mt_tensor_bytes(const mt_tensor *tensor);
/* "2x3x224x224", "scalar". Free with g_free. */
MT_PUBLIC char *mt_shape_to_string(int rank, const int64_t *shape);

/* NumPy .npy files (format 1.0, little endian, C order). Types NumPy lacks (bf16) are refused. */
MT_PUBLIC mt_tensor *mt_tensor_read_npy(const char *path, GError **error);
MT_PUBLIC bool       mt_tensor_write_npy(const mt_tensor *tensor, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_tensor, mt_tensor_unref)

G_END_DECLS

#endif
