/* DICOM Secondary Capture, multi-frame true colour: the overlay with its legend, what was found, the picture itself, a frame each. */
#include "src/export/dicom_object.h"

extern "C" {
#include "src/base/refuse.h"
#include "src/export/result_pictures.h"
}

#include <algorithm>

typedef struct capture {
    GPtrArray *pictures;      /* mt_result_picture */
    int        width, height; /* of all frames: what is smaller stands in the middle, on black */
    bool       lettered;
} capture;

static const mt_canvas *canvas_of(const capture *s, guint i)
{
    return ((const mt_result_picture *)s->pictures->pdata[i])->canvas;
}

static void measure(capture *s)
{
    for (guint i = 0; i < s->pictures->len; i++) {
        s->width = std::max(s->width, canvas_of(s, i)->width);
        s->height = std::max(s->height, canvas_of(s, i)->height);
        s->lettered |= ((const mt_result_picture *)s->pictures->pdata[i])->lettered;
    }
}

static bool put_frames(void *user, mt_dicom_sink *sink, GError **error)
{
    const capture      *s = (const capture *)user;
    const size_t        row = (size_t)s->width * 3;
    g_autofree uint8_t *frame = (uint8_t *)g_malloc(row * (size_t)s->height);

    for (guint i = 0; i < s->pictures->len; i++) {
        const mt_canvas *c = canvas_of(s, i);
        const size_t     left = (size_t)(s->width - c->width) / 2 * 3, top = (size_t)(s->height - c->height) / 2;
        memset(frame, 0, row * (size_t)s->height);
        for (size_t y = 0; y < (size_t)c->height; y++)
            memcpy(frame + (top + y) * row + left, c->rgb + y * (size_t)c->width * 3, (size_t)c->width * 3);
        if (!mt_dicom_sink_put(sink, frame, row * (size_t)s->height, error))
            return false;
    }
    return true;
}

static void put_image(DcmDataset *set, const capture *s)
{
    mt_dicom_put(set, DCM_ImageType, "DERIVED\\SECONDARY");
    mt_dicom_put(set, DCM_ConversionType, "WSD");
    mt_dicom_put(set, DCM_PatientOrientation, NULL);
    mt_dicom_put(set, DCM_BurnedInAnnotation, s->lettered ? "YES" : "NO");
    mt_dicom_put(set, DCM_DerivationDescription, "Research use only. Decision support for a qualified reader, not a diagnosis.");
    mt_dicom_put(set, DCM_LossyImageCompression, "00");
    mt_dicom_put_integer(set, DCM_SamplesPerPixel, 3);
    mt_dicom_put(set, DCM_PhotometricInterpretation, "RGB");
    mt_dicom_put_integer(set, DCM_PlanarConfiguration, 0);
    mt_dicom_put_integer(set, DCM_NumberOfFrames, s->pictures->len);
    mt_dicom_put_integer(set, DCM_Rows, s->height);
    mt_dicom_put_integer(set, DCM_Columns, s->width);
    mt_dicom_put_integer(set, DCM_BitsAllocated, 8);
    mt_dicom_put_integer(set, DCM_BitsStored, 8);
    mt_dicom_put_integer(set, DCM_HighBit, 7);
    mt_dicom_put_integer(set, DCM_PixelRepresentation, 0);
    if (s->pictures->len == 1)
        return;
    g_autoptr(GString) pages = g_string_new("1");
    for (guint i = 1; i < s->pictures->len; i++)
        g_string_append_printf(pages, "\\%u", i + 1);
    set->putAndInsertTagKey(DCM_FrameIncrementPointer, DCM_PageNumberVector);
    mt_dicom_put(set, DCM_PageNumberVector, pages->str);
}

bool mt_dicom_sc_write(const mt_handover_case *c, const char *path, GError **error)
{
    const mt_dicom_object_kind kind = {UID_MultiframeTrueColorSecondaryCaptureImageStorage, "OT", 9904, "microtome pictures", false};
    g_autoptr(GPtrArray) pictures = mt_result_pictures(c->result, error);
    capture    s = {};
    DcmDataset set;

    if (pictures == NULL)
        return false;
    if (pictures->len == 0)
        return mt_refuse(error, MT_ERROR_INPUT, "it has no picture: neither a stored one nor a heatmap");
    s.pictures = pictures;
    measure(&s);
    mt_dicom_object_begin(&set, c, &kind);
    put_image(&set, &s);
    mt_dicom_put(&set, DCM_Laterality, c->identity->laterality);
    mt_dicom_object_sources(&set, DCM_SourceImageSequence, c->identity);
    const mt_dicom_bulk bulk = {DCM_PixelData, "OB", (uint64_t)s.width * (uint64_t)s.height * 3 * pictures->len, put_frames, &s};
    return mt_dicom_object_write(&set, c, &bulk, path, error);
}
