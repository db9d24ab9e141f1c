#include "tests/kernels/onnx_vectors.h"

#include "kernels/onnx/tensor_proto.h"
#include "kernels/reference/element.h"

#include <math.h>
#include <string.h>

char *mt_vectors_folder(const char *name)
{
    const char *root = g_getenv("MICROTOME_TEST_DATA");

    if (root != NULL)
        return g_build_filename(root, name, NULL);
    g_test_skip("MICROTOME_TEST_DATA is not set");
    return NULL;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *mt_vectors_list(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *model = g_build_filename(folder, name, "model.onnx", NULL);
        if (g_file_test(model, G_FILE_TEST_EXISTS))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    return names;
}

mt_tensor *mt_vectors_read_file(const char *path)
{
    g_autofree char *data = NULL;
    gsize            size;
    GError          *error = NULL;

    if (!g_file_get_contents(path, &data, &size, NULL))
        return NULL;
    Onnx__TensorProto *proto = onnx__tensor_proto__unpack(NULL, size, (const uint8_t *)data);
    g_assert_nonnull(proto);
    mt_tensor *tensor = mt_tensor_from_proto(proto, NULL, NULL, &error);
    onnx__tensor_proto__free_unpacked(proto, NULL);
    g_assert_no_error(error);
    return tensor;
}

mt_tensor *mt_vectors_read(const char *folder, int set, const char *kind, int index)
{
    g_autofree char *path = g_strdup_printf("%s/test_data_set_%d/%s_%d.pb", folder, set, kind, index);

    return mt_vectors_read_file(path);
}

static bool close_enough(double a, double b, double relative, double absolute)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b))
        return a == b;
    return fabs(a - b) <= absolute + relative * fabs(b);
}

static bool same_kind(const mt_tensor *a, const mt_tensor *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;

    for (int i = 0; i < a->rank && same; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

bool mt_vectors_equal(const mt_tensor *given, const mt_tensor *wanted, double relative, double absolute, char **what)
{
    int64_t count = mt_tensor_count(wanted);

    if (!same_kind(given, wanted)) {
        g_autofree char *a = mt_shape_to_string(given->rank, given->shape), *b = mt_shape_to_string(wanted->rank, wanted->shape);
        *what = g_strdup_printf("%s of %s instead of %s of %s", mt_dtype_name(given->dtype), a, mt_dtype_name(wanted->dtype), b);
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        double a = mt_element_double(given, i), b = mt_element_double(wanted, i);
        bool   exact = mt_dtype_is_int(wanted->dtype);

        if (exact ? mt_element_int(given, i) == mt_element_int(wanted, i) : close_enough(a, b, relative, absolute))
            continue;
        *what = g_strdup_printf("element %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " is %.9g instead of %.9g", i, count, a, b);
        return false;
    }
    return true;
}

double mt_vectors_error(const mt_tensor *given, const mt_tensor *wanted)
{
    int64_t count = mt_tensor_count(wanted);
    double  difference = 0, size = 0;

    for (int64_t i = 0; i < count; i++) {
        double a = mt_element_double(given, i), b = mt_element_double(wanted, i);

        difference += (a - b) * (a - b);
        size += b * b;
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}
