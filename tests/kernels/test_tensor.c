/* Tensors, and .npy files against NumPy's own (data/make_npy_files.py). */
#include "kernels/reference/element.h"
#include "src/base/alloc.h"

#include <microtome/error.h>
#include <microtome/tensor.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static char *data_path(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "kernels", "data", name, NULL);
}

static void test_new(void)
{
    const int64_t shape[] = {2, 3, 4};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, 3, shape, &error), scalar = mt_tensor_new(MT_I64, 0, NULL, &error);
    g_autofree char *text = mt_shape_to_string(3, shape), *nothing = mt_shape_to_string(0, NULL);

    g_assert_no_error(error);
    g_assert_cmpint(mt_tensor_count(tensor), ==, 24);
    g_assert_cmpuint(mt_tensor_bytes(tensor), ==, 96);
    g_assert_cmpuint((uintptr_t)tensor->data % 64, ==, 0);
    g_assert_cmpint(mt_tensor_count(scalar), ==, 1);
    g_assert_cmpstr(text, ==, "2x3x4");
    g_assert_cmpstr(nothing, ==, "scalar");
    for (int i = 0; i < 24; i++)
        g_assert_cmpfloat(((float *)tensor->data)[i], ==, 0);
    mt_tensor *again = mt_tensor_ref(tensor);
    mt_tensor_unref(again);
}

static void check_refused(mt_dtype dtype, int rank, const int64_t *shape, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_tensor_new(dtype, rank, shape, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused(void)
{
    const int64_t giant[] = {INT64_C(1) << 40, INT64_C(1) << 40}, hidden[] = {0, INT64_MAX}, negative[] = {2, -1};
    const int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, four[] = {4};

    check_refused(MT_F32, 2, giant, MT_ERROR_LIMIT,
                  "make a float32 tensor of 1099511627776x1099511627776: more than the limit of 68719476736 bytes");
    check_refused(MT_F32, 2, hidden, MT_ERROR_LIMIT,
                  "make a float32 tensor of 0x9223372036854775807: more than the limit of 68719476736 bytes");
    check_refused(MT_U8, 2, negative, MT_ERROR_LIMIT, "make a uint8 tensor of 2x?: more than the limit of 68719476736 bytes");
    check_refused(MT_F32, 9, many, MT_ERROR_LIMIT, "make a float32 tensor of rank 9: ranks 0 to 8 of a known type are possible");
    check_refused(MT_DTYPE_NONE, 1, four, MT_ERROR_LIMIT, "make a unknown tensor of rank 1: ranks 0 to 8 of a known type are possible");
    mt_alloc_fail_at(1);
    check_refused(MT_F32, 1, four, MT_ERROR_MEMORY, "allocate 64 bytes: the system refused");
    mt_alloc_fail_at(0);
}

static void test_read(void)
{
    static const struct {
        const char *name;
        mt_dtype    dtype;
    } files[] = {{"six_float32.npy", MT_F32}, {"six_float64.npy", MT_F64}, {"six_float16.npy", MT_F16}, {"six_int64.npy", MT_I64},
                 {"six_int32.npy", MT_I32},   {"six_int16.npy", MT_I16},   {"six_uint32.npy", MT_U32},  {"six_uint64.npy", MT_U64},
                 {"six_uint16.npy", MT_U16},  {"six_int8.npy", MT_I8},     {"six_uint8.npy", MT_U8},    {"six_bool.npy", MT_BOOL},
                 {"version2.npy", MT_F32}};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = data_path(files[i].name);
        g_autoptr(mt_tensor) tensor = mt_tensor_read_npy(path, &error);

        g_assert_no_error(error);
        g_assert_cmpint(tensor->dtype, ==, files[i].dtype);
        g_assert_cmpint(tensor->rank, ==, 2);
        g_assert_cmpint(tensor->shape[0], ==, 2);
        g_assert_cmpint(tensor->shape[1], ==, 3);
        for (int k = 0; k < 6; k++)
            g_assert_cmpfloat(mt_element_double(tensor, k), ==, tensor->dtype == MT_BOOL ? k > 0 : k);
    }
}

static void test_read_odd_shapes(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *scalar_path = data_path("scalar.npy"), *empty_path = data_path("empty.npy");
    g_autoptr(mt_tensor) scalar = mt_tensor_read_npy(scalar_path, &error), empty = mt_tensor_read_npy(empty_path, &error);

    g_assert_no_error(error);
    g_assert_cmpint(scalar->rank, ==, 0);
    g_assert_cmpfloat(*(double *)scalar->data, ==, 2.5);
    g_assert_cmpint(empty->rank, ==, 2);
    g_assert_cmpint(mt_tensor_count(empty), ==, 0);
}

/* What we write has the very bytes of NumPy's file. */
static void test_write(void)
{
    static const char *const names[] = {"six_float32.npy", "six_float16.npy", "six_int64.npy", "six_bool.npy", "scalar.npy", "empty.npy"};
    g_autofree char         *folder = g_dir_make_tmp("tensor-XXXXXX", NULL), *target = g_build_filename(folder, "t.npy", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = data_path(names[i]), *ours = NULL, *theirs = NULL;
        g_autoptr(mt_tensor) tensor = mt_tensor_read_npy(path, &error);
        gsize n_ours, n_theirs;

        g_assert_true(mt_tensor_write_npy(tensor, target, &error));
        g_assert_true(g_file_get_contents(target, &ours, &n_ours, NULL));
        g_assert_true(g_file_get_contents(path, &theirs, &n_theirs, NULL));
        g_autoptr(mt_tensor) again = mt_tensor_read_npy(target, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(again->data, mt_tensor_bytes(again), tensor->data, mt_tensor_bytes(tensor));
        g_assert_cmpmem(ours, n_ours, theirs, n_theirs);
    }
    g_unlink(target);
    g_rmdir(folder);
}

static void check_file(const char *path, int code, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("read %s: %s", path, what);

    g_assert_null(mt_tensor_read_npy(path, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused_files(void)
{
    g_autofree char *fortran = data_path("refuse_fortran.npy"), *endian = data_path("refuse_big_endian.npy");
    g_autofree char *c64 = data_path("refuse_complex64.npy"), *missing = data_path("nowhere.npy");

    check_file(fortran, MT_ERROR_INPUT, "the array is in Fortran order; save it with numpy.ascontiguousarray");
    check_file(endian, MT_ERROR_INPUT, "arrays of type '>f4' are not supported; save little-endian float, int, uint or bool");
    check_file(c64, MT_ERROR_INPUT, "arrays of type '<c8' are not supported; save little-endian float, int, uint or bool");
    check_file(missing, MT_ERROR_MISSING, "No such file or directory");
}

/* Every prefix of a good file, and headers that promise too much. */
static void test_hostile_files(void)
{
    static const struct {
        const char *header, *what;
    } bad[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4", "the .npy header is malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", "the .npy header is malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "the .npy header is malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "the .npy header is malformed"},
        {"{'descr': '<f4', 'shape': (4,), }", "the .npy header is malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", "the .npy file is shorter than its header says"},
        {"", "the .npy header is malformed"},
    };
    g_autofree char *folder = g_dir_make_tmp("tensor-XXXXXX", NULL), *target = g_build_filename(folder, "t.npy", NULL);
    g_autofree char *good = data_path("six_float32.npy"), *bytes = NULL;
    gsize            size;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *file = g_malloc0(256);
        size_t           n = strlen(bad[i].header);

        memcpy(file, "\x93NUMPY\x01\x00", 8);
        file[8] = (char)n;
        memcpy(file + 10, bad[i].header, n);
        g_assert_true(g_file_set_contents(target, file, (gssize)(10 + n), NULL));
        check_file(target, MT_ERROR_INPUT, bad[i].what);
    }
    g_assert_true(g_file_get_contents(good, &bytes, &size, NULL));
    for (gsize n = 0; n < size; n++) {
        g_assert_true(g_file_set_contents(target, bytes, (gssize)n, NULL));
        g_assert_null(mt_tensor_read_npy(target, NULL));
    }
    g_assert_true(g_file_set_contents(target, "PK\x03\x04 not an array", -1, NULL));
    check_file(target, MT_ERROR_INPUT, "not a .npy file");
    g_unlink(target);
    g_rmdir(folder);
}

static void test_refused_write(void)
{
    const int64_t shape[] = {2};
    g_autoptr(GError) error = NULL, folder_error = NULL;
    g_autoptr(mt_tensor) brain = mt_tensor_new(MT_BF16, 1, shape, NULL), plain = mt_tensor_new(MT_F32, 1, shape, NULL);

    g_assert_false(mt_tensor_write_npy(brain, "t.npy", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "write t.npy: NumPy has no type bfloat16; convert to float32 first");
    g_assert_false(mt_tensor_write_npy(plain, "/nonexistent/t.npy", &folder_error));
    g_assert_error(folder_error, MT_ERROR, MT_ERROR_IO);
}

/* Half precision against the definition: value = (-1)^s 2^(e-15) (1 + m/1024). */
static void test_half(void)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float    value = mt_half_to_float((uint16_t)bits);
        uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;

        if (exponent == 31 && mantissa != 0) {
            g_assert_true(isnan(value));
            continue;
        }
        double wanted = exponent == 31 ? INFINITY : exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024.0 + mantissa, (int)exponent - 25);
        g_assert_cmpfloat(value, ==, bits >> 15 != 0 ? -wanted : wanted);
        g_assert_cmpuint(mt_half_from_double(value), ==, bits);
    }
    g_assert_cmpuint(mt_half_from_double(1 + 0x1p-11), ==, 0x3c00);     /* a tie goes to even */
    g_assert_cmpuint(mt_half_from_double(1 + 3 * 0x1p-11), ==, 0x3c02); /* and up here */
    g_assert_cmpuint(mt_half_from_double(65519.9), ==, 0x7bff);
    g_assert_cmpuint(mt_half_from_double(65520), ==, 0x7c00);
    g_assert_cmpuint(mt_half_from_double(0x1p-26), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tensor/new", test_new);
    g_test_add_func("/tensor/refused", test_refused);
    g_test_add_func("/tensor/read", test_read);
    g_test_add_func("/tensor/read-odd-shapes", test_read_odd_shapes);
    g_test_add_func("/tensor/write", test_write);
    g_test_add_func("/tensor/refused-files", test_refused_files);
    g_test_add_func("/tensor/hostile-files", test_hostile_files);
    g_test_add_func("/tensor/refused-write", test_refused_write);
    g_test_add_func("/tensor/half", test_half);
    return g_test_run();
}
