#include <microtome/result.h>
#include <microtome/search.h>

#include "src/base/alloc.h"
#include "src/result/headline.h"
#include "src/result/nearest.h"
#include "src/result/withheld.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define CHUNK 1024 /* rows read at once */

/* A result that may be compared. */
typedef struct entry {
    char *id, *path, *head, *head_sha256, *input_sha256;
} entry;

/* What two vectors must share to be compared. */
typedef struct space {
    bool    embedding; /* of a head; else features */
    char   *maker, *sha256;
    int64_t dim;
} space;

typedef struct finder {
    mt_search              *search;
    const mt_search_params *params;
    GPtrArray              *entries; /* entry *, ascending by id */
    guint                   query;   /* index in entries */
    space                   wanted;
    mt_nearest             *nearest;
    GPtrArray              *left_out;
} finder;

static void hit_clear(mt_search_hit *hit)
{
    g_free(hit->id);
    g_free(hit->path);
    g_free(hit->withheld);
}

void mt_search_free(mt_search *search)
{
    if (search == NULL)
        return;
    hit_clear(&search->query);
    for (int i = 0; i < search->n_hits; i++)
        hit_clear(&search->hits[i]);
    g_free(search->hits);
    g_free(search->by);
    g_strfreev(search->left_out);
    g_free(search);
}

static void entry_free(gpointer data)
{
    entry *e = data;

    g_free(e->id);
    g_free(e->path);
    g_free(e->head);
    g_free(e->head_sha256);
    g_free(e->input_sha256);
    g_free(e);
}

static void space_clear(space *s)
{
    g_clear_pointer(&s->maker, g_free);
    g_clear_pointer(&s->sha256, g_free);
}

static gint by_id(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const entry *const *)a)->id, (*(const entry *const *)b)->id);
}

static void leave_out(finder *f, const char *name, const char *why)
{
    g_ptr_array_add(f->left_out, g_strdup_printf("%s: %s", name, why));
}

static bool add_entry(finder *f, const char *path, GError **error)
{
    g_autofree char *line = mt_result_headline(path, error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, path, error) : NULL;

    if (headline == NULL)
        return false;
    if (headline->id == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its headline has no id");
        return false;
    }
    entry *e = g_new0(entry, 1);
    *e = (entry){.id = g_strdup(headline->id),
                 .path = g_strdup(path),
                 .head = g_strdup(headline->head),
                 .head_sha256 = g_strdup(headline->head_sha256),
                 .input_sha256 = g_strdup(headline->input_sha256)};
    g_ptr_array_add(f->entries, e);
    f->search->demonstration |= headline->demonstration;
    return true;
}

static void add_or_leave_out(finder *f, const char *folder, const char *name)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);

    if (!add_entry(f, path, &reason))
        leave_out(f, name, reason->message);
}

static bool list_entries(finder *f, const char *out, GError **error)
{
    g_autofree char *folder = g_build_filename(out, "cases", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        if (g_str_has_suffix(name, ".h5") && name[0] != '.')
            add_or_leave_out(f, folder, name);
    if (f->entries->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "%s holds no results: name the folder that microtome run wrote", folder);
        return false;
    }
    g_ptr_array_sort(f->entries, by_id);
    return true;
}

static const entry *get(const finder *f, guint i)
{
    return g_ptr_array_index(f->entries, i);
}

static bool find_query(finder *f, const char *out, GError **error)
{
    if (f->params->from != NULL) {
        f->query = f->entries->len;
        return add_entry(f, f->params->from, error);
    }
    for (guint i = 0; i < f->entries->len; i++)
        if (strcmp(get(f, i)->id, f->params->case_id) == 0) {
            f->query = i;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s has no case '%s': the first of %u is '%s'", out, f->params->case_id, f->entries->len,
                get(f, 0)->id);
    return false;
}

static bool read_width(const mt_result *result, const char *object, int rank, int64_t *width, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    int     found = mt_result_shape(result, object, shape, error);

    if (found < 0)
        return false;
    if (found != rank || shape[rank - 1] < 1 || shape[0] < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s is empty or has another rank than %d", object, rank);
        return false;
    }
    *width = shape[rank - 1];
    return true;
}

/* What the case can be compared by: its tiles' features, or as a whole its embedding where it has one. */
static bool read_space(const mt_result *result, const entry *e, bool tiles, space *s, GError **error)
{
    if (!tiles && mt_result_has(result, MT_OBJECT_EMBEDDING)) {
        *s = (space){.embedding = true, .maker = g_strdup(e->head), .sha256 = g_strdup(e->head_sha256)};
        return read_width(result, MT_OBJECT_EMBEDDING, 1, &s->dim, error);
    }
    if (!mt_result_has(result, MT_OBJECT_FEATURES)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it has no features (microtome prune takes them out)");
        return false;
    }
    *s = (space){.maker = mt_result_attr_string(result, MT_OBJECT_FEATURES, MT_ATTR_ENCODER),
                 .sha256 = mt_result_attr_string(result, MT_OBJECT_FEATURES, MT_ATTR_ENCODER_SHA256)};
    return read_width(result, MT_OBJECT_FEATURES, 2, &s->dim, error);
}

static char *describe(const space *s)
{
    return g_strdup_printf("%s of %s %s%s%.12s%s, %" G_GINT64_FORMAT " wide", s->embedding ? "embedding" : "features",
                           s->embedding ? "head" : "encoder", s->maker != NULL ? s->maker : "unknown", s->sha256 != NULL ? " (" : "",
                           s->sha256 != NULL ? s->sha256 : "", s->sha256 != NULL ? ")" : "", s->dim);
}

/* By the hash of the file where both say it, else by its name; what neither says (CLAM's features) is believed to be one. */
static bool same_space(const space *a, const space *b)
{
    if (a->embedding != b->embedding || a->dim != b->dim)
        return false;
    if (a->sha256 != NULL && b->sha256 != NULL)
        return strcmp(a->sha256, b->sha256) == 0;
    if (a->maker == NULL && b->maker == NULL)
        return a->sha256 == NULL && b->sha256 == NULL;
    return g_strcmp0(a->maker, b->maker) == 0;
}

typedef bool (*row_function)(void *user, const float *row, int64_t i, GError **error);

/* Each valid row of /features in order. */
static bool each_valid(const mt_result *result, int64_t dim, row_function take, void *user, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    g_autoptr(mt_tensor) valid = NULL;

    if (mt_result_shape(result, MT_OBJECT_FEATURES, shape, error) != 2)
        return false;
    if (mt_result_has(result, MT_OBJECT_VALID) && (valid = mt_result_read(result, MT_OBJECT_VALID, error)) == NULL)
        return false;
    if (valid != NULL && (valid->dtype != MT_U8 || mt_tensor_count(valid) != shape[0])) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s does not fit %s", MT_OBJECT_VALID, MT_OBJECT_FEATURES);
        return false;
    }
    float *rows = mt_alloc(CHUNK * dim, sizeof(float), error);
    bool   ok = rows != NULL;
    for (int64_t first = 0; ok && first < shape[0]; first += CHUNK) {
        int64_t n = MIN(CHUNK, shape[0] - first);
        ok = mt_result_read_rows(result, MT_OBJECT_FEATURES, first, n, rows, error);
        for (int64_t i = 0; ok && i < n; i++)
            if (valid == NULL || ((const uint8_t *)valid->data)[first + i] != 0)
                ok = take(user, rows + i * dim, first + i, error);
    }
    mt_free(rows);
    return ok;
}

typedef struct mean {
    double *sums;
    int64_t dim, n;
} mean;

static bool add_to_mean(void *user, const float *row, G_GNUC_UNUSED int64_t i, G_GNUC_UNUSED GError **error)
{
    mean *m = user;

    for (int64_t k = 0; k < m->dim; k++)
        m->sums[k] += (double)row[k];
    m->n++;
    return true;
}

static bool mean_of_features(const mt_result *result, int64_t dim, float *vector, GError **error)
{
    mean m = {.sums = mt_alloc(dim, sizeof(double), error), .dim = dim};
    bool ok = m.sums != NULL && each_valid(result, dim, add_to_mean, &m, error);

    if (ok && m.n == 0)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it has no valid tile");
    for (int64_t k = 0; ok && m.n > 0 && k < dim; k++)
        vector[k] = (float)(m.sums[k] / (double)m.n);
    ok = ok && m.n > 0;
    mt_free(m.sums);
    return ok;
}

/* The vector that stands for the case. */
static float *case_vector(const mt_result *result, const space *s, GError **error)
{
    float *vector = mt_alloc(s->dim, sizeof(float), error);
    bool   ok = vector != NULL;

    if (ok && s->embedding) {
        g_autoptr(mt_tensor) stored = mt_result_read(result, MT_OBJECT_EMBEDDING, error);
        ok = stored != NULL && stored->dtype == MT_F32 && mt_tensor_count(stored) == s->dim;
        if (ok)
            memcpy(vector, stored->data, (size_t)s->dim * sizeof(float));
        else if (stored != NULL)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s is no vector of float32", MT_OBJECT_EMBEDDING);
    } else if (ok) {
        ok = mean_of_features(result, s->dim, vector, error);
    }
    if (!ok)
        g_clear_pointer(&vector, mt_free);
    return vector;
}

static float *tile_vector(const mt_result *result, const space *s, int64_t tile, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    g_autoptr(mt_tensor) valid = mt_result_has(result, MT_OBJECT_VALID) ? mt_result_read(result, MT_OBJECT_VALID, NULL) : NULL;

    if (mt_result_shape(result, MT_OBJECT_FEATURES, shape, error) != 2)
        return NULL;
    if (tile >= shape[0]) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it has tiles 0 to %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, shape[0] - 1, tile);
        return NULL;
    }
    if (valid != NULL && valid->dtype == MT_U8 && tile < mt_tensor_count(valid) && ((const uint8_t *)valid->data)[tile] == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %" G_GINT64_FORMAT " could not be decoded, it has no features", tile);
        return NULL;
    }
    float *vector = mt_alloc(s->dim, sizeof(float), error);
    if (vector != NULL && !mt_result_read_rows(result, MT_OBJECT_FEATURES, tile, 1, vector, error))
        g_clear_pointer(&vector, mt_free);
    return vector;
}

static bool open_query(finder *f, GError **error)
{
    const entry *e = get(f, f->query);
    bool         tiles = f->params->tile >= 0;
    g_autoptr(mt_result) result = mt_result_open(e->path, error);

    if (result == NULL || !read_space(result, e, tiles, &f->wanted, error))
        return false;
    float *vector = tiles ? tile_vector(result, &f->wanted, f->params->tile, error) : case_vector(result, &f->wanted, error);
    f->nearest = vector != NULL ? mt_nearest_new(vector, f->wanted.dim, f->params->k, error) : NULL;
    mt_free(vector);
    return f->nearest != NULL;
}

typedef struct shown {
    finder *f;
    guint   source;
} shown;

static bool show_tile(void *user, const float *row, int64_t i, GError **error)
{
    const shown *s = user;

    if (s->source == s->f->query && i == s->f->params->tile)
        return true;
    if (mt_nearest_show(s->f->nearest, row, s->source, i, error))
        return true;
    g_prefix_error(error, "tile %" G_GINT64_FORMAT ": ", i);
    return false;
}

static bool show_case(finder *f, guint i, const mt_result *result, const space *s, GError **error)
{
    if (f->params->tile >= 0)
        return each_valid(result, s->dim, show_tile, &(shown){f, i}, error);
    float *vector = case_vector(result, s, error);
    bool   ok = vector != NULL && mt_nearest_show(f->nearest, vector, i, -1, error);
    mt_free(vector);
    return ok;
}

/* A case that cannot be compared is left out by name.  One that breaks off halfway ends the search: some of it was shown already. */
static bool compare(finder *f, guint i, GError **error)
{
    const entry *e = get(f, i);
    g_autoptr(GError) reason = NULL;
    g_autoptr(mt_result) result = mt_result_open(e->path, &reason);
    space s = {0};

    bool fits = result != NULL && read_space(result, e, f->params->tile >= 0, &s, &reason);
    if (fits && !same_space(&s, &f->wanted)) {
        g_autofree char *has = describe(&s);
        g_set_error(&reason, MT_ERROR, MT_ERROR_INPUT, "it has %s", has);
        fits = false;
    }
    bool ok = fits && show_case(f, i, result, &s, &reason);
    space_clear(&s);
    if (!ok && fits && f->params->tile >= 0) {
        g_propagate_prefixed_error(error, g_steal_pointer(&reason), "%s: ", e->path);
        return false;
    }
    if (!ok)
        leave_out(f, e->id, reason->message);
    return true;
}

/* Where the tile lies: its row of /coords, and its edges. */
static bool place_hit(const mt_result *result, mt_search_hit *hit, GError **error)
{
    double edges[2];
    g_autoptr(mt_tensor) coords = mt_result_read(result, MT_OBJECT_COORDS, error);

    if (coords == NULL)
        return false;
    if (coords->dtype != MT_I64 || coords->rank != 2 || coords->shape[1] < 2 || hit->tile >= coords->shape[0]) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: %s lacks the place of tile %" G_GINT64_FORMAT, hit->path, MT_OBJECT_COORDS,
                    hit->tile);
        return false;
    }
    const int64_t *row = (const int64_t *)coords->data + hit->tile * coords->shape[1];
    hit->x = row[0];
    hit->y = row[1];
    hit->plane = coords->shape[1] > 2 ? row[2] : 0;
    if (mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, edges, 2) && edges[0] >= 1 && edges[1] >= 1 && edges[0] < 1e6 &&
        edges[1] < 1e6) {
        hit->width_level0 = (int64_t)lround(edges[0]);
        hit->height_level0 = (int64_t)lround(edges[1]);
    }
    return true;
}

static bool fill_hit(const finder *f, mt_search_hit *hit, guint source, int64_t row, double score, GError **error)
{
    const entry *e = get(f, source);

    *hit = (mt_search_hit){.id = g_strdup(e->id), .path = g_strdup(e->path), .score = score, .tile = row};
    if (row < 0)
        return true;
    g_autoptr(mt_result) result = mt_result_open(e->path, error);
    return result != NULL && place_hit(result, hit, error);
}

static bool collect_hits(finder *f, GError **error)
{
    const mt_near *found;
    int            n;
    mt_search     *search = f->search;

    if (!mt_nearest_finish(f->nearest, &found, &n, error) || !fill_hit(f, &search->query, f->query, f->params->tile, 1, error))
        return false;
    search->hits = g_new0(mt_search_hit, (gsize)MAX(n, 1));
    for (int i = 0; i < n; i++) {
        search->n_hits = i + 1;
        if (!fill_hit(f, &search->hits[i], found[i].source, found[i].row, found[i].score, error))
            return false;
    }
    search->by = describe(&f->wanted);
    search->compared = mt_nearest_compared(f->nearest);
    g_ptr_array_add(f->left_out, NULL);
    search->left_out = (char **)g_ptr_array_free(g_steal_pointer(&f->left_out), FALSE);
    return true;
}

/* The query's own case is compared with its tiles alone; in another folder the same input is the same case. */
static bool is_wanted(const finder *f, guint i)
{
    const char *input = get(f, f->query)->input_sha256;

    if (f->params->from != NULL)
        return i != f->query && (input == NULL || g_strcmp0(input, get(f, i)->input_sha256) != 0);
    return i != f->query || (f->params->tile >= 0 && !f->params->other_cases);
}

static bool search_all(finder *f, const char *out, GError **error)
{
    if (!list_entries(f, out, error) || !find_query(f, out, error))
        return false;
    if (!open_query(f, error)) {
        g_prefix_error(error, "case '%s': ", get(f, f->query)->id);
        return false;
    }
    for (guint i = 0; i < f->entries->len; i++)
        if (is_wanted(f, i) && !compare(f, i, error))
            return false;
    return collect_hits(f, error);
}

/* Features of a night whose control case was not as expected are as doubtful as its scores. */
static void mark_withheld(mt_search *search, const char *folder)
{
    g_autoptr(mt_withheld) withheld = mt_withheld_read(folder);

    search->query.withheld = g_strdup(mt_withheld_why(withheld, search->query.path));
    for (int i = 0; i < search->n_hits; i++)
        search->hits[i].withheld = g_strdup(mt_withheld_why(withheld, search->hits[i].path));
}

mt_search *mt_search_new(const char *folder, const mt_search_params *params, GError **error)
{
    g_autoptr(mt_search) search = g_new0(mt_search, 1);

    if (params->k < 1 || params->k > MT_SEARCH_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "search %s: %d hits are wanted, 1 to %d can be", folder, params->k, MT_SEARCH_MAX);
        return NULL;
    }
    finder f = {.search = search,
                .params = params,
                .entries = g_ptr_array_new_with_free_func(entry_free),
                .left_out = g_ptr_array_new_with_free_func(g_free)};
    bool   ok = search_all(&f, folder, error);
    if (ok)
        mark_withheld(search, folder);
    else
        g_prefix_error(error, "search %s: ", folder);
    mt_nearest_free(f.nearest);
    space_clear(&f.wanted);
    g_ptr_array_unref(f.entries);
    g_clear_pointer(&f.left_out, g_ptr_array_unref);
    return ok ? g_steal_pointer(&search) : NULL;
}

static json_t *hit_json(const mt_search_hit *hit, bool query)
{
    json_t *object = json_pack("{s:s, s:s}", "id", hit->id, "path", hit->path);

    if (!query)
        json_object_set_new(object, "score", json_real(hit->score));
    if (hit->tile >= 0) {
        json_object_set_new(object, "tile", json_integer(hit->tile));
        json_object_set_new(object, "x", json_integer(hit->x));
        json_object_set_new(object, "y", json_integer(hit->y));
        json_object_set_new(object, "plane", json_integer(hit->plane));
    }
    if (hit->withheld != NULL)
        json_object_set_new(object, "withheld", json_string(hit->withheld));
    return object;
}

char *mt_search_json(const mt_search *search)
{
    json_t *hits = json_array(), *left_out = json_array();

    for (int i = 0; i < search->n_hits; i++)
        json_array_append_new(hits, hit_json(&search->hits[i], false));
    for (int i = 0; search->left_out[i] != NULL; i++)
        json_array_append_new(left_out, json_string(search->left_out[i]));
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:b, s:o, s:o}", "query", hit_json(&search->query, true), "by", search->by, "compared",
                  (json_int_t)search->compared, "demonstration", (int)search->demonstration, "hits", hits, "left_out", left_out);
    char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    char *copy = g_strdup(text != NULL ? text : "{}");
    free(text);
    json_decref(object);
    return copy;
}
