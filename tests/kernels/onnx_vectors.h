/* Test vectors in the layout of the ONNX backend tests: FOLDER/model.onnx, FOLDER/test_data_set_K/{input,output}_N.pb. */
#ifndef MT_ONNX_VECTORS_H
#define MT_ONNX_VECTORS_H

#include <microtome/model.h>

/* $MICROTOME_TEST_DATA/NAME; NULL (and the test skipped) when the variable is not set. */
char *mt_vectors_folder(const char *name);
/* The names of the folders below `folder` that hold a model.onnx, sorted; free with g_ptr_array_unref. */
GPtrArray *mt_vectors_list(const char *folder);
/* A TensorProto file; NULL where there is none.  A damaged one ends the test. */
mt_tensor *mt_vectors_read_file(const char *path);
mt_tensor *mt_vectors_read(const char *folder, int set, const char *kind, int index);
/* True when `given` is `wanted` within absolute + relative * |wanted| (integers exact, NaN equals NaN, infinities exact);
 * else *what says where it is not. */
bool mt_vectors_equal(const mt_tensor *given, const mt_tensor *wanted, double relative, double absolute, char **what);
/* ||given - wanted|| / ||wanted|| */
double mt_vectors_error(const mt_tensor *given, const mt_tensor *wanted);

#endif
