/* DICOM Segmentation: binary of the labels of /map/segmentation, a segment each; fractional of /map/probability. */
#include "src/export/dicom_multiframe.h"

extern "C" {
#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/export/dicom_codes.h"
#include "src/store/schema.h"
}

typedef struct seg {
    mt_dicom_frames frames;
    GPtrArray      *segments; /* mt_dicom_segment */
    GArray         *shown;    /* int64_t: segment * frames.n + place, in the order of the frames */
    bool            fractional;
    void           *map; /* one frame as it is stored */
    uint8_t        *out; /* one frame's bytes, or some behind the last one's bits */
    uint8_t         rest;
    int             n_rest; /* bits of the frame before that do not fill a byte yet */
} seg;

static void put_algorithm(DcmItem *segment, const mt_handover_case *c)
{
    const mt_headline *h = c->headline;
    const char        *name = h->encoder != NULL ? h->encoder : h->head != NULL ? h->head : "microtome";
    g_autofree char   *words = mt_dicom_words(name, 64);
    g_autofree char   *hashes = g_strdup_printf("model_sha256=%s recipe_sha256=%s", h->model_sha256 != NULL ? h->model_sha256 : "unknown",
                                              h->recipe_sha256 != NULL ? h->recipe_sha256 : "unknown");
    DcmItem           *algorithm = mt_dicom_item(segment, DCM_SegmentationAlgorithmIdentificationSequence, 0);

    mt_dicom_put(segment, DCM_SegmentAlgorithmType, "AUTOMATIC");
    mt_dicom_put(segment, DCM_SegmentAlgorithmName, words);
    mt_dicom_put_code(algorithm, DCM_AlgorithmFamilyCodeSequence, "123110", "DCM", "Artificial Intelligence");
    mt_dicom_put(algorithm, DCM_AlgorithmName, words);
    mt_dicom_put(algorithm, DCM_AlgorithmVersion, "microtome " MT_VERSION);
    mt_dicom_put(algorithm, DCM_AlgorithmParameters, hashes);
}

static void put_segment(DcmDataset *set, const mt_handover_case *c, const char *name, int64_t number)
{
    DcmItem         *segment = mt_dicom_item(set, DCM_SegmentSequence, -2);
    mt_dicom_code    code = mt_dicom_code_of(name);
    g_autofree char *label = mt_dicom_words(name, 64);

    mt_dicom_put_integer(segment, DCM_SegmentNumber, number);
    mt_dicom_put(segment, DCM_SegmentLabel, *label != '\0' ? label : "unnamed");
    if (strcmp(code.scheme, "SCT") != 0)
        mt_dicom_put_code(segment, DCM_SegmentedPropertyCategoryCodeSequence, "309825002", "SCT", "Spatial and Relational Concept");
    else if (code.abnormal)
        mt_dicom_put_code(segment, DCM_SegmentedPropertyCategoryCodeSequence, "49755003", "SCT", "Morphologically Abnormal Structure");
    else
        mt_dicom_put_code(segment, DCM_SegmentedPropertyCategoryCodeSequence, "123037004", "SCT", "Anatomical Structure");
    mt_dicom_put_code(segment, DCM_SegmentedPropertyTypeCodeSequence, code.value, code.scheme, code.meaning);
    mt_dicom_code_clear(&code);
    put_algorithm(segment, c);
}

static void put_image(DcmDataset *set, const seg *s)
{
    mt_dicom_put(set, DCM_ImageType, "DERIVED\\PRIMARY");
    mt_dicom_put(set, DCM_ContentLabel, "SEGMENTATION");
    mt_dicom_put(set, DCM_ContentDescription, "Research use only, not a diagnosis");
    mt_dicom_put(set, DCM_ContentCreatorName, NULL);
    mt_dicom_put_integer(set, DCM_SamplesPerPixel, 1);
    mt_dicom_put(set, DCM_PhotometricInterpretation, "MONOCHROME2");
    mt_dicom_put_integer(set, DCM_BitsAllocated, s->fractional ? 8 : 1);
    mt_dicom_put_integer(set, DCM_BitsStored, s->fractional ? 8 : 1);
    mt_dicom_put_integer(set, DCM_HighBit, s->fractional ? 7 : 0);
    mt_dicom_put_integer(set, DCM_PixelRepresentation, 0);
    mt_dicom_put(set, DCM_LossyImageCompression, "00");
    mt_dicom_put(set, DCM_SegmentationType, s->fractional ? "FRACTIONAL" : "BINARY");
    if (s->fractional) {
        mt_dicom_put(set, DCM_SegmentationFractionalType, "PROBABILITY");
        mt_dicom_put_integer(set, DCM_MaximumFractionalValue, 255);
    }
}

/* Which segments have a voxel in which slice; of a slide every tile of every segment is a frame.  An empty map has the first segment's frames:
 * it was looked for, and is nowhere. */
static bool find_shown(seg *s, GError **error)
{
    const mt_dicom_frames *f = &s->frames;
    const int64_t          n = f->n, px = f->rows * f->columns;
    const bool             all = s->fractional || f->c->identity->geometry == MT_DICOM_SLIDE;
    g_autofree uint8_t    *used = (uint8_t *)g_malloc0((gsize)(n * s->segments->len) + 1);

    for (int64_t place = 0; place < n && !all; place++) {
        bool values[256] = {false};
        if (!mt_dicom_frames_read(f, place, s->map, error))
            return false;
        for (int64_t i = 0; i < px; i++)
            values[((const uint8_t *)s->map)[i]] = true;
        for (guint k = 0; k < s->segments->len; k++)
            for (int v = 1; v < 256; v++)
                used[k * n + place] |= values[v] && ((const mt_dicom_segment *)s->segments->pdata[k])->members[v];
    }
    for (int64_t i = 0; i < n * s->segments->len; i++)
        if (all || used[i])
            g_array_append_val(s->shown, i);
    const bool empty = s->shown->len == 0;
    for (int64_t i = 0; empty && i < n; i++)
        g_array_append_val(s->shown, i);
    return true;
}

/* Bits of all frames run on without a gap, the first in the lowest. */
static size_t pack_bits(seg *s, const mt_dicom_segment *segment, bool last)
{
    const int64_t  px = s->frames.rows * s->frames.columns;
    const uint8_t *map = (const uint8_t *)s->map;
    size_t         n = 0;

    for (int64_t i = 0; i < px; i++) {
        s->rest |= (uint8_t)(segment->members[map[i]] << s->n_rest);
        if (++s->n_rest < 8)
            continue;
        s->out[n++] = s->rest;
        s->rest = 0;
        s->n_rest = 0;
    }
    if (last && s->n_rest > 0)
        s->out[n++] = s->rest;
    return n;
}

static size_t scale_numbers(seg *s)
{
    const int64_t px = s->frames.rows * s->frames.columns;
    const float  *map = (const float *)s->map;

    for (int64_t i = 0; i < px; i++)
        s->out[i] = map[i] > 0 ? (uint8_t)(MIN(map[i], 1.0f) * 255 + 0.5f) : 0; /* NaN: 0 */
    return (size_t)px;
}

static bool put_frames(void *user, mt_dicom_sink *sink, GError **error)
{
    seg    *s = (seg *)user;
    int64_t read = -1;

    for (guint i = 0; i < s->shown->len; i++) {
        const int64_t at = g_array_index(s->shown, int64_t, i), place = at % s->frames.n;
        if (place != read && !mt_dicom_frames_read(&s->frames, place, s->map, error))
            return false;
        read = place;
        const mt_dicom_segment *segment = (const mt_dicom_segment *)s->segments->pdata[at / s->frames.n];
        const size_t            n = s->fractional ? scale_numbers(s) : pack_bits(s, segment, i + 1 == s->shown->len);
        if (!mt_dicom_sink_put(sink, s->out, n, error))
            return false;
    }
    return true;
}

static bool write_object(seg *s, const char *path, GError **error)
{
    const mt_handover_case    *c = s->frames.c;
    const mt_dicom_object_kind kind = {UID_SegmentationStorage, "SEG", s->fractional ? 9902 : 9901, "microtome segmentation", false};
    const uint64_t             px = (uint64_t)(s->frames.rows * s->frames.columns) * s->shown->len;
    DcmDataset                 set;

    mt_dicom_object_begin(&set, c, &kind);
    put_image(&set, s);
    for (guint k = 0; k < s->segments->len; k++)
        put_segment(&set, c, ((const mt_dicom_segment *)s->segments->pdata[k])->name, k + 1);
    mt_dicom_multiframe_begin(&set, &s->frames, s->shown->len, true);
    for (guint i = 0; i < s->shown->len; i++) {
        const int64_t at = g_array_index(s->shown, int64_t, i);
        mt_dicom_multiframe_add(&set, &s->frames, at % s->frames.n, at / s->frames.n + 1);
    }
    const mt_dicom_bulk bulk = {DCM_PixelData, "OB", s->fractional ? px : (px + 7) / 8, put_frames, s};
    return mt_dicom_object_write(&set, c, &bulk, path, error);
}

static bool write_segments(seg *s, const char *path, GError **error)
{
    const int64_t px = s->frames.rows * s->frames.columns;

    if (s->frames.dtype != (s->fractional ? MT_F32 : MT_U8))
        return mt_refuse(error, MT_ERROR_INPUT, "%s is of %s", s->frames.object, mt_dtype_name(s->frames.dtype));
    if (s->segments->len == 0)
        return mt_refuse(error, MT_ERROR_INPUT, "its map names no labels");
    s->shown = g_array_new(FALSE, FALSE, sizeof(int64_t));
    s->map = mt_alloc(px, mt_dtype_size(s->frames.dtype), error);
    s->out = s->map != NULL ? (uint8_t *)mt_alloc(px, 1, error) : NULL;
    bool ok = s->out != NULL && find_shown(s, error) && write_object(s, path, error);
    mt_free(s->map);
    mt_free(s->out);
    g_array_unref(s->shown);
    return ok;
}

bool mt_dicom_seg_write(const mt_handover_case *c, const char *path, GError **error)
{
    seg s = {};

    if (!mt_dicom_frames_init(&s.frames, c, MT_OBJECT_SEGMENTATION, error))
        return false;
    s.segments = mt_dicom_segments(c->result);
    bool ok = write_segments(&s, path, error);
    g_ptr_array_unref(s.segments);
    return ok;
}

bool mt_dicom_seg_fractional_write(const mt_handover_case *c, const char *path, GError **error)
{
    seg              s = {};
    mt_dicom_segment positive = {};

    if (!mt_dicom_frames_init(&s.frames, c, MT_OBJECT_PROBABILITY, error))
        return false;
    positive.name = c->headline->positive != NULL ? c->headline->positive : (char *)"positive";
    s.segments = g_ptr_array_new();
    s.fractional = true;
    g_ptr_array_add(s.segments, &positive);
    bool ok = write_segments(&s, path, error);
    g_ptr_array_unref(s.segments);
    return ok;
}
