#include <microtome/layouts.h>

#include "src/base/publish.h"
#include "src/export/layout_plan.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct layout {
    const char *name;
    bool        tells_scores;
    bool (*plan)(const mt_layout_source *source, mt_layout_plan *plan, GError **error);
} layout;

static const layout LAYOUTS[] = {{"clam", false, mt_layout_clam_plan},
                                 {"trident", false, mt_layout_trident_plan},
                                 {"stamp", false, mt_layout_stamp_plan},
                                 {"wsinfer", true, mt_layout_wsinfer_plan},
                                 {"h5ad", true, mt_layout_h5ad_plan}};

struct mt_layout_export {
    mt_layout_params params; /* its strings are ours */
    const layout    *layout;
    char            *began; /* local time, without a zone */
    GPtrArray       *lines; /* mt_layout_line *, of all that was added */
    GHashTable      *names; /* of slides that were added */
};

static const layout *find_layout(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(LAYOUTS); i++)
        if (g_strcmp0(LAYOUTS[i].name, name) == 0)
            return &LAYOUTS[i];
    return NULL;
}

const char *mt_layout_names(void)
{
    static char *names;

    if (g_once_init_enter(&names)) {
        GString *all = g_string_new(NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(LAYOUTS); i++)
            g_string_append_printf(all, "%s%s", i > 0 ? ", " : "", LAYOUTS[i].name);
        g_once_init_leave(&names, g_string_free(all, FALSE));
    }
    return names;
}

bool mt_layout_tells_scores(const char *name)
{
    const layout *found = find_layout(name);

    return found != NULL && found->tells_scores;
}

static bool is_word(const char *text, const char *more)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr(more, *c) == NULL)
            return false;
    return *text != '\0' && strlen(text) < 100;
}

static bool check_params(const mt_layout_params *p, GError **error)
{
    if (find_layout(p->layout) == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "layout %s: one of %s is wanted", p->layout, mt_layout_names());
    else if (p->slide_ext != NULL && (*p->slide_ext != '.' || !is_word(p->slide_ext, ".")))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "extension '%s' of slides: a dot, letters and digits are wanted, as .svs",
                    p->slide_ext);
    else if (p->encoder != NULL && (*p->encoder == '.' || !is_word(p->encoder, "._-")))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "encoder '%s': letters, digits, dots, dashes and underscores are wanted", p->encoder);
    else
        return true;
    return false;
}

static bool make_folder(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0755) == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", folder, g_strerror(errno));
    return false;
}

static bool make_folder_of(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return make_folder(folder, error);
}

static void free_file(void *data)
{
    mt_layout_file *file = data;

    g_free(file->path);
    g_free(file);
}

static void free_line(void *data)
{
    mt_layout_line *line = data;

    g_free(line->path);
    g_free(line->head);
    g_free(line->key);
    g_free(line->line);
    g_free(line);
}

mt_layout_export *mt_layout_export_new(const mt_layout_params *params, GError **error)
{
    if (!check_params(params, error) || !make_folder(params->folder, error))
        return NULL;
    mt_layout_export *self = g_new0(mt_layout_export, 1);
    self->layout = find_layout(params->layout);
    self->params = (mt_layout_params){g_strdup(params->layout), g_strdup(params->folder), g_strdup(params->slide_ext),
                                      g_strdup(params->encoder), params->replace};
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    self->began = g_date_time_format(now, "%Y-%m-%dT%H%M%S");
    self->lines = g_ptr_array_new_with_free_func(free_line);
    self->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return self;
}

void mt_layout_export_free(mt_layout_export *self)
{
    if (self == NULL)
        return;
    g_free((char *)self->params.layout);
    g_free((char *)self->params.folder);
    g_free((char *)self->params.slide_ext);
    g_free((char *)self->params.encoder);
    g_free(self->began);
    g_ptr_array_unref(self->lines);
    g_hash_table_unref(self->names);
    g_free(self);
}

void mt_layout_plan_file(mt_layout_plan *plan, mt_layout_write write, const char *format, ...)
{
    mt_layout_file *file = g_new0(mt_layout_file, 1);
    va_list         arguments;

    va_start(arguments, format);
    *file = (mt_layout_file){g_strdup_vprintf(format, arguments), write};
    va_end(arguments);
    g_ptr_array_add(plan->files, file);
}

void mt_layout_plan_line(mt_layout_plan *plan, char *path, const char *head, char *key, char *line)
{
    mt_layout_line *one = g_new0(mt_layout_line, 1);

    *one = (mt_layout_line){path, g_strdup(head), key, line};
    g_ptr_array_add(plan->lines, one);
}

/* Nothing of a slide is written when a part of it is there. */
static bool check_files(const mt_layout_export *self, const mt_layout_source *s, const mt_layout_plan *plan, GError **error)
{
    const char *other = g_hash_table_lookup(self->names, s->name);

    if (other != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "export %s: %s has been written from %s: two slides of one name need two folders",
                    mt_result_path(s->result), s->name, other);
        return false;
    }
    for (guint i = 0; i < plan->files->len && !self->params.replace; i++) {
        const mt_layout_file *file = plan->files->pdata[i];
        g_autofree char      *path = g_build_filename(self->params.folder, file->path, NULL);
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "export %s: %s exists: --force replaces it", mt_result_path(s->result), path);
        return false;
    }
    return true;
}

/* Half a slide would be taken for a slide, and stand in the way of the next try.  What was replaced is gone in any case. */
static void remove_files(const mt_layout_export *self, const mt_layout_plan *plan, guint n)
{
    for (guint i = 0; i < n; i++) {
        const mt_layout_file *file = plan->files->pdata[i];
        g_autofree char      *path = g_build_filename(self->params.folder, file->path, NULL);
        g_unlink(path);
    }
}

static bool write_files(mt_layout_export *self, const mt_layout_source *s, const mt_layout_plan *plan, GError **error)
{
    for (guint i = 0; i < plan->files->len; i++) {
        const mt_layout_file *file = plan->files->pdata[i];
        g_autofree char      *path = g_build_filename(self->params.folder, file->path, NULL);
        if (!make_folder_of(path, error) || !file->write(s, path, error)) {
            remove_files(self, plan, i);
            return false;
        }
    }
    return true;
}

static void keep_lines(mt_layout_export *self, mt_layout_plan *plan)
{
    while (plan->lines->len > 0)
        g_ptr_array_add(self->lines, g_ptr_array_steal_index(plan->lines, 0));
}

bool mt_layout_export_add(mt_layout_export *self, const mt_result *result, GError **error)
{
    g_autoptr(mt_layout_source) source = mt_layout_source_new(result, &self->params, error);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(free_file);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free_line);
    mt_layout_plan plan = {files, lines};

    if (source == NULL)
        return false;
    source->began = g_strdup(self->began);
    if (!self->layout->plan(source, &plan, error) || !check_files(self, source, &plan, error) || !write_files(self, source, &plan, error))
        return false;
    keep_lines(self, &plan);
    g_hash_table_insert(self->names, g_strdup(source->name), g_strdup(mt_result_path(result)));
    return true;
}

/* What a line of a list begins with: the slide, as far as the first comma or colon, which no name has. */
static char *key_of(const char *line)
{
    size_t name = strcspn(line, ",:");

    return g_strndup(line, name + (line[name] != '\0'));
}

/* What an earlier export, or the tool itself, has put there; other columns than ours cannot be added to. */
static bool take_old(const mt_layout_export *self, const mt_layout_line *list, const char *path, GHashTable *fresh, GString *text,
                     GError **error)
{
    g_autofree char *old = NULL;

    if (!g_file_get_contents(path, &old, NULL, NULL))
        return true;
    if (!g_str_has_prefix(old, list->head)) {
        if (self->params.replace)
            return true;
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it has other columns than those written here: --force replaces it", path);
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(old + strlen(list->head), "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *key = key_of(*line);
        if (**line != '\0' && !g_hash_table_contains(fresh, key))
            g_string_append_printf(text, "%s\n", *line);
    }
    return true;
}

static bool write_list(const mt_layout_export *self, const mt_layout_line *list, GError **error)
{
    g_autofree char *path = g_build_filename(self->params.folder, list->path, NULL);
    g_autoptr(GString) text = g_string_new(list->head), ours = g_string_new(NULL);
    g_autoptr(GHashTable) fresh = g_hash_table_new(g_str_hash, g_str_equal);

    if (list->key == NULL && !self->params.replace && g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    for (guint i = 0; i < self->lines->len; i++) {
        const mt_layout_line *line = self->lines->pdata[i];
        if (line->key == NULL || strcmp(line->path, list->path) != 0)
            continue;
        g_hash_table_add(fresh, line->key);
        g_string_append_printf(ours, "%s\n", line->line);
    }
    if (!make_folder_of(path, error) || (list->key != NULL && !take_old(self, list, path, fresh, text, error)))
        return false;
    g_string_append(text, ours->str);
    return mt_publish_text(path, text->str, true, error);
}

bool mt_layout_export_write_lists(mt_layout_export *self, GError **error)
{
    g_autoptr(GHashTable) written = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < self->lines->len; i++) {
        const mt_layout_line *line = self->lines->pdata[i];
        if (g_hash_table_add(written, line->path) && !write_list(self, line, error))
            return false;
    }
    return true;
}
