/* Tensors that lie in a file's mapping as the file has them: their elements may stand at any address, and the memory their
 * pages take can be given back, since the file brings them again. */
#ifndef MT_MAPPED_H
#define MT_MAPPED_H

#include <microtome/tensor.h>

/* A view of a read-only mapping of a file, kept alive by `owner`. */
mt_tensor *mt_tensor_new_mapped(mt_dtype dtype, int rank, const int64_t *shape, void *data, GBytes *owner);
bool       mt_tensor_is_aligned(const mt_tensor *tensor);
/* For whoever reads elements through a typed pointer: the tensor itself, or a copy at an aligned address.  A new reference. */
mt_tensor *mt_tensor_aligned(const mt_tensor *tensor, GError **error);
/* Drops the pages that hold nothing but this tensor from memory; later reads bring them back.  Nothing for other tensors. */
void mt_tensor_give_back(const mt_tensor *tensor);
/* The same for bytes of a read-only mapping. */
void mt_give_back_pages(const void *data, size_t bytes);

#endif
