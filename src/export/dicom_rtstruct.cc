/* RT Structure Set: the outlines of each label in the planes of the source, along the edges of its pixels. */
#include "src/export/dicom_object.h"

extern "C" {
#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/export/dicom_frames.h"
#include "src/export/pixel_contours.h"
#include "src/store/schema.h"
}

#include <cstring>

#define APPEND (-2)

typedef struct structures {
    mt_dicom_frames frames;
    GPtrArray      *segments; /* mt_dicom_segment */
    const char     *frame_uid;
} structures;

static const mt_dicom_instance *instance_of(const structures *s, int64_t slice)
{
    return (const mt_dicom_instance *)s->frames.c->identity->instances->pdata[slice];
}

static void put_image(DcmItem *item, const mt_dicom_instance *image)
{
    mt_dicom_put(item, DCM_ReferencedSOPClassUID, image->sop_class);
    mt_dicom_put(item, DCM_ReferencedSOPInstanceUID, image->sop_instance);
    if (image->frame > 0)
        mt_dicom_put_integer(item, DCM_ReferencedFrameNumber, image->frame);
}

static void put_reference(DcmDataset *set, const structures *s)
{
    const mt_dicom_identity *d = s->frames.c->identity;
    DcmItem                 *frame = mt_dicom_item(set, DCM_ReferencedFrameOfReferenceSequence, 0);
    const char              *last = NULL;

    mt_dicom_put(frame, DCM_FrameOfReferenceUID, s->frame_uid);
    if (!d->is_dicom)
        return;
    DcmItem *study = mt_dicom_item(frame, DCM_RTReferencedStudySequence, 0);
    mt_dicom_put(study, DCM_ReferencedSOPClassUID, "1.2.840.10008.3.1.2.3.1"); /* as planning systems expect it */
    mt_dicom_put(study, DCM_ReferencedSOPInstanceUID, d->study_uid);
    DcmItem *series = mt_dicom_item(study, DCM_RTReferencedSeriesSequence, 0);
    mt_dicom_put(series, DCM_SeriesInstanceUID, d->series_uid);
    for (guint i = 0; i < d->instances->len; i++) {
        const mt_dicom_instance *image = instance_of(s, i);
        if (image->sop_instance == NULL || g_strcmp0(image->sop_instance, last) == 0)
            continue;
        last = image->sop_instance;
        DcmItem *item = mt_dicom_item(series, DCM_ContourImageSequence, APPEND);
        mt_dicom_put(item, DCM_ReferencedSOPClassUID, image->sop_class);
        mt_dicom_put(item, DCM_ReferencedSOPInstanceUID, image->sop_instance);
    }
}

/* LPS mm of a corner between pixels. */
static void put_points(GString *text, const structures *s, int64_t slice, const GArray *ring)
{
    const mt_dicom_identity *d = s->frames.c->identity;
    const double            *origin = instance_of(s, slice)->position;

    for (guint i = 0; i < ring->len; i++) {
        const int32_t *corner = &g_array_index(ring, int32_t, 2 * i);
        for (int a = 0; a < 3; a++) {
            double mm = origin[a] + ((double)corner[0] - 0.5) * d->spacing[0] * d->row[a] +
                        ((double)corner[1] - 0.5) * d->spacing[1] * d->column[a];
            char number[G_ASCII_DTOSTR_BUF_SIZE];
            g_string_append_printf(text, "%s%s", text->len > 0 ? "\\" : "", g_ascii_formatd(number, sizeof number, "%.4f", mm));
        }
    }
}

static void put_contours(DcmItem *roi, const structures *s, int64_t slice, const uint8_t *mask)
{
    g_autoptr(GPtrArray) rings = mt_pixel_contours(mask, s->frames.columns, s->frames.rows);

    for (guint i = 0; i < rings->len; i++) {
        const GArray *ring = (const GArray *)rings->pdata[i];
        g_autoptr(GString) points = g_string_new(NULL);
        DcmItem *contour = mt_dicom_item(roi, DCM_ContourSequence, APPEND);
        put_points(points, s, slice, ring);
        if (s->frames.c->identity->is_dicom && instance_of(s, slice)->sop_instance != NULL)
            put_image(mt_dicom_item(contour, DCM_ContourImageSequence, 0), instance_of(s, slice));
        mt_dicom_put(contour, DCM_ContourGeometricType, "CLOSED_PLANAR");
        mt_dicom_put_integer(contour, DCM_NumberOfContourPoints, ring->len);
        contour->putAndInsertString(DCM_ContourData, points->str);
    }
}

static void put_structure(DcmDataset *set, const structures *s, const char *name, int number)
{
    static const char *const colours[] = {"220\\50\\47", "38\\139\\210", "133\\153\\0", "181\\137\\0", "211\\54\\130", "42\\161\\152"};
    DcmItem                 *structure = mt_dicom_item(set, DCM_StructureSetROISequence, APPEND);
    DcmItem                 *observation = mt_dicom_item(set, DCM_RTROIObservationsSequence, APPEND);
    DcmItem                 *roi = mt_dicom_item(set, DCM_ROIContourSequence, APPEND);
    g_autofree char         *words = mt_dicom_words(name, 64);

    mt_dicom_put_integer(structure, DCM_ROINumber, number);
    mt_dicom_put(structure, DCM_ReferencedFrameOfReferenceUID, s->frame_uid);
    mt_dicom_put(structure, DCM_ROIName, words);
    mt_dicom_put(structure, DCM_ROIGenerationAlgorithm, "AUTOMATIC");
    mt_dicom_put_integer(observation, DCM_ObservationNumber, number);
    mt_dicom_put_integer(observation, DCM_ReferencedROINumber, number);
    mt_dicom_put(observation, DCM_RTROIInterpretedType, NULL);
    mt_dicom_put(observation, DCM_ROIInterpreter, NULL);
    roi->putAndInsertString(DCM_ROIDisplayColor, colours[(number - 1) % (int)G_N_ELEMENTS(colours)]);
    mt_dicom_put_integer(roi, DCM_ReferencedROINumber, number);
}

/* Slice by slice, each read once. */
static bool put_slices(DcmDataset *set, const structures *s, uint8_t *map, uint8_t *mask, GError **error)
{
    int64_t px = s->frames.columns * s->frames.rows;

    for (int64_t k = 0; k < s->frames.n; k++) {
        if (!mt_dicom_frames_read(&s->frames, k, map, error))
            return false;
        for (guint i = 0; i < s->segments->len; i++) {
            const mt_dicom_segment *segment = (const mt_dicom_segment *)s->segments->pdata[i];
            bool                    any = false;
            for (int64_t p = 0; p < px; p++)
                any |= (mask[p] = segment->members[map[p]]) != 0;
            if (any)
                put_contours(mt_dicom_item(set, DCM_ROIContourSequence, i), s, k, mask);
        }
    }
    return true;
}

static bool write_structures(structures *s, const char *path, GError **error)
{
    const mt_handover_case    *c = s->frames.c;
    const mt_dicom_object_kind kind = {UID_RTStructureSetStorage, "RTSTRUCT", 9906, "microtome structures", false};
    DcmDataset                 set;
    OFString                   date, time;
    int64_t                    px = s->frames.columns * s->frames.rows;

    mt_dicom_object_begin(&set, c, &kind);
    mt_dicom_put(&set, DCM_OperatorsName, NULL);
    mt_dicom_put(&set, DCM_StructureSetLabel, "MICROTOME");
    mt_dicom_put(&set, DCM_StructureSetDescription, "Research use only, not a diagnosis");
    set.findAndGetOFString(DCM_SeriesDate, date);
    set.findAndGetOFString(DCM_SeriesTime, time);
    mt_dicom_put(&set, DCM_StructureSetDate, date.c_str());
    mt_dicom_put(&set, DCM_StructureSetTime, time.c_str());
    mt_dicom_put(&set, DCM_FrameOfReferenceUID, s->frame_uid);
    mt_dicom_put(&set, DCM_PositionReferenceIndicator, c->identity->position_reference);
    put_reference(&set, s);
    for (guint i = 0; i < s->segments->len; i++)
        put_structure(&set, s, ((const mt_dicom_segment *)s->segments->pdata[i])->name, (int)i + 1);
    uint8_t *map = (uint8_t *)mt_alloc(2 * px, 1, error);
    bool     ok = map != NULL && put_slices(&set, s, map, map + px, error) && mt_dicom_object_write(&set, c, NULL, path, error);
    mt_free(map);
    return ok;
}

bool mt_dicom_rtstruct_write(const mt_handover_case *c, const char *path, GError **error)
{
    structures       s = {};
    g_autofree char *own = NULL;

    if (c->identity->geometry != MT_DICOM_VOLUME)
        return mt_refuse(error, MT_ERROR_INPUT, "structures are of slices in a patient: a picture or slide has none");
    if (!mt_dicom_frames_init(&s.frames, c, MT_OBJECT_SEGMENTATION, error))
        return false;
    if (s.frames.dtype != MT_U8)
        return mt_refuse(error, MT_ERROR_INPUT, "%s is of %s", s.frames.object, mt_dtype_name(s.frames.dtype));
    s.segments = mt_dicom_segments(c->result);
    own = c->identity->frame_uid == NULL ? mt_handover_uid(c, "frame") : NULL;
    s.frame_uid = own != NULL ? own : c->identity->frame_uid;
    bool ok = s.segments->len > 0 ? write_structures(&s, path, error) : mt_refuse(error, MT_ERROR_INPUT, "its map names no labels");
    g_ptr_array_unref(s.segments);
    return ok;
}
