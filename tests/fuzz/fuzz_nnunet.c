/* The two files of an nnU-Net folder, plans.json, a zero byte, dataset.json: read as every configuration they may have, and written as text. */
#include "tests/fuzz/fuzz_target.h"

#include "src/encoder/nnunet.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *put(const char *folder, const char *name, const uint8_t *data, size_t size)
{
    char *path = g_build_filename(folder, name, NULL);

    if (!g_file_set_contents(path, (const char *)data, (gssize)size, NULL))
        g_error("cannot write %s", path);
    return path;
}

static void read_as(const char *folder, const char *configuration)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_dense_card) card = mt_nnunet_card(folder, configuration, &error);

    g_assert_true((card == NULL) == (error != NULL));
    if (card != NULL)
        g_free(mt_dense_card_text(card));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *folder = g_strdup_printf("%s/mt-fuzz-nnunet-%d", g_get_tmp_dir(), (int)getpid());
    const uint8_t   *zero = size > 0 ? memchr(data, 0, size) : NULL;
    size_t           first = zero != NULL ? (size_t)(zero - data) : size, second = zero != NULL ? size - first - 1 : 0;

    g_mkdir(folder, 0700);
    g_autofree char *plans = put(folder, "plans.json", data, first),
                    *dataset = put(folder, "dataset.json", second > 0 ? zero + 1 : data, second);
    read_as(folder, NULL);
    read_as(folder, "2d");
    read_as(folder, "3d_fullres");
    read_as(folder, "3d_cascade_fullres");
    g_remove(plans);
    g_remove(dataset);
    g_rmdir(folder);
    return 0;
}
