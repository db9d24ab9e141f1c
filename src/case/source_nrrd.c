/* NRRD (.nrrd, .nhdr with a file beside it), versions 1 to 5: raw or gzip, scalars in two or three dimensions. */
#include "src/case/text_header.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool nrrd_claims(const char *path)
{
    FILE *file = fopen(path, "rb");
    char  start[9] = {0};
    bool  ok = file != NULL && fread(start, 1, 8, file) == 8 && memcmp(start, "NRRD000", 7) == 0 && start[7] >= '1' && start[7] <= '5';

    if (file != NULL)
        fclose(file);
    return ok;
}

static bool refuse(const mt_text_header *h, const char *key, const char *what, GError **error)
{
    const char *value = mt_text_header_value(h, key);

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its \"%s\" is %.60s: %s", key, value != NULL ? value : "missing", what);
    return false;
}

static bool take_type(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    static const struct {
        mt_voxel_type type;
        const char   *names[6];
    } types[] = {{MT_VOXEL_U8, {"uchar", "unsigned char", "uint8", "uint8_t"}},
                 {MT_VOXEL_I8, {"signed char", "int8", "int8_t"}},
                 {MT_VOXEL_U16, {"ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"}},
                 {MT_VOXEL_I16, {"short", "short int", "signed short", "signed short int", "int16", "int16_t"}},
                 {MT_VOXEL_U32, {"uint", "unsigned int", "uint32", "uint32_t"}},
                 {MT_VOXEL_I32, {"int", "signed int", "int32", "int32_t"}},
                 {MT_VOXEL_U64, {"ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"}},
                 {MT_VOXEL_I64, {"longlong", "long long", "long long int", "signed long long", "int64", "int64_t"}},
                 {MT_VOXEL_F32, {"float"}},
                 {MT_VOXEL_F64, {"double"}}};
    const char *value = mt_text_header_value(h, "type");

    for (size_t i = 0; value != NULL && i < G_N_ELEMENTS(types); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(types[i].names) && types[i].names[k] != NULL; k++)
            if (g_ascii_strcasecmp(value, types[i].names[k]) == 0) {
                f->type = types[i].type;
                return true;
            }
    return refuse(h, "type", "integers and floats of up to 64 bits are read", error);
}

/* Signs that turn the space's axes to RAS; false for a space that is no patient's. */
static bool find_space(const mt_text_header *h, double sign[3])
{
    static const struct {
        const char *names[2];
        double      sign[3];
    } spaces[] = {{{"right-anterior-superior", "RAS"}, {1, 1, 1}},
                  {{"left-anterior-superior", "LAS"}, {-1, 1, 1}},
                  {{"left-posterior-superior", "LPS"}, {-1, -1, 1}}};
    const char *value = mt_text_header_value(h, "space");

    for (size_t i = 0; value != NULL && i < G_N_ELEMENTS(spaces); i++)
        for (int k = 0; k < 2; k++)
            if (g_ascii_strcasecmp(value, spaces[i].names[k]) == 0) {
                memcpy(sign, spaces[i].sign, sizeof spaces[i].sign);
                return true;
            }
    return false;
}

/* Millimetres of one unit: all axes have the same; 0: it is not known.  A patient's space without a word is in millimetres. */
static double find_unit(const mt_text_header *h, bool patient)
{
    static const struct {
        const char *name;
        double      mm;
    } units[] = {{"mm", 1}, {"cm", 10}, {"m", 1000}, {"um", 0.001}, {"\302\265m", 0.001}, {"microns", 0.001}};
    const char *value = mt_text_header_value(h, patient ? "space units" : "units");
    double      mm = value == NULL && patient ? 1 : 0;

    if (value == NULL)
        return mm;
    g_auto(GStrv) words = g_strsplit(value, "\"", -1); /* what stands between quotes has odd places */
    guint n = g_strv_length(words);
    for (size_t i = 0; n >= 2 && i < G_N_ELEMENTS(units); i++)
        if (g_ascii_strcasecmp(words[1], units[i].name) == 0)
            mm = units[i].mm;
    for (guint i = 3; i < n; i += 2)
        if (strcmp(words[i], words[1]) != 0)
            return 0;
    return mm;
}

static bool take_directions(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    double direction[9], origin[3] = {0}, sign[3] = {1, 1, 1};

    if (!mt_text_header_numbers(h, "space directions", direction, 9, error) ||
        (mt_text_header_value(h, "space origin") != NULL && !mt_text_header_numbers(h, "space origin", origin, 3, error)))
        return false;
    f->has_frame = find_space(h, sign);
    double mm = find_unit(h, f->has_frame), scale = mm > 0 ? mm : 1;
    for (int axis = 0; axis < 3; axis++) {
        const double *d = direction + 3 * axis;

        f->mm[axis] = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) * scale;
        for (int row = 0; row < 3; row++) {
            f->affine[4 * row + axis] = sign[row] * d[row] * scale;
            f->affine[4 * row + 3] = sign[row] * origin[row] * scale;
        }
    }
    f->affine[15] = 1;
    f->unknown = mm > 0 ? NULL : "the NRRD header names no unit of length";
    return true;
}

static bool take_geometry(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    double dimension = 0;

    if (!mt_text_header_numbers(h, "dimension", &dimension, 1, error))
        return false;
    if (dimension != 2 && dimension != 3)
        return refuse(h, "dimension", "a picture or one volume of scalars is read", error);
    f->size[2] = 1;
    if (!mt_text_header_sizes(h, "sizes", f->size, (int)dimension, error))
        return false;
    f->spacing_source = "header (NRRD)";
    if (dimension == 3 && mt_text_header_value(h, "space directions") != NULL)
        return take_directions(h, f, error);
    if (mt_text_header_value(h, "spacings") == NULL) {
        f->unknown = "the NRRD header has no spacings";
        return true;
    }
    double mm = find_unit(h, false);
    f->unknown = mm > 0 ? NULL : "the NRRD header names no unit of length";
    if (!mt_text_header_numbers(h, "spacings", f->mm, (int)dimension, error))
        return false;
    for (int i = 0; i < 3; i++)
        f->mm[i] *= mm;
    return true;
}

static bool take_encoding(const mt_text_header *h, const char *path, mt_voxel_file *f, GError **error)
{
    const char *encoding = mt_text_header_value(h, "encoding"), *endian = mt_text_header_value(h, "endian");
    const char *lines = mt_text_header_value(h, "line skip"), *bytes = mt_text_header_value(h, "byte skip");

    if (encoding == NULL ||
        (g_ascii_strcasecmp(encoding, "raw") != 0 && g_ascii_strcasecmp(encoding, "gzip") != 0 && g_ascii_strcasecmp(encoding, "gz") != 0))
        return refuse(h, "encoding", "raw and gzip are read", error);
    if (lines != NULL && strcmp(lines, "0") != 0)
        return refuse(h, "line skip", "voxels have to follow at once", error);
    if (bytes != NULL && strcmp(bytes, "0") != 0)
        return refuse(h, "byte skip", "voxels have to follow at once", error);
    if (endian == NULL ? mt_voxel_bytes(f->type) > 1 : g_ascii_strcasecmp(endian, "little") != 0 && g_ascii_strcasecmp(endian, "big") != 0)
        return refuse(h, "endian", "little or big is wanted", error);
    f->packing = g_ascii_strcasecmp(encoding, "raw") == 0 ? MT_VOXELS_PLAIN : MT_VOXELS_DEFLATED;
    f->swapped = endian != NULL && (g_ascii_strcasecmp(endian, "little") == 0) != (G_BYTE_ORDER == G_LITTLE_ENDIAN);
    f->offset = strcmp(f->path, path) == 0 ? mt_text_header_bytes(h) : 0;
    return true;
}

static mt_source *nrrd_open(const char *path, const mt_case_options *options, GError **error)
{
    g_autoptr(mt_text_header) h = NULL;
    g_autofree char *data = NULL;
    mt_voxel_file    f = {.slope = 1};

    if (!nrrd_claims(path)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "not an NRRD file");
        return NULL;
    }
    h = mt_text_header_read(path, &mt_nrrd_syntax, error);
    if (h == NULL || !take_type(h, &f, error) || !take_geometry(h, &f, error) || !mt_text_header_data_path(h, &data, error))
        return NULL;
    f.path = data;
    if (!take_encoding(h, path, &f, error))
        return NULL;
    return mt_voxel_source_new(&f, &mt_source_nrrd, "nrrd", options, error);
}

const mt_source_class mt_source_nrrd = {.name = "nrrd",
                                        .is_shortcut = true,
                                        .claims = nrrd_claims,
                                        .open = nrrd_open,
                                        .read = mt_voxel_source_read,
                                        .close = mt_voxel_source_close};
