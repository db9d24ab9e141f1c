/* The identity of an input: its bytes, whatever its name, and those of every file that belongs to it. */
#include "tests/unit/made_tiff.h"

#include <microtome/case.h>
#include <microtome/error.h>

static void expect_identity(const char *path, const char *bytes, gsize n, const char *wanted)
{
    g_assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
    g_autofree char *hex = mt_case_identity(path, NULL);
    g_assert_cmpstr(hex, ==, wanted);
}

/* python: hashlib.sha256(size.to_bytes(8, "little") + data[:2**20] + data[2**20:][-2**20:]) */
static void test_identity(void)
{
    const gsize      large = ((gsize)5 << 20) / 2;
    g_autofree char *a = in_test_folder("a.svs"), *b = in_test_folder("b.svs"), *bytes = g_malloc0(large);
    g_autoptr(GError) error = NULL;

    expect_identity(a, "tissue", 6, "ce9c2c5eb6db043ac513e3253fb59fff32a3a160467067186cc473dc415f2228");
    expect_identity(b, "tissue", 6, "ce9c2c5eb6db043ac513e3253fb59fff32a3a160467067186cc473dc415f2228");
    expect_identity(a, "", 0, "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    for (gsize i = 0; i < large; i++)
        bytes[i] = (char)(i % 251);
    expect_identity(a, bytes, large, "81c209396e83df56dbe40f0bc50277d998993d45e4d9f76c74d0f4a9fc250ced");
    expect_identity(a, bytes, large - large / 4, "29394e03b8d445dfd14d1e73ca4d27e3d5c1ce0266d960b92dfbe3f2b00e9190");
    g_assert_null(mt_case_identity("/nonexistent.svs", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, "identify /nonexistent.svs: no such file");
}

/* A MIRAX slide is its folder too; a VMS slide the files that it names. */
static void test_identity_of_parts(void)
{
    g_autofree char *mirax = in_test_folder("m.mrxs"), *parts = in_test_folder("m"), *part = g_build_filename(parts, "Data0000.dat", NULL);
    g_autofree char *vms = in_test_folder("v.vms"), *picture = in_test_folder("v.jpg");

    g_assert_cmpint(g_mkdir(parts, 0755), ==, 0);
    g_assert_true(g_file_set_contents(mirax, "x", 1, NULL));
    g_assert_true(g_file_set_contents(part, "one", 3, NULL));
    g_assert_true(g_file_set_contents(vms, "[Virtual Microscope Specimen]\r\nImageFile=v.jpg\r\n", -1, NULL));
    g_assert_true(g_file_set_contents(picture, "one", 3, NULL));
    g_autofree char *before = mt_case_identity(mirax, NULL), *before_vms = mt_case_identity(vms, NULL);
    g_assert_true(g_file_set_contents(part, "two", 3, NULL));
    g_assert_true(g_file_set_contents(picture, "two", 3, NULL));
    g_autofree char *after = mt_case_identity(mirax, NULL), *after_vms = mt_case_identity(vms, NULL);
    g_assert_cmpstr(before, !=, after);
    g_assert_cmpstr(before_vms, !=, after_vms);
    g_unlink(part);
    g_rmdir(parts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-identity-XXXXXX");
    g_test_add_func("/case/identity/files", test_identity);
    g_test_add_func("/case/identity/parts", test_identity_of_parts);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
