/* Boxes of detectors against torchvision's NMS and NumPy's transcriptions of the decoders (box_reference.py), and their way back to the
 * case's pixels. */
#include "src/encoder/card.h"
#include "src/result/box_decode.h"

#include <math.h>
#include <string.h>

#include "tests/unit/box_expected.h"

/* The same numbers as values() of task_reference.py. */
static float made(int64_t i, double scale, double shift)
{
    uint32_t h = (uint32_t)(i + 1) * 2654435761U;

    h ^= h >> 15;
    h *= 2246822519U;
    h ^= h >> 13;
    return (float)(((double)(h >> 8) * 0x1p-23 - 1) * scale + shift);
}

static GArray *new_boxes(void)
{
    return g_array_new(FALSE, TRUE, sizeof(mt_found_box));
}

/* As made_boxes() of the reference. */
static GArray *made_boxes(int n, int axes)
{
    GArray *boxes = new_boxes();

    for (int i = 0; i < n; i++) {
        mt_found_box box = {.at = {0, 0, 0, 1, 1, 1}, .label = i % 3};
        for (int axis = 0; axis < axes; axis++) {
            box.at[axis] = (double)made(i * (2 * axes + 1) + axis, 0.5, 0.5) * 100;
            box.at[axis + 3] = box.at[axis] + 5 + (double)made(i * (2 * axes + 1) + axes + axis, 0.5, 0.5) * 20;
        }
        box.score = made(i * (2 * axes + 1) + 2 * axes, 0.5, 0.5);
        g_array_append_val(boxes, box);
    }
    return boxes;
}

static void check_nms(int axes, double iou, bool agnostic, const int *wanted, guint n)
{
    g_autoptr(GArray) all = made_boxes(400, axes), boxes = made_boxes(400, axes);

    mt_boxes_nms(boxes, iou, agnostic, 0);
    g_assert_cmpuint(boxes->len, ==, n);
    for (guint i = 0; i < n; i++)
        g_assert_cmpmem(&g_array_index(boxes, mt_found_box, i).at, sizeof(double[6]), &g_array_index(all, mt_found_box, wanted[i]).at,
                        sizeof(double[6]));
    mt_boxes_nms(all, iou, agnostic, 5);
    g_assert_cmpuint(all->len, ==, 5);
    g_assert_cmpfloat(all->data != NULL ? g_array_index(all, mt_found_box, 4).score : 0, ==, g_array_index(boxes, mt_found_box, 4).score);
}

static void test_nms(void)
{
    check_nms(2, 0.3, false, batched_2d, G_N_ELEMENTS(batched_2d));
    check_nms(2, 0.3, true, agnostic_2d, G_N_ELEMENTS(agnostic_2d));
    check_nms(3, 0.05, false, batched_3d, G_N_ELEMENTS(batched_3d));
    g_autoptr(GArray) none = new_boxes();
    mt_boxes_nms(none, 0.5, false, 0);
    g_assert_cmpuint(none->len, ==, 0);
}

static mt_box_card *card_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    mt_box_card *card = mt_box_card_read_text(text, "m.card", &error);

    g_assert_no_error(error);
    return card;
}

static GArray *decode(const mt_box_card *card, const mt_tensor *a, const mt_tensor *b, const mt_tensor *c, const int64_t input[3])
{
    GArray *boxes = new_boxes();
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_boxes_decode(card, (const mt_tensor *const[]){a, b, c}, input, boxes, &error));
    g_assert_no_error(error);
    return boxes;
}

/* wanted: x0, y0, x1, y1, score, label. */
static void check_boxes(GArray *boxes, const mt_box_card *card, const double *wanted, guint n)
{
    mt_boxes_nms(boxes, card->iou, card->agnostic, 0);
    g_assert_cmpuint(boxes->len, ==, n);
    for (guint i = 0; i < n; i++, wanted += 6) {
        const mt_found_box *box = &g_array_index(boxes, mt_found_box, i);
        const double        got[] = {box->at[0], box->at[1], box->at[3], box->at[4], box->score, box->label};
        for (int k = 0; k < 6; k++)
            g_assert_cmpfloat_with_epsilon(got[k], wanted[k], 1e-4);
        g_assert_true(box->at[2] == 0 && box->at[5] == 1);
    }
}

static mt_tensor *floats(int rank, const int64_t *shape)
{
    return mt_tensor_new(MT_F32, rank, shape, NULL);
}

static void test_yolo(void)
{
    const int64_t input[] = {64, 64, 0};
    g_autoptr(mt_box_card) v8 = card_of("[detect]\nformat=yolov8\nlabels=a;b;c\n"), v5 = card_of("[detect]\nformat=yolov5\nlabels=a;b;c\n");
    g_autoptr(mt_tensor) out8 = floats(3, (int64_t[]){1, 7, 60}), flat8 = floats(3, (int64_t[]){1, 60, 7});
    g_autoptr(mt_tensor) out5 = floats(3, (int64_t[]){1, 60, 8});

    for (int i = 0; i < 60; i++)
        for (int k = 0; k < 8; k++) {
            float value = made(i * 8 + k, 0.5, 0.5) * (k < 4 ? 64 : 1);
            ((float *)out5->data)[i * 8 + k] = value;
            if (k < 7)
                ((float *)out8->data)[k * 60 + i] = ((float *)flat8->data)[i * 7 + k] = value;
        }
    g_autoptr(GArray) boxes8 = decode(v8, out8, NULL, NULL, input), boxes5 = decode(v5, out5, NULL, NULL, input);
    g_autoptr(GArray) turned = decode(v8, flat8, NULL, NULL, input);
    check_boxes(boxes8, v8, yolov8, G_N_ELEMENTS(yolov8) / 6);
    check_boxes(turned, v8, yolov8, G_N_ELEMENTS(yolov8) / 6);
    check_boxes(boxes5, v5, yolov5, G_N_ELEMENTS(yolov5) / 6);
}

static void test_fastestdet(void)
{
    g_autoptr(mt_box_card) card = card_of("[detect]\nformat=fastestdet\nlabels=a;b;c\nmin_score=0.5\n");
    g_autoptr(mt_tensor) out = floats(4, (int64_t[]){1, 8, 6, 5});

    for (int i = 0; i < 8 * 6 * 5; i++)
        ((float *)out->data)[i] = made(i, 0.5, 0.5) * (i >= 30 && i < 150 ? 4 : 1) - (i >= 30 && i < 150 ? 2 : 0);
    g_autoptr(GArray) boxes = decode(card, out, NULL, NULL, (int64_t[]){80, 96, 0});
    check_boxes(boxes, card, fastestdet, G_N_ELEMENTS(fastestdet) / 6);
}

/* The trained network's stored output for the photograph of a kitten: COCO's class 15 is a cat. */
static void test_fastestdet_trained(void)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, "models", "fastestdet_shufflenetv2", "test_data_set_0", "output_0.pb", NULL),
                    *bytes = NULL;
    g_autoptr(GString) text = g_string_new("[detect]\nformat=fastestdet\nmin_score=0.35\nlabels=");
    gsize n;
    g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    for (int i = 0; i < 80; i++)
        g_string_append_printf(text, "%d;", i);
    g_autoptr(mt_box_card) card = card_of(text->str);
    g_autoptr(mt_tensor) out = floats(4, (int64_t[]){1, 85, 22, 22});
    memcpy(out->data, bytes + n - mt_tensor_bytes(out), mt_tensor_bytes(out));
    g_autoptr(GArray) boxes = decode(card, out, NULL, NULL, (int64_t[]){352, 352, 0});
    check_boxes(boxes, card, fastestdet_real, G_N_ELEMENTS(fastestdet_real) / 6);
    g_assert_cmpint(g_array_index(boxes, mt_found_box, 0).label, ==, 15);
}

#define EXPLICIT "[detect]\nformat=explicit\nboxes=b\nscores=s\nlabels=x;y\n"

static void near_box(const mt_found_box *box, const double at[6], double score, int label)
{
    for (int k = 0; k < 6; k++)
        g_assert_cmpfloat_with_epsilon(box->at[k], at[k], 1e-5);
    g_assert_cmpfloat_with_epsilon(box->score, score, 1e-6);
    g_assert_cmpint(box->label, ==, label);
}

/* As torchvision gives them: corners, labels from 1 on, scores; as SSD graphs do: shares, a row of scores; in three dimensions. */
static void test_explicit(void)
{
    float         corners[] = {10, 20, 30, 60, 1, 2, 3, 4}, scores[] = {0.9F, 0.1F}, rows[] = {0, 1, 3, 5, 0, 0};
    int64_t       classes[] = {2, 1};
    const int64_t flat[] = {100, 200, 0}, cube[] = {50, 60, 70};
    g_autoptr(mt_tensor) boxes = mt_tensor_new_view(MT_F32, 2, (int64_t[]){2, 4}, corners, NULL);
    g_autoptr(mt_tensor) score = mt_tensor_new_view(MT_F32, 1, (int64_t[]){2}, scores, NULL);
    g_autoptr(mt_tensor) label = mt_tensor_new_view(MT_I64, 1, (int64_t[]){2}, classes, NULL);
    g_autoptr(mt_box_card) vision = card_of(EXPLICIT "classes=c\nbackground=true\n");
    g_autoptr(GArray) found = decode(vision, boxes, score, label, flat);
    g_assert_cmpuint(found->len, ==, 1);
    near_box(&g_array_index(found, mt_found_box, 0), (double[]){10, 20, 0, 30, 60, 1}, 0.9, 1);

    for (int i = 0; i < 4; i++)
        corners[i] /= 100;
    g_autoptr(mt_tensor) matrix = mt_tensor_new_view(MT_F32, 3, (int64_t[]){1, 2, 3}, rows, NULL);
    g_autoptr(mt_tensor) batch = mt_tensor_new_view(MT_F32, 3, (int64_t[]){1, 2, 4}, corners, NULL);
    g_autoptr(mt_box_card) ssd = card_of(EXPLICIT "order=corners-yx\nshare=true\nbackground=true\nactivation=softmax\nmin_score=0.1\n");
    g_autoptr(GArray) shares = decode(ssd, batch, matrix, NULL, flat);
    const double sum = 1 + exp(1) + exp(3); /* of the second box nothing but background is above min_score */
    g_assert_cmpuint(shares->len, ==, 2);
    near_box(&g_array_index(shares, mt_found_box, 0), (double[]){20, 20, 0, 60, 60, 1}, exp(1) / sum, 0);
    near_box(&g_array_index(shares, mt_found_box, 1), (double[]){20, 20, 0, 60, 60, 1}, exp(3) / sum, 1);

    float six[] = {1, 2, 4, 6, 3, 9}, one = 0.5F;
    g_autoptr(mt_tensor) volume = mt_tensor_new_view(MT_F32, 2, (int64_t[]){1, 6}, six, NULL);
    g_autoptr(mt_tensor) single = mt_tensor_new_view(MT_F32, 1, (int64_t[]){1}, &one, NULL);
    g_autoptr(mt_box_card) plain = card_of(EXPLICIT), last = card_of(EXPLICIT "order=corners-z-last\n"),
                           centre = card_of(EXPLICIT "order=centre\n");
    g_autoptr(GArray) a = decode(plain, volume, single, NULL, cube), b = decode(last, volume, single, NULL, cube);
    g_autoptr(GArray) c = decode(centre, volume, single, NULL, cube);
    near_box(&g_array_index(a, mt_found_box, 0), (double[]){1, 2, 4, 6, 3, 9}, 0.5, 0);
    near_box(&g_array_index(b, mt_found_box, 0), (double[]){1, 2, 3, 4, 6, 9}, 0.5, 0);
    near_box(&g_array_index(c, mt_found_box, 0), (double[]){-2, 0.5, -0.5, 4, 3.5, 8.5}, 0.5, 0);
}

/* A box drawn in the picture, seen by the network, comes back; tiles lie at their places, what leaves the case is cut off. */
static void test_frames(void)
{
    static const struct {
        const char *fit;
        int64_t     w, h;
        double      net[4], picture[4];
    } cases[] = {
        {"stretch", 400, 100, {16, 16, 32, 64}, {100, 25, 200, 100}},
        {"pad", 400, 200, {16, 16, 32, 48}, {100, 0, 200, 200}},
        {"pad", 64, 128, {16, 0, 48, 64}, {0, 0, 64, 128}},
        {"crop", 256, 128, {0, 0, 64, 64}, {64, 0, 192, 128}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[encoder]\nsize_px=64\nvalue=rgb8\nmean=0\nstd=1\nfit=%s\n", cases[i].fit);
        g_autoptr(GArray) boxes = new_boxes();
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_card) card = mt_card_read_text(text, strlen(text), "m.card", &error);
        g_assert_no_error(error);
        g_assert_true(mt_card_complete(card, 64, "m", &error));
        mt_found_box box = {.at = {cases[i].net[0], cases[i].net[1], 0, cases[i].net[2], cases[i].net[3], 1}, .score = 1};
        g_array_append_val(boxes, box);
        mt_box_frame frame = mt_box_frame_of_card(card, cases[i].w, cases[i].h);
        mt_boxes_place(boxes, 0, &frame);
        const double *p = cases[i].picture;
        near_box(&g_array_index(boxes, mt_found_box, 0), (double[]){p[0], p[1], 0, p[2], p[3], 1}, 1, 0);
    }
    g_autoptr(GArray) boxes = new_boxes();
    const mt_found_box kept = {.at = {10, 10, 0, 20, 30, 1}}, gone = {.at = {70, 10, 0, 80, 30, 1}};
    g_array_append_val(boxes, gone);
    g_array_append_val(boxes, gone);
    g_array_append_val(boxes, kept);
    const mt_box_frame tile = {.scale = {2, 2, 1}, .origin = {1000, 500, 0}, .size = {1030, 2000, 1}};
    mt_boxes_place(boxes, 1, &tile);
    g_assert_cmpuint(boxes->len, ==, 2);
    near_box(&g_array_index(boxes, mt_found_box, 0), gone.at, 0, 0);
    near_box(&g_array_index(boxes, mt_found_box, 1), (double[]){1020, 520, 0, 1030, 560, 1}, 0, 0);
}

static void test_card(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[detect]\nlabels=a\n", "read m.card: [detect] format is missing: yolov8, yolov5, fastestdet or explicit"},
        {"[detect]\nformat=yolov9\n", "read m.card: [detect] format=yolov9: one of yolov8, yolov5, fastestdet, explicit is wanted"},
        {"[detect]\nformat=yolov8\n", "read m.card: [detect] labels is missing: the names of the classes, without background"},
        {"[detect]\nformat=explicit\nlabels=a\n",
         "read m.card: [detect] format=explicit needs the graph's outputs, boxes= and scores=, and classes= "
         "where it names one for each box"},
        {"[detect]\nformat=yolov8\nlabels=a\nbackground=true\n",
         "read m.card: [detect] boxes, scores, classes, order, activation and background are of format=explicit"},
        {"[detect]\nformat=yolov8\nlabels=a\niou=2\n", "read m.card: [detect] iou=2: a number from 0 to 1 is wanted"},
        {"[detect]\nnms=1\n", "read m.card: unknown key 'nms' in [detect]"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(mt_box_card_read_text(cases[i].text, "m.card", &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(mt_box_card_read_text("[encoder]\nname=a\n", "m.card", &error));
    g_assert_no_error(error);
}

static void refuse(const char *text, const mt_tensor *a, const mt_tensor *b, const mt_tensor *c, const char *message)
{
    g_autoptr(mt_box_card) card = card_of(text);
    g_autoptr(GArray) boxes = new_boxes();
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_boxes_decode(card, (const mt_tensor *const[]){a, b, c}, (int64_t[]){64, 64, 0}, boxes, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refusals(void)
{
    float   values[8] = {0}, bad[] = {0, 0, NAN, 0};
    int64_t high = 3;
    g_autoptr(mt_tensor) flat = mt_tensor_new_view(MT_F32, 2, (int64_t[]){2, 4}, values, NULL);
    g_autoptr(mt_tensor) box = mt_tensor_new_view(MT_F32, 2, (int64_t[]){1, 4}, values, NULL);
    g_autoptr(mt_tensor) score = mt_tensor_new_view(MT_F32, 1, (int64_t[]){1}, values, NULL);
    g_autoptr(mt_tensor) nan = mt_tensor_new_view(MT_F32, 2, (int64_t[]){1, 4}, bad, NULL);
    g_autoptr(mt_tensor) label = mt_tensor_new_view(MT_I64, 1, (int64_t[]){1}, &high, NULL);

    refuse("[detect]\nformat=yolov8\nlabels=a;b\n", flat, NULL, NULL,
           "read the detector's output, float32 2x4: float32 1 x 6 x N or 1 x N x 6, 2 labels, is wanted");
    refuse("[detect]\nformat=fastestdet\nlabels=a;b\n", flat, NULL, NULL,
           "read the detector's output, float32 2x4: float32 1 x 7 x h x w, 2 labels, is wanted");
    refuse("[detect]\nformat=yolov8\nlabels=a;b\n", nan, NULL, NULL, "read the detector's output: value 2 is not finite");
    refuse(
        EXPLICIT, flat, score, NULL,
        "read the detector's scores, float32 1: float32, one number for each box or one for each class (background with them), is wanted");
    refuse(EXPLICIT, score, score, NULL, "read the detector's boxes, float32 1: float32 N x 4 is wanted");
    refuse(EXPLICIT, box, score, label, "read the detector's labels: label 3 of a box, there are 2");
    refuse(EXPLICIT "background=true\n", box, score, label,
           "read the detector's labels: label 3 of a box, there are 3, background with them");
    refuse(EXPLICIT, flat, flat, score,
           "read the detector's scores, float32 2x4: float32, one number for each box or one for each class "
           "(background with them), is wanted");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boxes/nms", test_nms);
    g_test_add_func("/boxes/yolo", test_yolo);
    g_test_add_func("/boxes/fastestdet", test_fastestdet);
    g_test_add_func("/boxes/fastestdet_trained", test_fastestdet_trained);
    g_test_add_func("/boxes/explicit", test_explicit);
    g_test_add_func("/boxes/frames", test_frames);
    g_test_add_func("/boxes/card", test_card);
    g_test_add_func("/boxes/refusals", test_refusals);
    return g_test_run();
}
