/* MetaImage (.mha, .mhd with a file beside it), as ITK writes it: plain or zlib voxels of one channel, in LPS millimetres. */
#include "src/case/text_header.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAGIC_BYTES 4096

/* A header has both keys near its beginning. */
static bool metaimage_claims(const char *path)
{
    FILE *file = fopen(path, "rb");
    char  start[MAGIC_BYTES + 1] = {0};
    bool  ok = file != NULL && fread(start, 1, MAGIC_BYTES, file) > 0;

    if (file != NULL)
        fclose(file);
    return ok && (g_str_has_prefix(start, "ObjectType") || g_str_has_prefix(start, "NDims")) && strstr(start, "DimSize") != NULL;
}

static bool refuse(const mt_text_header *h, const char *key, const char *what, GError **error)
{
    const char *value = mt_text_header_value(h, key);

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its %s is %.40s: %s", key, value, what);
    return false;
}

/* "True", "1" or absent in favour of `otherwise`. */
static bool is_true(const mt_text_header *h, const char *key, bool otherwise)
{
    const char *value = mt_text_header_value(h, key);

    return value == NULL ? otherwise : g_ascii_toupper(value[0]) == 'T' || value[0] == '1';
}

static bool take_type(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    static const char *const names[] = {"MET_UCHAR", "MET_CHAR",       "MET_USHORT",    "MET_SHORT", "MET_UINT",
                                        "MET_INT",   "MET_ULONG_LONG", "MET_LONG_LONG", "MET_FLOAT", "MET_DOUBLE"};
    const char              *value = mt_text_header_value(h, "ElementType");

    for (size_t i = 0; value != NULL && i < G_N_ELEMENTS(names); i++)
        if (strcmp(value, names[i]) == 0) {
            f->type = (mt_voxel_type)i;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its ElementType is %.40s; integers and floats of up to 64 bits are read",
                value != NULL ? value : "missing");
    return false;
}

static bool check_kind(const mt_text_header *h, GError **error)
{
    const char *type = mt_text_header_value(h, "ObjectType"), *channels = mt_text_header_value(h, "ElementNumberOfChannels");
    const char *slope = mt_text_header_value(h, "ElementToIntensityFunctionSlope");
    const char *shift = mt_text_header_value(h, "ElementToIntensityFunctionOffset");

    if (type != NULL && g_ascii_strcasecmp(type, "Image") != 0)
        return refuse(h, "ObjectType", "an Image is read", error);
    if (channels != NULL && strcmp(channels, "1") != 0)
        return refuse(h, "ElementNumberOfChannels", "one channel is read", error);
    if (!is_true(h, "BinaryData", true))
        return refuse(h, "BinaryData", "numbers as text are not read", error);
    if (slope != NULL && g_ascii_strtod(slope, NULL) != 1)
        return refuse(h, "ElementToIntensityFunctionSlope", "readers disagree on what it means; store the values themselves", error);
    if (shift != NULL && g_ascii_strtod(shift, NULL) != 0)
        return refuse(h, "ElementToIntensityFunctionOffset", "readers disagree on what it means; store the values themselves", error);
    return true;
}

/* The first of several names of one thing that the header has. */
static const char *known_key(const mt_text_header *h, const char *const keys[])
{
    for (; *keys != NULL; keys++)
        if (mt_text_header_value(h, *keys) != NULL)
            return *keys;
    return NULL;
}

/* Three numbers for each axis say where it points, in LPS; without them and without a place there is no frame. */
static bool take_frame(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    static const char *const turns[] = {"TransformMatrix", "Orientation", "Rotation", NULL}, *const places[] = {"Offset", "Position",
                                                                                                                "Origin", NULL};
    const char *turn = known_key(h, turns), *place = known_key(h, places);
    double      matrix[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, at[3] = {0};

    if ((turn != NULL && !mt_text_header_numbers(h, turn, matrix, 9, error)) ||
        (place != NULL && !mt_text_header_numbers(h, place, at, 3, error)))
        return false;
    f->has_frame = turn != NULL || place != NULL;
    for (int row = 0; row < 3; row++) {
        double sign = row < 2 ? -1 : 1;

        for (int axis = 0; axis < 3; axis++)
            f->affine[4 * row + axis] = sign * matrix[3 * axis + row] * f->mm[axis];
        f->affine[4 * row + 3] = sign * at[row];
    }
    f->affine[15] = 1;
    return true;
}

static bool take_geometry(const mt_text_header *h, mt_voxel_file *f, GError **error)
{
    static const char *const spacings[] = {"ElementSpacing", "ElementSize", NULL};
    const char              *spacing = known_key(h, spacings);
    double                   dims = 0;

    if (!mt_text_header_numbers(h, "NDims", &dims, 1, error))
        return false;
    if (dims != 2 && dims != 3)
        return refuse(h, "NDims", "a picture or one volume is read", error);
    f->size[2] = 1;
    if (!mt_text_header_sizes(h, "DimSize", f->size, (int)dims, error) ||
        (spacing != NULL && !mt_text_header_numbers(h, spacing, f->mm, (int)dims, error)))
        return false;
    f->unknown = spacing == NULL ? "the MetaImage header has no ElementSpacing" : NULL;
    f->spacing_source = "header (MetaImage, in mm)";
    return dims == 2 || spacing == NULL || take_frame(h, f, error);
}

/* Behind the header, or in the file beside it after HeaderSize bytes; -1: at its end. */
static bool take_place(const mt_text_header *h, const char *path, mt_voxel_file *f, GError **error)
{
    double header = 0;

    f->packing = is_true(h, "CompressedData", false) ? MT_VOXELS_DEFLATED : MT_VOXELS_PLAIN;
    if (mt_text_header_value(h, "HeaderSize") != NULL && !mt_text_header_numbers(h, "HeaderSize", &header, 1, error))
        return false;
    if (header != 0 && (f->packing != MT_VOXELS_PLAIN || !(header > 0 && header < 0x1p53)))
        return refuse(h, "HeaderSize", "bytes to pass over before plain voxels are wanted", error);
    f->offset = strcmp(f->path, path) == 0 ? mt_text_header_bytes(h) : (int64_t)header;
    return true;
}

static mt_source *metaimage_open(const char *path, const mt_case_options *options, GError **error)
{
    g_autoptr(mt_text_header) h = NULL;
    g_autofree char *data = NULL;
    mt_voxel_file    f = {.slope = 1};

    if (!metaimage_claims(path)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "not a MetaImage file");
        return NULL;
    }
    h = mt_text_header_read(path, &mt_metaimage_syntax, error);
    if (h == NULL || !check_kind(h, error) || !take_type(h, &f, error) || !take_geometry(h, &f, error) ||
        !mt_text_header_data_path(h, &data, error))
        return NULL;
    f.path = data;
    f.swapped = is_true(h, "BinaryDataByteOrderMSB", is_true(h, "ElementByteOrderMSB", false)) == (G_BYTE_ORDER == G_LITTLE_ENDIAN);
    if (!take_place(h, path, &f, error))
        return NULL;
    return mt_voxel_source_new(&f, &mt_source_metaimage, "metaimage", options, error);
}

const mt_source_class mt_source_metaimage = {.name = "metaimage",
                                             .is_shortcut = true,
                                             .claims = metaimage_claims,
                                             .open = metaimage_open,
                                             .read = mt_voxel_source_read,
                                             .close = mt_voxel_source_close};
