#include "src/encoder/preprocess.h"

#include "kernels/pixel/normalise.h"
#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"

#include <math.h>

struct mt_preprocess {
    const mt_card *card;
    mt_normalise   normalise;
    bool           ready; /* the normalisation is known: not yet when it waits for the case's intensities */
    mt_intensity   intensity;
    mt_resample   *resize; /* of the last geometry */
    int64_t        from_w, from_h, to_w, to_h;
    void          *resized; /* pixels after resizing */
    int64_t        resized_bytes;
};

/* Where the resized picture meets the model's square. */
typedef struct placing {
    int64_t resized_w, resized_h;
    int64_t from_x, from_y; /* corner in the resized picture */
    int64_t to_x, to_y;     /* corner in the square */
    int64_t width, height;
} placing;

static void init_normalise(mt_preprocess *p)
{
    const mt_card *card = p->card;
    mt_normalise  *n = &p->normalise;

    n->low = -INFINITY;
    n->high = INFINITY;
    n->subtract = 0;
    n->divide = 1;
    switch (card->value) {
    case MT_VALUE_RGB8:
        n->divide = 255;
        break;
    case MT_VALUE_HU:
        break;
    case MT_VALUE_RANGE:
        n->subtract = (float)card->range[0];
        n->divide = (float)(card->range[1] - card->range[0]);
        break;
    case MT_VALUE_PERCENTILE:
        n->low = n->subtract = (float)p->intensity.low;
        n->high = (float)p->intensity.high;
        n->divide = n->high - n->low;
        break;
    case MT_VALUE_ZSCORE:
        n->subtract = (float)p->intensity.mean;
        n->divide = (float)p->intensity.std;
        break;
    }
    mt_normalise_init(n);
}

static bool wants_intensity(const mt_card *card)
{
    return card->value == MT_VALUE_PERCENTILE || card->value == MT_VALUE_ZSCORE;
}

mt_preprocess *mt_preprocess_new(const mt_card *card)
{
    static const mt_plane_order orders[] = {
        [MT_CHANNELS_RGB] = MT_PLANES_RGB, [MT_CHANNELS_BGR] = MT_PLANES_BGR, [MT_CHANNELS_GRAY] = MT_PLANES_GRAY};
    mt_preprocess *p = g_new0(mt_preprocess, 1);

    p->card = card;
    p->normalise.order = orders[card->channels];
    for (int i = 0; i < 3; i++) {
        p->normalise.mean[i] = (float)card->mean[i];
        p->normalise.std[i] = (float)card->std[i];
    }
    p->ready = !wants_intensity(card);
    if (p->ready)
        init_normalise(p);
    return p;
}

void mt_preprocess_free(mt_preprocess *p)
{
    if (p == NULL)
        return;
    mt_resample_free(p->resize);
    mt_free(p->resized);
    g_free(p);
}

void mt_preprocess_set_intensity(mt_preprocess *p, const mt_intensity *intensity)
{
    p->intensity = *intensity;
    p->ready = true;
    init_normalise(p);
}

int mt_preprocess_planes(const mt_preprocess *p)
{
    return mt_plane_order_count(p->normalise.order);
}

static bool refuse(const mt_preprocess *p, GError **error, const char *reason)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "prepare pixels for %s: %s", p->card->name, reason);
    return false;
}

/* A range that 8-bit samples fill by less than a quarter was made for deeper ones. */
#define MOST_OF_U8 1024.0

/* The card's rule and the stored type have to mean the same. */
static bool check_value(const mt_preprocess *p, const mt_tile_pixels *pixels, GError **error)
{
    bool is_u8 = pixels->dtype == MT_U8;

    if (p->card->value == MT_VALUE_RGB8 && !is_u8)
        return refuse(p, error,
                      "the card says value=rgb8, but the case has 16-bit or float pixels: their range is not guessed; a card with "
                      "value=range:LO,HI, hu, percentile or zscore would say it");
    if (p->card->value == MT_VALUE_HU && is_u8)
        return refuse(p, error, "the card says value=hu, but the case has 8-bit pixels, which are no Hounsfield units");
    if (p->card->value == MT_VALUE_RANGE && is_u8 && p->card->range[1] > MOST_OF_U8)
        return refuse(p, error,
                      "the card says value=range up to more than four times what 8-bit pixels hold: bring the case as it was made");
    if (!wants_intensity(p->card))
        return true;
    if (pixels->channels != 1)
        return refuse(p, error, "the card says value=percentile or zscore, which is for one channel, but the case has colours");
    if (!p->ready)
        return refuse(p, error, "the case's intensities were not given (mt_encoder_session_set_intensity)");
    if (!(p->normalise.divide > 0 && isfinite(p->normalise.divide) && isfinite(p->normalise.subtract)))
        return refuse(p, error, "all pixels of the case have one intensity: nothing to scale by");
    return true;
}

static bool check_pixels(const mt_preprocess *p, const mt_tile_pixels *pixels, GError **error)
{
    bool colours = pixels->dtype == MT_U8 && pixels->channels == 3;

    if ((pixels->dtype != MT_U8 && pixels->dtype != MT_F32) || (pixels->channels != 1 && !colours))
        return refuse(p, error, "8-bit pixels of 1 or 3 channels or float pixels of 1 are wanted");
    if (pixels->width < 1 || pixels->height < 1)
        return refuse(p, error, "the picture is empty");
    if (p->card->fit == MT_FIT_TILES && pixels->width != pixels->height)
        return refuse(p, error, "a tile is square");
    return check_value(p, pixels, error);
}

/* Python's round() of half the margin: ties to even, as torchvision's CenterCrop has it. */
static int64_t crop_offset(int64_t edge, int64_t crop)
{
    return (int64_t)rint((double)(edge - crop) / 2.0);
}

static void place_centre_crop(placing *place, int64_t crop)
{
    place->from_x = crop_offset(place->resized_w, crop);
    place->from_y = crop_offset(place->resized_h, crop);
    place->width = place->height = crop;
}

/* torchvision's Resize of the short side: the long one is cut to a whole number. */
static placing place_crop(const mt_card *card, int64_t w, int64_t h)
{
    int64_t edge = card->resize_px;
    placing place = {.resized_w = w <= h ? edge : edge * w / h, .resized_h = h <= w ? edge : edge * h / w};

    place_centre_crop(&place, card->crop_px);
    return place;
}

static placing place_pad(const mt_card *card, int64_t w, int64_t h)
{
    double  scale = (double)card->size_px / (double)MAX(w, h);
    placing place = {.width = MAX(1, (int64_t)floor((double)w * scale + 0.5)), .height = MAX(1, (int64_t)floor((double)h * scale + 0.5))};

    place.resized_w = place.width;
    place.resized_h = place.height;
    place.to_x = (card->size_px - place.width) / 2;
    place.to_y = (card->size_px - place.height) / 2;
    return place;
}

static placing place_picture(const mt_card *card, int64_t w, int64_t h)
{
    placing place = {.resized_w = card->resize_px, .resized_h = card->resize_px};

    if (card->fit == MT_FIT_CROP)
        return place_crop(card, w, h);
    if (card->fit == MT_FIT_PAD)
        return place_pad(card, w, h);
    place_centre_crop(&place, card->crop_px);
    return place;
}

void mt_preprocess_frame(const mt_card *card, int64_t width, int64_t height, double offset[2], double scale[2])
{
    placing place = place_picture(card, width, height);

    offset[0] = (double)(place.to_x - place.from_x);
    offset[1] = (double)(place.to_y - place.from_y);
    scale[0] = (double)width / (double)place.resized_w;
    scale[1] = (double)height / (double)place.resized_h;
}

static bool prepare_resize(mt_preprocess *p, const mt_tile_pixels *pixels, const placing *place, GError **error)
{
    if (p->resize != NULL && p->from_w == pixels->width && p->from_h == pixels->height && p->to_w == place->resized_w &&
        p->to_h == place->resized_h)
        return true;
    mt_resample_free(p->resize);
    p->resize = mt_resample_new(pixels->width, pixels->height, NULL, place->resized_w, place->resized_h, p->card->interpolation, error);
    p->from_w = pixels->width;
    p->from_h = pixels->height;
    p->to_w = place->resized_w;
    p->to_h = place->resized_h;
    return p->resize != NULL;
}

static bool prepare_buffer(mt_preprocess *p, int64_t bytes, GError **error)
{
    if (bytes <= p->resized_bytes)
        return true;
    mt_free(p->resized);
    p->resized_bytes = 0;
    p->resized = mt_alloc(bytes, 1, error);
    if (p->resized != NULL)
        p->resized_bytes = bytes;
    return p->resized != NULL;
}

/* The resized picture, or the one given when it has that size already; NULL on error. */
static const void *resize(mt_preprocess *p, const mt_tile_pixels *pixels, const placing *place, GError **error)
{
    int64_t sample = pixels->dtype == MT_U8 ? 1 : (int64_t)sizeof(float);
    bool    done;

    if (!prepare_resize(p, pixels, place, error))
        return NULL;
    if (mt_resample_is_copy(p->resize))
        return pixels->data;
    if (!prepare_buffer(p, place->resized_w * place->resized_h * pixels->channels * sample, error))
        return NULL;
    if (pixels->dtype == MT_U8)
        done = mt_resample_u8(p->resize, pixels->data, pixels->channels, p->resized, error);
    else
        done = mt_resample_f32(p->resize, pixels->data, p->resized, error);
    return done ? p->resized : NULL;
}

/* Maxima inside a network can swallow a NaN, so it is looked for before. */
static bool all_finite(const float *values, int64_t n)
{
    float sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i] * 0.0f; /* NaN for NaN and infinity, else 0 */
    return sum == 0.0f;
}

bool mt_preprocess_run(mt_preprocess *p, const mt_tile_pixels *pixels, float *planes, GError **error)
{
    if (!check_pixels(p, pixels, error))
        return false;
    int64_t     size = p->card->size_px, channels = pixels->channels;
    placing     place = place_picture(p->card, pixels->width, pixels->height);
    const void *picture = resize(p, pixels, &place, error);
    if (picture == NULL)
        return false;

    mt_normalise_area whole = {size, size, 0, size, size * size};
    mt_normalise_area area = {place.width, place.height, place.resized_w * channels, size, size * size};
    int64_t           first = (place.from_y * place.resized_w + place.from_x) * channels;
    float            *corner = planes + place.to_y * size + place.to_x;
    if (place.width != size || place.height != size)
        mt_normalise_fill(&p->normalise, &whole, planes);
    if (pixels->dtype == MT_U8) {
        mt_normalise_u8(&p->normalise, (const uint8_t *)picture + first, pixels->channels, &area, corner);
        return true;
    }
    mt_normalise_f32(&p->normalise, (const float *)picture + first, &area, corner);
    if (!all_finite(planes, size * size * mt_preprocess_planes(p)))
        return refuse(p, error, "a pixel is not a finite number");
    return true;
}
