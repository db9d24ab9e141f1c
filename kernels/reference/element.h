/* Elements of any type read and written as doubles or int64, a run at a time.
 * float32 and narrower go through double without loss; int64 beyond 2^53 needs the int64 pair. */
#ifndef MT_ELEMENT_H
#define MT_ELEMENT_H

#include <microtome/tensor.h>

#define MT_RUN 512 /* elements in one run */

bool mt_dtype_is_float(mt_dtype dtype);
bool mt_dtype_is_int(mt_dtype dtype); /* bool counts as an integer */

/* The type of an ONNX type number (TensorProto.DataType); MT_DTYPE_NONE for one that is not supported. */
mt_dtype mt_dtype_from_onnx(int32_t onnx_type);
/* "string", "uint32", ... for messages. */
const char *mt_onnx_type_name(int32_t onnx_type);

float    mt_half_to_float(uint16_t half);
uint16_t mt_half_from_double(double value); /* round to nearest even; overflow gives infinity */

/* n elements from index `start` on, `stride` elements apart (0 repeats one). */
void mt_load_doubles(const mt_tensor *tensor, int64_t start, int64_t stride, int n, double *out);
void mt_load_ints(const mt_tensor *tensor, int64_t start, int64_t stride, int n, int64_t *out);
/* n contiguous elements from index `start` on.  Floats to integers truncate towards 0 and saturate, NaN gives 0; int64 to
 * narrower integers wraps; to bool: 0 or not 0. */
void mt_store_doubles(mt_tensor *tensor, int64_t start, int n, const double *in);
void mt_store_ints(mt_tensor *tensor, int64_t start, int n, const int64_t *in);

double  mt_element_double(const mt_tensor *tensor, int64_t index);
int64_t mt_element_int(const mt_tensor *tensor, int64_t index);

#endif
