/* The step from cases to patients, as the verbs show it. */
#ifndef MT_PATIENT_REPORT_H
#define MT_PATIENT_REPORT_H

#include "tools/command.h"

#include <microtome/batch.h>

/* "bag", "max", "mean", "noisy_or"; NULL: bag; false after an error was printed. */
bool mt_command_patient_rule(const mt_command *command, const char *text, mt_patient_rule *rule);
/* Publish the patients of `cases` and say so on stderr; nothing where no case names a patient.  `code` is that of the cases; returns
 * the worse of it and the patients'. */
int mt_patient_report(const mt_command *command, GPtrArray *cases, const mt_scorer *scorer, mt_patient_rule rule, const char *out,
                      int code);

#endif
