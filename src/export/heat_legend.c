/* What a heatmap shows, in words. */
#include "src/export/heat_legend.h"

#include <math.h>

#define QUOTED "\xe2\x80\x9c%s\xe2\x80\x9d"

static const char *subject_of(const mt_heatmap *heatmap)
{
    switch (heatmap->source) {
    case MT_HEAT_ATTENTION:
        return "Attention";
    case MT_HEAT_TILE_SCORE:
        return "Score of each tile for";
    case MT_HEAT_SEGMENTATION:
        return "Share of";
    case MT_HEAT_PROBABILITY:
        return "Probability of";
    case MT_HEAT_ERROR:
        return "Reconstruction error";
    default:
        return "Evidence for";
    }
}

char *mt_heat_legend_title(const mt_heatmap *heatmap)
{
    bool classless = heatmap->label == NULL || heatmap->source == MT_HEAT_ATTENTION || heatmap->source == MT_HEAT_ERROR;

    if (heatmap->label == NULL && heatmap->source == MT_HEAT_EVIDENCE)
        return g_strdup("Attention");
    if (classless)
        return g_strdup(subject_of(heatmap));
    if (heatmap->scale == MT_HEAT_PERCENTILE)
        return g_strdup_printf("Ranks for " QUOTED, heatmap->label);
    return g_strdup_printf("%s " QUOTED, subject_of(heatmap), heatmap->label);
}

const char *mt_heat_legend_scale(const mt_heatmap *heatmap)
{
    switch (heatmap->scale) {
    case MT_HEAT_PERCENTILE:
        return "percentile scale: ranks, the hottest place is 1 whatever it holds";
    case MT_HEAT_ZSCORE:
        return "deviations from the mean of this case";
    default:
        return heatmap->source == MT_HEAT_ERROR ? "scale of this case" : "absolute scale: comparable between cases";
    }
}

const char *mt_heat_legend_bare(const mt_heatmap *heatmap, bool slide)
{
    return slide || heatmap->on_thumbnail ? NULL : "the stored picture is of another plane: nothing lies under the heat";
}

char *mt_heat_legend_number(const mt_heatmap *heatmap, double share)
{
    char   text[G_ASCII_DTOSTR_BUF_SIZE];
    double value = heatmap->range[0] + (heatmap->range[1] - heatmap->range[0]) * share;

    if (fabs(value) < 1e-12)
        value = 0;
    return g_strdup(g_ascii_formatd(text, sizeof text, "%.3g", value));
}
