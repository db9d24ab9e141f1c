/* What metrics are called and what they say. */
#include "src/export/evaluation_parts.h"

#include <string.h>

static const struct {
    const char *name, *title, *meaning;
} WORDS[] = {
    {"auroc", "AUROC", "chance that a positive case scores higher than a negative one; 0.5 is guessing"},
    {"auprc", "AUPRC", "average precision over all thresholds; guessing gives the share of positives"},
    {"sensitivity", "Sensitivity", "share of the positive cases that are found"},
    {"specificity", "Specificity", "share of the negative cases that are left alone"},
    {"ppv", "PPV", "share of the called cases that are positive, at the share of positives of this cohort"},
    {"npv", "NPV", "share of the cleared cases that are negative, at the share of positives of this cohort"},
    {"ppv_at_prevalence", "PPV, stated prevalence",
     "share of the called cases that are positive, where as many are positive as was stated"},
    {"npv_at_prevalence", "NPV, stated prevalence",
     "share of the cleared cases that are negative, where as many are positive as was stated"},
    {"prevalence", "Prevalence", "share of positive cases in this cohort"},
    {"accuracy", "Accuracy", "share of the cases that are called right"},
    {"balanced_accuracy", "Balanced accuracy", "mean of the shares called right in each class"},
    {"f1", "F1", "harmonic mean of sensitivity and PPV"},
    {"macro_f1", "Macro F1", "mean F1 of the classes"},
    {"weighted_f1", "Weighted F1", "F1 of the classes, weighted with their cases"},
    {"mcc", "MCC", "correlation of call and truth, -1 to 1"},
    {"kappa", "Cohen's kappa", "agreement beyond chance"},
    {"quadratic_kappa", "Quadratic kappa", "agreement beyond chance, distant grades weigh more"},
    {"brier", "Brier score", "mean squared error of the scores as probabilities; lower is better"},
    {"ece", "ECE", "mean distance of score and observed share over 10 bins; lower is better"},
    {"macro_auroc", "Macro AUROC", "mean AUROC of the classes, each against the rest"},
    {"weighted_auroc", "Weighted AUROC", "the same, weighted with the cases of each class"},
    {"macro_auprc", "Macro AUPRC", "mean AUPRC of the classes"},
    {"macro_sensitivity", "Macro sensitivity", "mean sensitivity of the findings"},
    {"macro_specificity", "Macro specificity", "mean specificity of the findings"},
    {"dice", "Dice", "twice the common area over both areas; 1 is the same mask"},
    {"dice_median", "Dice, median", "half of the cases are at least as good"},
    {"iou", "IoU", "common area over the area of either"},
    {"iou_median", "IoU, median", "half of the cases are at least as good"},
    {"hausdorff_95_mm", "Hausdorff-95, mm", "95 % of the border are nearer to the other border; lower is better"},
    {"hausdorff_95_mm_median", "Hausdorff-95, median", "half of the cases are nearer, in mm"},
    {"lesion_sensitivity", "Lesion sensitivity", "share of the lesions that are found"},
    {"false_positives_per_scan", "False positives a scan", "findings that hit no lesion, over all cases; lower is better"},
    {"froc_mean", "FROC, mean", "share of lesions found, mean over 1/8 to 8 false positives a scan"},
    {"camelyon16", "Camelyon16 score", "share of lesions found, mean over 1/4 to 8 false positives a scan"},
    {"events", "Events", "share of the cases whose event was seen"},
    {"c_index", "C-index", "chance that of two patients the one with the higher risk has the event earlier; 0.5 is guessing"},
};

/* Of a family of numbers, one for each rate or IoU. */
static const struct {
    const char *prefix, *meaning;
} FAMILIES[] = {{"froc_", "share of lesions found at so many false positives a scan"},
                {"average_precision_", "area under precision and recall of the boxes that meet at this IoU"}};

const char *mt_metric_title(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(WORDS); i++)
        if (strcmp(WORDS[i].name, name) == 0)
            return WORDS[i].title;
    return name;
}

/* What "dice:liver" says is what "dice" says. */
const char *mt_metric_meaning(const char *name)
{
    const size_t length = strcspn(name, ":");

    for (size_t i = 0; i < G_N_ELEMENTS(WORDS); i++)
        if (strlen(WORDS[i].name) == length && strncmp(WORDS[i].name, name, length) == 0)
            return WORDS[i].meaning;
    for (size_t i = 0; i < G_N_ELEMENTS(FAMILIES); i++)
        if (g_str_has_prefix(name, FAMILIES[i].prefix))
            return FAMILIES[i].meaning;
    return "";
}

const char *mt_estimate_text(const mt_estimate *estimate, char text[MT_ESTIMATE_TEXT_BYTES])
{
    char value[3][G_ASCII_DTOSTR_BUF_SIZE];

    if (!estimate->defined)
        return strcpy(text, "not defined");
    g_ascii_formatd(value[0], sizeof value[0], "%.3f", estimate->value);
    g_ascii_formatd(value[1], sizeof value[1], "%.3f", estimate->low);
    g_ascii_formatd(value[2], sizeof value[2], "%.3f", estimate->high);
    if (estimate->interval != NULL)
        g_snprintf(text, MT_ESTIMATE_TEXT_BYTES, "%s (%s to %s)", value[0], value[1], value[2]);
    else
        g_snprintf(text, MT_ESTIMATE_TEXT_BYTES, "%s", value[0]);
    return text;
}
