/* Words: sizes and spacings as typed or as a slide's properties hold them, OME-XML of a description. */
#include "tests/fuzz/fuzz_target.h"

#include "src/base/decimal.h"
#include "src/base/size.h"
#include "src/case/ome_tiff.h"

#include <math.h>

/* What is written reads back as the same number. */
static void check_decimal(double value)
{
    char digits[MT_DECIMAL_BYTES];

    if (isfinite(value))
        g_assert_true(g_ascii_strtod(mt_decimal_text(value, digits), NULL) == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size > 0 ? (const char *)data : "", size);
    g_auto(GStrv) parts = g_strsplit(text, ",", 2);
    int64_t      bytes = 1;
    mt_spacing   spacing = {0};
    mt_ome_image image = {0};

    if (mt_size_parse(text, &bytes))
        g_assert_true(bytes >= 1 && bytes <= INT64_C(1000000000000000));
    if (parts[0] != NULL && mt_spacing_set_text(&spacing, parts[0], parts[1], "a fuzzer"))
        g_assert_true(!spacing.known || (spacing.x > 0 && spacing.y > 0 && isfinite(spacing.x) && isfinite(spacing.y)));
    check_decimal(g_ascii_strtod(text, NULL));
    check_decimal(mt_decimal_of_float((float)g_ascii_strtod(text, NULL)));
    if (mt_ome_image_read(text, &image))
        mt_spacing_clear(&image.spacing);
    mt_spacing_clear(&spacing);
    return 0;
}
