#include "src/serve/reader_private.h"

#include "src/base/refuse.h"
#include "src/batch/worker_sandbox.h"

#include <microtome/picture.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zlib.h>

#define ANSWER_FD 3
#define SLIDES_OPEN 3
#define SLIDE_CACHE_BYTES (INT64_C(64) << 20)
#define QUESTION_BYTES (4 << 20) /* the list of a board */

typedef struct opened_slide {
    char    *path;
    GStatBuf about;
    mt_case *slide;
} opened_slide;

struct mt_reader {
    const char      *folder;
    char            *result_path;
    GStatBuf         about;
    mt_result       *result;
    char            *heat_key;
    mt_heatmap      *heatmap, *frame;
    mt_heat_picture *stored, *picture; /* of frame; picture is of the slide at the head of `slides` when it was made */
    GQueue           slides;           /* opened_slide, the last used first */
};

static const struct {
    const char        *name;
    mt_reader_question answer;
} questions[] = {{"case", mt_reader_case},           {"heat", mt_reader_heat},     {"patch", mt_reader_patch},
                 {"thumbnail", mt_reader_thumbnail}, {"dzi", mt_reader_dzi},       {"tile", mt_reader_tile},
                 {"plane", mt_reader_plane},         {"mask", mt_reader_mask},     {"paper", mt_reader_paper},
                 {"compare", mt_reader_compare},     {"report", mt_reader_report}, {"board", mt_reader_board}};

const char *mt_reader_text(const json_t *ask, const char *key)
{
    return json_string_value(json_object_get(ask, key));
}

int64_t mt_reader_number(const json_t *ask, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(ask, key);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

const char *mt_reader_folder(const mt_reader *r)
{
    return r->folder;
}

static bool same_file(const GStatBuf *a, const GStatBuf *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void close_result(mt_reader *r)
{
    g_clear_pointer(&r->picture, mt_heat_picture_free);
    g_clear_pointer(&r->stored, mt_heat_picture_free);
    g_clear_pointer(&r->heatmap, mt_heatmap_free);
    g_clear_pointer(&r->frame, mt_heatmap_free);
    g_clear_pointer(&r->heat_key, g_free);
    g_clear_pointer(&r->result, mt_result_free);
    g_clear_pointer(&r->result_path, g_free);
}

mt_result *mt_reader_result(mt_reader *r, const json_t *ask, GError **error)
{
    const char *path = mt_reader_text(ask, "result");
    GStatBuf    about;

    if (path == NULL || g_stat(path, &about) != 0) {
        mt_refuse(error, MT_ERROR_MISSING, "the result of this case is not there any more");
        return NULL;
    }
    if (r->result != NULL && strcmp(path, r->result_path) == 0 && same_file(&about, &r->about))
        return r->result;
    close_result(r);
    r->result = mt_result_open(path, error);
    if (r->result != NULL) {
        r->result_path = g_strdup(path);
        r->about = about;
    }
    return r->result;
}

static void close_slide(opened_slide *o)
{
    mt_case_free(o->slide);
    g_free(o->path);
    g_free(o);
}

static opened_slide *find_open(mt_reader *r, const char *path, const GStatBuf *about)
{
    for (GList *l = r->slides.head; l != NULL; l = l->next) {
        opened_slide *o = l->data;
        if (strcmp(o->path, path) == 0 && same_file(&o->about, about)) {
            g_queue_unlink(&r->slides, l);
            g_queue_push_head_link(&r->slides, l);
            return o;
        }
    }
    return NULL;
}

mt_case *mt_reader_slide(mt_reader *r, const json_t *ask, GError **error)
{
    const mt_case_options options = {.cache_bytes = SLIDE_CACHE_BYTES, .approximate = true};
    const char           *slides = mt_reader_text(ask, "slides"), *result = mt_reader_text(ask, "result");
    g_autofree char      *path = slides != NULL && result != NULL ? mt_case_find(slides, result, error) : NULL;
    GStatBuf              about;

    if (path == NULL || g_stat(path, &about) != 0) {
        if (slides == NULL)
            mt_refuse(error, MT_ERROR_MISSING, "this desk was started without --slides");
        else if (path != NULL)
            mt_refuse(error, MT_ERROR_MISSING, "its slide is not there any more");
        return NULL;
    }
    opened_slide *o = find_open(r, path, &about);
    if (o != NULL)
        return o->slide;
    mt_case *slide = mt_case_open(path, &options, error);
    if (slide == NULL)
        return NULL;
    g_clear_pointer(&r->picture, mt_heat_picture_free);
    while (r->slides.length >= SLIDES_OPEN)
        close_slide(g_queue_pop_tail(&r->slides));
    o = g_new(opened_slide, 1);
    *o = (opened_slide){g_steal_pointer(&path), about, slide};
    g_queue_push_head(&r->slides, o);
    return slide;
}

static bool parse_heat(const json_t *ask, mt_heatmap_params *p, GError **error)
{
    static const char *const sources[] = {"auto",        "evidence", "attention",   "tile_score", "segmentation",
                                          "probability", "error",    "explanation", NULL};
    static const char *const scales[] = {"absolute", "percentile", "zscore", NULL};
    const char              *source = mt_reader_text(ask, "source"), *scale = mt_reader_text(ask, "scale");
    int                      i = 0, k = 0;

    while (source != NULL && sources[i] != NULL && strcmp(sources[i], source) != 0)
        i++;
    while (scale != NULL && scales[k] != NULL && strcmp(scales[k], scale) != 0)
        k++;
    if (sources[i] == NULL || scales[k] == NULL)
        return mt_refuse(error, MT_ERROR_USAGE, "there is no such map: source %s, scale %s", source != NULL ? source : "auto",
                         scale != NULL ? scale : "absolute");
    *p = (mt_heatmap_params){.label = mt_reader_text(ask, "label"),
                             .source = (mt_heat_source)i,
                             .scale = (mt_heat_scale)k,
                             .plane = mt_reader_number(ask, "plane", -1)};
    return true;
}

const mt_heatmap *mt_reader_heatmap(mt_reader *r, const json_t *ask, GError **error)
{
    mt_heatmap_params params;
    mt_result        *result = mt_reader_result(r, ask, error);

    if (result == NULL || !parse_heat(ask, &params, error))
        return NULL;
    g_autofree char *key = g_strdup_printf("%d %d %" G_GINT64_FORMAT " %s", params.source, params.scale, params.plane,
                                           params.label != NULL ? params.label : "");
    if (r->heatmap != NULL && strcmp(key, r->heat_key) == 0)
        return r->heatmap;
    g_clear_pointer(&r->heatmap, mt_heatmap_free);
    g_free(r->heat_key);
    r->heat_key = g_steal_pointer(&key);
    r->heatmap = mt_heatmap_new(result, &params, error);
    return r->heatmap;
}

const mt_heat_picture *mt_reader_picture(mt_reader *r, const json_t *ask, bool stored, GError **error)
{
    const mt_heat_style bare = {.slide_only = true};
    mt_result          *result = mt_reader_result(r, ask, error);
    mt_case            *before = r->slides.head != NULL ? ((opened_slide *)r->slides.head->data)->slide : NULL;
    mt_case            *slide = result != NULL && !stored ? mt_reader_slide(r, ask, error) : NULL;
    mt_heat_picture   **kept = stored ? &r->stored : &r->picture;

    if (result == NULL || (!stored && slide == NULL))
        return NULL;
    if (!stored && slide != before)
        g_clear_pointer(&r->picture, mt_heat_picture_free);
    if (r->frame == NULL)
        r->frame = mt_heatmap_frame(result, error);
    if (r->frame != NULL && *kept == NULL)
        *kept = mt_heat_picture_new(r->frame, result, slide, &bare, error);
    return r->frame != NULL ? *kept : NULL;
}

bool mt_reader_json(mt_reader_answer *answer, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);

    json_decref(value);
    answer->type = "application/json";
    answer->body = g_bytes_new_with_free_func(text, strlen(text), free, text);
    return true;
}

bool mt_reader_packed(mt_reader_answer *answer, json_t *line, GBytes *bytes)
{
    char       *text = json_dumps(line, JSON_COMPACT);
    GByteArray *all = g_byte_array_new();

    json_decref(line);
    g_byte_array_append(all, (const guint8 *)text, (guint)strlen(text));
    g_byte_array_append(all, (const guint8 *)"\n", 1);
    g_byte_array_append(all, g_bytes_get_data(bytes, NULL), (guint)g_bytes_get_size(bytes));
    free(text);
    g_bytes_unref(bytes);
    answer->type = "application/octet-stream";
    answer->body = g_byte_array_free_to_bytes(all);
    return true;
}

bool mt_reader_jpeg(mt_reader_answer *answer, const uint8_t *rgb, int64_t width, int64_t height, GError **error)
{
    const mt_picture_params params = {.format = MT_PICTURE_JPEG, .quality = 85};
    const mt_tile_pixels    pixels = {.dtype = MT_U8, .channels = 3, .width = width, .height = height, .data = (void *)(uintptr_t)rgb};

    answer->type = "image/jpeg";
    answer->body = mt_picture_encode(&params, &pixels, MT_U8, error);
    return answer->body != NULL;
}

GBytes *mt_reader_deflate(const void *bytes, size_t n, GError **error)
{
    uLongf   size = compressBound((uLong)n);
    uint8_t *packed = g_try_malloc(size);

    if (packed == NULL || compress2(packed, &size, bytes, (uLong)n, Z_BEST_SPEED) != Z_OK) {
        mt_refuse(error, MT_ERROR_MEMORY, "pack %zu bytes: there is no memory", n);
        g_free(packed);
        return NULL;
    }
    return g_bytes_new_take(packed, size);
}

/* The length of a line in 8 digits, the line: {"bytes", "type"} or {"error", "code"}; then the bytes. */
static bool send_answer(FILE *out, const mt_reader_answer *answer, const GError *error)
{
    gsize   n = 0;
    json_t *head =
        error != NULL ? json_pack("{s:s s:i}", "error", error->message, "code", error->domain == MT_ERROR ? error->code : MT_ERROR_INTERNAL)
                      : NULL;
    const void *data = error == NULL ? g_bytes_get_data(answer->body, &n) : NULL;

    if (head == NULL)
        head = json_pack("{s:I s:s}", "bytes", (json_int_t)n, "type", answer->type != NULL ? answer->type : "text/plain");
    char *line = json_dumps(head, JSON_COMPACT);
    bool  ok = fprintf(out, "%08zx%s", strlen(line), line) > 0 && (n == 0 || fwrite(data, 1, n, out) == n) && fflush(out) == 0;
    free(line);
    json_decref(head);
    return ok;
}

static bool answer_one(mt_reader *r, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const char *what = mt_reader_text(ask, "do");

    for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
        if (g_strcmp0(what, questions[i].name) == 0)
            return questions[i].answer(r, ask, answer, error);
    return mt_refuse(error, MT_ERROR_INTERNAL, "a reader was asked for %s", what != NULL ? what : "nothing");
}

static bool shut_in(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    const char *const writable[] = {folder, NULL};

    return mt_worker_sandbox_enter(writable, warnings, error);
}

int mt_reader_run(const char *folder)
{
    mt_reader        r = {.folder = folder, .slides = G_QUEUE_INIT};
    g_autofree char *line = g_malloc(QUESTION_BYTES);
    FILE            *out = fdopen(ANSWER_FD, "w");
    int              null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    g_autoptr(GError) error = NULL;

    if (out == NULL || null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        return 70;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN); /* it ends with its question's pipe */
    signal(SIGPIPE, SIG_IGN);
    if (!shut_in(folder, &error))
        return mt_error_exit_code(error);
    while (fgets(line, QUESTION_BYTES, stdin) != NULL) {
        json_t          *ask = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        mt_reader_answer answer = {0};
        g_autoptr(GError) cause = NULL;
        if (!answer_one(&r, ask, &answer, &cause) && cause == NULL)
            mt_refuse(&cause, MT_ERROR_INTERNAL, "a reader failed without a reason");
        bool sent = send_answer(out, &answer, cause);
        g_clear_pointer(&answer.body, g_bytes_unref);
        json_decref(ask);
        if (!sent)
            break;
    }
    close_result(&r);
    g_queue_clear_full(&r.slides, (GDestroyNotify)close_slide);
    fclose(out);
    return 0;
}
