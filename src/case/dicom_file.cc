#include "src/case/dicom_file.h"

#include "src/case/dicom_groups.h"

#include <microtome/error.h>

extern "C" {
#include "src/base/alloc.h"
#include "src/base/limits.h"
}

#include <cmath>
#include <cstring>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>

static const char           *colour_names[] = {"MONOCHROME1", "MONOCHROME2",  "PALETTE COLOR", "RGB",
                                               "YBR_FULL",    "YBR_FULL_422", "YBR_RCT",       "YBR_ICT"};
static const mt_dicom_colour colours[] = {MT_DICOM_MONOCHROME1, MT_DICOM_MONOCHROME2,  MT_DICOM_PALETTE, MT_DICOM_RGB,
                                          MT_DICOM_YBR_FULL,    MT_DICOM_YBR_FULL_422, MT_DICOM_RGB,     MT_DICOM_RGB};

/* A whole number in a range; `value` stays where the attribute is absent. */
static bool take_integer(DcmItem *set, const DcmTagKey &tag, const char *name, int64_t low, int64_t high, int64_t *value, GError **error)
{
    OFString text;

    if (!mt_dicom_text(set, tag, 0, text) || text.empty())
        return true;
    char  *end = NULL;
    gint64 number = g_ascii_strtoll(text.c_str(), &end, 10);
    if (*end == '\0' && number >= low && number <= high) {
        *value = number;
        return true;
    }
    g_autofree char *shown = mt_dicom_shown(text);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its %s is \"%s\", not a number in %" G_GINT64_FORMAT "..%" G_GINT64_FORMAT, name, shown,
                low, high);
    return false;
}

static bool take_int(DcmItem *set, const DcmTagKey &tag, const char *name, int64_t low, int64_t high, int *value, GError **error)
{
    int64_t wide = *value;
    bool    ok = take_integer(set, tag, name, low, high, &wide, error);

    *value = (int)wide;
    return ok;
}

static bool take_colour(mt_dicom_file *f, DcmItem *set, GError **error)
{
    OFString text;

    f->colour = f->samples == 3 ? MT_DICOM_RGB : MT_DICOM_MONOCHROME2;
    if (!mt_dicom_text(set, DCM_PhotometricInterpretation, 0, text) || text.empty())
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(colours); i++) {
        bool three = colours[i] >= MT_DICOM_RGB;

        if (text != colour_names[i])
            continue;
        f->colour = colours[i];
        if (f->samples == (three ? 3 : 1))
            return true;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its photometric interpretation %s contradicts %d samples per pixel", colour_names[i],
                    f->samples);
        return false;
    }
    g_autofree char *shown = mt_dicom_shown(text);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its photometric interpretation \"%s\" is not read", shown);
    return false;
}

static bool check_bits(const mt_dicom_file *f, GError **error)
{
    if (f->layout->pixels != MT_DICOM_INTEGERS) {
        if (f->allocated == (f->layout->pixels == MT_DICOM_FLOATS ? 32 : 64) && f->samples == 1)
            return true;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its floating-point samples of %d bits, %d a pixel, are not read", f->allocated,
                    f->samples);
        return false;
    }
    bool known = f->allocated == 1 || f->allocated == 8 || f->allocated == 16 || f->allocated == 32;

    if (known && f->stored >= 1 && f->stored <= f->allocated && f->high >= f->stored - 1 && f->high < f->allocated)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its bits (%d allocated, %d stored, high bit %d) are not read", f->allocated, f->stored,
                f->high);
    return false;
}

static bool take_pixel_module(mt_dicom_file *f, DcmItem *set, GError **error)
{
    int     representation = 0, planar = 0;
    int64_t frames = 1;

    f->samples = 1;
    if (!take_integer(set, DCM_Rows, "Rows", 1, 65535, &f->rows, error) ||
        !take_integer(set, DCM_Columns, "Columns", 1, 65535, &f->columns, error) ||
        !take_integer(set, DCM_NumberOfFrames, "NumberOfFrames", 1, MT_LIMIT_DICOM_FRAMES, &frames, error) ||
        !take_int(set, DCM_SamplesPerPixel, "SamplesPerPixel", 1, 3, &f->samples, error) ||
        !take_int(set, DCM_BitsAllocated, "BitsAllocated", 1, 64, &f->allocated, error))
        return false;
    f->frames = frames;
    f->stored = f->allocated;
    if (!take_int(set, DCM_BitsStored, "BitsStored", 1, 64, &f->stored, error))
        return false;
    f->high = f->stored - 1;
    if (!take_int(set, DCM_HighBit, "HighBit", 0, 63, &f->high, error) ||
        !take_int(set, DCM_PixelRepresentation, "PixelRepresentation", 0, 1, &representation, error) ||
        !take_int(set, DCM_PlanarConfiguration, "PlanarConfiguration", 0, 1, &planar, error))
        return false;
    f->is_signed = representation == 1;
    f->planar = planar == 1;
    if (f->rows == 0 || f->columns == 0 || f->layout->pixels == MT_DICOM_NO_PIXELS) {
        f->rows = f->columns = 0;
        return true;
    }
    if (f->rows * f->columns * f->samples > MT_LIMIT_DICOM_FRAME_SAMPLES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "a frame of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels is over the limit",
                    f->columns, f->rows);
        return false;
    }
    return check_bits(f, error) && take_colour(f, set, error);
}

static char *take_text(DcmItem *set, const DcmTagKey &tag)
{
    OFString text;

    return mt_dicom_text(set, tag, 0, text) && !text.empty() ? mt_dicom_shown(text) : NULL;
}

/* All values of the attribute, as they stand. */
static char *take_values(DcmItem *set, const DcmTagKey &tag)
{
    OFString text;

    return set->findAndGetOFStringArray(tag, text).good() && !text.empty() ? mt_dicom_shown(text) : NULL;
}

/* An agent, unless the words say that there was none; enhanced files have a sequence of them. */
static bool takes_contrast(DcmItem *set)
{
    static const char *const nothing[] = {"NO", "NONE", "N", "NO CONTRAST", "WITHOUT", "0"};
    DcmItem                 *item = NULL;
    g_autofree char         *agent = take_text(set, DCM_ContrastBolusAgent);

    for (size_t i = 0; agent != NULL && i < G_N_ELEMENTS(nothing); i++)
        if (g_ascii_strcasecmp(agent, nothing[i]) == 0)
            return false;
    return agent != NULL || (set->findAndGetSequenceItem(DCM_ContrastBolusAgentSequence, item, 0).good() && item != NULL);
}

/* For order alone: a number that is none is no fault of the pixels. */
static int64_t take_order(DcmItem *set, const DcmTagKey &tag)
{
    double value;

    return mt_dicom_number(set, tag, 0, &value) && std::fabs(value) < 1e9 ? (int64_t)value : 0;
}

/* Of a single frame at the top; of many in the functional groups, the first that says it. */
static void take_time(DcmItem *set, const DcmTagKey &tag, const DcmTagKey &of_many, double *ms)
{
    Float64 value = 0;

    if (!mt_dicom_number(set, tag, 0, ms) && set->findAndGetFloat64(of_many, value, 0, OFTrue).good() && std::isfinite(value))
        *ms = value;
}

static void take_exam(mt_dicom_exam *exam, DcmItem *set)
{
    exam->protocol = take_text(set, DCM_ProtocolName);
    exam->view = take_text(set, DCM_ViewPosition);
    exam->laterality = take_text(set, DCM_ImageLaterality);
    if (exam->laterality == NULL)
        exam->laterality = take_text(set, DCM_Laterality);
    exam->scanning = take_values(set, DCM_ScanningSequence);
    exam->contrast = takes_contrast(set);
    take_time(set, DCM_RepetitionTime, DCM_RepetitionTime, &exam->repetition_ms);
    take_time(set, DCM_EchoTime, DCM_EffectiveEchoTime, &exam->echo_ms);
    take_time(set, DCM_InversionTime, DCM_InversionTimes, &exam->inversion_ms);
    exam->b_value = -1;
    take_time(set, DCM_DiffusionBValue, DCM_DiffusionBValue, &exam->b_value);
    exam->series_number = take_order(set, DCM_SeriesNumber);
    exam->acquisition = take_order(set, DCM_AcquisitionNumber);
}

static void take_names(mt_dicom_file *f, DcmItem *set)
{
    f->modality = take_text(set, DCM_Modality);
    f->sop_class = take_text(set, DCM_SOPClassUID);
    f->sop_instance = take_text(set, DCM_SOPInstanceUID);
    f->study = take_text(set, DCM_StudyInstanceUID);
    f->series = take_text(set, DCM_SeriesInstanceUID);
    f->frame_of_reference = take_text(set, DCM_FrameOfReferenceUID);
    f->body_part = take_text(set, DCM_BodyPartExamined);
    f->image_type = take_values(set, DCM_ImageType);
    f->description = take_text(set, DCM_SeriesDescription);
    take_exam(&f->exam, set);
}

/* mm between rows, then between columns, in DICOM's order; here x first. */
static void take_pair(DcmItem *set, const DcmTagKey &tag, double pair[2])
{
    double y, x;

    if (mt_dicom_number(set, tag, 0, &y) && mt_dicom_number(set, tag, 1, &x)) {
        pair[0] = x;
        pair[1] = y;
    }
}

/* An ultrasound region that covers pixels measured in cm, where there is one alone. */
static void take_region(mt_dicom_file *f, DcmItem *set)
{
    DcmItem *region = NULL, *second = NULL;
    double   unit_x, unit_y, x, y;

    if (set->findAndGetSequenceItem(DCM_SequenceOfUltrasoundRegions, region, 0).bad() || region == NULL)
        return;
    bool lone = set->findAndGetSequenceItem(DCM_SequenceOfUltrasoundRegions, second, 1).bad() || second == NULL;
    if (lone && mt_dicom_number(region, DCM_PhysicalUnitsXDirection, 0, &unit_x) &&
        mt_dicom_number(region, DCM_PhysicalUnitsYDirection, 0, &unit_y) && unit_x == 3 && unit_y == 3 &&
        mt_dicom_number(region, DCM_PhysicalDeltaX, 0, &x) && mt_dicom_number(region, DCM_PhysicalDeltaY, 0, &y)) {
        f->region_spacing[0] = std::fabs(x) * 10;
        f->region_spacing[1] = std::fabs(y) * 10;
    }
}

static void take_values_module(mt_dicom_file *f, DcmItem *set)
{
    DcmItem *item = NULL;
    double   value;

    f->has_padding = mt_dicom_number(set, DCM_PixelPaddingValue, 0, &f->padding);
    mt_dicom_number(set, DCM_DoseGridScaling, 0, &f->dose_scaling);
    f->has_voi_lut = set->findAndGetSequenceItem(DCM_VOILUTSequence, item, 0).good();
    while (f->windows < 64 && mt_dicom_number(set, DCM_WindowWidth, (unsigned long)f->windows, &value))
        f->windows++;
    mt_dicom_number(set, DCM_WindowCenter, 0, &f->window_centre);
    mt_dicom_number(set, DCM_WindowWidth, 0, &f->window_width);
    f->window_function = take_text(set, DCM_VOILUTFunction);
    take_pair(set, DCM_ImagerPixelSpacing, f->imager_spacing);
    take_pair(set, DCM_NominalScannedPixelSpacing, f->scanned_spacing);
    take_region(f, set);
    mt_dicom_number(set, DCM_GantryDetectorTilt, 0, &f->tilt);
}

/* Stored values to the modality's own, entry by entry.  A first value of a signed file may stand as an unsigned word; entries may be packed
 * two a word. */
static bool take_lut(mt_dicom_file *f, DcmItem *set, GError **error)
{
    DcmItem      *item = NULL;
    double        entries, first, bits;
    const Uint16 *words = NULL;
    unsigned long n = 0;

    if (set->findAndGetSequenceItem(DCM_ModalityLUTSequence, item, 0).bad() || item == NULL)
        return true;
    bool known = mt_dicom_number(item, DCM_LUTDescriptor, 0, &entries) && mt_dicom_number(item, DCM_LUTDescriptor, 1, &first) &&
                 mt_dicom_number(item, DCM_LUTDescriptor, 2, &bits) && bits >= 8 && bits <= 16 &&
                 item->findAndGetUint16Array(DCM_LUTData, words, &n).good() && words != NULL;
    int64_t count = !known ? 0 : entries == 0 ? 65536 : entries < 0 ? (int64_t)entries + 65536 : (int64_t)entries;
    bool    packed = known && bits == 8 && 2 * (int64_t)n >= count && (int64_t)n < count;
    if (count < 1 || count > 65536 || (!packed && (int64_t)n < count)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its modality look-up table is missing or damaged");
        return false;
    }
    f->lut_entries = count;
    f->lut_first = (int64_t)first - (f->is_signed && first > 32767 ? 65536 : 0);
    f->lut_bits = (int)bits;
    f->lut = g_new(uint16_t, (gsize)count);
    for (int64_t i = 0; i < count; i++)
        f->lut[i] = packed ? (uint16_t)(words[i / 2] >> (8 * (i % 2)) & 0xff) : words[i];
    return true;
}

/* One colour of the table, its high byte; entries may be packed two a word. */
static bool take_palette_colour(mt_dicom_file *f, DcmItem *set, const DcmTagKey &descriptor, const DcmTagKey &data, int colour)
{
    double        entries, first, bits;
    const Uint16 *words = NULL;
    unsigned long n = 0;

    if (!mt_dicom_number(set, descriptor, 0, &entries) || !mt_dicom_number(set, descriptor, 1, &first) ||
        !mt_dicom_number(set, descriptor, 2, &bits) || set->findAndGetUint16Array(data, words, &n).bad() || words == NULL)
        return false;
    int64_t count = entries == 0 ? 65536 : (int64_t)entries;
    bool    packed = bits == 8 && (int64_t)n < count;
    if (count < 1 || count > 65536 || (bits != 8 && bits != 16) || (packed ? 2 * (int64_t)n : (int64_t)n) < count ||
        (colour > 0 && (count != f->palette_entries || (int64_t)first != f->palette_first)))
        return false;
    if (colour == 0)
        f->palette = g_new0(uint8_t, 3 * (gsize)count);
    f->palette_entries = count;
    f->palette_first = (int64_t)first;
    for (int64_t i = 0; i < count; i++) {
        Uint16 word = words[packed ? i / 2 : i];

        f->palette[3 * i + colour] = (uint8_t)(packed ? word >> (8 * (i % 2)) : bits == 8 && word < 256 ? word : word >> 8);
    }
    return true;
}

static bool take_palette(mt_dicom_file *f, DcmItem *set, GError **error)
{
    if (take_palette_colour(f, set, DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData, 0) &&
        take_palette_colour(f, set, DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData, 1) &&
        take_palette_colour(f, set, DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData, 2))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its palette is missing or damaged");
    return false;
}

static bool take_slide_module(mt_dicom_file *f, DcmItem *set, GError **error)
{
    OFString            text;
    DcmItem            *item = NULL;
    DcmSequenceOfItems *segments = NULL;

    f->focal_planes = f->optical_paths = 1;
    f->tiled_full = mt_dicom_text(set, DCM_DimensionOrganizationType, 0, text) && text == "TILED_FULL";
    f->concatenation = take_text(set, DCM_SOPInstanceUIDOfConcatenationSource);
    if (f->concatenation == NULL)
        f->concatenation = take_text(set, DCM_ConcatenationUID);
    if (set->findAndGetSequence(DCM_SegmentSequence, segments).good() && segments != NULL)
        f->segments = (int64_t)segments->card();
    if (set->findAndGetSequenceItem(DCM_OpticalPathSequence, item, 0).good() && item != NULL)
        mt_dicom_number(item, DCM_ObjectiveLensPower, 0, &f->objective_power);
    return take_integer(set, DCM_TotalPixelMatrixColumns, "TotalPixelMatrixColumns", 1, UINT32_MAX, &f->matrix_columns, error) &&
           take_integer(set, DCM_TotalPixelMatrixRows, "TotalPixelMatrixRows", 1, UINT32_MAX, &f->matrix_rows, error) &&
           take_integer(set, DCM_TotalPixelMatrixFocalPlanes, "TotalPixelMatrixFocalPlanes", 1, UINT16_MAX, &f->focal_planes, error) &&
           take_integer(set, DCM_NumberOfOpticalPaths, "NumberOfOpticalPaths", 1, UINT16_MAX, &f->optical_paths, error) &&
           take_integer(set, DCM_InConcatenationNumber, "InConcatenationNumber", 1, UINT16_MAX, &f->concatenation_part, error) &&
           take_integer(set, DCM_InConcatenationTotalNumber, "InConcatenationTotalNumber", 1, UINT16_MAX, &f->concatenation_parts, error) &&
           take_integer(set, DCM_ConcatenationFrameOffsetNumber, "ConcatenationFrameOffsetNumber", 0, UINT32_MAX, &f->concatenation_offset,
                        error);
}

static bool take_facts(mt_dicom_file *f, DcmDataset *set, GError **error)
{
    take_names(f, set);
    if (!take_pixel_module(f, set, error))
        return false;
    if (f->rows == 0)
        return true;
    take_values_module(f, set);
    if (!take_lut(f, set, error) || (f->colour == MT_DICOM_PALETTE && !take_palette(f, set, error)))
        return false;
    f->places = (mt_dicom_place *)mt_alloc(f->frames, sizeof *f->places, error);
    return f->places != NULL && take_slide_module(f, set, error) && mt_dicom_groups_read(f, set, error);
}

/* DCMTK sees only bytes whose lengths and depth have been checked, and nothing it throws leaves this function. */
static bool parse_header(mt_dicom_file *f, GError **error)
{
    const mt_dicom_layout *l = f->layout;
    E_TransferSyntax syntax = !l->explicit_vr ? EXS_LittleEndianImplicit : l->big_endian ? EXS_BigEndianExplicit : EXS_LittleEndianExplicit;

    try {
        DcmDataset           set;
        DcmInputBufferStream stream;

        stream.setBuffer(l->header, (offile_off_t)l->header_bytes);
        stream.setEos();
        set.transferInit();
        OFCondition read = set.read(stream, syntax, EGL_noChange, DCM_MaxReadLength);
        set.transferEnd();
        if (read.good())
            return take_facts(f, &set, error);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header cannot be read: %s", read.text());
    } catch (const std::bad_alloc &) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MEMORY, "its header wants more memory than there is");
    } catch (...) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its header cannot be read: DCMTK gives up");
    }
    return false;
}

mt_dicom_file *mt_dicom_file_read(const char *path, GError **error)
{
    mt_dicom_start();
    mt_dicom_layout *layout = mt_dicom_layout_read(path, error);
    if (layout == NULL)
        return NULL;
    mt_dicom_file *f = g_new0(mt_dicom_file, 1);
    f->layout = layout;
    bool ok = parse_header(f, error);
    mt_dicom_layout_drop_header(layout);
    if (ok)
        return f;
    mt_dicom_file_free(f);
    return NULL;
}

void mt_dicom_file_free(mt_dicom_file *f)
{
    if (f == NULL)
        return;
    mt_dicom_layout_free(f->layout);
    mt_free(f->places);
    g_free(f->palette);
    g_free(f->lut);
    g_free(f->window_function);
    g_free(f->modality);
    g_free(f->sop_class);
    g_free(f->sop_instance);
    g_free(f->study);
    g_free(f->series);
    g_free(f->frame_of_reference);
    g_free(f->body_part);
    g_free(f->image_type);
    g_free(f->description);
    g_free(f->exam.protocol);
    g_free(f->exam.view);
    g_free(f->exam.laterality);
    g_free(f->exam.scanning);
    g_free(f->concatenation);
    g_free(f);
}

bool mt_dicom_file_has_image(const mt_dicom_file *f, GError **error)
{
    if (f->rows > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it holds no image: name the file or folder of one (modality %s)",
                f->modality != NULL ? f->modality : "unknown");
    return false;
}
