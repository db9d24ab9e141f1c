#include "tests/kernels/operators_page.h"

#include <string.h>

#define COUNTS_HEADING "## Official vectors\n"

/* The parts of the page; empty where it has none yet. */
static void read_parts(const char *path, char *parts[2])
{
    g_autofree char *page = NULL;
    const char      *counts;

    if (!g_file_get_contents(path, &page, NULL, NULL))
        page = g_strdup("");
    counts = strstr(page, COUNTS_HEADING);
    parts[PAGE_TABLE] = counts != NULL ? g_strndup(page, (gsize)(counts - page)) : g_strdup(page);
    parts[PAGE_COUNTS] = g_strdup(counts != NULL ? counts : "");
}

void page_check(page_part part, const char *text)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "docs", "operators.md", NULL);
    char            *parts[2];

    read_parts(path, parts);
    if (strcmp(parts[part], text) != 0)
        g_test_message("docs/operators.md is not what the code says: run `ninja operators-page` and commit it");
    g_assert_true(strcmp(parts[part], text) == 0);
    g_free(parts[PAGE_TABLE]);
    g_free(parts[PAGE_COUNTS]);
}

void page_write(const char *path, page_part part, const char *text)
{
    char *parts[2];

    read_parts(path, parts);
    g_free(parts[part]);
    parts[part] = g_strdup(text);
    g_autofree char *page = g_strconcat(parts[PAGE_TABLE], parts[PAGE_COUNTS], NULL);
    g_assert_true(g_file_set_contents(path, page, -1, NULL));
    g_free(parts[PAGE_TABLE]);
    g_free(parts[PAGE_COUNTS]);
}
