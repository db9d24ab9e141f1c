#include "src/export/deidentify_profile.h"

#include "src/base/limits.h"
#include "src/export/deidentify_resource.h"

#include <gio/gio.h>
#include <string.h>

#define BUILT_IN "/microtome/deidentify/deidentify_profile.txt"

typedef struct row {
    char                 tag[10]; /* "gggg,eeee", lower case, x any */
    mt_deidentify_action action;
    bool                 identifying;
} row;

struct mt_deidentify_profile {
    GArray    *rows;
    GPtrArray *pixels;
};

static void pixels_free(gpointer data)
{
    mt_deidentify_pixels *p = data;

    g_free(p->modality);
    g_free(p->manufacturer);
    g_free(p->model);
    g_array_unref(p->boxes);
    g_free(p);
}

static bool read_tag(const char *word, char tag[10])
{
    if (strlen(word) != 9 || word[4] != ',')
        return false;
    for (int i = 0; i < 9; i++) {
        if (i != 4 && !g_ascii_isxdigit(word[i]) && word[i] != 'x')
            return false;
        tag[i] = (char)g_ascii_tolower(word[i]);
    }
    tag[9] = '\0';
    return true;
}

static bool read_row(mt_deidentify_profile *p, char **words)
{
    static const char letters[] = "?KXZDU";
    row               r = {0};

    if (words[0] == NULL || words[1] == NULL || !read_tag(words[0], r.tag) || *words[1] == '\0' || *words[1] == '?')
        return false;
    const char *letter = strchr(letters, *words[1]);
    if (letter == NULL || (words[1][1] != '\0' && strcmp(words[1] + 1, "!") != 0))
        return false;
    r.action = (mt_deidentify_action)(letter - letters);
    r.identifying = words[1][1] == '!';
    g_array_append_val(p->rows, r);
    return true;
}

static bool read_numbers(const char *text, char between, int64_t *numbers, int n)
{
    for (int i = 0; i < n; i++) {
        char *end;
        numbers[i] = g_ascii_strtoll(text, &end, 10);
        if (end == text || numbers[i] < 0 || numbers[i] > G_MAXINT || *end != (i + 1 < n ? between : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

/* pixels MODALITY MANUFACTURER MODEL COLUMNSxROWS BOX .. */
static bool read_pixels(mt_deidentify_profile *p, char **words)
{
    mt_deidentify_pixels *pixels = g_new0(mt_deidentify_pixels, 1);
    int64_t               size[2];
    bool                  ok = g_strv_length(words) >= 6 && read_numbers(words[4], 'x', size, 2);

    pixels->boxes = g_array_new(FALSE, FALSE, 4 * sizeof(int64_t));
    g_ptr_array_add(p->pixels, pixels);
    if (!ok)
        return false;
    pixels->modality = g_strdup(words[1]);
    pixels->manufacturer = g_strdelimit(g_strdup(words[2]), "_", ' ');
    pixels->model = g_strdelimit(g_strdup(words[3]), "_", ' ');
    pixels->columns = size[0];
    pixels->rows = size[1];
    for (char **word = words + 5; ok && *word != NULL && strcmp(words[5], "none") != 0; word++) {
        int64_t box[4];
        ok = read_numbers(*word, ',', box, 4);
        g_array_append_vals(pixels->boxes, box, 1);
    }
    return ok;
}

static bool read_text(mt_deidentify_profile *p, const char *name, const char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (int i = 0; lines[i] != NULL; i++) {
        g_strstrip(lines[i]);
        if (*lines[i] == '\0' || *lines[i] == '#')
            continue;
        g_auto(GStrv) words = g_strsplit_set(lines[i], " \t", -1);
        bool pixels = strcmp(words[0], "pixels") == 0;
        if (pixels ? read_pixels(p, words) : read_row(p, words))
            continue;
        g_set_error(
            error, MT_ERROR, MT_ERROR_INPUT,
            "read profile %s: line %d is neither GROUP,ELEMENT ACTION NAME (K, X, Z, D or U) nor pixels MODALITY MANUFACTURER MODEL "
            "COLUMNSxROWS X,Y,W,H",
            name, i + 1);
        return false;
    }
    return true;
}

mt_deidentify_profile *mt_deidentify_profile_load(const char *path, GError **error)
{
    g_autoptr(mt_deidentify_profile) p = g_new0(mt_deidentify_profile, 1);
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    gsize            bytes = 0;

    p->rows = g_array_new(FALSE, FALSE, sizeof(row));
    p->pixels = g_ptr_array_new_with_free_func(pixels_free);
    if (path != NULL && (!g_file_get_contents(path, &text, &bytes, &reason) || bytes > MT_LIMIT_KEY_FILE_BYTES)) {
        g_set_error(error, MT_ERROR, reason != NULL ? MT_ERROR_MISSING : MT_ERROR_LIMIT, "read profile %s: %s", path,
                    reason != NULL ? reason->message : "it is larger than a profile may be");
        return NULL;
    }
    if (text != NULL && !read_text(p, path, text, error))
        return NULL;
    GBytes *data = g_resource_lookup_data(mt_deidentify_get_resource(), BUILT_IN, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
    if (data == NULL)
        return NULL;
    g_autofree char *own = g_strndup(g_bytes_get_data(data, NULL), g_bytes_get_size(data));
    g_bytes_unref(data);
    return read_text(p, "built in", own, error) ? g_steal_pointer(&p) : NULL;
}

void mt_deidentify_profile_free(mt_deidentify_profile *p)
{
    if (p == NULL)
        return;
    g_array_unref(p->rows);
    g_ptr_array_unref(p->pixels);
    g_free(p);
}

int mt_deidentify_profile_rows(const mt_deidentify_profile *p)
{
    return (int)p->rows->len;
}

mt_deidentify_action mt_deidentify_profile_action(const mt_deidentify_profile *p, unsigned group, unsigned element, bool *identifying)
{
    char tag[10];

    g_snprintf(tag, sizeof tag, "%04x,%04x", group & 0xffff, element & 0xffff);
    *identifying = false;
    for (guint i = 0; i < p->rows->len; i++) {
        const row *r = &g_array_index(p->rows, row, i);
        int        k = 0;
        while (k < 9 && (r->tag[k] == 'x' || r->tag[k] == tag[k]))
            k++;
        if (k < 9)
            continue;
        *identifying = r->identifying;
        return r->action;
    }
    return MT_DEIDENTIFY_DEFAULT;
}

static bool fits(const char *wanted, const char *is)
{
    return strcmp(wanted, "*") == 0 || (is != NULL && g_ascii_strcasecmp(wanted, is) == 0);
}

const mt_deidentify_pixels *mt_deidentify_profile_pixels(const mt_deidentify_profile *p, const char *modality, const char *manufacturer,
                                                         const char *model, int64_t columns, int64_t rows)
{
    for (guint i = 0; i < p->pixels->len; i++) {
        const mt_deidentify_pixels *x = p->pixels->pdata[i];
        if (x->columns == columns && x->rows == rows && fits(x->modality, modality) && fits(x->manufacturer, manufacturer) &&
            fits(x->model, model))
            return x;
    }
    return NULL;
}
