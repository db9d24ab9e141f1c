/* Papers for people: the report of a case with what was said about it, the list of a board. */
#include "src/serve/reader_private.h"

#include "src/base/refuse.h"
#include "src/export/result_page.h"
#include "src/export/table_page.h"
#include "src/result/messages.h"

#include <microtome/impression.h>
#include <microtome/overlay.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#define BOARD_COLUMNS 6

static void add_fact(GPtrArray *lines, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        g_ptr_array_add(lines, g_strdup_printf("%s: %s", name, value));
}

/* What the score was made with. */
static mt_page_section model_section(const mt_headline *h, const char *language)
{
    GPtrArray *lines = g_ptr_array_new();

    add_fact(lines, "encoder", h->encoder);
    add_fact(lines, "head", h->head);
    add_fact(lines, "precision", h->precision);
    add_fact(lines, "recipe SHA-256", h->recipe_sha256);
    add_fact(lines, "model SHA-256", h->model_sha256);
    add_fact(lines, "head SHA-256", h->head_sha256);
    add_fact(lines, "input SHA-256", h->input_sha256);
    g_ptr_array_add(lines, NULL);
    return (mt_page_section){g_strcmp0(language, "ko") == 0 ? "모델과 레시피" : "Model and recipe",
                             (char *const *)g_ptr_array_free(lines, FALSE)};
}

/* "sections": [{"heading", "lines"}] of what was said. */
static GArray *sections_of(const json_t *ask)
{
    GArray       *all = g_array_new(FALSE, FALSE, sizeof(mt_page_section));
    const json_t *list = json_object_get(ask, "sections");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t   *one = json_array_get(list, i), *lines = json_object_get(one, "lines");
        char          **texts = g_new0(char *, json_array_size(lines) + 1);
        mt_page_section s = {json_string_value(json_object_get(one, "heading")), texts};
        for (size_t k = 0; k < json_array_size(lines); k++)
            texts[k] = g_strdup(json_string_value(json_array_get(lines, k)));
        g_array_append_val(all, s);
    }
    return all;
}

static void free_sections(GArray *all)
{
    for (guint i = 0; i < all->len; i++)
        g_strfreev((char **)(uintptr_t)g_array_index(all, mt_page_section, i).lines);
    g_array_unref(all);
}

static void put(GString *html, const char *tag, const char *text)
{
    g_autofree char *safe = g_markup_escape_text(text, -1);

    g_string_append_printf(html, "<%s>%s</%s>\n", tag, safe, tag);
}

static void put_section(GString *html, const char *heading, char *const *lines)
{
    if (*lines == NULL)
        return;
    put(html, "h2", heading);
    for (; *lines != NULL; lines++)
        put(html, "p", *lines);
}

/* No script, no style of its own: what the desk's policy lets through. */
static GString *begin_html(const char *title, const char *language)
{
    GString         *html = g_string_new(NULL);
    g_autofree char *safe = g_markup_escape_text(title, -1);

    g_string_append_printf(
        html,
        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
        "<title>%s</title><link rel=\"icon\" href=\"/assets/icon.svg\"><link rel=\"stylesheet\" href=\"/assets/report.css\"></head>\n"
        "<body>\n<main>\n<h1>%s</h1>\n",
        language, safe, safe);
    return html;
}

static void end_html(GString *html, const char *language, bool demonstration, mt_reader_answer *answer)
{
    g_autofree char *purpose = mt_message_text(MT_MESSAGE_REPORT_RESEARCH, mt_language_of(language), NULL);

    g_string_append_printf(html, "</main>\n<footer>%s%s microtome " MT_VERSION "</footer>\n</body>\n</html>\n",
                           demonstration ? "DEMONSTRATION, not a trained model. " : "", purpose);
    answer->type = "text/html; charset=utf-8";
    answer->body = g_string_free_to_bytes(html);
}

/* The overlay with its legend; a case without a map has no picture here. */
static void put_picture(mt_reader *r, const json_t *ask, GString *html)
{
    g_autofree char  *path = g_build_filename(mt_reader_folder(r), "report.png", NULL), *data = NULL, *text = NULL;
    const mt_heatmap *h = mt_reader_heatmap(r, ask, NULL);
    gsize             n = 0;

    if (h == NULL || !mt_overlay_png_write(mt_reader_result(r, ask, NULL), h, NULL, path, NULL))
        return;
    if (g_file_get_contents(path, &data, &n, NULL)) {
        text = g_base64_encode((const guchar *)data, n);
        g_string_append_printf(html, "<img alt=\"\" src=\"data:image/png;base64,%s\">\n", text);
    }
    unlink(path);
}

static bool report_html(mt_reader *r, const json_t *ask, const mt_headline *line, const GArray *sections, mt_reader_answer *answer,
                        GError **error)
{
    const mt_impression_params params = {.language = mt_reader_text(ask, "language")};
    g_autoptr(mt_impression) impression = mt_impression_new(mt_reader_result(r, ask, error), &params, error);

    if (impression == NULL)
        return false;
    GString *html = begin_html(mt_reader_text(ask, "id"), params.language);
    put_picture(r, ask, html);
    for (int q = 0; q < MT_QUESTIONS; q++)
        put_section(html, mt_question_heading(q, params.language), impression->sentences[q]);
    for (guint i = 0; i < sections->len; i++)
        put_section(html, g_array_index(sections, mt_page_section, i).heading, g_array_index(sections, mt_page_section, i).lines);
    end_html(html, params.language, line->demonstration, answer);
    return true;
}

bool mt_reader_report(mt_reader *r, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    mt_result       *result = mt_reader_result(r, ask, error);
    g_autofree char *text = result != NULL ? mt_result_headline(mt_result_path(result), error) : NULL;
    g_autoptr(mt_headline) line = text != NULL ? mt_headline_parse(text, mt_result_path(result), error) : NULL;
    bool ok;

    if (line == NULL)
        return false;
    GArray         *sections = sections_of(ask);
    mt_page_section model = model_section(line, mt_reader_text(ask, "language"));
    g_array_append_val(sections, model);
    if (json_is_true(json_object_get(ask, "pdf"))) {
        answer->type = "application/pdf";
        answer->body = mt_result_page_pdf(result, line, mt_reader_text(ask, "id"), mt_reader_text(ask, "language"),
                                          (const mt_page_section *)(const void *)sections->data, (int)sections->len, error);
        ok = answer->body != NULL;
    } else
        ok = report_html(r, ask, line, sections, answer, error);
    free_sections(sections);
    return ok;
}

static void board_html(const json_t *ask, const char *const *heads, mt_reader_answer *answer)
{
    const char   *language = mt_reader_text(ask, "language");
    const json_t *rows = json_object_get(ask, "rows");
    GString      *html = begin_html(mt_reader_text(ask, "title"), language);

    g_string_append(html, "<table>\n<thead><tr>");
    for (int i = 0; i < BOARD_COLUMNS; i++)
        put(html, "th", heads[i]);
    g_string_append(html, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < json_array_size(rows); k++) {
        g_string_append(html, "<tr>");
        for (size_t i = 0; i < BOARD_COLUMNS; i++) {
            const char *cell = json_string_value(json_array_get(json_array_get(rows, k), i));
            put(html, "td", cell != NULL ? cell : "");
        }
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</tbody>\n</table>\n");
    end_html(html, language, json_is_true(json_object_get(ask, "demonstration")), answer);
}

static bool board_pdf(const json_t *ask, const char *const *heads, mt_reader_answer *answer, GError **error)
{
    static const double shares[BOARD_COLUMNS] = {0.14, 0.2, 0.12, 0.1, 0.2, 0.24};
    const json_t       *rows = json_object_get(ask, "rows");
    g_autofree char    *foot = mt_message_text(MT_MESSAGE_REPORT_RESEARCH, mt_language_of(mt_reader_text(ask, "language")), NULL);
    g_autofree const char *const **table = g_new0(const char *const *, json_array_size(rows) + 1);
    g_autofree const char        **cells = g_new0(const char *, BOARD_COLUMNS *json_array_size(rows) + 1);

    for (size_t k = 0; k < json_array_size(rows); k++) {
        for (size_t i = 0; i < BOARD_COLUMNS; i++)
            cells[BOARD_COLUMNS * k + i] = json_string_value(json_array_get(json_array_get(rows, k), i));
        table[k] = &cells[BOARD_COLUMNS * k];
    }
    const mt_table_page page = {
        .title = mt_reader_text(ask, "title"), .foot = foot, .n_columns = BOARD_COLUMNS, .heads = heads, .shares = shares, .rows = table};
    answer->type = "application/pdf";
    answer->body = mt_table_page_pdf(&page, error);
    return answer->body != NULL;
}

/* "title", "heads" and "rows" of six texts each. */
bool mt_reader_board(mt_reader *r, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const char *heads[BOARD_COLUMNS];

    (void)r;
    for (size_t i = 0; i < BOARD_COLUMNS; i++)
        heads[i] = json_string_value(json_array_get(json_object_get(ask, "heads"), i));
    if (json_is_true(json_object_get(ask, "pdf")))
        return board_pdf(ask, heads, answer, error);
    board_html(ask, heads, answer);
    return true;
}
