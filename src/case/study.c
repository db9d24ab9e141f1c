#include "src/case/study.h"

#include <string.h>

static void series_free(void *data)
{
    mt_series *s = data;

    g_free(s->modality);
    g_free(s->body_part);
    g_free(s->view);
    g_free(s->laterality);
    g_free(s->description);
    g_free(s->protocol);
    g_free(s->image_type);
    g_free(s->scanning);
    g_free(s->frame);
    g_strfreev(s->files);
    g_free(s->reason);
    g_free(s->chosen);
    g_free(s);
}

mt_study *mt_study_open(const char *path, GError **error)
{
    g_autoptr(mt_study) study = g_new0(mt_study, 1);

    study->path = g_strdup(path);
    study->series = g_ptr_array_new_with_free_func(series_free);
    study->damaged = g_ptr_array_new_with_free_func(g_free);
    study->broken = g_ptr_array_new_with_free_func(g_free);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "open %s: no such folder", path);
        return NULL;
    }
    if (mt_study_read(study, error))
        return g_steal_pointer(&study);
    g_prefix_error(error, "open %s: ", path);
    return NULL;
}

void mt_study_free(mt_study *study)
{
    if (study == NULL)
        return;
    g_free(study->path);
    g_ptr_array_unref(study->series);
    g_ptr_array_unref(study->damaged);
    g_ptr_array_unref(study->broken);
    g_free(study);
}

int mt_study_count(const mt_study *study)
{
    return (int)study->series->len;
}

const mt_series *mt_study_get(const mt_study *study, int i)
{
    return g_ptr_array_index(study->series, i);
}

const char *mt_study_damaged(const mt_study *study, int i)
{
    return i >= 0 && (guint)i < study->damaged->len ? g_ptr_array_index(study->damaged, i) : NULL;
}

const mt_series *mt_study_chosen(const mt_study *study, const char *role)
{
    for (guint i = 0; i < study->series->len; i++) {
        const mt_series *s = g_ptr_array_index(study->series, i);
        if (s->chosen != NULL && strcmp(s->chosen, role != NULL ? role : "") == 0)
            return s;
    }
    return NULL;
}

char *mt_series_text(const mt_series *s)
{
    GString *text = g_string_new(s->modality != NULL ? s->modality : "no modality");

    if (s->images > 0)
        g_string_append_printf(text, ", %" G_GINT64_FORMAT " image%s of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT, s->images,
                               s->images == 1 ? "" : "s", s->columns, s->rows);
    if (s->orientation != NULL)
        g_string_append_printf(text, ", %s", s->orientation);
    if (s->thickness_mm > 0)
        g_string_append_printf(text, ", %g mm", s->thickness_mm);
    if (s->body_part != NULL)
        g_string_append_printf(text, ", %s", s->body_part);
    if (s->view != NULL)
        g_string_append_printf(text, ", %s", s->view);
    if (s->contrast == MT_CONTRAST_GIVEN)
        g_string_append(text, ", contrast");
    if (s->description != NULL)
        g_string_append_printf(text, ", \"%s\"", s->description);
    return g_string_free(text, FALSE);
}

char *mt_study_text(const mt_study *study)
{
    static const char *const contrasts[] = {"none", "given", "unsure"};
    GString                 *text = g_string_new(NULL);

    for (guint i = 0; i < study->series->len; i++) {
        const mt_series *s = g_ptr_array_index(study->series, i);
        char             mm[G_ASCII_DTOSTR_BUF_SIZE];

        g_ascii_formatd(mm, sizeof mm, "%.6g", s->thickness_mm);
        g_string_append_printf(text, "%s%d\t%s\t%s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%s\t%s\t%s\t%s",
                               i > 0 ? "\n" : "", s->number,
                               s->chosen == NULL      ? "-"
                               : s->chosen[0] == '\0' ? "selected"
                                                      : s->chosen,
                               s->modality != NULL ? s->modality : "-", s->images, s->columns, s->rows,
                               s->orientation != NULL ? s->orientation : "-", mm, contrasts[s->contrast],
                               s->reason != NULL ? s->reason : "-");
    }
    for (guint i = 0; i < study->damaged->len; i++)
        g_string_append_printf(text, "%s-\t-\t-\t0\t0\t0\t-\t0\t-\ta file that cannot be read", text->len > 0 ? "\n" : "");
    return g_string_free(text, FALSE);
}

#ifndef MT_HAVE_DCMTK
char *mt_study_of_file(const char *path)
{
    (void)path;
    return NULL;
}

bool mt_study_matches(const char *path)
{
    (void)path;
    return false;
}

bool mt_study_read(mt_study *study, GError **error)
{
    (void)study;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "this microtome was built without DICOM");
    return false;
}
#endif
