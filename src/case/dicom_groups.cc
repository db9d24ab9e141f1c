#include "src/case/dicom_groups.h"

#include <microtome/error.h>

#include <cmath>
#include <cstring>

#define SHOWN_BYTES 64
#define MAX_OFFSETS 4096

bool mt_dicom_text(DcmItem *set, const DcmTagKey &tag, unsigned long index, OFString &text)
{
    DcmElement *element = NULL;

    text.clear();
    if (set->findAndGetElement(tag, element).bad() || element == NULL || index >= element->getVM() ||
        element->getOFString(text, index).bad())
        return false;
    size_t end = text.length(), start = 0;
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\0'))
        end--;
    while (start < end && text[start] == ' ')
        start++;
    text = text.substr(start, end - start);
    return true;
}

bool mt_dicom_number(DcmItem *set, const DcmTagKey &tag, unsigned long index, double *value)
{
    OFString text;

    if (!mt_dicom_text(set, tag, index, text) || text.empty())
        return false;
    char  *end = NULL;
    double number = g_ascii_strtod(text.c_str(), &end);
    if (*end != '\0' || !std::isfinite(number))
        return false;
    *value = number;
    return true;
}

char *mt_dicom_shown(const OFString &text)
{
    char *shown = g_strndup(text.c_str(), SHOWN_BYTES);

    for (char *c = shown; *c != '\0'; c++)
        if (!g_ascii_isprint(*c))
            *c = '?';
    return g_strstrip(shown);
}

static void normalise(double v[3])
{
    double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);

    for (int i = 0; length > 0 && i < 3; i++)
        v[i] /= length;
}

/* Two directions at right angles to each other, within what text rounds away. */
static void take_orientation(DcmItem *item, mt_dicom_place *p)
{
    double v[6], dot = 0;

    for (unsigned long i = 0; i < 6; i++)
        if (!mt_dicom_number(item, DCM_ImageOrientationPatient, i, &v[i]))
            return;
    memcpy(p->row, v, sizeof p->row);
    memcpy(p->column, v + 3, sizeof p->column);
    normalise(p->row);
    normalise(p->column);
    for (int i = 0; i < 3; i++)
        dot += p->row[i] * p->column[i];
    double length = std::fabs(p->row[0]) + std::fabs(p->row[1]) + std::fabs(p->row[2]);
    double height = std::fabs(p->column[0]) + std::fabs(p->column[1]) + std::fabs(p->column[2]);
    p->has_orientation = std::fabs(dot) < 0.01 && length > 0.5 && height > 0.5;
}

static void take_position(DcmItem *item, mt_dicom_place *p)
{
    double v[3];

    for (unsigned long i = 0; i < 3; i++)
        if (!mt_dicom_number(item, DCM_ImagePositionPatient, i, &v[i]))
            return;
    memcpy(p->position, v, sizeof v);
    p->has_position = true;
}

static void take_measures(DcmItem *item, mt_dicom_place *p)
{
    double x, y;

    if (mt_dicom_number(item, DCM_PixelSpacing, 0, &y) && mt_dicom_number(item, DCM_PixelSpacing, 1, &x)) {
        p->spacing[0] = x;
        p->spacing[1] = y;
    }
    mt_dicom_number(item, DCM_SliceThickness, 0, &p->thickness);
    mt_dicom_number(item, DCM_SpacingBetweenSlices, 0, &p->between);
}

static void take_rescale(DcmItem *item, mt_dicom_place *p)
{
    double slope, intercept;

    if (mt_dicom_number(item, DCM_RescaleSlope, 0, &slope) && slope != 0 && mt_dicom_number(item, DCM_RescaleIntercept, 0, &intercept)) {
        p->slope = slope;
        p->intercept = intercept;
    }
}

static DcmItem *first_item(DcmItem *group, const DcmTagKey &sequence)
{
    DcmItem *item = NULL;

    return group->findAndGetSequenceItem(sequence, item, 0).good() ? item : NULL;
}

static void take_tile(DcmItem *item, mt_dicom_place *p)
{
    double x, y;

    if (mt_dicom_number(item, DCM_ColumnPositionInTotalImagePixelMatrix, 0, &x) &&
        mt_dicom_number(item, DCM_RowPositionInTotalImagePixelMatrix, 0, &y) && std::fabs(x) < 1e12 && std::fabs(y) < 1e12) {
        p->tile_x = (int64_t)x - 1;
        p->tile_y = (int64_t)y - 1;
    }
}

/* The functional groups that say where a frame stands. */
static void take_group(DcmItem *group, mt_dicom_place *p)
{
    DcmItem *item;

    if ((item = first_item(group, DCM_PlanePositionSequence)) != NULL)
        take_position(item, p);
    if ((item = first_item(group, DCM_PlaneOrientationSequence)) != NULL)
        take_orientation(item, p);
    if ((item = first_item(group, DCM_PixelMeasuresSequence)) != NULL)
        take_measures(item, p);
    if ((item = first_item(group, DCM_PixelValueTransformationSequence)) != NULL)
        take_rescale(item, p);
    if ((item = first_item(group, DCM_PlanePositionSlideSequence)) != NULL)
        take_tile(item, p);
}

/* Dose grids give one position and the way from it along the normal. */
static void take_offsets(mt_dicom_file *f, DcmItem *set)
{
    mt_dicom_place *p = f->places;
    double          first, offset, n[3];

    if (f->frames < 2 || f->frames > MAX_OFFSETS || !p->has_position || !p->has_orientation ||
        !mt_dicom_number(set, DCM_GridFrameOffsetVector, 0, &first))
        return;
    for (int i = 0; i < 3; i++)
        n[i] = p->row[(i + 1) % 3] * p->column[(i + 2) % 3] - p->row[(i + 2) % 3] * p->column[(i + 1) % 3];
    for (int64_t k = 1; k < f->frames; k++) {
        if (!mt_dicom_number(set, DCM_GridFrameOffsetVector, (unsigned long)k, &offset))
            return;
        for (int i = 0; i < 3; i++)
            p[k].position[i] = p->position[i] + (offset - first) * n[i];
        p[k].has_position = true;
    }
}

/* Frames of two stacks are two volumes in one file, even where they stand in one line. */
static void take_stack(mt_dicom_file *f, DcmItem *group, OFString &first)
{
    DcmItem *item = first_item(group, DCM_FrameContentSequence);
    OFString stack;

    if (item == NULL || !mt_dicom_text(item, DCM_StackID, 0, stack) || stack.empty())
        return;
    if (first.empty())
        first = stack;
    else if (first != stack)
        f->many_stacks = true;
}

static void take_frames(mt_dicom_file *f, DcmItem *set)
{
    DcmSequenceOfItems *frames = NULL;
    OFString            stack;
    int64_t             k = 0;

    if (set->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames).bad() || frames == NULL)
        return;
    for (DcmObject *group = frames->nextInContainer(NULL); group != NULL && k < f->frames; group = frames->nextInContainer(group)) {
        take_group((DcmItem *)group, &f->places[k++]);
        take_stack(f, (DcmItem *)group, stack);
    }
}

bool mt_dicom_groups_read(mt_dicom_file *f, DcmItem *set, GError **error)
{
    mt_dicom_place whole = {};
    DcmItem       *shared = first_item(set, DCM_SharedFunctionalGroupsSequence);

    (void)error;
    whole.slope = 1;
    whole.tile_x = whole.tile_y = -1;
    take_position(set, &whole);
    take_orientation(set, &whole);
    take_measures(set, &whole);
    take_rescale(set, &whole);
    if (shared != NULL)
        take_group(shared, &whole);
    for (int64_t k = 0; k < f->frames; k++) {
        f->places[k] = whole;
        /* one position for many frames is that of the first */
        f->places[k].has_position = whole.has_position && k == 0;
    }
    take_frames(f, set);
    take_offsets(f, set);
    return true;
}
