/* usage: case_dump axial|coronal|sagittal OUT.raw PATH...
 * A case as its reader gives it, for the scripts that know the truth: one JSON line each on stdout (the error where it is refused), all its
 * planes one behind the other in OUT.raw from first_byte on. */
#include <microtome/case.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const types[] = {[MT_U8] = "u1", [MT_U16] = "u2", [MT_I16] = "i2", [MT_F32] = "f4"};

static size_t sample_bytes(mt_dtype dtype)
{
    return dtype == MT_U8 ? 1 : dtype == MT_F32 ? 4 : 2;
}

static json_t *refusal(const GError *error)
{
    return json_pack("{s:s, s:s}", "error", error->message, "domain", g_quark_to_string(error->domain));
}

static bool write_planes(mt_case *c, FILE *out, GError **error)
{
    const mt_level  *l = mt_case_level(c, 0);
    size_t           n = (size_t)(l->width * l->height * mt_case_channels(c));
    g_autofree void *plane = g_malloc(n * sample_bytes(mt_case_dtype(c)));

    for (int64_t z = 0; z < mt_case_planes(c); z++)
        if (!mt_case_read(c, z, 0, 0, 0, l->width, l->height, plane, error) || fwrite(plane, sample_bytes(mt_case_dtype(c)), n, out) != n)
            return false;
    return true;
}

static json_t *facts(mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    double          affine[16], x, y;
    json_t         *rows = mt_case_affine(c, affine) ? json_array() : json_null(), *o;

    for (int i = 0; json_is_array(rows) && i < 16; i++)
        json_array_append_new(rows, json_real(affine[i]));
    mt_case_mpp(c, &x, &y);
    o = json_pack("{s:I, s:I, s:I, s:i, s:s, s:s, s:s, s:o, s:f, s:f, s:f}", "width", (json_int_t)l->width, "height", (json_int_t)l->height,
                  "planes", (json_int_t)mt_case_planes(c), "channels", mt_case_channels(c), "type", types[mt_case_dtype(c)], "backend",
                  mt_case_backend(c), "modality", mt_case_modality(c), "affine", rows, "mpp_x", x, "mpp_y", y, "plane_spacing_um",
                  mt_case_plane_spacing_um(c));
    json_object_set_new(o, "mpp_source", json_string(mt_case_mpp_source(c)));
    json_object_set_new(o, "notes", json_string(mt_case_notes(c) != NULL ? mt_case_notes(c) : ""));
    return o;
}

static json_t *dump(const char *path, const mt_case_options *options, FILE *out)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, options, &error);
    long    first = ftell(out);
    json_t *line;

    if (c == NULL || !write_planes(c, out, &error))
        return error != NULL ? refusal(error) : json_pack("{s:s}", "error", "the output cannot be written");
    line = facts(c);
    json_object_set_new(line, "first_byte", json_integer(first));
    return line;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    mt_plane_axis   axis = strcmp(argv[1], "coronal") == 0    ? MT_AXIS_CORONAL
                           : strcmp(argv[1], "sagittal") == 0 ? MT_AXIS_SAGITTAL
                                                              : MT_AXIS_AXIAL;
    mt_case_options options = {.plane_axis = axis};
    FILE           *out = fopen(argv[2], "wb");

    if (out == NULL)
        return 74;
    for (int i = 3; i < argc; i++) {
        json_t *line = dump(argv[i], &options, out);

        json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(line);
    }
    return fclose(out) == 0 ? 0 : 74;
}
