#include "src/export/dicom_identity.h"

#include <microtome/error.h>

#include <cmath>
#include <cstring>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

/* Every text in UTF-8, whatever the file's character set is; false where it cannot be.  Many files declare none and have UTF-8 all the same:
 * that is seen when texts are taken.  DCMTK over glibc does not know the Japanese sets, whose escapes are those of *codeset (else NULL). */
static bool turn_to_utf8(DcmDataset *set, const char **codeset)
{
    OFString declared;

    set->findAndGetOFStringArray(DCM_SpecificCharacterSet, declared);
    *codeset = strstr(declared.c_str(), "IR 87") != NULL || strstr(declared.c_str(), "IR 159") != NULL ? "ISO-2022-JP-2" : NULL;
    return *codeset != NULL || declared.empty() || declared == "ISO_IR 192" || set->convertToUTF8().good();
}

/* NULL for an absent or empty one; false for one that is no text. */
static bool take(DcmDataset *set, const DcmTagKey &tag, const char *codeset, char **to)
{
    OFString text;

    *to = NULL;
    if (set->findAndGetOFStringArray(tag, text).bad())
        return true;
    char *copy = codeset != NULL ? g_convert(text.c_str(), -1, "UTF-8", codeset, NULL, NULL, NULL) : g_strdup(text.c_str());
    if (copy == NULL || !g_utf8_validate(copy, -1, NULL)) {
        g_free(copy);
        return false;
    }
    *to = g_strstrip(copy);
    if (**to == '\0')
        g_clear_pointer(to, g_free);
    return true;
}

static bool take_texts(DcmDataset *set, const char *codeset, mt_dicom_identity *d)
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
        if (!take(set, all[i].tag, codeset, all[i].to))
            return false;
    return true;
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
    const char *codeset = NULL;
    if (!turn_to_utf8(file.getDataset(), &codeset) || !take_texts(file.getDataset(), codeset, d)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read the identity of %s: its texts are not of the character set that it declares (Specific Character Set)", name);
        return false;
    }
    take_slide(file.getDataset(), d);
    return true;
}
