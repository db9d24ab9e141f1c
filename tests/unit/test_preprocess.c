/* mt_preprocess against Pillow and torchvision (make_preprocess_data.py wrote the expected values), and what it refuses. */
#include "src/base/alloc.h"
#include "src/encoder/card.h"
#include "src/encoder/preprocess.h"

#include <math.h>
#include <string.h>

typedef struct preprocess_case {
    char         card[512];
    int32_t      width, height, channels, seed;
    mt_intensity intensity;
    int32_t      planes, size, samples;
} __attribute__((packed)) preprocess_case;

static void *noise(uint32_t state, const preprocess_case *c)
{
    size_t   n = (size_t)c->width * (size_t)c->height * (size_t)MAX(c->channels, 1);
    uint8_t *bytes = g_malloc(n);
    float   *floats = g_new(float, n);

    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes[i] = (uint8_t)(state >> 24);
        floats[i] = (float)bytes[i] * 12.5f - 1024.0f;
    }
    g_free(c->channels == 0 ? (void *)bytes : (void *)floats);
    return c->channels == 0 ? (void *)floats : (void *)bytes;
}

static mt_card *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    mt_card *card = mt_card_read_text(text, strlen(text), "the test", &error);

    g_assert_no_error(error);
    g_assert_true(mt_card_complete(card, 0, "net", &error));
    g_assert_no_error(error);
    return card;
}

static void check_case(const preprocess_case *c, const char *samples)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_card) card = parse(c->card);
    g_autoptr(mt_preprocess) p = mt_preprocess_new(card);
    g_autofree void     *data = noise((uint32_t)c->seed, c);
    const mt_tile_pixels pixels = {c->channels == 0 ? MT_F32 : MT_U8, MAX(c->channels, 1), c->width, c->height, data};
    const mt_intensity   intensity = c->intensity;
    g_autofree float    *planes = g_new(float, c->planes * c->size * c->size + 1);

    planes[c->planes * c->size * c->size] = -777;
    mt_preprocess_set_intensity(p, &intensity);
    g_assert_cmpint(mt_preprocess_planes(p), ==, c->planes);
    g_assert_true(mt_preprocess_run(p, &pixels, planes, &error));
    g_assert_no_error(error);
    for (int i = 0; i < c->samples; i++) {
        int32_t index;
        float   want;
        memcpy(&index, samples + 8 * i, 4);
        memcpy(&want, samples + 8 * i + 4, 4);
        if (fabsf(planes[index] - want) > 1e-6f * MAX(1.0f, fabsf(want)))
            g_error("case %d, %s: value %d is %.9g, torchvision has %.9g", c->seed, c->card, index, planes[index], want);
    }
    g_assert_cmpfloat(planes[c->planes * c->size * c->size], ==, -777);
}

static void test_torchvision(void)
{
    g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "preprocess.bin", NULL);
    g_autofree char *data = NULL;
    gsize            bytes;
    g_autoptr(GError) error = NULL;
    int n = 0;

    g_file_get_contents(path, &data, &bytes, &error);
    g_assert_no_error(error);
    for (gsize at = 0; at < bytes; n++) {
        preprocess_case c;
        memcpy(&c, data + at, sizeof c);
        at += sizeof c;
        check_case(&c, data + at);
        at += 8 * (gsize)c.samples;
    }
    g_assert_cmpint(n, >, 60);
}

#define RGB8 "[encoder]\nsize_px=16\nvalue=rgb8\nmean=0\nstd=1\n"

static void check_refused(const char *card_text, mt_tile_pixels pixels, const mt_intensity *intensity, const char *message)
{
    g_autoptr(mt_card) card = parse(card_text);
    g_autoptr(mt_preprocess) p = mt_preprocess_new(card);
    g_autoptr(GError) error = NULL;
    static float picture[16 * 16 * 3], planes[3 * 16 * 16];

    if (pixels.data == NULL)
        pixels.data = picture;
    if (intensity != NULL)
        mt_preprocess_set_intensity(p, intensity);
    g_assert_false(mt_preprocess_run(p, &pixels, planes, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused_types(void)
{
    check_refused(
        RGB8, (mt_tile_pixels){MT_F32, 1, 16, 16, NULL}, NULL,
        "prepare pixels for net: the card says value=rgb8, but the case has 16-bit or float pixels: their range is not guessed; a "
        "card with value=range:LO,HI, hu, percentile or zscore would say it");
    check_refused("[encoder]\nsize_px=16\nvalue=hu\n", (mt_tile_pixels){MT_U8, 1, 16, 16, NULL}, NULL,
                  "prepare pixels for net: the card says value=hu, but the case has 8-bit pixels, which are no Hounsfield units");
    check_refused(
        "[encoder]\nsize_px=16\nvalue=range:0,65535\n", (mt_tile_pixels){MT_U8, 1, 16, 16, NULL}, NULL,
        "prepare pixels for net: the card says value=range up to more than four times what 8-bit pixels hold: bring the case as it "
        "was made");
    check_refused(RGB8, (mt_tile_pixels){MT_U16, 1, 16, 16, NULL}, NULL,
                  "prepare pixels for net: 8-bit pixels of 1 or 3 channels or float pixels of 1 are wanted");
    check_refused(RGB8, (mt_tile_pixels){MT_U8, 2, 16, 16, NULL}, NULL,
                  "prepare pixels for net: 8-bit pixels of 1 or 3 channels or float pixels of 1 are wanted");
}

static void test_refused_shapes(void)
{
    check_refused(RGB8, (mt_tile_pixels){MT_U8, 3, 16, 15, NULL}, NULL, "prepare pixels for net: a tile is square");
    check_refused(RGB8, (mt_tile_pixels){MT_U8, 3, 0, 0, NULL}, NULL, "prepare pixels for net: the picture is empty");
}

static void test_refused_intensities(void)
{
    const char          *percentile = "[encoder]\nsize_px=16\nvalue=percentile\n", *zscore = "[encoder]\nsize_px=16\nvalue=zscore\n";
    const mt_intensity   flat = {.low = 3, .high = 3, .mean = 3, .std = 0};
    const mt_tile_pixels gray = {MT_F32, 1, 16, 16, NULL}, colours = {MT_U8, 3, 16, 16, NULL};
    const char          *one = "prepare pixels for net: all pixels of the case have one intensity: nothing to scale by";

    check_refused(percentile, gray, NULL,
                  "prepare pixels for net: the case's intensities were not given (mt_encoder_session_set_intensity)");
    check_refused(percentile, gray, &flat, one);
    check_refused(zscore, gray, &flat, one);
    check_refused(zscore, colours, &flat,
                  "prepare pixels for net: the card says value=percentile or zscore, which is for one channel, but the case has colours");
}

static void test_refused_nan(void)
{
    float picture[16 * 16] = {[77] = NAN};

    check_refused("[encoder]\nsize_px=16\nvalue=range:0,1\n", (mt_tile_pixels){MT_F32, 1, 16, 16, picture}, NULL,
                  "prepare pixels for net: a pixel is not a finite number");
    picture[77] = INFINITY;
    check_refused("[encoder]\nsize_px=16\nvalue=range:0,1\n", (mt_tile_pixels){MT_F32, 1, 16, 16, picture}, NULL,
                  "prepare pixels for net: a pixel is not a finite number");
}

/* Refused memory is an error, and the next picture goes through. */
static void test_memory(void)
{
    g_autoptr(mt_card) card = parse(RGB8);
    g_autoptr(mt_preprocess) p = mt_preprocess_new(card);
    uint8_t              picture[20 * 20 * 3] = {0};
    float                planes[3 * 16 * 16];
    const mt_tile_pixels pixels = {MT_U8, 3, 20, 20, picture};
    int                  refused = 0;

    for (int k = 1; k < 20; k++) {
        g_autoptr(GError) error = NULL;
        mt_alloc_fail_at(k);
        bool done = mt_preprocess_run(p, &pixels, planes, &error);
        mt_alloc_fail_at(0);
        if (done)
            break;
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        refused++;
    }
    g_assert_cmpint(refused, >, 3);
    g_assert_true(mt_preprocess_run(p, &pixels, planes, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/preprocess/torchvision", test_torchvision);
    g_test_add_func("/preprocess/refused/types", test_refused_types);
    g_test_add_func("/preprocess/refused/shapes", test_refused_shapes);
    g_test_add_func("/preprocess/refused/intensities", test_refused_intensities);
    g_test_add_func("/preprocess/refused/nan", test_refused_nan);
    g_test_add_func("/preprocess/memory", test_memory);
    return g_test_run();
}
