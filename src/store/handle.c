#include "src/store/handle.h"

#include "src/base/alloc.h"

#include <string.h>

void mt_hid_close(mt_hid id)
{
    bool   failed = id >= 0 && H5Eget_num(H5E_DEFAULT) > 0;
    mt_hid reason = failed ? H5Eget_current_stack() : -1; /* closing would wipe it before the message is made */

    if (id >= 0)
        H5Idec_ref(id);
    if (reason >= 0)
        H5Eset_current_stack(reason);
}

void mt_hdf5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

static herr_t keep_reason(unsigned n, const H5E_error2_t *entry, void *user)
{
    (void)n;
    g_strlcpy(user, entry->desc != NULL ? entry->desc : "", 256); /* walked outwards in: the last one is the cause */
    return 0;
}

void mt_hdf5_error(GError **error, mt_error code, const char *format, ...)
{
    char             reason[256] = "";
    va_list          arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_reason, reason);
    g_set_error(error, MT_ERROR, code, "%s: %s", text, *reason != '\0' ? reason : "HDF5 gives no reason");
}

/* IEEE half precision: HDF5 1.10 has no name for it, h5py reads this form as float16. */
static mt_hid half_type(void)
{
    g_auto(mt_hid) type = H5Tcopy(H5T_IEEE_F32LE);

    if (type < 0 || H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0)
        return -1;
    return mt_hid_steal(&type);
}

mt_hid mt_hdf5_type(mt_dtype dtype)
{
    switch (dtype) {
    case MT_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case MT_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case MT_F16:
        return half_type();
    case MT_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case MT_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case MT_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case MT_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case MT_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case MT_U8:
    case MT_BOOL:
        return H5Tcopy(H5T_STD_U8LE);
    default:
        return -1;
    }
}

static mt_dtype float_dtype(mt_hid type)
{
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;

    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0)
        return MT_DTYPE_NONE;
    switch (H5Tget_size(type)) {
    case 8:
        return exponent_bits == 11 && mantissa_bits == 52 ? MT_F64 : MT_DTYPE_NONE;
    case 4:
        return exponent_bits == 8 && mantissa_bits == 23 ? MT_F32 : MT_DTYPE_NONE;
    case 2:
        return exponent_bits == 5 && mantissa_bits == 10 ? MT_F16 : MT_DTYPE_NONE;
    default:
        return MT_DTYPE_NONE;
    }
}

mt_dtype mt_hdf5_dtype(mt_hid type)
{
    bool is_signed;

    if (H5Tget_class(type) == H5T_FLOAT)
        return float_dtype(type);
    if (H5Tget_class(type) != H5T_INTEGER)
        return MT_DTYPE_NONE;
    is_signed = H5Tget_sign(type) == H5T_SGN_2;
    switch (H5Tget_size(type)) {
    case 8:
        return is_signed ? MT_I64 : MT_DTYPE_NONE;
    case 4:
        return is_signed ? MT_I32 : MT_DTYPE_NONE;
    case 2:
        return is_signed ? MT_I16 : MT_U16;
    case 1:
        return is_signed ? MT_I8 : MT_U8;
    default:
        return MT_DTYPE_NONE;
    }
}

mt_hid mt_hdf5_string_type(void)
{
    g_auto(mt_hid) type = H5Tcopy(H5T_C_S1);

    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        return -1;
    return mt_hid_steal(&type);
}

static float half_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float    value;

    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f; /* moves the exponent's bias from 15 to 127, subnormal numbers included */
    if ((half & 0x7c00) == 0x7c00)
        value = (half & 0x3ff) != 0 ? __builtin_nanf("") : __builtin_inff();
    return (half & 0x8000) != 0 ? -value : value;
}

static bool read_selected(mt_hid dataset, mt_hid memory, mt_hid space, int64_t n, mt_dtype dtype, float *out, GError **error)
{
    g_auto(mt_hid) half = dtype == MT_F16 ? half_type() : -1;
    uint16_t *halves = NULL;
    bool      ok;

    if (dtype != MT_F16) /* HDF5 converts float64 */
        return H5Dread(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, out) >= 0;
    halves = mt_alloc(n, sizeof *halves, error);
    ok = halves != NULL && H5Dread(dataset, half, memory, space, H5P_DEFAULT, halves) >= 0;
    for (int64_t i = 0; ok && i < n; i++)
        out[i] = half_to_float(halves[i]);
    mt_free(halves);
    return ok;
}

bool mt_hdf5_read_rows(mt_hid dataset, const char *name, int64_t first, int64_t count, float *out, GError **error)
{
    g_auto(mt_hid) space = H5Dget_space(dataset);
    g_auto(mt_hid) type = H5Dget_type(dataset);
    mt_dtype dtype = mt_hdf5_dtype(type);
    hsize_t  shape[2];
    g_autoptr(GError) cause = NULL;

    if (H5Sget_simple_extent_ndims(space) != 2 || H5Sget_simple_extent_dims(space, shape, NULL) < 0 ||
        (dtype != MT_F32 && dtype != MT_F64 && dtype != MT_F16)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read rows of %s: it is no table of floats", name);
        return false;
    }
    if (first < 0 || count < 0 || (hsize_t)first > shape[0] || (hsize_t)count > shape[0] - (hsize_t)first) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "read rows of %s: rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " asked for, it has %" G_GUINT64_FORMAT, name, first,
                    first + count - 1, (guint64)shape[0]);
        return false;
    }
    if (count == 0 || shape[1] == 0)
        return true;
    hsize_t start[2] = {(hsize_t)first, 0}, size[2] = {(hsize_t)count, shape[1]};
    g_auto(mt_hid) memory = H5Screate_simple(2, size, NULL);
    if (memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
        read_selected(dataset, memory, space, count * (int64_t)shape[1], dtype, out, &cause))
        return true;
    if (cause != NULL)
        g_propagate_prefixed_error(error, g_steal_pointer(&cause), "read rows of %s: ", name);
    else
        mt_hdf5_error(error, MT_ERROR_INPUT, "read rows of %s", name);
    return false;
}
