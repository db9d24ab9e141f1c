/* microtome-read-result: open a result and say what is in it.  The whole public API for reading, in one page.
 *
 *     microtome-read-result OUT/cases/slide-001.h5 */
#include <microtome/error.h>
#include <microtome/findings.h>
#include <microtome/result.h>

#include <stdio.h>

/* Features are read in blocks of rows: a result may be larger than memory. */
static bool print_features(const mt_result *result, GError **error)
{
    if (!mt_result_has(result, "/coords")) /* read whole: segment, reconstruct */
        return true;
    g_autoptr(mt_tensor) coords = mt_result_read(result, "/coords", error);
    double mpp[1], tile[2];

    if (coords == NULL)
        return false;
    printf("tiles     %" G_GINT64_FORMAT "\n", coords->shape[0]);
    if (mt_result_attr(result, "/coords", "tile_level0", tile, 2) && mt_result_attr(result, "/coords", "mpp_x", mpp, 1))
        printf("tile      %.1f x %.1f level-0 px of %g µm\n", tile[0], tile[1], mpp[0]);
    if (coords->shape[0] > 0 && mt_result_has(result, "/features")) {
        g_autoptr(mt_tensor) features = mt_result_read(result, "/features", error);
        if (features == NULL)
            return false;
        g_autofree char  *encoder = mt_result_attr_string(result, "/features", "encoder");
        g_autofree float *row = g_new(float, (gsize)features->shape[1]);
        if (!mt_result_read_rows(result, "/features", 0, 1, row, error))
            return false;
        printf("features  %" G_GINT64_FORMAT " a tile, by %s; the first tile starts %g\n", features->shape[1],
               encoder != NULL ? encoder : "an encoder without a name", (double)row[0]);
    }
    return true;
}

static bool print_scores(const mt_result *result, GError **error)
{
    if (!mt_result_has(result, "/prediction/scores")) {
        printf("score     none: no head was run, or there was no tissue\n");
        return true;
    }
    g_auto(GStrv) labels = mt_result_attr_strings(result, "/prediction/scores", "labels");
    g_autoptr(mt_tensor) scores = mt_result_read(result, "/prediction/scores", error);
    if (scores == NULL)
        return false;
    for (int64_t i = 0; i < mt_tensor_count(scores); i++)
        printf("score     %.4f %s\n", (double)((const float *)scores->data)[i],
               labels != NULL && i < (int64_t)g_strv_length(labels) ? labels[i] : "");
    return true;
}

/* What was found, thing by thing, as a radiologist would say it. */
static bool print_findings(const mt_result *result, GError **error)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(result, error);

    if (list == NULL)
        return false;
    g_auto(GStrv) texts = mt_finding_list_texts(list, 10, "en");
    for (char **text = texts; *text != NULL; text++)
        printf("finding   %s\n", *text);
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: microtome-read-result RESULT.h5\n");
        return 64;
    }
    g_autofree char *headline = mt_result_headline(argv[1], &error); /* one JSON line, without opening HDF5 */
    if (headline != NULL)
        printf("headline  %s\n", headline);
    g_autoptr(mt_result) result = headline != NULL ? mt_result_open(argv[1], &error) : NULL;
    if (result == NULL || !print_features(result, &error) || !print_scores(result, &error) || !print_findings(result, &error)) {
        fprintf(stderr, "microtome-read-result: %s\n", error->message);
        return mt_error_exit_code(error);
    }
    return 0;
}
