/* What store and result share of HDF5: identifiers that close themselves, our types in HDF5's, errors with HDF5's reason. */
#ifndef MT_HANDLE_H
#define MT_HANDLE_H

#include <microtome/error.h>
#include <microtome/tensor.h>

#include <hdf5.h>

typedef hid_t mt_hid;
void          mt_hid_close(mt_hid id);
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(mt_hid, mt_hid_close, -1)

static inline mt_hid mt_hid_steal(mt_hid *id)
{
    mt_hid taken = *id;

    *id = -1;
    return taken;
}

/* HDF5 prints nothing and loads no plug-in, in the whole process. */
void mt_hdf5_quiet(void);
/* "<format>: <HDF5's innermost reason>" */
void mt_hdf5_error(GError **error, mt_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The little-endian type of `dtype` (MT_BOOL as uint8); -1 for MT_BF16, which readers of HDF5 do not know. */
mt_hid mt_hdf5_type(mt_dtype dtype);
/* Our type of an HDF5 number, of either byte order; MT_DTYPE_NONE for what we have no name for. */
mt_dtype mt_hdf5_dtype(mt_hid type);
/* Variable-length UTF-8, which h5py reads as str. */
mt_hid mt_hdf5_string_type(void);

/* Rows first .. first+count-1 of a 2-D dataset of float32, float64 or float16 as float32; `name` is for messages. */
bool mt_hdf5_read_rows(mt_hid dataset, const char *name, int64_t first, int64_t count, float *out, GError **error);

#endif
