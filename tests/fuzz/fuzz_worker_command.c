/* What supervisor and worker say to each other: the recipe in a command, and the events that a damaged worker may write. */
#include "tests/fuzz/fuzz_target.h"

#include "src/batch/worker_process.h"
#include "src/pipeline/timings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char  *text = g_strndup((const char *)data, size);
    G_GNUC_UNUSED     g_autoptr(mt_recipe) recipe = mt_recipe_from_json(text, NULL);
    mt_worker_process worker = {.buffer = g_string_new_len((const char *)data, (gssize)size)};
    mt_timings        timings = {0};
    json_t           *event;

    while ((event = mt_worker_process_next(&worker)) != NULL) {
        mt_timings_from_json(json_object_get(event, "timings"), &timings);
        json_decref(event);
    }
    g_string_free(worker.buffer, TRUE);
    return 0;
}
