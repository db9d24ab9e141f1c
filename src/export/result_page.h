/* What a result says, as pages of A4 in PDF: who it is not, what was decided, the pictures, the sentences of <microtome/impression.h>. */
#ifndef MT_RESULT_PAGE_H
#define MT_RESULT_PAGE_H

#include "src/result/headline.h"

#include <microtome/result.h>

/* What others add behind the sentences. */
typedef struct mt_page_section {
    const char  *heading;
    char *const *lines; /* NULL-terminated */
} mt_page_section;

/* The same bytes for the same result.  `title` heads the first page (the case id); language "en" or "ko". */
GBytes *mt_result_page_pdf(const mt_result *result, const mt_headline *headline, const char *title, const char *language,
                           const mt_page_section *sections, int n_sections, GError **error);

#endif
