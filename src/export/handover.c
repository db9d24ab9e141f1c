#include <microtome/handover.h>

#include "src/base/hash.h"
#include "src/export/handover_case.h"
#include "src/store/schema.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>

typedef struct handover_kind {
    const char       *name, *ending;
    bool              identity; /* carries the patient's: wanted from the source or the manifest */
    const char       *words;
    mt_handover_write write;
} handover_kind;

/* In the order of writing. */
static const handover_kind KINDS[] = {
#ifdef MT_HAVE_DCMTK
    {"seg", "dcm", true, "DICOM Segmentation of the label map, a segment a label", mt_dicom_seg_write},
    {"seg-fractional", "dcm", true, "DICOM Segmentation of the probability map", mt_dicom_seg_fractional_write},
    {"sr", "dcm", true, "DICOM Comprehensive 3D SR after TID 1500: scores, decision, findings with their sizes", mt_dicom_sr_write},
    {"pmap", "dcm", true, "DICOM Parametric Map: probability, else what tiles say, in floating point", mt_dicom_pmap_write},
    {"sc", "dcm", true, "DICOM Secondary Capture: overlay with legend, findings, picture", mt_dicom_sc_write},
    {"pdf", "dcm", true, "DICOM encapsulated PDF: a page with picture and sentences", mt_dicom_pdf_write},
    {"rtstruct", "dcm", true, "DICOM RT Structure Set: outlines of the labels in the source's slices", mt_dicom_rtstruct_write},
    {"stl", "stl", false, "surfaces of the labels as binary STL, LPS mm", mt_mask_stl_write},
#endif
    {"nifti", "nii.gz", false, "the label map as NIfTI on the case's own grid", mt_mask_nifti_write},
    {"fhir", "json", true, "FHIR R4 DiagnosticReport with its Observations", mt_fhir_report_write},
    {"hl7", "hl7", true, "HL7 v2.5.1 ORU^R01 message", mt_hl7_oru_write},
    {NULL, NULL, false, NULL, NULL}};

struct mt_handover {
    char      *folder, *language;
    bool       replace;
    GPtrArray *kinds; /* const handover_kind * */
};

static const handover_kind *find_kind(const char *name)
{
    for (const handover_kind *k = KINDS; k->name != NULL; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static char *list_kinds(bool lines)
{
    GString *all = g_string_new(NULL);

    for (const handover_kind *k = KINDS; k->name != NULL; k++)
        if (lines)
            g_string_append_printf(all, "%-14s %s\n", k->name, k->words);
        else
            g_string_append_printf(all, "%s%s", all->len > 0 ? ", " : "", k->name);
    return g_string_free(all, FALSE);
}

const char *mt_handover_kind_names(void)
{
    static char *names;

    if (g_once_init_enter(&names))
        g_once_init_leave(&names, list_kinds(false));
    return names;
}

const char *mt_handover_kind_lines(void)
{
    static char *lines;

    if (g_once_init_enter(&lines))
        g_once_init_leave(&lines, list_kinds(true));
    return lines;
}

static bool take_kinds(mt_handover *self, const char *kinds, GError **error)
{
    g_auto(GStrv) names = g_strsplit(kinds, ",", -1);

    for (char **name = names; *name != NULL; name++)
        if (find_kind(g_strstrip(*name)) == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "kind '%s' of --to: of %s is wanted", *name, mt_handover_kind_names());
            return false;
        }
    for (const handover_kind *k = KINDS; k->name != NULL; k++)
        if (g_strv_contains((const char *const *)names, k->name))
            g_ptr_array_add(self->kinds, (void *)k);
    return true;
}

mt_handover *mt_handover_new(const mt_handover_params *params, GError **error)
{
    g_autoptr(mt_handover) self = g_new0(mt_handover, 1);
    const char *language = params->language != NULL ? params->language : "en";

    self->kinds = g_ptr_array_new();
    self->folder = g_strdup(params->folder);
    self->language = g_strdup(language);
    self->replace = params->replace;
    if (strcmp(language, "en") != 0 && strcmp(language, "ko") != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "language %s: en or ko is wanted", language);
        return NULL;
    }
    if (!take_kinds(self, params->kinds, error))
        return NULL;
    if (g_mkdir_with_parents(self->folder, 0755) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", self->folder, g_strerror(errno));
        return NULL;
    }
    return g_steal_pointer(&self);
}

void mt_handover_free(mt_handover *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->kinds);
    g_free(self->folder);
    g_free(self->language);
    g_free(self);
}

/* 32 hex digits as a decimal number: schoolbook, for 128 bits. */
static char *decimal(const char *hex)
{
    uint8_t digits[40] = {0}; /* least first */
    int     n = 1;

    for (int i = 0; i < 32; i++) {
        int carry = g_ascii_xdigit_value(hex[i]);
        for (int d = 0; d < n; d++) {
            carry += digits[d] * 16;
            digits[d] = (uint8_t)(carry % 10);
            carry /= 10;
        }
        for (; carry > 0; carry /= 10)
            digits[n++] = (uint8_t)(carry % 10);
    }
    GString *text = g_string_new(NULL);
    while (n > 0)
        g_string_append_c(text, (char)('0' + digits[--n]));
    return g_string_free(text, FALSE);
}

static char *uid_of(const char *seed)
{
    g_autofree char *sha256 = mt_hash_keyed("microtome", strlen("microtome"), seed, strlen(seed));
    g_autofree char *number = decimal(sha256);

    return g_strconcat("2.25.", number, NULL);
}

char *mt_handover_uid_of(const mt_handover_case *c, const char *kind, const char *part)
{
    g_autofree char *seed = g_strdup_printf("%s\n%s\n%s", c->headline_text, kind, part);

    return uid_of(seed);
}

char *mt_handover_uid(const mt_handover_case *c, const char *part)
{
    g_autofree char *worded = g_strdup_printf("%s\n%s", part, c->language);

    return mt_handover_uid_of(c, c->kind, worded);
}

/* Of a source that names none: all kinds of one result share it. */
static char *frame_uid(const char *headline, const mt_dicom_identity *identity)
{
    g_autofree char *seed = g_strdup_printf("%s\n%s\nframe of reference", headline, identity->study_uid);

    return uid_of(seed);
}

static bool write_kind(const mt_handover *self, mt_handover_case *c, const handover_kind *kind, GPtrArray *written, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s_%s.%s", c->id, kind->name, kind->ending);
    g_autofree char *path = g_build_filename(self->folder, name, NULL);

    c->kind = kind->name;
    if (!self->replace && g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s exists: --force replaces it", path);
        return false;
    }
    if (!kind->write(c, path, error))
        return false;
    g_ptr_array_add(written, g_steal_pointer(&path));
    return true;
}

static bool want_identity(const mt_handover *self)
{
    for (guint i = 0; i < self->kinds->len; i++)
        if (((const handover_kind *)self->kinds->pdata[i])->identity)
            return true;
    return false;
}

static void add_refused(GPtrArray *refused, const mt_result *result, const char *kind, GError *error)
{
    if (kind != NULL)
        g_prefix_error(&error, "export %s as %s: ", mt_result_path(result), kind);
    else
        g_prefix_error(&error, "export %s: ", mt_result_path(result));
    g_ptr_array_add(refused, error);
}

static char *stem_of(const mt_result *result)
{
    char *stem = g_path_get_basename(mt_result_path(result));

    if (g_str_has_suffix(stem, ".h5"))
        stem[strlen(stem) - 3] = '\0';
    return stem;
}

static char *source_hash(const mt_result *result, const mt_headline *headline)
{
    g_autofree char *text = mt_result_has(result, MT_OBJECT_PROVENANCE) ? mt_result_read_string(result, MT_OBJECT_PROVENANCE, NULL) : NULL;
    json_t          *root = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char      *source = json_string_value(json_object_get(json_object_get(root, "hashes"), "source"));
    char            *sha256 = g_strdup(json_object_get(root, "aggregated") != NULL ? source : headline->input_sha256);

    json_decref(root);
    return sha256;
}

char *mt_handover_source_sha256(const mt_result *result)
{
    g_autofree char *line = mt_result_headline(mt_result_path(result), NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), NULL) : NULL;

    return headline != NULL ? source_hash(result, headline) : NULL;
}

static mt_dicom_identity *read_identity(const mt_result *result, const mt_headline *headline, const mt_handover_source *source,
                                        GError **error)
{
    g_autofree char *sha256 = source_hash(result, headline);

    return mt_dicom_identity_read(result, sha256, source, error);
}

bool mt_handover_add(mt_handover *self, const mt_result *result, const mt_handover_source *source, GPtrArray *written, GPtrArray *refused)
{
    GError          *error = NULL;
    guint            before = refused->len;
    g_autofree char *text = mt_result_headline(mt_result_path(result), &error), *stem = stem_of(result);
    g_autoptr(mt_headline) headline = text != NULL ? mt_headline_parse(text, mt_result_path(result), &error) : NULL;
    g_autoptr(mt_dicom_identity) identity = NULL;
    bool wanted = want_identity(self), has_seg = false;

    if (headline != NULL && mt_result_has(result, MT_OBJECT_CASES))
        g_set_error(&error, MT_ERROR, MT_ERROR_INPUT, "it is of a patient's cases together: hand over the cases, of cases/");
    else if (headline != NULL && wanted)
        identity = read_identity(result, headline, source, &error);
    if (identity != NULL && identity->frame_uid == NULL && (identity->geometry == MT_DICOM_VOLUME || identity->geometry == MT_DICOM_SLIDE))
        identity->frame_uid = frame_uid(text, identity);
    if (error != NULL)
        add_refused(refused, result, NULL, error);
    if (headline == NULL || mt_result_has(result, MT_OBJECT_CASES))
        return false;
    for (guint i = 0; i < self->kinds->len; i++) {
        const handover_kind *kind = self->kinds->pdata[i];
        mt_handover_case     c = {.result = result,
                                  .id = stem,
                                  .language = self->language,
                                  .headline = headline,
                                  .headline_text = text,
                                  .identity = kind->identity ? identity : NULL,
                                  .replace = self->replace,
                                  .has_seg = has_seg};
        error = NULL;
        if (kind->identity && identity == NULL)
            continue;
        bool ok = write_kind(self, &c, kind, written, &error);
        if (!ok)
            add_refused(refused, result, kind->name, error);
        has_seg = has_seg || (ok && strcmp(kind->name, "seg") == 0);
    }
    return refused->len == before;
}
