#include "src/export/dicom_content.h"

#define APPEND (-2) /* DCMTK: a new item behind the last */

static void put_concept(DcmItem *item, const DcmTagKey &sequence, const mt_dicom_concept &concept)
{
    g_autofree char *meaning = mt_dicom_words(concept.meaning, 64);

    mt_dicom_put_code(item, sequence, concept.value, concept.scheme, meaning);
}

static DcmItem *add(DcmItem *parent, const char *relation, const char *type, const mt_dicom_concept *name)
{
    DcmItem *item = mt_dicom_item(parent, DCM_ContentSequence, APPEND);

    mt_dicom_put(item, DCM_RelationshipType, relation);
    mt_dicom_put(item, DCM_ValueType, type);
    if (name != NULL)
        put_concept(item, DCM_ConceptNameCodeSequence, *name);
    return item;
}

DcmItem *mt_dicom_content_container(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *template_id)
{
    DcmItem *item = add(parent, relation, "CONTAINER", &name);

    mt_dicom_put(item, DCM_ContinuityOfContent, "SEPARATE");
    if (template_id != NULL) {
        DcmItem *of = mt_dicom_item(item, DCM_ContentTemplateSequence, 0);
        mt_dicom_put(of, DCM_MappingResource, "DCMR");
        mt_dicom_put(of, DCM_TemplateIdentifier, template_id);
    }
    return item;
}

DcmItem *mt_dicom_content_text(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *text)
{
    DcmItem         *item = add(parent, relation, "TEXT", &name);
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    mt_dicom_put(item, DCM_TextValue, *valid != '\0' ? valid : "-");
    return item;
}

DcmItem *mt_dicom_content_code(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const mt_dicom_concept &value)
{
    DcmItem *item = add(parent, relation, "CODE", &name);

    put_concept(item, DCM_ConceptCodeSequence, value);
    return item;
}

DcmItem *mt_dicom_content_uid(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *uid)
{
    DcmItem *item = add(parent, relation, "UIDREF", &name);

    mt_dicom_put(item, DCM_UID, uid);
    return item;
}

DcmItem *mt_dicom_content_number(DcmItem *parent, const char *relation, const mt_dicom_concept &name, double value, const char *unit)
{
    const struct {
        const char *unit, *meaning;
    } units[] = {{"1", "no units"},
                 {"mm", "millimeter"},
                 {"mm2", "square millimeter"},
                 {"mm3", "cubic millimeter"},
                 {"/mm2", "per square millimeter"}};
    DcmItem    *item = add(parent, relation, "NUM", &name), *measured = mt_dicom_item(item, DCM_MeasuredValueSequence, 0);
    const char *meaning = unit;

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
        meaning = strcmp(units[i].unit, unit) == 0 ? units[i].meaning : meaning;
    mt_dicom_put_number(measured, DCM_NumericValue, value);
    measured->putAndInsertFloat64(DCM_FloatingPointValue, value);
    mt_dicom_put_code(measured, DCM_MeasurementUnitsCodeSequence, unit, "UCUM", meaning);
    return item;
}

DcmItem *mt_dicom_content_image(DcmItem *parent, const char *relation, const mt_dicom_concept *name, const char *sop_class,
                                const char *sop_instance, int64_t frame, int64_t segment)
{
    DcmItem *item = add(parent, relation, "IMAGE", name), *image = mt_dicom_item(item, DCM_ReferencedSOPSequence, 0);

    mt_dicom_put(image, DCM_ReferencedSOPClassUID, sop_class);
    mt_dicom_put(image, DCM_ReferencedSOPInstanceUID, sop_instance);
    if (frame > 0)
        mt_dicom_put_integer(image, DCM_ReferencedFrameNumber, frame);
    if (segment > 0)
        mt_dicom_put_integer(image, DCM_ReferencedSegmentNumber, segment);
    return item;
}

DcmItem *mt_dicom_content_point(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const double mm[3],
                                const char *frame_uid)
{
    DcmItem      *item = add(parent, relation, "SCOORD3D", &name);
    const Float32 at[3] = {(Float32)mm[0], (Float32)mm[1], (Float32)mm[2]};

    item->putAndInsertFloat32Array(DCM_GraphicData, at, 3);
    mt_dicom_put(item, DCM_GraphicType, "POINT");
    mt_dicom_put(item, DCM_ReferencedFrameOfReferenceUID, frame_uid);
    return item;
}
