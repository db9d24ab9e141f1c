/* docs/operators.md, a page in two parts that tests write and compare: the operator table, the counts of the official vectors. */
#ifndef MT_OPERATORS_PAGE_H
#define MT_OPERATORS_PAGE_H

#include <glib.h>

typedef enum { PAGE_TABLE, PAGE_COUNTS } page_part;

/* The committed text of one part equals `text`; else the test fails and says how to write the page anew. */
void page_check(page_part part, const char *text);
/* Puts `text` in the place of one part of the page at `path`. */
void page_write(const char *path, page_part part, const char *text);

#endif
