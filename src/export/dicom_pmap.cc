/* DICOM Parametric Map in floating point: /map/probability or /map/error, else what the tiles of the case say. */
#include "src/export/dicom_multiframe.h"

extern "C" {
#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/export/dicom_codes.h"
#include "src/store/schema.h"

#include <microtome/heatmap.h>
}

#include <cmath>

typedef struct pmap {
    mt_dicom_frames    frames;
    mt_handover_case   across;   /* with `planes` in the place of the source's slices */
    mt_dicom_identity *planes;   /* NULL: the source's slices it is */
    const char        *quantity; /* "probability" */
    char              *meaning;  /* "probability of nodule" */
    float             *values;   /* of one frame */
} pmap;

static const char *const SOURCES[] = {"", "evidence", "attention", "tile score", "segmentation", "probability", "reconstruction error"};

/* What the numbers stand for: as they are, without a unit. */
static void put_mapping(DcmItem *shared, const pmap *p)
{
    DcmItem         *mapping = mt_dicom_item(shared, DCM_RealWorldValueMappingSequence, 0);
    DcmItem         *quantity = mt_dicom_item(mapping, DCM_QuantityDefinitionSequence, 0);
    g_autofree char *words = mt_dicom_words(p->meaning, 64), *label = mt_dicom_words(p->quantity, 16);
    mt_dicom_code    code = mt_dicom_code_of(p->quantity);

    mt_dicom_put(mapping, DCM_LUTExplanation, words);
    mt_dicom_put(mapping, DCM_LUTLabel, label);
    mapping->putAndInsertFloat64(DCM_DoubleFloatRealWorldValueFirstValueMapped, 0);
    mapping->putAndInsertFloat64(DCM_DoubleFloatRealWorldValueLastValueMapped, 1);
    mapping->putAndInsertFloat64(DCM_RealWorldValueIntercept, 0);
    mapping->putAndInsertFloat64(DCM_RealWorldValueSlope, 1);
    mt_dicom_put_code(mapping, DCM_MeasurementUnitsCodeSequence, "1", "UCUM", "no units");
    mt_dicom_put(quantity, DCM_ValueType, "CODE");
    mt_dicom_put_code(quantity, DCM_ConceptNameCodeSequence, "246205007", "SCT", "Quantity");
    mt_dicom_put_code(quantity, DCM_ConceptCodeSequence, code.value, code.scheme, code.meaning);
    mt_dicom_code_clear(&code);
}

static void put_image(DcmDataset *set, const pmap *p)
{
    const char *type = "DERIVED\\PRIMARY\\VOLUME\\NONE";
    DcmItem    *shared = mt_dicom_item(set, DCM_SharedFunctionalGroupsSequence, 0);
    DcmItem    *window = mt_dicom_item(shared, DCM_FrameVOILUTSequence, 0);
    DcmItem    *transformation = mt_dicom_item(shared, DCM_PixelValueTransformationSequence, 0);

    mt_dicom_put(set, DCM_ImageType, type);
    mt_dicom_put(set, DCM_ContentLabel, "PARAMETRIC_MAP");
    mt_dicom_put(set, DCM_ContentDescription, p->quantity);
    mt_dicom_put(set, DCM_ContentCreatorName, NULL);
    mt_dicom_put(set, DCM_ContentQualification, "RESEARCH");
    mt_dicom_put(set, DCM_RecognizableVisualFeatures, "NO");
    mt_dicom_put(set, DCM_BurnedInAnnotation, "NO");
    mt_dicom_put(set, DCM_LossyImageCompression, "00");
    mt_dicom_put(set, DCM_PresentationLUTShape, "IDENTITY");
    mt_dicom_put_integer(set, DCM_SamplesPerPixel, 1);
    mt_dicom_put(set, DCM_PhotometricInterpretation, "MONOCHROME2");
    mt_dicom_put_integer(set, DCM_BitsAllocated, 32);
    if (p->frames.heat != NULL) {
        set->putAndInsertFloat32(DCM_FloatPixelPaddingValue, MT_DICOM_NO_HEAT);
        set->putAndInsertFloat32(DCM_FloatPixelPaddingRangeLimit, MT_DICOM_NO_HEAT);
    }
    set->insertEmptyElement(DCM_AcquisitionContextSequence);
    mt_dicom_put(set, DCM_Laterality, p->frames.c->identity->laterality);
    put_mapping(shared, p);
    mt_dicom_put(mt_dicom_item(shared, DCM_ParametricMapFrameTypeSequence, 0), DCM_FrameType, type);
    mt_dicom_put(window, DCM_WindowCenter, "0.5");
    mt_dicom_put(window, DCM_WindowWidth, "1");
    mt_dicom_put(transformation, DCM_RescaleIntercept, "0");
    mt_dicom_put(transformation, DCM_RescaleSlope, "1");
    mt_dicom_put(transformation, DCM_RescaleType, "US");
}

static bool put_frames(void *user, mt_dicom_sink *sink, GError **error)
{
    pmap         *p = (pmap *)user;
    const int64_t px = p->frames.rows * p->frames.columns;

    for (int64_t i = 0; i < p->frames.n; i++) {
        if (!mt_dicom_frames_read(&p->frames, i, p->values, error))
            return false;
        for (int64_t k = 0; k < px; k++)
            if (!std::isfinite(p->values[k]))
                return mt_refuse(error, MT_ERROR_INPUT, "%s has values that are not numbers", p->frames.object);
        if (!mt_dicom_sink_put(sink, p->values, (size_t)px * sizeof *p->values, error))
            return false;
    }
    return true;
}

/* The first of its maps, else its tiles. */
static bool choose(pmap *p, const mt_handover_case *c, GError **error)
{
    const char *const of = c->headline->positive != NULL ? c->headline->positive : "the positive label";
    const char *const objects[] = {MT_OBJECT_PROBABILITY, MT_OBJECT_ERROR_MAP};

    for (int i = 0; i < 2; i++)
        if (mt_result_has(c->result, objects[i])) {
            p->quantity = i == 0 ? "probability" : "error";
            p->meaning = i == 0 ? g_strdup_printf("probability of %s", of) : g_strdup("error of the reconstruction");
            return mt_dicom_frames_init(&p->frames, c, objects[i], error);
        }
    if (c->identity->geometry == MT_DICOM_VOLUME && c->identity->axis[2] != 2) {
        p->planes = mt_dicom_identity_planes(c->identity, c->result);
        p->across = *c;
        p->across.identity = p->planes;
    }
    if (!mt_dicom_frames_init_heat(&p->frames, p->planes != NULL ? &p->across : c, error))
        return false;
    p->quantity = SOURCES[p->frames.heat->source];
    p->meaning = g_strdup_printf("%s of %s", p->quantity, p->frames.heat->label != NULL ? p->frames.heat->label : "the case");
    return true;
}

static bool write_object(pmap *p, const char *path, GError **error)
{
    const mt_handover_case    *c = p->frames.c;
    const mt_dicom_object_kind kind = {UID_ParametricMapStorage, c->identity->geometry == MT_DICOM_SLIDE ? "SM" : "OT", 9903,
                                       "microtome parametric map", false};
    const int64_t              px = p->frames.rows * p->frames.columns;
    DcmDataset                 set;

    if (c->identity->geometry == MT_DICOM_PICTURE)
        return mt_refuse(error, MT_ERROR_INPUT,
                         "a parametric map stands in a patient or on a slide, and its source has no place: seg-fractional and sc "
                         "want none");
    if (p->frames.dtype != MT_F32)
        return mt_refuse(error, MT_ERROR_INPUT, "%s is of %s", p->frames.object, mt_dtype_name(p->frames.dtype));
    p->values = (float *)mt_alloc(px, sizeof *p->values, error);
    if (p->values == NULL)
        return false;
    mt_dicom_object_begin(&set, c, &kind);
    mt_dicom_multiframe_begin(&set, &p->frames, p->frames.n, false);
    put_image(&set, p);
    for (int64_t i = 0; i < p->frames.n; i++)
        mt_dicom_multiframe_add(&set, &p->frames, i, 0);
    const mt_dicom_bulk bulk = {DCM_FloatPixelData, "OF", (uint64_t)(px * p->frames.n) * sizeof *p->values, put_frames, p};
    return mt_dicom_object_write(&set, c, &bulk, path, error);
}

bool mt_dicom_pmap_write(const mt_handover_case *c, const char *path, GError **error)
{
    pmap p = {};
    bool ok = choose(&p, c, error) && write_object(&p, path, error);

    mt_free(p.values);
    g_free(p.meaning);
    mt_dicom_frames_clear(&p.frames);
    mt_dicom_identity_free_planes(p.planes);
    return ok;
}
