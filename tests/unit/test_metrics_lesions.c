/* Masks and detections, equal to SciPy's distance maps and to the definitions in NumPy (tests/golden/metrics_reference.py), what cannot be
 * answered, and what is refused. */
#include "metrics_values.h"
#include "src/base/alloc.h"
#include "src/evaluate/distance_map.h"
#include "src/evaluate/froc.h"
#include "src/evaluate/overlap.h"

#include <string.h>

static void for_each(const char *key, void (*check)(const json_t *))
{
    json_t       *root = metrics_file("lesions");
    const json_t *wanted;
    size_t        i;

    json_array_foreach(json_object_get(root, key), i, wanted) check(wanted);
    g_assert_cmpuint(i, >, 3);
    json_decref(root);
}

static uint8_t *mask_of(const json_t *wanted, const char *key)
{
    uint8_t *mask = (uint8_t *)g_strdup(json_string_value(json_object_get(wanted, key)));

    for (size_t i = 0; mask[i] != 0; i++)
        mask[i] = mask[i] == '1' ? 255 : 0;
    return mask;
}

static void check_masks(const json_t *wanted)
{
    const size_t         n = strlen(json_string_value(json_object_get(wanted, "a")));
    const json_t        *size = json_object_get(wanted, "size"), *distances = json_object_get(wanted, "distances");
    g_autofree uint8_t  *a = mask_of(wanted, "a"), *b = mask_of(wanted, "b");
    mt_mask_pair         pair = {.a = a, .b = b};
    mt_overlap           overlap;
    mt_surface_distances got;

    pair.width = (int64_t)json_number_at(size, 0);
    pair.height = (int64_t)json_number_at(size, 1);
    pair.depth = (int64_t)json_number_at(size, 2);
    g_assert_cmpint(pair.width * pair.height * pair.depth, ==, (int64_t)n);
    for (size_t i = 0; i < 3; i++)
        pair.spacing_mm[i] = json_number_at(json_object_get(wanted, "spacing"), i);
    g_assert_true(mt_overlap_measure(&pair, &overlap, NULL));
    assert_estimate(&overlap.dice, json_object_get(wanted, "dice"), "Dice");
    assert_estimate(&overlap.iou, json_object_get(wanted, "iou"), "IoU");
    g_assert_true(mt_surface_distance(&pair, &got, NULL));
    assert_estimate(&got.hausdorff_mm, json_array_get(distances, 0), "Hausdorff distance");
    assert_estimate(&got.hausdorff_95_mm, json_array_get(distances, 1), "Hausdorff-95");
    assert_estimate(&got.mean_mm, json_array_get(distances, 2), "mean surface distance");
}

static void test_masks(void)
{
    for_each("masks", check_masks);
}

/* The map against all pairs, with lines and planes that hold no marked pixel. */
static void test_distance_map(void)
{
    const int64_t width = 7, height = 6, depth = 4;
    const double  spacing[] = {0.5, 1.5, 2.25};
    const int64_t marked[][3] = {{0, 0, 0}, {6, 1, 0}, {3, 4, 3}};
    double        map[7 * 6 * 4];

    for (int64_t i = 0; i < width * height * depth; i++)
        map[i] = INFINITY;
    for (size_t k = 0; k < G_N_ELEMENTS(marked); k++)
        map[(marked[k][2] * height + marked[k][1]) * width + marked[k][0]] = 0;
    g_assert_true(mt_distance_map(map, width, height, depth, spacing, NULL));
    for (int64_t i = 0; i < width * height * depth; i++) {
        const int64_t at[] = {i % width, i / width % height, i / width / height};
        double        nearest = INFINITY;

        for (size_t k = 0; k < G_N_ELEMENTS(marked); k++) {
            double squared = 0;

            for (int axis = 0; axis < 3; axis++)
                squared += pow((double)(at[axis] - marked[k][axis]) * spacing[axis], 2);
            nearest = fmin(nearest, squared);
        }
        assert_near(map[i], nearest, "squared distance");
    }
}

static mt_box *boxes_of(const json_t *array)
{
    mt_box       *boxes = g_new0(mt_box, json_array_size(array) + 1);
    const json_t *row;
    size_t        i;

    json_array_foreach(array, i, row) boxes[i] =
        (mt_box){json_number_at(row, 0), json_number_at(row, 1), json_number_at(row, 2), json_number_at(row, 3)};
    return boxes;
}

typedef struct scene {
    int64_t  n, images, lesions;
    int     *image, *lesions_in;
    double  *scores;
    mt_box  *boxes, *lesion_boxes;
    int64_t *lesions_of, *hit;
} scene;

static scene scene_of(const json_t *wanted)
{
    scene s = {.n = (int64_t)json_array_size(json_object_get(wanted, "score")),
               .images = (int64_t)json_number_of(wanted, "images"),
               .lesions = (int64_t)json_array_size(json_object_get(wanted, "lesions")),
               .image = json_ints(json_object_get(wanted, "image")),
               .lesions_in = json_ints(json_object_get(wanted, "lesions_of")),
               .scores = json_doubles(json_object_get(wanted, "score")),
               .boxes = boxes_of(json_object_get(wanted, "boxes")),
               .lesion_boxes = boxes_of(json_object_get(wanted, "lesions"))};

    s.lesions_of = g_new0(int64_t, s.images);
    s.hit = g_new0(int64_t, s.n + 1);
    for (int64_t i = 0; i < s.images; i++)
        s.lesions_of[i] = s.lesions_in[i];
    return s;
}

static void scene_clear(scene *s)
{
    g_free(s->image);
    g_free(s->lesions_in);
    g_free(s->scores);
    g_free(s->boxes);
    g_free(s->lesion_boxes);
    g_free(s->lesions_of);
    g_free(s->hit);
}

/* By centre, with a radius of 6. */
static void match_image_centres(const scene *s, int64_t from, int64_t n, int64_t first_lesion, int64_t n_lesions)
{
    g_autofree double *points = g_new0(double, 2 * n + 1), *centres = g_new0(double, 2 * n_lesions + 1),
                      *radii = g_new0(double, n_lesions + 1);

    for (int64_t i = 0; i < n; i++) {
        points[2 * i] = (s->boxes[from + i].x0 + s->boxes[from + i].x1) / 2;
        points[2 * i + 1] = (s->boxes[from + i].y0 + s->boxes[from + i].y1) / 2;
    }
    for (int64_t k = 0; k < n_lesions; k++) {
        const mt_box *b = &s->lesion_boxes[first_lesion + k];

        centres[2 * k] = (b->x0 + b->x1) / 2;
        centres[2 * k + 1] = (b->y0 + b->y1) / 2;
        radii[k] = 6;
    }
    g_assert_true(mt_match_centres(points, n, centres, radii, n_lesions, 2, s->hit + from, NULL));
}

static void match_scene(scene *s, const json_t *wanted, bool by_centre)
{
    for (int64_t image = 0, from = 0, lesion = 0; image < s->images; image++) {
        int64_t n = 0;

        while (from + n < s->n && s->image[from + n] == image)
            n++;
        if (by_centre)
            match_image_centres(s, from, n, lesion, s->lesions_of[image]);
        else
            g_assert_true(mt_match_boxes(s->boxes + from, s->scores + from, n, s->lesion_boxes + lesion, s->lesions_of[image], 0.4,
                                         s->hit + from, NULL));
        from += n;
        lesion += s->lesions_of[image];
    }
    for (int64_t i = 0; i < s->n; i++)
        g_assert_cmpint(s->hit[i], ==, (int64_t)json_number_at(wanted, (size_t)i));
}

static mt_detection *detections_of(const scene *s)
{
    mt_detection *detections = g_new0(mt_detection, s->n + 1);

    for (int64_t i = 0; i < s->n; i++)
        detections[i] = (mt_detection){s->image[i], s->scores[i], s->hit[i]};
    return detections;
}

static void assert_rates(const mt_froc *froc, const json_t *rates, const json_t *camelyon16)
{
    double sum = 0;

    for (size_t i = 0; i < MT_FROC_RATES; i++) {
        assert_estimate(&froc->sensitivity[i], json_array_get(rates, i), "sensitivity");
        sum += froc->sensitivity[i].value;
    }
    assert_near(froc->mean.value, sum / 7, "mean sensitivity");
    if (camelyon16 != NULL)
        assert_estimate(&froc->camelyon16, camelyon16, "Camelyon16 score");
}

static void check_detections(const json_t *wanted)
{
    const json_t *points = json_object_get(wanted, "froc");
    scene         s = scene_of(wanted);
    mt_estimate   ap;
    mt_froc       froc;

    for (int by_centre = 0; by_centre < 2; by_centre++) {
        g_autofree mt_detection *detections = NULL;
        g_auto(mt_curve) curve = {0};

        match_scene(&s, json_object_get(wanted, by_centre ? "near" : "lesion"), by_centre);
        detections = detections_of(&s);
        g_assert_true(mt_froc_curve(detections, s.n, s.lesions_of, s.images, &curve, NULL));
        froc = mt_froc_scores(&curve);
        assert_rates(&froc, json_object_get(wanted, by_centre ? "near_rates" : "rates"),
                     by_centre ? NULL : json_object_get(wanted, "camelyon16"));
        for (size_t i = 0; !by_centre && i < (size_t)curve.n; i++) {
            assert_near(curve.x[i], json_number_at(json_array_get(points, 0), i), "false positives");
            assert_near(curve.y[i], json_number_at(json_array_get(points, 1), i), "sensitivity");
        }
        if (!by_centre) {
            g_assert_true(mt_detection_precision(detections, s.n, s.lesions, &ap, NULL));
            assert_estimate(&ap, json_object_get(wanted, "ap"), "average precision");
        }
    }
    scene_clear(&s);
}

static void test_detections(void)
{
    for_each("detections", check_detections);
}

/* Two lesions of labels 1 and 2 in a picture of 4 x 2; points beside it hit nothing. */
static void test_mask_hits(void)
{
    const uint16_t labels[] = {0, 1, 1, 0, 2, 0, 0, 0};
    const double   points[] = {1.5, 0.2, 0, 1.99, 3.9, 1, -0.1, 0, 4, 0, 1, 2};
    const int64_t  wanted[] = {0, 1, MT_NO_LESION, MT_NO_LESION, MT_NO_LESION, MT_NO_LESION};
    int64_t        hit[6];

    g_assert_true(mt_match_mask(points, 6, labels, 4, 2, hit, NULL));
    g_assert_cmpmem(hit, sizeof hit, wanted, sizeof wanted);
}

static void test_no_lesions(void)
{
    const mt_detection wrong = {0, 0.5, MT_NO_LESION};
    const int64_t      none = 0, one = 1;
    mt_estimate        ap;
    mt_froc            froc;
    g_auto(mt_curve) curve = {0}, missed = {0};

    g_assert_true(mt_detection_precision(&wrong, 1, 0, &ap, NULL) && !ap.defined);
    g_assert_true(mt_froc_curve(&wrong, 1, &none, 1, &curve, NULL));
    froc = mt_froc_scores(&curve);
    g_assert_false(froc.camelyon16.defined || froc.sensitivity[0].defined);
    g_assert_true(mt_froc_curve(&wrong, 0, &one, 1, &missed, NULL)); /* nothing detected: found 0 of 1, which is an answer */
    froc = mt_froc_scores(&missed);
    g_assert_true(froc.camelyon16.defined && froc.camelyon16.value == 0);
    g_assert_true(mt_detection_precision(&wrong, 0, 1, &ap, NULL) && ap.defined && ap.value == 0);
}

static void test_refused_masks(void)
{
    const uint8_t        mask[] = {1, 0, 0, 1};
    mt_mask_pair         pair = {.a = mask, .b = mask, .width = 0, .height = 2, .depth = 1};
    mt_overlap           overlap;
    mt_surface_distances got;
    g_autoptr(GError) error = NULL;

    assert_refused(mt_overlap_measure(&pair, &overlap, &error), &error, MT_ERROR_RANGE,
                   "overlap of masks of 0 x 2 x 1 pixels: that is no size");
    pair.width = 2;
    assert_refused(mt_surface_distance(&pair, &got, &error), &error, MT_ERROR_RANGE,
                   "surface distance: the spacing along axis 0 is 0 mm: it must be above 0");
    pair.spacing_mm[0] = 1;
    pair.spacing_mm[1] = NAN;
    assert_refused(mt_surface_distance(&pair, &got, &error), &error, MT_ERROR_RANGE,
                   "surface distance: the spacing along axis 1 is nan mm: it must be above 0");
    pair.spacing_mm[1] = 1;
    for (int64_t k = 1; k <= 5; k++) {
        mt_alloc_fail_at(k);
        g_assert_false(mt_surface_distance(&pair, &got, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        g_clear_error(&error);
    }
    mt_alloc_fail_at(0);
    g_assert_true(mt_surface_distance(&pair, &got, NULL));
    g_assert_cmpfloat(got.hausdorff_mm.value, ==, 0);
}

static void test_refused_detections(void)
{
    const mt_detection wrong_image = {2, 0.5, 0}, wrong_lesion = {1, 0.5, 1}, unsure = {0, NAN, 0}, fine = {0, 0.5, 0};
    const mt_box       box = {0, 0, 1, 1}, line = {0, 0, 0, 1};
    const double       score = 0.5, none = NAN, minus = -1, point[] = {0, 0};
    const int64_t      lesions_of[] = {1, 1};
    int64_t            hit;
    mt_estimate        ap;
    g_auto(mt_curve) curve = {0};
    g_autoptr(GError) error = NULL;

    assert_refused(mt_froc_curve(&wrong_image, 1, lesions_of, 2, &curve, &error), &error, MT_ERROR_INPUT,
                   "FROC: detection 0 is of image 2: there are 2");
    assert_refused(mt_froc_curve(&wrong_lesion, 1, lesions_of, 2, &curve, &error), &error, MT_ERROR_INPUT,
                   "FROC: detection 0 hits lesion 1 of image 1, which has 1");
    assert_refused(mt_froc_curve(&unsure, 1, lesions_of, 2, &curve, &error), &error, MT_ERROR_INPUT,
                   "FROC: the score of detection 0 is nan: it must be a finite number");
    assert_refused(mt_froc_curve(&fine, 1, lesions_of, 0, &curve, &error), &error, MT_ERROR_RANGE, "FROC: there are no images");
    assert_refused(mt_detection_precision(&fine, 1, 0, &ap, &error), &error, MT_ERROR_INPUT,
                   "average precision of detections: 1 lesions are hit, there are 0");
    assert_refused(mt_match_boxes(&line, &score, 1, &box, 1, 0.5, &hit, &error), &error, MT_ERROR_INPUT,
                   "boxes: detection 0 from (0, 0) to (0, 1) has no area");
    assert_refused(mt_match_boxes(&box, &score, 1, &line, 1, 0.5, &hit, &error), &error, MT_ERROR_INPUT,
                   "boxes: lesion 0 from (0, 0) to (0, 1) has no area");
    assert_refused(mt_match_boxes(&box, &none, 1, &box, 1, 0.5, &hit, &error), &error, MT_ERROR_INPUT,
                   "boxes: the score of detection 0 is nan: it must be a finite number");
    assert_refused(mt_match_boxes(&box, &score, 1, &box, 1, 0, &hit, &error), &error, MT_ERROR_RANGE,
                   "boxes: an IoU of 0: give one above 0, at most 1");
    assert_refused(mt_match_centres(point, 1, point, &minus, 1, 2, &hit, &error), &error, MT_ERROR_INPUT,
                   "points: the radius of lesion 0 is -1: it must be 0 or more");
    assert_refused(mt_match_centres(&none, 1, point, &score, 1, 2, &hit, &error), &error, MT_ERROR_INPUT,
                   "points: a coordinate of detection 0 is nan: it must be a finite number");
    assert_refused(mt_match_centres(point, 1, point, &score, 1, 1, &hit, &error), &error, MT_ERROR_RANGE,
                   "points of 1 dimensions: there must be 2 or 3");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metrics/lesions/masks", test_masks);
    g_test_add_func("/metrics/lesions/distance-map", test_distance_map);
    g_test_add_func("/metrics/lesions/detections", test_detections);
    g_test_add_func("/metrics/lesions/mask-hits", test_mask_hits);
    g_test_add_func("/metrics/lesions/no-lesions", test_no_lesions);
    g_test_add_func("/metrics/lesions/refused-masks", test_refused_masks);
    g_test_add_func("/metrics/lesions/refused-detections", test_refused_detections);
    return g_test_run();
}
