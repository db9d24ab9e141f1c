/* Damaged DICOM: bytes changed, put in, cut off.  A named error or pixels, never a crash.  MICROTOME_DICOM_MUTATIONS sets how many of each
 * file (1000 by hand, under sanitizers; a few here). */
#include <microtome/case.h>
#include <microtome/error.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define FEW 15
#define HEADER_BYTES 3000
#define MAX_FILE_BYTES (400 << 10)
#define MAX_READ_PX (INT64_C(4) << 20)

static const mt_case_options as_dicom = {.backend = "dicom"};

static int wanted(void)
{
    const char *text = g_getenv("MICROTOME_DICOM_MUTATIONS");

    return text != NULL ? (int)g_ascii_strtoll(text, NULL, 10) : FEW;
}

/* One to eight changes; most in the header, where they matter. */
static gsize mutate(GRand *random, uint8_t *bytes, gsize n)
{
    int changes = g_rand_int_range(random, 1, 9);

    for (int i = 0; i < changes; i++) {
        gsize range = g_rand_boolean(random) ? MIN(n, HEADER_BYTES) : n;
        gsize at = (gsize)g_rand_int_range(random, 0, (gint32)range);

        switch (g_rand_int_range(random, 0, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1 << g_rand_int_range(random, 0, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)g_rand_int_range(random, 0, 256);
            break;
        case 2:
            memset(bytes + at, g_rand_boolean(random) ? 0xff : 0, MIN(4, n - at));
            break;
        default:
            memmove(bytes + at, bytes + (gsize)g_rand_int_range(random, 0, (gint32)range), 1);
        }
    }
    return g_rand_int_range(random, 0, 8) == 0 ? (gsize)g_rand_int_range(random, 1, (gint32)n + 1) : n;
}

static void expect_named(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == MT_ERROR);
    g_assert_cmpuint(strlen(error->message), >, 10);
}

static void read_first(mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    g_autoptr(GError) error = NULL;

    if (l->width > MAX_READ_PX / l->height)
        return;
    g_autofree void *plane = g_malloc((gsize)(l->width * l->height * mt_case_channels(c)) * 4);
    if (!mt_case_read(c, mt_case_planes(c) - 1, 0, 0, 0, l->width, l->height, plane, &error))
        expect_named(error);
}

static void try_bytes(const char *path, const uint8_t *bytes, gsize n)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents_full(path, (const char *)bytes, (gssize)n, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_autoptr(mt_case) c = mt_case_open(path, &as_dicom, &error);
    if (c == NULL)
        expect_named(error);
    else
        read_first(c);
}

static void mutate_file(const char *path, const char *scratch)
{
    g_autofree char *bytes = NULL;
    gsize            n = 0;
    g_autoptr(GRand) random = g_rand_new_with_seed(g_str_hash(strrchr(path, '/')));

    if (!g_file_get_contents(path, &bytes, &n, NULL) || n < 2 || n > MAX_FILE_BYTES)
        return;
    for (int i = wanted(); i > 0; i--) {
        g_autofree uint8_t *copy = g_memdup2(bytes, n);

        try_bytes(scratch, copy, mutate(random, copy, n));
    }
}

static void mutate_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autofree char *scratch = NULL;
    const char      *name;
    int              fd = g_file_open_tmp("microtome-XXXXXX.dcm", &scratch, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        mutate_file(path, scratch);
    }
    g_unlink(scratch);
}

static void test_made(void)
{
    g_autofree char *folder = g_test_build_filename(G_TEST_DIST, "fuzz", "corpus", "dicom", NULL);

    mutate_folder(folder);
}

static void test_real(const void *folder)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, folder, NULL);
    mutate_folder(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case/dicom-mutations/made", test_made);
    g_test_add_data_func("/case/dicom-mutations/radiology", "radiology/dicom", test_real);
    g_test_add_data_func("/case/dicom-mutations/slides", "wsi/dicom", test_real);
    g_test_add_data_func("/case/dicom-mutations/damaged", "malformed/dicom", test_real);
    return g_test_run();
}
