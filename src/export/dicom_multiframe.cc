#include "src/export/dicom_multiframe.h"

extern "C" {
#include "src/export/dicom_codes.h"
}

#define APPEND (-2)            /* DCMTK: a new item behind the last */
#define USUAL_SECTION_MM 0.004 /* how thick a section of tissue is, where nobody says */

static bool is_slide(const mt_dicom_frames *f)
{
    return f->c->identity->geometry == MT_DICOM_SLIDE;
}

static void put_dimension(DcmDataset *set, const char *organization, const DcmTagKey &pointer, const DcmTagKey &group, const char *label)
{
    DcmItem *item = mt_dicom_item(set, DCM_DimensionIndexSequence, APPEND);

    mt_dicom_put(item, DCM_DimensionOrganizationUID, organization);
    item->putAndInsertTagKey(DCM_DimensionIndexPointer, pointer);
    item->putAndInsertTagKey(DCM_FunctionalGroupPointer, group);
    mt_dicom_put(item, DCM_DimensionDescriptionLabel, label);
}

static void put_dimensions(DcmDataset *set, const mt_dicom_frames *f, bool segmented)
{
    g_autofree char *organization = mt_handover_uid_of(f->c, f->c->kind, "dimensions");

    mt_dicom_put(mt_dicom_item(set, DCM_DimensionOrganizationSequence, 0), DCM_DimensionOrganizationUID, organization);
    if (segmented)
        put_dimension(set, organization, DCM_ReferencedSegmentNumber, DCM_SegmentIdentificationSequence, "Segment");
    if (is_slide(f)) {
        put_dimension(set, organization, DCM_RowPositionInTotalImagePixelMatrix, DCM_PlanePositionSlideSequence, "Row");
        put_dimension(set, organization, DCM_ColumnPositionInTotalImagePixelMatrix, DCM_PlanePositionSlideSequence, "Column");
        mt_dicom_put(set, DCM_DimensionOrganizationType, "TILED_FULL");
    } else if (f->c->identity->geometry == MT_DICOM_VOLUME) {
        put_dimension(set, organization, DCM_ImagePositionPatient, DCM_PlanePositionSequence, "Position");
    } else {
        put_dimension(set, organization, DCM_InStackPositionNumber, DCM_FrameContentSequence, "Frame");
    }
}

static void put_slide(DcmDataset *set, const mt_dicom_frames *f)
{
    const mt_dicom_identity *d = f->c->identity;
    const double             directions[6] = {d->row[0], d->row[1], d->row[2], d->column[0], d->column[1], d->column[2]};
    DcmItem                 *origin = mt_dicom_item(set, DCM_TotalPixelMatrixOriginSequence, 0);

    mt_dicom_put_integer(set, DCM_TotalPixelMatrixColumns, f->shape[2]);
    mt_dicom_put_integer(set, DCM_TotalPixelMatrixRows, f->shape[1]);
    mt_dicom_put_integer(set, DCM_TotalPixelMatrixFocalPlanes, 1);
    mt_dicom_put_numbers(set, DCM_ImageOrientationSlide, directions, 6);
    mt_dicom_put_number(origin, DCM_XOffsetInSlideCoordinateSystem, f->origin[0]);
    mt_dicom_put_number(origin, DCM_YOffsetInSlideCoordinateSystem, f->origin[1]);
}

static void put_derivation(DcmItem *derivation, const mt_dicom_frames *f)
{
    if (f->dtype == MT_U8)
        mt_dicom_put_code(derivation, DCM_DerivationCodeSequence, "113076", "DCM", "Segmentation");
    else
        mt_dicom_put_code(derivation, DCM_DerivationCodeSequence, "MODEL", MT_DICOM_PRIVATE_SCHEME, "Output of a model");
}

/* The pixels that a frame was made of. */
static void put_source(DcmItem *frame, const mt_dicom_frames *f, const mt_dicom_instance *one)
{
    if (one->sop_instance == NULL || one->sop_class == NULL)
        return;
    DcmItem *derivation = mt_dicom_item(frame, DCM_DerivationImageSequence, 0);
    DcmItem *source = mt_dicom_item(derivation, DCM_SourceImageSequence, APPEND);
    put_derivation(derivation, f);
    mt_dicom_put_code(source, DCM_PurposeOfReferenceCodeSequence, "121322", "DCM", "Source image for image processing operation");
    mt_dicom_put(source, DCM_SpatialLocationsPreserved, "YES");
    mt_dicom_put(source, DCM_ReferencedSOPClassUID, one->sop_class);
    mt_dicom_put(source, DCM_ReferencedSOPInstanceUID, one->sop_instance);
    if (one->frame > 0)
        mt_dicom_put_integer(source, DCM_ReferencedFrameNumber, one->frame);
}

/* Made of a slide that is no DICOM: there are no instances to name. */
static void put_derived(DcmItem *shared, const mt_dicom_frames *f)
{
    DcmItem *derivation = mt_dicom_item(shared, DCM_DerivationImageSequence, 0);

    put_derivation(derivation, f);
    derivation->insertEmptyElement(DCM_SourceImageSequence);
}

static void put_shared(DcmDataset *set, const mt_dicom_frames *f)
{
    const mt_dicom_identity *d = f->c->identity;
    const double             directions[6] = {d->row[0], d->row[1], d->row[2], d->column[0], d->column[1], d->column[2]};
    const double             spacing[2] = {f->spacing[1], f->spacing[0]}; /* between rows, then between columns */
    DcmItem                 *shared = mt_dicom_item(set, DCM_SharedFunctionalGroupsSequence, 0);

    if (d->geometry != MT_DICOM_PICTURE) {
        const double between = d->spacing[2] > 0 ? d->spacing[2] : 1;
        const double thickness = is_slide(f) ? USUAL_SECTION_MM : d->thickness > 0 ? d->thickness : between;
        DcmItem     *measures = mt_dicom_item(shared, DCM_PixelMeasuresSequence, 0);
        mt_dicom_put_numbers(measures, DCM_PixelSpacing, spacing, 2);
        mt_dicom_put_number(measures, DCM_SliceThickness, thickness);
        if (!is_slide(f) && d->size[2] > 1)
            mt_dicom_put_number(measures, DCM_SpacingBetweenSlices, between);
    }
    if (d->geometry == MT_DICOM_VOLUME)
        mt_dicom_put_numbers(mt_dicom_item(shared, DCM_PlaneOrientationSequence, 0), DCM_ImageOrientationPatient, directions, 6);
    for (guint i = 0; is_slide(f) && i < d->instances->len; i++)
        put_source(shared, f, (const mt_dicom_instance *)d->instances->pdata[i]);
    if (is_slide(f) && d->instances->len == 0)
        put_derived(shared, f);
}

void mt_dicom_multiframe_begin(DcmDataset *set, const mt_dicom_frames *f, int64_t n, bool segmented)
{
    mt_dicom_put_integer(set, DCM_Rows, f->rows);
    mt_dicom_put_integer(set, DCM_Columns, f->columns);
    mt_dicom_put_integer(set, DCM_NumberOfFrames, n);
    if (f->c->identity->frame_uid != NULL) {
        mt_dicom_put(set, DCM_FrameOfReferenceUID, f->c->identity->frame_uid);
        mt_dicom_put(set, DCM_PositionReferenceIndicator, is_slide(f) ? "SLIDE_CORNER" : f->c->identity->position_reference);
    }
    put_dimensions(set, f, segmented);
    if (f->c->identity->geometry != MT_DICOM_VOLUME)
        mt_dicom_put(set, DCM_PatientOrientation, NULL);
    if (is_slide(f))
        put_slide(set, f);
    put_shared(set, f);
    mt_dicom_object_references(set, DCM_ReferencedInstanceSequence, f->c->identity);
}

/* Where a tile stands in the total matrix and on the glass. */
static void put_tile(DcmItem *frame, const mt_dicom_frames *f, int64_t place)
{
    const mt_dicom_identity *d = f->c->identity;
    const int64_t            column = place % f->across * f->columns, row = place / f->across * f->rows;
    DcmItem                 *at = mt_dicom_item(frame, DCM_PlanePositionSlideSequence, 0);
    double                   mm[3] = {f->origin[0], f->origin[1], 0};

    for (int a = 0; a < 2; a++)
        mm[a] += d->row[a] * (double)column * f->spacing[0] + d->column[a] * (double)row * f->spacing[1];
    mt_dicom_put_integer(at, DCM_ColumnPositionInTotalImagePixelMatrix, column + 1);
    mt_dicom_put_integer(at, DCM_RowPositionInTotalImagePixelMatrix, row + 1);
    mt_dicom_put_number(at, DCM_XOffsetInSlideCoordinateSystem, mm[0]);
    mt_dicom_put_number(at, DCM_YOffsetInSlideCoordinateSystem, mm[1]);
    mt_dicom_put_number(at, DCM_ZOffsetInSlideCoordinateSystem, mm[2]);
}

static void put_indices(DcmItem *content, const mt_dicom_frames *f, int64_t place, int64_t segment)
{
    Uint32        at[3];
    unsigned long n = 0;

    if (segment > 0)
        at[n++] = (Uint32)segment;
    if (is_slide(f))
        at[n++] = (Uint32)(place / f->across) + 1;
    at[n++] = (Uint32)(is_slide(f) ? place % f->across : place) + 1;
    content->putAndInsertUint32Array(DCM_DimensionIndexValues, at, n);
}

void mt_dicom_multiframe_add(DcmDataset *set, const mt_dicom_frames *f, int64_t place, int64_t segment)
{
    const mt_dicom_identity *d = f->c->identity;
    DcmItem                 *frame = mt_dicom_item(set, DCM_PerFrameFunctionalGroupsSequence, APPEND);
    DcmItem                 *content = mt_dicom_item(frame, DCM_FrameContentSequence, 0);

    put_indices(content, f, place, segment);
    if (segment > 0)
        mt_dicom_put_integer(mt_dicom_item(frame, DCM_SegmentIdentificationSequence, 0), DCM_ReferencedSegmentNumber, segment);
    if (is_slide(f)) {
        put_tile(frame, f, place);
        return;
    }
    const mt_dicom_instance *one = (const mt_dicom_instance *)d->instances->pdata[place];
    if (d->geometry == MT_DICOM_VOLUME) {
        mt_dicom_put_numbers(mt_dicom_item(frame, DCM_PlanePositionSequence, 0), DCM_ImagePositionPatient, one->position, 3);
    } else {
        mt_dicom_put(content, DCM_StackID, "1");
        mt_dicom_put_integer(content, DCM_InStackPositionNumber, place + 1);
    }
    put_source(frame, f, one);
}
