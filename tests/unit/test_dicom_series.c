/* Series made here, of known places: shuffled, tilted, flipped, copied, with gaps, with two sizes: in order, or refused by name. */
#include <microtome/case.h>
#include <microtome/error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE 6

typedef struct made_slice {
    int    number;  /* names the SOP instance and fills the pixels */
    double z, y;    /* position: z along the table, y sideways */
    int    columns; /* 0: SIDE */
    double slope;   /* 0: none */
} made_slice;

/* One element without named representation, little endian. */
static void put(GByteArray *a, guint group, guint element, const void *value, guint n)
{
    guint8 head[8] = {(guint8)group, (guint8)(group >> 8), (guint8)element,   (guint8)(element >> 8),
                      (guint8)n,     (guint8)(n >> 8),     (guint8)(n >> 16), 0};

    g_byte_array_append(a, head, sizeof head);
    g_byte_array_append(a, value, n);
}

static void put_text(GByteArray *a, guint group, guint element, const char *text)
{
    g_autofree char *even = strlen(text) % 2 != 0 ? g_strconcat(text, " ", NULL) : g_strdup(text);

    put(a, group, element, even, (guint)strlen(even));
}

static void put_word(GByteArray *a, guint group, guint element, guint value)
{
    guint8 bytes[2] = {(guint8)value, (guint8)(value >> 8)};

    put(a, group, element, bytes, sizeof bytes);
}

static void write_slice(const char *folder, const char *name, const made_slice *s)
{
    g_autoptr(GByteArray) a = g_byte_array_new();
    g_autofree char *instance = g_strdup_printf("1.2.%d", s->number), *place = g_strdup_printf("5\\%.4f\\%.4f", s->y, s->z);
    g_autofree char *slope = g_strdup_printf("%g", s->slope), *path = g_build_filename(folder, name, NULL);
    guint            columns = s->columns > 0 ? (guint)s->columns : SIDE;
    guint16          pixels[64];

    for (guint i = 0; i < G_N_ELEMENTS(pixels); i++)
        pixels[i] = GUINT16_TO_LE((guint16)(100 * s->number + (int)i));
    put_text(a, 0x08, 0x16, "1.2.840.10008.5.1.4.1.1.2");
    put_text(a, 0x08, 0x18, instance);
    put_text(a, 0x08, 0x60, "CT");
    put_text(a, 0x20, 0x0e, "1.2.3");
    put_text(a, 0x20, 0x32, place);
    put_text(a, 0x20, 0x37, "1\\0\\0\\0\\1\\0");
    put_word(a, 0x28, 0x02, 1);
    put_text(a, 0x28, 0x04, "MONOCHROME2");
    put_word(a, 0x28, 0x10, SIDE);
    put_word(a, 0x28, 0x11, columns);
    put_text(a, 0x28, 0x30, "0.5\\0.25");
    put_word(a, 0x28, 0x100, 16);
    put_word(a, 0x28, 0x101, 12);
    put_word(a, 0x28, 0x102, 11);
    put_word(a, 0x28, 0x103, 0);
    if (s->slope > 0) {
        put_text(a, 0x28, 0x1052, "0");
        put_text(a, 0x28, 0x1053, slope);
    }
    put(a, 0x7fe0, 0x10, pixels, SIDE * columns * 2);
    g_assert_true(g_file_set_contents(path, (const char *)a->data, a->len, NULL));
}

static char *make_series(const made_slice *slices, guint n)
{
    char *folder = g_dir_make_tmp("microtome-series-XXXXXX", NULL);

    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%02u", i);
        write_slice(folder, name, &slices[i]);
    }
    return folder;
}

static void remove_series(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

static void expect_refused(const made_slice *slices, guint n, const char *reason)
{
    g_autofree char *folder = make_series(slices, n), *message = g_strdup_printf("open %s: dicom: %s", folder, reason);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(folder, NULL, &error);

    g_assert_null(c);
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
    remove_series(folder);
}

/* Planes by place, rows and columns turned to the front and the right. */
static void test_shuffled(void)
{
    const made_slice slices[] = {{3, 6, 0, 0, 0}, {1, 2, 0, 0, 0}, {2, 4, 0, 0, 0}, {0, 0, 0, 0, 0}};
    g_autofree char *folder = make_series(slices, G_N_ELEMENTS(slices));
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(folder, NULL, &error);
    const double expected[16] = {0.25, 0, 0, -5 - 0.25 * (SIDE - 1), 0, 0.5, 0, -0.5 * (SIDE - 1), 0, 0, 2, 0, 0, 0, 0, 1};
    double       affine[16];
    uint16_t     plane[SIDE * SIDE];

    g_assert_no_error(error);
    g_assert_cmpint(mt_case_planes(c), ==, 4);
    g_assert_cmpint(mt_case_dtype(c), ==, MT_U16);
    g_assert_true(mt_case_affine(c, affine));
    for (int i = 0; i < 16; i++)
        g_assert_cmpfloat_with_epsilon(affine[i], expected[i], 1e-9);
    for (int z = 0; z < 4; z++) {
        g_assert_true(mt_case_read(c, z, 0, 0, 0, SIDE, SIDE, plane, &error));
        for (int i = 0; i < SIDE * SIDE; i++)
            g_assert_cmpint(plane[i], ==, 100 * z + SIDE * SIDE - 1 - i);
    }
    remove_series(folder);
}

/* Slopes of each slice, as PET has them. */
static void test_slope_per_slice(void)
{
    const made_slice slices[] = {{1, 0, 0, 0, 0.5}, {2, 2, 0, 0, 2}};
    g_autofree char *folder = make_series(slices, G_N_ELEMENTS(slices));
    g_autoptr(mt_case) c = mt_case_open(folder, NULL, NULL);
    float value;

    g_assert_nonnull(c);
    g_assert_cmpint(mt_case_dtype(c), ==, MT_F32);
    g_assert_true(mt_case_read(c, 0, 0, SIDE - 1, SIDE - 1, 1, 1, &value, NULL));
    g_assert_cmpfloat(value, ==, 50);
    g_assert_true(mt_case_read(c, 1, 0, SIDE - 1, SIDE - 1, 1, 1, &value, NULL));
    g_assert_cmpfloat(value, ==, 400);
    remove_series(folder);
}

static void test_copy(void)
{
    const made_slice slices[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 0, 0}, {2, 2, 0, 0, 0}};
    g_autofree char *folder = make_series(slices, G_N_ELEMENTS(slices));
    g_autoptr(mt_case) c = mt_case_open(folder, NULL, NULL);

    g_assert_nonnull(c);
    g_assert_cmpint(mt_case_planes(c), ==, 2);
    g_assert_cmpstr(mt_case_notes(c), ==, "1 files that are copies of others left out");
    remove_series(folder);
}

static void test_refused(void)
{
    const made_slice two_sizes[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 5, 0}};
    const made_slice uneven[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 0, 0}, {3, 4, 0, 0, 0}, {4, 7, 0, 0, 0}};
    const made_slice one_place[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 0, 0}, {3, 2, 0, 0, 0}};
    const made_slice sideways[] = {{1, 0, 0, 0, 0}, {2, 2, 5, 0, 0}, {3, 4, 0, 0, 0}};
    const made_slice missing[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 0, 0}, {3, 4, 0, 0, 0}, {4, 10, 0, 0, 0}};

    expect_refused(two_sizes, 2, "the series has images of two sizes, 6 x 6 and 5 x 6: take out those that do not belong to it");
    expect_refused(uneven, 4, "its slices are unevenly spaced, 2 to 3 mm: resample them to even gaps");
    expect_refused(one_place, 3,
                   "1 position holds up to 2 images each (echoes, phases, segments or duplicates): give the folder one image a position");
    expect_refused(sideways, 3, "slice 2 of 3 in space stands 5 mm beside the line of the others: it is no volume");
    expect_refused(missing, 4,
                   "2 of its slices are missing, the first after slice 3 in space (gap of 6 mm where 2 is usual): bring the series whole");
}

/* Names of files say nothing. */
static void test_identity(void)
{
    const made_slice forth[] = {{1, 0, 0, 0, 0}, {2, 2, 0, 0, 0}}, back[] = {{2, 2, 0, 0, 0}, {1, 0, 0, 0, 0}};
    g_autofree char *a = make_series(forth, 2), *b = make_series(back, 2);
    g_autofree char *x = mt_case_identity(a, NULL), *y = mt_case_identity(b, NULL);

    g_assert_nonnull(x);
    g_assert_cmpstr(x, ==, y);
    remove_series(a);
    remove_series(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case/dicom-series/shuffled", test_shuffled);
    g_test_add_func("/case/dicom-series/slope-per-slice", test_slope_per_slice);
    g_test_add_func("/case/dicom-series/copy", test_copy);
    g_test_add_func("/case/dicom-series/refused", test_refused);
    g_test_add_func("/case/dicom-series/identity", test_identity);
    return g_test_run();
}
