/* Group [detect] of a model's card: how the graph's outputs are boxes. */
#include "src/base/key_file.h"
#include "src/result/box_decode.h"

#include <string.h>

#define GROUP "detect"

static const char *const formats[] = {
    [MT_BOX_YOLOV8] = "yolov8", [MT_BOX_YOLOV5] = "yolov5", [MT_BOX_FASTESTDET] = "fastestdet", [MT_BOX_EXPLICIT] = "explicit", NULL};
static const char *const orders[] = {[MT_BOX_CORNERS] = "corners",
                                     [MT_BOX_CORNERS_YX] = "corners-yx",
                                     [MT_BOX_CORNERS_LAST] = "corners-z-last",
                                     [MT_BOX_CENTRE] = "centre",
                                     NULL};
static const char *const activations[] = {[MT_BOX_NONE] = "none", [MT_BOX_SIGMOID] = "sigmoid", [MT_BOX_SOFTMAX] = "softmax", NULL};

static const mt_key keys[] = {
    {GROUP, "format"},    {GROUP, "order"}, {GROUP, "activation"}, {GROUP, "share"},  {GROUP, "background"}, {GROUP, "agnostic"},
    {GROUP, "min_score"}, {GROUP, "iou"},   {GROUP, "max_boxes"},  {GROUP, "labels"}, {GROUP, "boxes"},      {GROUP, "scores"},
    {GROUP, "classes"},   {"encoder", "*"}, {"head", "*"},         {NULL, NULL},
};

void mt_box_card_free(mt_box_card *card)
{
    if (card == NULL)
        return;
    g_strfreev(card->labels);
    g_free(card->boxes);
    g_free(card->scores);
    g_free(card->classes);
    g_free(card);
}

static bool read_word(GKeyFile *file, const char *name, const char *key, const char *const *words, int *value, GError **error)
{
    g_autofree char *word = NULL;

    if (!mt_key_file_string(file, name, GROUP, key, &word, error))
        return false;
    for (int i = 0; word != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0) {
            *value = i;
            return true;
        }
    if (word == NULL)
        return true;
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)words);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [" GROUP "] %s=%s: one of %s is wanted", name, key, word, all);
    return false;
}

static bool wrong(const char *name, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [" GROUP "] %s", name, what);
    return false;
}

static bool check(const mt_box_card *card, const char *name, int format, GError **error)
{
    bool is_explicit = format == MT_BOX_EXPLICIT;

    if (format < 0)
        return wrong(name, "format is missing: yolov8, yolov5, fastestdet or explicit", error);
    if (card->labels == NULL || card->labels[0] == NULL)
        return wrong(name, "labels is missing: the names of the classes, without background", error);
    if (is_explicit && (card->boxes == NULL || card->scores == NULL))
        return wrong(name, "format=explicit needs the graph's outputs, boxes= and scores=, and classes= where it names one for each box",
                     error);
    if (!is_explicit && (card->boxes != NULL || card->scores != NULL || card->classes != NULL || card->background ||
                         card->order != MT_BOX_CORNERS || card->activation != MT_BOX_NONE))
        return wrong(name, "boxes, scores, classes, order, activation and background are of format=explicit", error);
    return true;
}

static mt_box_card *parse(GKeyFile *file, const char *name, GError **error)
{
    g_autoptr(mt_box_card) card = g_new0(mt_box_card, 1);
    int format = -1, order = MT_BOX_CORNERS, activation = MT_BOX_NONE;

    card->min_score = 0.25;
    card->iou = 0.45;
    if (!read_word(file, name, "format", formats, &format, error) || !read_word(file, name, "order", orders, &order, error) ||
        !read_word(file, name, "activation", activations, &activation, error) ||
        !mt_key_file_bool(file, name, GROUP, "share", &card->share, error) ||
        !mt_key_file_bool(file, name, GROUP, "background", &card->background, error) ||
        !mt_key_file_bool(file, name, GROUP, "agnostic", &card->agnostic, error) ||
        !mt_key_file_double(file, name, GROUP, "min_score", 0, 1, &card->min_score, error) ||
        !mt_key_file_double(file, name, GROUP, "iou", 0, 1, &card->iou, error) ||
        !mt_key_file_int(file, name, GROUP, "max_boxes", 1, 1000000, &card->max_boxes, error) ||
        !mt_key_file_list(file, name, GROUP, "labels", &card->labels, error) ||
        !mt_key_file_string(file, name, GROUP, "boxes", &card->boxes, error) ||
        !mt_key_file_string(file, name, GROUP, "scores", &card->scores, error) ||
        !mt_key_file_string(file, name, GROUP, "classes", &card->classes, error))
        return NULL;
    card->order = (mt_box_order)order;
    card->activation = (mt_box_activation)activation;
    if (!check(card, name, format, error))
        return NULL;
    card->format = (mt_box_format)format;
    return g_steal_pointer(&card);
}

mt_box_card *mt_box_card_read(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = mt_key_file_load(path, keys, error);

    return file != NULL && g_key_file_has_group(file, GROUP) ? parse(file, path, error) : NULL;
}

mt_box_card *mt_box_card_read_text(const char *text, const char *name, GError **error)
{
    g_autoptr(GKeyFile) file = mt_key_file_load_data(text, strlen(text), name, keys, error);

    return file != NULL && g_key_file_has_group(file, GROUP) ? parse(file, name, error) : NULL;
}
