/* Findings and lesions from tables. */
#include "src/base/csv.h"
#include "src/evaluate/case_places.h"

#include <math.h>
#include <string.h>

/* Columns of the table; -1: it has none. */
typedef struct columns {
    int  id, score, ignore, at[3], radius, diameter, box[4], width, height;
    bool lps;
} columns;

static int find_column(const mt_csv *csv, const char *const *names)
{
    int column = -1;

    for (; *names != NULL && column < 0; names++)
        column = mt_csv_column(csv, *names);
    return column;
}

#define FIND(...) find_column(csv, (const char *const[]){__VA_ARGS__, NULL})

static columns find_columns(const mt_csv *csv)
{
    return (columns){.id = FIND("id", "slide_id", "case", "wsi", "image", "seriesuid"),
                     .score = FIND("score", "probability", "confidence"),
                     .ignore = FIND("ignore"),
                     .at = {FIND("x", "coordX"), FIND("y", "coordY"), FIND("z", "coordZ")},
                     .radius = FIND("radius"),
                     .diameter = FIND("diameter", "diameter_mm"),
                     .box = {FIND("x0"), FIND("y0"), FIND("x1"), FIND("y1")},
                     .width = FIND("width"),
                     .height = FIND("height"),
                     .lps = FIND("x") < 0 && FIND("coordX") >= 0};
}

typedef struct reader {
    const char   *path;
    const mt_csv *csv;
    columns       c;
    guint         row;
    bool          scored;
} reader;

static const char *cell(const reader *r, int column)
{
    return column >= 0 ? mt_csv_cell(r->csv, r->row, column) : "";
}

static bool read_number(const reader *r, int column, double *value, GError **error)
{
    const char *text = cell(r, column);
    char       *end = NULL;

    *value = g_ascii_strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*value))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: line %u: '%s' in column %s: a number is wanted", r->path, r->row + 2, text,
                (const char *)r->csv->header->pdata[column]);
    return false;
}

static bool read_extent(const reader *r, mt_place *p, GError **error)
{
    double width = 0, height = 0;

    if (*cell(r, r->c.radius) != '\0')
        return read_number(r, r->c.radius, &p->radius, error);
    if (*cell(r, r->c.diameter) != '\0') {
        bool ok = read_number(r, r->c.diameter, &p->radius, error);
        p->radius /= 2;
        return ok;
    }
    if (*cell(r, r->c.width) == '\0' || *cell(r, r->c.height) == '\0')
        return true;
    if (!read_number(r, r->c.width, &width, error) || !read_number(r, r->c.height, &height, error))
        return false;
    mt_place_set_box(p, &(mt_box){p->at[0] - width / 2, p->at[1] - height / 2, p->at[0] + width / 2, p->at[1] + height / 2});
    return true;
}

static bool read_box(const reader *r, mt_place *p, GError **error)
{
    double side[4];

    for (int i = 0; i < 4; i++)
        if (!read_number(r, r->c.box[i], &side[i], error))
            return false;
    mt_place_set_box(p, &(mt_box){side[0], side[1], side[2], side[3]});
    return true;
}

static bool check_extent(const reader *r, const mt_place *p, GError **error)
{
    if (p->boxed ? p->box.x1 > p->box.x0 && p->box.y1 > p->box.y0 : isnan(p->radius) || p->radius >= 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: line %u: it has no area: x1 > x0, y1 > y0 and a radius of 0 or more are wanted",
                r->path, r->row + 2);
    return false;
}

/* A row with an id alone says that the case has nothing. */
static bool read_place(const reader *r, mt_places *places, GError **error)
{
    bool      boxed = r->c.box[0] >= 0 && *cell(r, r->c.box[0]) != '\0';
    mt_place *p;

    if (!boxed && *cell(r, r->c.at[0]) == '\0')
        return true;
    places->is_lps = r->c.lps;
    p = mt_places_add(places);
    if (boxed && !read_box(r, p, error))
        return false;
    for (int i = 0; i < 3 && !boxed; i++)
        if ((i < 2 || r->c.at[2] >= 0) && !read_number(r, r->c.at[i], &p->at[i], error))
            return false;
    p->ignored = strcmp(cell(r, r->c.ignore), "1") == 0;
    return (boxed || read_extent(r, p, error)) && check_extent(r, p, error) && (!r->scored || read_number(r, r->c.score, &p->score, error));
}

static bool check_columns(const reader *r, const char *id, GError **error)
{
    const columns *c = &r->c;
    const char    *lacks = NULL;

    if (c->id < 0 && id == NULL)
        lacks = "column names the cases: call it id";
    else if (r->scored && c->score < 0)
        lacks = "column score";
    else if (!(c->at[0] >= 0 && c->at[1] >= 0) && !(c->box[0] >= 0 && c->box[1] >= 0 && c->box[2] >= 0 && c->box[3] >= 0))
        lacks = "columns x and y, or x0, y0, x1 and y1";
    if (lacks == NULL)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: no %s", r->path, lacks);
    return false;
}

static bool is_number(const char *text)
{
    char *end = NULL;

    g_ascii_strtod(text, &end);
    return end != text && *end == '\0';
}

/* Camelyon16's files are rows of score, x, y without a header: what was taken for one is the first row. */
static void give_header(mt_csv *csv)
{
    static const char *const names[] = {"score", "x", "y"};
    GPtrArray               *first = csv->header;

    if (first->len != 3 || !is_number(first->pdata[0]) || !is_number(first->pdata[1]) || !is_number(first->pdata[2]))
        return;
    csv->header = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < 3; i++)
        g_ptr_array_add(csv->header, g_strdup(names[i]));
    g_ptr_array_insert(csv->rows, 0, first);
}

GHashTable *mt_places_read_csv(const char *path, const char *id, bool scored, GError **error)
{
    g_autoptr(mt_csv) csv = mt_csv_read(path, error);
    g_autoptr(GHashTable) cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, mt_places_free);

    if (csv == NULL)
        return NULL;
    if (id != NULL && scored)
        give_header(csv);
    reader r = {.path = path, .csv = csv, .c = find_columns(csv), .scored = scored};
    if (!check_columns(&r, id, error))
        return NULL;
    if (id != NULL)
        g_hash_table_insert(cases, g_strdup(id), mt_places_new());
    for (; r.row < csv->rows->len; r.row++) {
        const char *of = id != NULL ? id : cell(&r, r.c.id);
        if (*of == '\0') {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: line %u names no case", path, r.row + 2);
            return NULL;
        }
        if (!g_hash_table_contains(cases, of))
            g_hash_table_insert(cases, g_strdup(of), mt_places_new());
        if (!read_place(&r, g_hash_table_lookup(cases, of), error))
            return NULL;
    }
    return g_steal_pointer(&cases);
}
