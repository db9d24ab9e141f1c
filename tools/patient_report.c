#include "tools/patient_report.h"

#include <stdio.h>

bool mt_command_patient_rule(const mt_command *command, const char *text, mt_patient_rule *rule)
{
    *rule = MT_PATIENT_BAG;
    if (text == NULL || mt_patient_rule_parse(text, rule))
        return true;
    mt_command_usage(command, "--patients %s: bag, max, mean or noisy_or is wanted", text);
    return false;
}

static void tell_failed(void *user, const char *patient, const char *reason)
{
    fprintf(stderr, "microtome %s: patient %s: %s\n", ((const mt_command *)user)->name, patient, reason);
}

int mt_patient_report(const mt_command *command, GPtrArray *cases, const mt_scorer *scorer, mt_patient_rule rule, const char *out, int code)
{
    g_autoptr(GError) error = NULL;
    mt_patient_totals totals;

    if (!mt_batch_patients(cases, scorer, rule, out, tell_failed, (void *)(uintptr_t)command, &totals, &error))
        return mt_command_fail(command, error);
    if (totals.done + totals.skipped + totals.failed > 0)
        fprintf(stderr, "patients: %d done, %d as before, %d failed: %s/patients\n", totals.done, totals.skipped, totals.failed, out);
    return totals.failed > 0 && code == 0 ? 65 : code;
}
