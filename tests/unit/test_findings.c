/* Findings of a result as they are read, and the sentences made of them. */
#include "src/result/finding_sentence.h"
#include "tests/unit/made_findings.h"

#include <string.h>

static const double AFFINE[16] = {-0.5, 0, 0, 25, 0, -0.5, 0, 25, 0, 0, 2, -50, 0, 0, 0, 1};

static char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static mt_finding_list *read_list(const char *path, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(path, error);

    g_assert_nonnull(result);
    return mt_finding_list_read(result, error);
}

static void test_read(void)
{
    static const made_object objects[] = {{0, {-10, 5, -20}, 8.2, 300}, {1, {12, 0, 30}, 2.44, 9}};
    g_autofree char         *path = path_of("read.h5");
    g_autoptr(GError) error = NULL;
    made_case c = {objects, 2, AFFINE, "sha256:0123", 0.618, NULL};

    made_result(path, &c);
    g_autoptr(mt_finding_list) list = read_list(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(list->n_findings, ==, 2);
    g_assert_cmpstr(list->findings[0].label, ==, "nodule");
    g_assert_cmpfloat(list->findings[0].centre_mm[2], ==, -20);
    g_assert_cmpfloat(list->findings[0].longest_mm, ==, 8.2);
    g_assert_cmpfloat(list->findings[1].volume_mm3, ==, 9);
    g_assert_cmpint(list->findings[0].stage, ==, 1);
    g_assert_true(isnan(list->findings[0].area_mm2));
    g_assert_false(list->findings[0].boxed);
    g_assert_null(list->findings[0].finding);
    g_assert_cmpstr(list->frame_of_reference, ==, "sha256:0123");
    g_assert_cmpfloat(list->voxel_mm[2], ==, 2);
    g_assert_cmpint(list->size[2], ==, 50);
    g_assert_cmpint(list->n_values, ==, 1);
    g_assert_cmpfloat(list->values[0].value, ==, 0.618);
    g_assert_true(isnan(list->values[0].low));
    g_auto(GStrv) texts = mt_finding_list_texts(list, 1, "en");
    g_assert_cmpstr(texts[0], ==, "8 mm nodule, left, lower third, score 0.90");
    g_assert_cmpstr(texts[1], ==, "and 1 more");
    g_assert_cmpstr(texts[2], ==, "cup-to-disc ratio 0.62");
    g_assert_null(texts[3]);
    g_auto(GStrv) korean = mt_finding_list_texts(list, 9, "ko");
    g_assert_cmpstr(korean[0], ==, "nodule 8 mm, 좌측, 하부 1/3, 점수 0.90");
    g_assert_cmpstr(korean[1], ==, "cyst 2.4 mm, 우측, 상부 1/3, 점수 0.90");
}

static void test_without(void)
{
    g_autofree char *path = path_of("without.h5"), *damaged = path_of("damaged.h5");
    g_autoptr(GError) error = NULL;
    static const made_object objects[] = {{0, {10, 5, 0}, 8, NAN}, {0, {20, 5, 0}, 8, NAN}};
    made_case                none = {NULL, 0, NULL, NULL, NAN, NULL}, bad = {objects, 2, NULL, NULL, NAN, "/objects/finding_score2"};

    made_result(path, &none);
    g_autoptr(mt_finding_list) list = read_list(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(list->n_findings + list->n_values, ==, 0);
    g_assert_null(list->actions[0]);
    g_assert_null(list->frame_of_reference);
    g_assert_false(list->has_affine);
    g_auto(GStrv) texts = mt_finding_list_texts(list, 5, NULL);
    g_assert_null(texts[0]);
    made_result(damaged, &bad); /* a column that nobody asks for does no harm */
    mt_finding_list_free(read_list(damaged, &error));
    g_assert_no_error(error);
}

/* A table of objects whose columns do not agree. */
static void test_damaged(void)
{
    static const char *const classes[] = {"a", "b", "c"};
    g_autofree char         *path = path_of("columns.h5"), *wanted = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    double  two[2] = {1, 2};
    int64_t shape[1] = {2};
    g_autoptr(mt_tensor) tensor = mt_tensor_new_view(MT_F64, 1, shape, two, NULL);

    g_assert_true(mt_store_write_strings(store, "/objects/class", classes, 3, &error));
    g_assert_true(mt_store_write(store, "/objects/score", tensor, &error));
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_assert_null(read_list(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    wanted = g_strdup_printf("read /objects/score of %s: 2 numbers for 3 objects, 3 are wanted", path);
    g_assert_cmpstr(error->message, ==, wanted);
}

/* Rounding as it is dictated. */
static void test_lengths(void)
{
    static const struct {
        double      mm;
        const char *words;
    } lengths[] = {{8.2, "8 mm"},   {7.5, "8 mm"},    {3, "3 mm"},        {2.96, "3 mm"}, {2.94, "2.9 mm"}, {0.95, "1.0 mm"},
                   {0.1, "0.1 mm"}, {0.012, "12 µm"}, {0.0995, "100 µm"}, {0, "0.0 mm"},  {NAN, NULL}};
    static const struct {
        double      value;
        const char *unit, *words;
    } extents[] = {{4.24, "mm2", "4.2 mm2"},   {9.96, "mm2", "10 mm2"},     {268.4, "mm3", "268 mm3"}, {999.6, "mm3", "1.0 cm3"},
                   {34210, "mm3", "34.2 cm3"}, {12345, "mm2", "12345 mm2"}, {INFINITY, "mm2", NULL}};

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *words = mt_length_words(lengths[i].mm);
        g_assert_cmpstr(words, ==, lengths[i].words);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(extents); i++) {
        g_autofree char *words = mt_extent_words(extents[i].value, extents[i].unit);
        g_assert_cmpstr(words, ==, extents[i].words);
    }
}

static void test_sentences(void)
{
    char             nodule[] = "nodule", place[] = "right, lower third", malignancy[] = "malignancy", odd[] = "hilum";
    mt_finding       f = {.label = nodule,
                          .score = 0.5,
                          .longest_mm = 8.2,
                          .location = place,
                          .finding = malignancy,
                          .finding_score = 0.846,
                          .centre = {10.5, 20.25, 3},
                          .box = {4, 5, 0, 16, 25, 1}};
    g_autofree char *first = mt_finding_text(&f, "en"), *korean = mt_finding_text(&f, "ko");

    g_assert_cmpstr(first, ==, "8 mm nodule, right, lower third, malignancy 0.85");
    g_assert_cmpstr(korean, ==, "nodule 8 mm, 우측, 하부 1/3, malignancy 0.85");
    f.location = odd; /* words of another writer stay as they are */
    f.finding_score = NAN;
    g_autofree char *other = mt_finding_text(&f, "ko");
    g_assert_cmpstr(other, ==, "nodule 8 mm, hilum, malignancy");
    f.location = f.finding = NULL;
    f.longest_mm = NAN; /* nothing is known but pixels */
    g_autofree char *pixels = mt_finding_text(&f, NULL);
    g_assert_cmpstr(pixels, ==, "12 x 20 px nodule, at x 11, y 20 px, score 0.50");
    f.box[5] = 4;
    f.score = f.centre[0] = NAN;
    g_autofree char *voxels = mt_finding_text(&f, "en"), *voxels_ko = mt_finding_text(&f, "ko");
    g_assert_cmpstr(voxels, ==, "12 x 20 x 4 voxels nodule");
    g_assert_cmpstr(voxels_ko, ==, "nodule 12 x 20 x 4 복셀");
}

static void test_values(void)
{
    static const struct {
        const char *name, *rule, *unit;
        double      value, low, high;
        const char *text;
    } values[] = {
        {"cup_to_disc", "ratio_vertical(cup, disc)", "", 0.618, NAN, NAN, "cup-to-disc ratio 0.62"},
        {"area_ratio", "ratio_area(cup, disc)", "", 0.5, NAN, NAN, "area-ratio 0.50"},
        {"size", "longest(nodule)", "mm", 8.2, NAN, NAN, "size 8 mm"},
        {"lung_load", "volume(nodule)", "mm3", 1234, 1100, 1390, "lung load 1.2 cm3 (between 1.1 cm3 and 1.4 cm3)"},
        {"lung_load", "volume(nodule)", "mm3", 1234, 1230, 1235, "lung load 1.2 cm3"},
        {"share", "share(pneumonia of lung)", "", 0.0743, 0.05, 0.12, "share 7.4 % (between 5.0 % and 12 %)"},
        {"nodules", "count(nodule)", "", 3, NAN, NAN, "nodules 3"},
        {"mitoses", "density(mitosis, 2)", "/mm2", 3.5, NAN, NAN, "mitoses 3.5 /mm2"},
        {"malignancy", "finding(nodule)", "", 0.846, NAN, NAN, "malignancy 0.85"},
        {"size", "longest(nodule)", "mm", NAN, NAN, NAN, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        mt_finding_value v = {
            (char *)(uintptr_t)values[i].name, values[i].value, (char *)(uintptr_t)values[i].unit, values[i].low, values[i].high,
            (char *)(uintptr_t)values[i].rule};
        g_autofree char *text = mt_finding_value_text(&v, "en");
        g_assert_cmpstr(text, ==, values[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("findings-XXXXXX", NULL);
    g_test_add_func("/findings/read", test_read);
    g_test_add_func("/findings/without", test_without);
    g_test_add_func("/findings/damaged", test_damaged);
    g_test_add_func("/findings/lengths", test_lengths);
    g_test_add_func("/findings/sentences", test_sentences);
    g_test_add_func("/findings/values", test_values);
    int              code = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    if (system(command) != 0)
        g_printerr("left %s\n", folder);
    g_free(folder);
    return code;
}
