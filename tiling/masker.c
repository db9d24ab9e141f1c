#include <microtome/masker.h>

#include "src/base/hash.h"
#include "tiling/mask_file.h"
#include "tiling/mask_private.h"
#include "tiling/segmenter.h"

#include <string.h>

struct mt_masker {
    char    *method; /* NULL: by the case's kind */
    char    *path;   /* of file or folder; NULL for the other methods */
    bool     is_folder;
    char    *sha256;
    unsigned excluded;

    mt_segmenter *segmenter; /* of a model */
};

static bool find_file(mt_masker *m, GError **error)
{
    m->path = g_strdup(m->method + strlen("file:"));
    m->is_folder = g_file_test(m->path, G_FILE_TEST_IS_DIR);
    if (m->is_folder)
        return true;
    if (!g_file_test(m->path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "use the mask %s: no such file or folder", m->path);
        return false;
    }
    if (!mt_mask_file_check_type(m->path, error))
        return false;
    m->sha256 = mt_hash_file(m->path, error);
    return m->sha256 != NULL;
}

static bool load_model(mt_masker *m, GError **error)
{
    m->path = g_strdup(m->method + strlen("model:"));
    m->segmenter = mt_segmenter_load(m->path, error);
    m->sha256 = m->segmenter != NULL ? g_strdup(mt_segmenter_sha256(m->segmenter)) : NULL;
    return m->segmenter != NULL;
}

mt_masker *mt_masker_new(const char *method, GError **error)
{
    g_autoptr(mt_masker) m = g_new0(mt_masker, 1);

    m->method = g_strdup(method);
    if (method != NULL && !mt_mask_method_known(method)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "prepare the mask: unknown method '%s': use otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx",
                    method);
        return NULL;
    }
    if (method != NULL && g_str_has_prefix(method, "model:") && !load_model(m, error))
        return NULL;
    if (method != NULL && g_str_has_prefix(method, "file:") && !find_file(m, error))
        return NULL;
    return g_steal_pointer(&m);
}

void mt_masker_free(mt_masker *masker)
{
    if (masker == NULL)
        return;
    g_clear_pointer(&masker->segmenter, mt_segmenter_free);
    g_free(masker->method);
    g_free(masker->path);
    g_free(masker->sha256);
    g_free(masker);
}

static bool find_external(mt_masker *m, mt_case *c, const char *id, mt_foreground *found, GError **error)
{
    if (m->segmenter != NULL)
        return mt_segmenter_find(m->segmenter, c, found, error);
    g_autofree char *path = m->is_folder ? mt_mask_file_search(m->path, id, mt_case_path(c), error) : g_strdup(m->path);

    return path != NULL && mt_mask_file_find(path, c, found, error);
}

void mt_masker_exclude(mt_masker *masker, unsigned artefacts)
{
    masker->excluded = artefacts;
}

static mt_mask *find_mask(mt_masker *masker, mt_case *c, const char *id, GError **error)
{
    mt_foreground found = {0};

    if (masker->path == NULL)
        return mt_mask_new(c, masker->method, error);
    return find_external(masker, c, id, &found, error) ? mt_mask_take(c, masker->method, &found, error) : NULL;
}

mt_mask *mt_masker_run(mt_masker *masker, mt_case *c, const char *id, GError **error)
{
    g_autoptr(mt_mask) mask = find_mask(masker, c, id, error);

    if (mask == NULL || (masker->excluded != 0 && !mt_mask_exclude(mask, c, masker->excluded, error)))
        return NULL;
    return g_steal_pointer(&mask);
}

const char *mt_masker_sha256(const mt_masker *masker)
{
    return masker->sha256;
}

char *mt_masker_text(const mt_masker *masker)
{
    g_autofree char *name = masker->path != NULL ? g_path_get_basename(masker->path) : NULL;
    GString         *text = g_string_new(NULL);

    if (name == NULL)
        g_string_append_printf(text, "method=%s\n", masker->method != NULL ? masker->method : "by kind");
    else if (masker->is_folder)
        g_string_append_printf(text, "method=file:%s/\n", name);
    else
        g_string_append_printf(text, "method=%s:%s\nsha256=%s\n", masker->segmenter != NULL ? "model" : "file", name, masker->sha256);
    if (masker->segmenter != NULL)
        mt_segmenter_card_put(text, mt_segmenter_get_card(masker->segmenter));
    if (masker->excluded != 0) {
        g_autofree char *list = mt_artefacts_text(masker->excluded);
        g_string_append_printf(text, "exclude=%s\n", list);
    }
    return g_string_free(text, FALSE);
}
