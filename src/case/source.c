#include "src/case/source.h"

void mt_source_init(mt_source *source, const mt_source_class *backend)
{
    source->backend = backend;
    source->modality = "unknown";
    source->planes = 1;
    source->orientation = (mt_orientation){.axis = {0, 1, 2}};
    source->levels = g_array_new(FALSE, TRUE, sizeof(mt_level));
    mt_spacing_init(&source->spacing);
}

void mt_source_add_level(mt_source *source, int64_t width, int64_t height)
{
    mt_level level = {.width = width, .height = height, .downsample_x = 1, .downsample_y = 1};

    if (source->levels->len > 0) {
        const mt_level *first = &g_array_index(source->levels, mt_level, 0);

        level.downsample_x = (double)first->width / (double)width;
        level.downsample_y = (double)first->height / (double)height;
    }
    g_array_append_val(source->levels, level);
}

size_t mt_source_sample_bytes(mt_dtype dtype)
{
    return dtype == MT_U8 ? 1 : dtype == MT_F32 ? 4 : 2;
}

void mt_source_clear(mt_source *source)
{
    g_free(source->format);
    g_free(source->quickhash);
    g_free(source->notes);
    mt_spacing_clear(&source->spacing);
    g_clear_pointer(&source->levels, g_array_unref);
}
