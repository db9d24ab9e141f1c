#include "src/export/dicom_identity.h"

#include <microtome/error.h>

#include <cmath>
#include <cstring>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

/* Every text in UTF-8, whatever the file's character set is; bytes that belong to none are refused. */
static bool turn_to_utf8(DcmDataset *set)
{
    OFString declared;

    set->findAndGetOFStringArray(DCM_SpecificCharacterSet, declared);
    return declared == "ISO_IR 192" || set->convertToUTF8().good();
}

static char *take(DcmDataset *set, const DcmTagKey &tag)
{
    OFString text;

    if (set->findAndGetOFStringArray(tag, text).bad())
        return NULL;
    char *copy = g_strstrip(g_strdup(text.c_str()));
    if (*copy == '\0')
        g_clear_pointer(&copy, g_free);
    return copy;
}

static void take_texts(DcmDataset *set, mt_dicom_identity *d)
{
    const struct {
        char    **to;
        DcmTagKey tag;
    } all[] = {{&d->patient_name, DCM_PatientName},
               {&d->patient_id, DCM_PatientID},
               {&d->patient_id_issuer, DCM_IssuerOfPatientID},
               {&d->birth_date, DCM_PatientBirthDate},
               {&d->sex, DCM_PatientSex},
               {&d->study_uid, DCM_StudyInstanceUID},
               {&d->study_id, DCM_StudyID},
               {&d->study_date, DCM_StudyDate},
               {&d->study_time, DCM_StudyTime},
               {&d->accession, DCM_AccessionNumber},
               {&d->referring, DCM_ReferringPhysicianName},
               {&d->study_description, DCM_StudyDescription},
               {&d->frame_uid, DCM_FrameOfReferenceUID},
               {&d->position_reference, DCM_PositionReferenceIndicator},
               {&d->series_uid, DCM_SeriesInstanceUID},
               {&d->modality, DCM_Modality},
               {&d->body_part, DCM_BodyPartExamined},
               {&d->laterality, DCM_Laterality},
               {&d->container, DCM_ContainerIdentifier}};

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        *all[i].to = take(set, all[i].tag);
}

/* Where a slide's first pixel lies on the glass and how its rows run; as most scanners have it where the file does not say. */
static void take_slide(DcmDataset *set, mt_dicom_identity *d)
{
    const double usual[6] = {0, -1, 0, -1, 0, 0};
    double       v[6];
    DcmItem     *origin = NULL;
    bool         said = true;

    for (unsigned long i = 0; i < 6; i++)
        said = said && set->findAndGetFloat64(DCM_ImageOrientationSlide, v[i], i).good() && std::isfinite(v[i]);
    memcpy(d->row, said ? v : usual, sizeof d->row);
    memcpy(d->column, said ? v + 3 : usual + 3, sizeof d->column);
    d->origin[0] = d->origin[1] = 0;
    if (set->findAndGetSequenceItem(DCM_TotalPixelMatrixOriginSequence, origin).good() && origin != NULL &&
        origin->findAndGetFloat64(DCM_XOffsetInSlideCoordinateSystem, v[0]).good() &&
        origin->findAndGetFloat64(DCM_YOffsetInSlideCoordinateSystem, v[1]).good())
        memcpy(d->origin, v, sizeof d->origin);
}

bool mt_dicom_patient_read(const char *path, mt_dicom_identity *d, GError **error)
{
    DcmFileFormat     file;
    g_autofree char  *name = g_path_get_basename(path);
    const DcmTagKey   until(0x7fe0, 0x0008);
    const OFCondition status = file.loadFileUntilTag(path, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_autoDetect, until);

    if (status.bad()) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the identity of %s: %s", name, status.text());
        return false;
    }
    if (!turn_to_utf8(file.getDataset())) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read the identity of %s: its texts are not of the character set that it declares (Specific Character Set)", name);
        return false;
    }
    take_texts(file.getDataset(), d);
    take_slide(file.getDataset(), d);
    return true;
}
