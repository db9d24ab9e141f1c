/* What was found, as a radiologist would dictate it.  Numbers are rounded here alone. */
#ifndef MT_FINDING_SENTENCE_H
#define MT_FINDING_SENTENCE_H

#include "src/result/messages.h"

#include <microtome/findings.h>

/* Half away from zero, as one rounds by hand; g_free. */
char *mt_number_words(double value, int digits);
/* The same with a + where it is above 0 as written. */
char *mt_signed_words(double value, int digits);
/* A length by itself: whole mm from 3 on, one decimal below, whole um below 0.1 mm.  NULL where it is not known; g_free. */
char *mt_length_words(double mm);
/* An area or a volume: whole from 10 on, one decimal below; cm3 from 1000 mm3 on.  `unit` is "mm2" or "mm3". */
char *mt_extent_words(double value, const char *unit);
/* "right, lower third"; other words as they are. */
char *mt_location_words(const char *location, mt_language language);
char *mt_finding_sentence(const mt_finding *finding, mt_language language);
char *mt_value_sentence(const mt_finding_value *value, mt_language language);
/* "cup-to-disc ratio": the name as it is read aloud. */
char *mt_value_name(const mt_finding_value *value);
/* The value alone, with its unit. */
char *mt_value_words(const mt_finding_value *value, double number);

/* The longest first, what cannot be measured by its score, else as they stand in the result: n_findings of them and NULL; g_free. */
const mt_finding **mt_finding_order(const mt_finding_list *list);

#endif
