/* Segmentation networks as masks.  The networks of data/segmenter compute formulas of the pixels, so each mask has a known truth. */
#include "tests/unit/tiling_samples.h"

#include <microtome/masker.h>

#include <math.h>
#include <omp.h>
#include <string.h>

#define BASE "size_px=48\nmpp=0.5\nmean=0\nstd=1\n"

typedef struct fixture {
    mt_tiling_sample sample;
    mt_case         *c;
    char            *model, *card; /* in the sample's folder */
} fixture;

static void set_up(fixture *f, const void *data)
{
    (void)data;
    f->sample = mt_tiling_sample_rgb(200, 150);
    f->c = mt_tiling_sample_open(&f->sample, 0.5);
    f->model = g_build_filename(f->sample.folder, "net.onnx", NULL);
    f->card = g_build_filename(f->sample.folder, "net.card", NULL);
}

static void tear_down(fixture *f, const void *data)
{
    (void)data;
    g_unlink(f->model);
    g_unlink(f->card);
    g_free(f->model);
    g_free(f->card);
    mt_case_free(f->c);
    mt_tiling_sample_clear(&f->sample);
}

/* A network of data/segmenter with a card, NULL: without. */
static void put(fixture *f, const char *network, const char *keys)
{
    g_autofree char *name = g_strconcat(network, ".onnx", NULL);
    g_autofree char *from = g_test_build_filename(G_TEST_DIST, "unit", "data", "segmenter", name, NULL), *bytes = NULL;
    g_autofree char *text = keys != NULL ? g_strconcat("[segmenter]\n", keys, NULL) : NULL;
    gsize            n;

    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    g_assert_true(g_file_set_contents(f->model, bytes, (gssize)n, NULL));
    g_unlink(f->card);
    if (text != NULL)
        g_assert_true(g_file_set_contents(f->card, text, -1, NULL));
}

static mt_mask *find_in(fixture *f, mt_case *c, GError **error)
{
    g_autofree char *method = g_strconcat("model:", f->model, NULL);

    return mt_mask_new(c, method, error);
}

static mt_mask *find(fixture *f, const char *network, const char *keys)
{
    g_autoptr(GError) error = NULL;

    put(f, network, keys);
    mt_mask *mask = find_in(f, f->c, &error);
    g_assert_no_error(error);
    return mask;
}

static const uint8_t *pixel(const fixture *f, int x, int y)
{
    return f->sample.pixels + 3 * (y * f->sample.width + x);
}

static int saturation(const uint8_t *p)
{
    return MAX(p[0], MAX(p[1], p[2])) - MIN(p[0], MIN(p[1], p[2]));
}

static void assert_saturated(const fixture *f, const mt_mask *mask, double above)
{
    int64_t width, height;

    mt_mask_size(mask, &width, &height);
    g_assert_true(width == 200 && height == 150);
    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++)
            g_assert_cmpint(mt_mask_pixels(mask)[y * 200 + x], ==, saturation(pixel(f, x, y)) > above ? 255 : 0);
}

/* 0.6 of 255 is 153: thresholds lie between two values. */
static void test_saturation(fixture *f, const void *data)
{
    g_autoptr(mt_mask) mask = find(f, "saturation", BASE "activation=none\nthreshold=0.602\n");
    g_autoptr(mt_mask) fixed = find(f, "fixed", BASE "activation=none\nthreshold=0.602\noutput=y\ninput=x\n");
    g_autoptr(mt_mask) half = find(f, "half", BASE "activation=none\nthreshold=0.602\n");
    /* the sigmoid of (max - min) of values scaled by 4: above 0.9 means above 2.1972 / 4 of 1 */
    g_autoptr(mt_mask) sigmoid =
        find(f, "saturation", "size_px=64\nmpp=0.5\nmean=0.1;0.1;0.1\nstd=0.25\nactivation=sigmoid\nthreshold=0.9\n");

    (void)data;
    assert_saturated(f, mask, 153.5);
    assert_saturated(f, fixed, 153.5);
    assert_saturated(f, half, 153.5);
    assert_saturated(f, sigmoid, 140.07);
    g_assert_cmpstr(mt_mask_method(mask), ==, "model:net.onnx");
    g_assert_cmpuint(strlen(mt_mask_sha256(mask)), ==, 64);
    g_assert_null(mt_mask_note(mask));
}

/* Three classes, one a channel: the largest decides, or a sum of shares does. */
static void test_classes(fixture *f, const void *data)
{
    const char *keys = BASE "activation=softmax\nclasses=red;green;blue\nforeground=blue;red\n";
    g_autoptr(mt_mask) largest = find(f, "channels", keys);
    g_autoptr(mt_mask) by_number = find(f, "channels", BASE "activation=none\nforeground=0;2\n");
    g_autoptr(mt_mask) shares = find(f, "channels", BASE "activation=softmax\nforeground=0;2\nthreshold=0.9\n");
    g_autoptr(mt_mask) any = find(f, "channels", BASE "activation=sigmoid\nforeground=0;2\nthreshold=0.99\n");
    g_autoptr(mt_mask) swapped = find(f, "channels", BASE "activation=softmax\nforeground=2\nchannels=bgr\n");
    int count[3] = {0};

    (void)data;
    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++) {
            const uint8_t *p = pixel(f, x, y);
            int            at = y * 200 + x, best = p[0] >= p[1] && p[0] >= p[2] ? 0 : p[1] >= p[2] ? 1 : 2;
            double         e[3] = {exp(p[0] * 8.0 / 255), exp(p[1] * 8.0 / 255), exp(p[2] * 8.0 / 255)};
            double         share = (e[0] + e[2]) / (e[0] + e[1] + e[2]), high = MAX(e[0], e[2]) / (1 + MAX(e[0], e[2]));
            count[best]++;
            g_assert_cmpint(mt_mask_pixels(largest)[at] != 0, ==, best != 1);
            g_assert_cmpint(mt_mask_pixels(by_number)[at] != 0, ==, best != 1);
            if (fabs(share - 0.9) > 1e-6)
                g_assert_cmpint(mt_mask_pixels(shares)[at] != 0, ==, share > 0.9);
            if (fabs(high - 0.99) > 1e-6)
                g_assert_cmpint(mt_mask_pixels(any)[at] != 0, ==, high > 0.99);
            g_assert_cmpint(mt_mask_pixels(swapped)[at] != 0, ==, p[0] > p[1] && p[0] > p[2]);
        }
    g_autofree char *note =
        g_strdup_printf("classes: red %.1f %%, green %.1f %%, blue %.1f %%", count[0] / 300.0, count[1] / 300.0, count[2] / 300.0);
    g_assert_cmpstr(mt_mask_note(largest), ==, note);
    g_assert_null(mt_mask_note(by_number));
}

static double mean_around(const fixture *f, int x, int y)
{
    int sum = 0;

    for (int j = y - 1; j <= y + 1; j++)
        for (int i = x - 1; i <= x + 1; i++)
            for (int c = 0; c < 3; c++)
                sum += i < 0 || j < 0 ? 0 : i >= 200 || j >= 150 ? 255 : pixel(f, i, j)[c];
    return sum / 27.0;
}

/* Where tiles overlap their rims are not used: as if the plane had gone through the network in one piece. */
static void test_overlap(fixture *f, const void *data)
{
    g_autoptr(mt_mask) apart = find(f, "blur", BASE "activation=none\nthreshold=0.5\n");
    g_autoptr(mt_mask) joined = find(f, "blur", BASE "activation=none\nthreshold=0.5\noverlap=0.1\n");
    g_autoptr(mt_mask) deep = find(f, "blur", BASE "activation=none\nthreshold=0.5\noverlap=0.7\n");
    int different = 0;

    (void)data;
    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++) {
            double mean = mean_around(f, x, y) / 255;
            if (fabs(mean - 0.5) < 1e-5)
                continue;
            g_assert_cmpint(mt_mask_pixels(joined)[y * 200 + x] != 0, ==, mean > 0.5);
            g_assert_cmpint(mt_mask_pixels(deep)[y * 200 + x] != 0, ==, mean > 0.5);
            different += (mt_mask_pixels(apart)[y * 200 + x] != 0) != (mean > 0.5);
        }
    g_assert_cmpint(different, >, 100); /* the network does see the rim */
}

/* A mask coarser than the model: the majority of the model's pixels. */
static void test_majority(fixture *f, const void *data)
{
    mt_tiling_sample large = mt_tiling_sample_rgb(3000, 1998);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&large, 0.5);
    g_autoptr(GError) error = NULL;
    int64_t width, height;

    (void)data;
    put(f, "saturation", "size_px=500\nmpp=0.5\nmean=0\nstd=1\nactivation=none\nthreshold=0.54\n");
    g_autoptr(mt_mask) mask = find_in(f, c, &error);
    g_assert_no_error(error);
    mt_mask_size(mask, &width, &height);
    g_assert_true(width == 1000 && height == 666);
    for (int y = 0; y < 666; y++)
        for (int x = 0; x < 1000; x++) {
            int votes = 0;
            for (int k = 0; k < 9; k++)
                votes += saturation(large.pixels + 3 * ((3 * y + k / 3) * 3000 + 3 * x + k % 3)) > 0.54 * 255;
            g_assert_cmpint(mt_mask_pixels(mask)[y * 1000 + x], ==, votes >= 5 ? 255 : 0);
        }
    mt_tiling_sample_clear(&large);
}

/* A model at a quarter of the resolution, and one whose output is a quarter of its input: blocks of one colour each. */
static void test_coarser(fixture *f, const void *data)
{
    uint8_t *pixels = g_malloc(200 * 160 * 3);

    (void)data;
    for (int y = 0; y < 160; y++)
        for (int x = 0; x < 200; x++)
            memcpy(pixels + 3 * (y * 200 + x), (x / 20 + y / 20) % 2 ? "\xc8\x28\x28" : "\xf0\xf0\xf0", 3);
    mt_tiling_sample blocks = mt_tiling_sample_new(200, 160, 3, false, pixels);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&blocks, 0.5);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        put(f, i ? "shrunk" : "saturation",
            i ? "size_px=40\nmpp=0.5\nmean=0\nstd=1\nactivation=none\nthreshold=0.3\n"
              : "size_px=32\nmpp=2\nmean=0\nstd=1\nactivation=none\nthreshold=0.3\ninterpolation=nearest\n");
        g_autoptr(mt_mask) mask = find_in(f, c, &error);
        g_assert_no_error(error);
        for (int y = 0; y < 160; y += 20)
            for (int x = 0; x < 200; x += 20)
                g_assert_cmpfloat(mt_mask_share(mask, x, y, 20, 20), ==, (x / 20 + y / 20) % 2);
    }
    mt_tiling_sample_clear(&blocks);
}

static void test_threads(fixture *f, const void *data)
{
    int threads = omp_get_max_threads();

    (void)data;
    omp_set_num_threads(1);
    g_autoptr(mt_mask) one = find(f, "blur", BASE "activation=none\nthreshold=0.5\noverlap=0.2\n");
    omp_set_num_threads(5);
    g_autoptr(mt_mask) five = find(f, "blur", BASE "activation=none\nthreshold=0.5\noverlap=0.2\n");
    omp_set_num_threads(threads);
    g_assert_cmpmem(mt_mask_pixels(one), 200 * 150, mt_mask_pixels(five), 200 * 150);
}

/* One masker for many cases, and its part of the resolved recipe. */
static void test_masker(fixture *f, const void *data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    put(f, "saturation", BASE "activation=none\nthreshold=0.602\nname=s\n");
    g_autofree char *method = g_strconcat("model:", f->model, NULL);
    g_autoptr(mt_masker) masker = mt_masker_new(method, &error);
    g_assert_no_error(error);
    for (int i = 0; i < 3; i++) {
        g_autoptr(mt_mask) mask = mt_masker_run(masker, f->c, "a", &error);
        assert_saturated(f, mask, 153.5);
        g_assert_cmpstr(mt_mask_sha256(mask), ==, mt_masker_sha256(masker));
    }
    g_autofree char *text = mt_masker_text(masker);
    g_autofree char *expected =
        g_strdup_printf("method=model:net.onnx\nsha256=%s\nname=s\nsize_px=48\nmpp=0.5\nchannels=rgb\nmean=0;0;0\nstd=1;1;1\n"
                        "interpolation=bilinear\nactivation=none\nthreshold=0.602\noverlap=0\n",
                        mt_masker_sha256(masker));
    g_assert_cmpstr(text, ==, expected);
}

static void assert_refused(fixture *f, mt_case *c, mt_error code, const char *format, ...) G_GNUC_PRINTF(4, 5);

static void assert_refused(fixture *f, mt_case *c, mt_error code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert_null(find_in(f, c, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_assert_error(error, MT_ERROR, (int)code);
}

static void test_refused_cards(fixture *f, const void *data)
{
    static const char *const cards[][3] = {
        {"saturation", NULL,
         "no such file: µm/px, normalisation and classes of a segmentation network are not guessed: write them there, in a group "
         "[segmenter]"},
        {"saturation", "mpp=1\n", "[segmenter] size_px is missing: write the edge of the model's input"},
        {"saturation", "size_px=48\n", "[segmenter] mpp is missing: write the µm per pixel it was trained at"},
        {"saturation", "size_px=48\nmpp=1\nstd=1\n",
         "[segmenter] mean is missing: write what is subtracted from RGB in 0..1, one number or three"},
        {"saturation", "size_px=48\nmpp=1\nmean=0\n", "[segmenter] std is missing: write what RGB is divided by then, one number or three"},
        {"saturation", BASE, "[segmenter] activation is missing: write softmax, sigmoid or none"},
        {"saturation", BASE "activation=relu\n", "[segmenter] activation=relu: one of softmax, sigmoid, none is wanted"},
        {"saturation", BASE "activation=none\nfoo=1\n", "unknown key 'foo' in [segmenter]"},
        {"saturation", BASE "activation=none\n",
         "[segmenter] threshold is missing: the output has one channel, write above what it is foreground"},
        {"saturation", BASE "activation=softmax\n",
         "[segmenter] activation=softmax, but the output has one channel: sigmoid or none is wanted"},
        {"saturation", BASE "activation=sigmoid\nthreshold=2\n", "[segmenter] threshold=2: 0 to 1 is wanted after sigmoid"},
        {"saturation", BASE "activation=sigmoid\nclasses=a;b\n", "[segmenter] classes names 2, but the output has 1 channels"},
        {"channels", BASE "activation=softmax\n",
         "[segmenter] foreground is missing: the output has 3 classes, write which of them are foreground"},
        {"channels", BASE "activation=softmax\nforeground=3\n", "[segmenter] foreground=3: none of the output's 3 classes"},
        {"channels", BASE "activation=softmax\nclasses=a;b;c\nforeground=d\n", "[segmenter] foreground=d: none of the output's 3 classes"},
        {"channels", "size_px=48\nmpp=1\nmean=0\nstd=0\nactivation=none\n", "[segmenter] std=0: more than 0 is wanted"},
        {"channels", "size_px=48\nmpp=1\nmean=0;1\nstd=1\nactivation=none\n", "[segmenter] mean has 2 numbers: 1 or 3 are wanted"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
        put(f, cards[i][0], cards[i][1]);
        assert_refused(f, f->c, MT_ERROR_MODEL, "read %s: %s", f->card, cards[i][2]);
    }
}

static void test_refused_graphs(fixture *f, const void *data)
{
    static const char *const graphs[][3] = {
        {"fixed", "size_px=64\nmpp=1\nmean=0\nstd=1\nactivation=sigmoid\n", "its input 'x' is ?x3x48x48, and the card wants 1x3x64x64"},
        {"fixed", BASE "activation=sigmoid\nchannels=gray\n", "its input 'x' is ?x3x48x48, and the card wants 1x1x48x48"},
        {"saturation", BASE "activation=sigmoid\ninput=image\n", "its input is 'x', and the card says input=image"},
        {"saturation", BASE "activation=sigmoid\noutput=z\n", "it has no output 'z', which the card names"},
        {"two", BASE "activation=sigmoid\n", "it has 2 outputs: name one in the card, output="},
        {"vector", BASE "activation=sigmoid\n",
         "its output 'y' is 1x3 of float32: classes x height x width in float32 or float16 are wanted, height and width 48 or a whole part "
         "of "
         "it"},
        {"odd", BASE "activation=sigmoid\n",
         "its output 'y' is 1x3x46x46 of float32: classes x height x width in float32 or float16 are wanted, height and width 48 or a "
         "whole "
         "part of it"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(graphs); i++) {
        put(f, graphs[i][0], graphs[i][1]);
        assert_refused(f, f->c, MT_ERROR_MODEL, "load the segmentation network %s: %s", f->model, graphs[i][2]);
    }
}

static void test_refused_cases(fixture *f, const void *data)
{
    g_autoptr(mt_case) unknown = mt_tiling_sample_open(&f->sample, 0), coarse = mt_tiling_sample_open(&f->sample, 0.56);
    mt_tiling_sample deep = mt_tiling_sample_u16(64, 64);
    g_autoptr(mt_case) sixteen = mt_tiling_sample_open(&deep, 0.5);

    (void)data;
    put(f, "saturation", BASE "activation=sigmoid\n");
    assert_refused(
        f, unknown, MT_ERROR_SPACING,
        "segment %s with net.onnx: the model wants 0.5 µm/px and the case's own is unknown (%s): give it with --slide-mpp or in the "
        "manifest's mpp column",
        f->sample.path, mt_case_mpp_source(unknown));
    assert_refused(f, coarse, MT_ERROR_SPACING,
                   "segment %s with net.onnx: the model wants 0.5 µm/px and level 0 has 0.56 x 0.56: it is too coarse for this model, take "
                   "another",
                   f->sample.path);
    g_autoptr(GError) error = NULL;
    g_assert_null(find_in(f, sixteen, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    put(f, "endless", BASE "activation=sigmoid\n");
    assert_refused(f, f->c, MT_ERROR_MODEL, "segment %s with net.onnx: its output is not finite: model and card do not fit these pixels",
                   f->sample.path);
    g_unlink(f->model);
    g_clear_error(&error);
    g_assert_null(find_in(f, f->c, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    mt_tiling_sample_clear(&deep);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
#define ADD(name, function) g_test_add("/segmenter/" name, fixture, NULL, set_up, function, tear_down)
    ADD("saturation", test_saturation);
    ADD("classes", test_classes);
    ADD("overlap", test_overlap);
    ADD("majority", test_majority);
    ADD("coarser", test_coarser);
    ADD("threads", test_threads);
    ADD("masker", test_masker);
    ADD("refused-cards", test_refused_cards);
    ADD("refused-graphs", test_refused_graphs);
    ADD("refused-cases", test_refused_cases);
    return g_test_run();
}
