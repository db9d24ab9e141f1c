#include "src/export/npy_file.h"

#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/case/source.h"
#include "src/export/packed_stream.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_UNIT 64 /* the voxels start at a multiple of this */

static const char *descriptor(mt_dtype dtype)
{
    return dtype == MT_U8 ? "|u1" : dtype == MT_U16 ? "<u2" : dtype == MT_I16 ? "<i2" : "<f4";
}

/* Format 1.0: magic, version, length of the text, text padded by blanks to a line end. */
static GString *make_header(const mt_plane_feed *f)
{
    GString *h = g_string_new(NULL);

    g_string_append_len(h, "\x93NUMPY\x01\x00\x00\x00", 10);
    g_string_append_printf(
        h, "{'descr': '%s', 'fortran_order': False, 'shape': (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "%s), }",
        descriptor(f->dtype), f->size[2], f->size[1], f->size[0], f->channels == 3 ? ", 3" : "");
    while (h->len % HEADER_UNIT != HEADER_UNIT - 1)
        g_string_append_c(h, ' ');
    g_string_append_c(h, '\n');
    h->str[8] = (char)((h->len - 10) & 0xff);
    h->str[9] = (char)((h->len - 10) >> 8);
    return h;
}

char *mt_npy_file_sidecar(const char *path)
{
    size_t n = strlen(path);

    return g_strdup_printf("%.*s.json", (int)(g_str_has_suffix(path, ".npy") ? n - 4 : n), path);
}

static json_t *affine_json(const mt_plane_feed *f)
{
    json_t *rows = f->has_frame ? json_array() : json_null();

    for (int i = 0; f->has_frame && i < 4; i++)
        json_array_append_new(rows,
                              json_pack("[f,f,f,f]", f->affine[4 * i], f->affine[4 * i + 1], f->affine[4 * i + 2], f->affine[4 * i + 3]));
    return rows;
}

static json_t *spacing_json(const mt_plane_feed *f)
{
    json_t *all = json_array();

    for (int d = 0; d < 3; d++)
        json_array_append_new(all, f->spacing_mm[d] > 0 ? json_real(f->spacing_mm[d]) : json_null());
    return all;
}

/* A code as DICOM has them; anything longer would be a text. */
static const char *modality_code(const mt_case *c)
{
    const char *code = mt_case_modality(c);
    size_t      n = strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    return n >= 2 && n <= 8 && code[n] == '\0' ? code : "unknown";
}

static json_t *window_json(const mt_plane_feed *f)
{
    static const char *const functions[] = {
        [MT_WINDOW_LINEAR] = "LINEAR", [MT_WINDOW_LINEAR_EXACT] = "LINEAR_EXACT", [MT_WINDOW_SIGMOID] = "SIGMOID"};
    mt_case_window w;

    if (!mt_case_own_window(f->c, &w))
        return json_null();
    return json_pack("{s:f, s:f, s:s}", "centre", w.centre, "width", w.width, "function", functions[w.function]);
}

/* Numbers and fixed words: a text of the input has no way in. */
static char *describe(const mt_plane_feed *f, bool hounsfield, bool stored_order)
{
    bool    volume = mt_case_get_kind(f->c) == MT_CASE_VOLUME;
    json_t *o = json_pack("{s:[I,I,I], s:[s,s,s], s:s, s:i, s:s, s:o, s:o, s:s?, s:s, s:s, s:o}", "shape", (json_int_t)f->size[2],
                          (json_int_t)f->size[1], (json_int_t)f->size[0], "axes", "z", "y", "x", "dtype", descriptor(f->dtype), "channels",
                          f->channels, "order",
                          !volume                         ? "picture"
                          : stored_order || !f->has_frame ? "stored"
                                                          : "ras",
                          "affine_xyz_to_ras", affine_json(f), "spacing_xyz", spacing_json(f), "unit",
                          f->unit_mm && f->spacing_mm[0] > 0 ? "mm" : NULL, "modality", modality_code(f->c), "values",
                          hounsfield         ? "Hounsfield units"
                          : f->channels == 3 ? "RGB"
                                             : "unknown",
                          "window", window_json(f));

    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(17)), *owned = g_strconcat(text, "\n", NULL);
    json_decref(o);
    free(text);
    return owned;
}

static bool write_planes(mt_plane_feed *f, mt_packed_stream *s, mt_plane_seen seen, void *user, GError **error)
{
    g_autoptr(GString) header = make_header(f);
    size_t   bytes = mt_plane_feed_bytes(f);
    uint8_t *plane = mt_alloc((int64_t)bytes, 1, error);
    bool     ok = plane != NULL && mt_packed_stream_write(s, header->str, header->len, error);

    for (int64_t k = 0; ok && k < f->size[2]; k++) {
        ok = mt_plane_feed_read(f, k, plane, error) && mt_packed_stream_write(s, plane, bytes, error);
        if (ok && seen != NULL)
            seen(user, plane, k);
    }
    mt_free(plane);
    return ok;
}

bool mt_npy_file_write(mt_plane_feed *f, const char *path, bool hounsfield, bool stored_order, bool replace, mt_plane_seen seen, void *user,
                       GError **error)
{
    g_autofree char *sidecar = mt_npy_file_sidecar(path), *text = describe(f, hounsfield, stored_order);
    g_autoptr(mt_packed_stream) s = mt_packed_stream_begin(path, false, error);

    return s != NULL && write_planes(f, s, seen, user, error) && mt_publish_text(sidecar, text, replace, error) &&
           mt_packed_stream_commit(s, replace, error);
}
