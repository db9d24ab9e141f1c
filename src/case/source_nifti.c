/* NIfTI-1 and NIfTI-2 volumes: .nii, .nii.gz, .hdr with .img, either byte order, one volume, read whole when it is opened
 * (voxel_file.h).  Spacing is that of the header, known only when the header names its unit of length. */
#include "src/case/nifti_header.h"
#include "src/case/voxel_file.h"

#include <nifti/nifti1_io.h>
#include <string.h>

typedef struct znzptr zfile;

static void close_zfile(zfile *file)
{
    znzclose(file);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(zfile, close_zfile)

/* `path` with the last `from` before an optional ".gz" replaced by `to`; NULL when it has none. */
static char *sibling(const char *path, const char *from, const char *to)
{
    g_autofree char *stem = g_strdup(path);
    const char      *gz = "";

    if (g_str_has_suffix(stem, ".gz")) {
        gz = ".gz";
        stem[strlen(stem) - strlen(gz)] = '\0';
    }
    if (!g_str_has_suffix(stem, from))
        return NULL;
    stem[strlen(stem) - strlen(from)] = '\0';
    return g_strconcat(stem, to, gz, NULL);
}

static char *header_path(const char *path)
{
    char *header = sibling(path, ".img", ".hdr");

    return header != NULL ? header : g_strdup(path);
}

static size_t read_start(const char *path, uint8_t bytes[MT_NIFTI_HEADER_BYTES])
{
    g_autofree char *header = header_path(path);
    g_autoptr(zfile) file = znzopen(header, "rb", 1);

    return file != NULL ? znzread(bytes, 1, MT_NIFTI_HEADER_BYTES, file) : 0;
}

static bool nifti_claims(const char *path)
{
    uint8_t bytes[MT_NIFTI_HEADER_BYTES];

    return mt_nifti_header_matches(bytes, read_start(path, bytes));
}

static bool is_gzip(const char *path)
{
    FILE   *file = fopen(path, "rb");
    uint8_t magic[2] = {0};
    bool    ok = file != NULL && fread(magic, 1, 2, file) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;

    if (file != NULL)
        fclose(file);
    return ok;
}

static mt_voxel_type voxel_type(int datatype)
{
    static const struct {
        int           datatype;
        mt_voxel_type type;
    } types[] = {{DT_UINT8, MT_VOXEL_U8},   {DT_INT8, MT_VOXEL_I8},    {DT_UINT16, MT_VOXEL_U16},
                 {DT_INT16, MT_VOXEL_I16},  {DT_UINT32, MT_VOXEL_U32}, {DT_INT32, MT_VOXEL_I32},
                 {DT_UINT64, MT_VOXEL_U64}, {DT_INT64, MT_VOXEL_I64},  {DT_FLOAT32, MT_VOXEL_F32}};

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].datatype == datatype)
            return types[i].type;
    return MT_VOXEL_F64;
}

static mt_source *open_voxels(const char *path, const mt_nifti_header *h, const mt_case_options *options, GError **error)
{
    double        named = mt_nifti_unit_mm(h->unit), mm = named == 0 && options->unit_mm ? 1 : named;
    mt_voxel_file file = {.path = path,
                          .size = {h->size[0], h->size[1], h->size[2]},
                          .type = voxel_type(h->datatype),
                          .packing = is_gzip(path) ? MT_VOXELS_GZIP : MT_VOXELS_PLAIN,
                          .swapped = h->swapped,
                          .offset = h->offset,
                          .slope = h->slope,
                          .inter = h->inter,
                          .has_frame = h->has_frame,
                          .mm = {h->pixdim[0] * mm, h->pixdim[1] * mm, h->pixdim[2] * mm},
                          .unknown = mm == 0 ? "the NIfTI header names no unit of length" : NULL,
                          .spacing_source = named == mm ? "header" : "header, in mm as stated"};

    memcpy(file.affine, h->affine, sizeof file.affine);
    mt_source *source = mt_voxel_source_new(&file, &mt_source_nifti, h->version == 1 ? "nifti1" : "nifti2", options, error);
    if (source != NULL)
        source->frame_of_reference = h->frame_code == NIFTI_XFORM_TALAIRACH ? "talairach"
                                     : h->frame_code == NIFTI_XFORM_MNI_152 ? "mni"
                                                                            : NULL;
    return source;
}

static mt_source *nifti_open(const char *path, const mt_case_options *options, GError **error)
{
    uint8_t          bytes[MT_NIFTI_HEADER_BYTES];
    mt_nifti_header  h;
    g_autofree char *header = header_path(path);

    if (!mt_nifti_header_parse(bytes, read_start(path, bytes), &h, error))
        return NULL;
    g_autofree char *image = h.pair ? sibling(header, ".hdr", ".img") : g_strdup(path);
    if (image == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                            "its voxels are in an .img file beside it, but its own name does not end in .hdr");
        return NULL;
    }
    return open_voxels(image, &h, options, error);
}

const mt_source_class mt_source_nifti = {
    .name = "nifti", .claims = nifti_claims, .open = nifti_open, .read = mt_voxel_source_read, .close = mt_voxel_source_close};
