/* Results and foreign files of features: objects, attributes, rows, the hash of the content. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/feature_file.h"
#include "mil/feature_reference.h"

#include <microtome/result.h>

#define DIM_MAX 4096

/* Inside HDF5 1.10.8, and not for us to mend: leaks where it refuses damaged headers (-detect_leaks=0), and reads behind the list of a
 * block's texts or behind an object's header, which end the process. */

static void read_result(const char *path)
{
    static const char *const objects[] = {"/features", "/coords", "/valid", "/attention", "/prediction/scores", "/tissue/points"};
    bool                     hashed;
    g_autoptr(mt_result) result = mt_result_open(path, NULL);

    mt_result_check_content(path, &hashed, NULL);
    if (result == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        int64_t shape[MT_MAX_RANK], elements = 1;
        int     rank = mt_result_has(result, objects[i]) ? mt_result_shape(result, objects[i], shape, NULL) : -1;

        for (int k = 0; k < rank; k++)
            elements = elements > INT32_MAX ? elements : elements * shape[k];
        if (rank >= 0 && elements < 1 << 20) {
            G_GNUC_UNUSED g_autoptr(mt_tensor) tensor = mt_result_read(result, objects[i], NULL);
        }
    }
    g_free(mt_result_read_string(result, "/provenance", NULL));
    g_free(mt_result_attr_string(result, "/features", "encoder"));
    g_strfreev(mt_result_attr_strings(result, "/prediction/scores", "labels"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file_write(data, size, ".h5");

    read_result(path);
    g_autoptr(mt_feature_file) file = mt_feature_file_open(path, NULL);
    if (file != NULL) {
        mt_bag             bag = mt_feature_file_bag(file);
        g_autofree double *mean = g_new0(double, DIM_MAX);

        if (bag.dim <= DIM_MAX && bag.n < 1 << 16)
            mt_bag_mean(&bag, mean, NULL);
        mt_feature_file_origin(file);
    }
    fuzz_file_remove();
    return 0;
}
