#include "kernels/tensor/mapped.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

mt_tensor *mt_tensor_new_mapped(mt_dtype dtype, int rank, const int64_t *shape, void *data, GBytes *owner)
{
    mt_tensor *tensor = mt_tensor_new_view(dtype, rank, shape, data, owner);

    tensor->mapped = true;
    return tensor;
}

bool mt_tensor_is_aligned(const mt_tensor *tensor)
{
    return (uintptr_t)tensor->data % MAX(mt_dtype_size(tensor->dtype), 1) == 0;
}

void mt_give_back_pages(const void *data, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + bytes) / page * page;

    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void mt_tensor_give_back(const mt_tensor *tensor)
{
    if (tensor->mapped)
        mt_give_back_pages(tensor->data, mt_tensor_bytes(tensor));
}

mt_tensor *mt_tensor_aligned(const mt_tensor *tensor, GError **error)
{
    mt_tensor *copy;

    if (mt_tensor_is_aligned(tensor))
        return mt_tensor_ref((mt_tensor *)tensor);
    copy = mt_tensor_new(tensor->dtype, tensor->rank, tensor->shape, error);
    if (copy != NULL && mt_tensor_bytes(tensor) > 0)
        memcpy(copy->data, tensor->data, mt_tensor_bytes(tensor));
    mt_tensor_give_back(tensor);
    return copy;
}
