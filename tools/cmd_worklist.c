#include "tools/command.h"
#include "tools/network_stop.h"

#include <microtome/worklist.h>

#include <stdio.h>
#include <string.h>

static int query(const mt_worklist_params *params, const char *out)
{
    g_autoptr(GError) error = NULL;
    int64_t rows = 0;

    mt_network_stop_catch();
    if (!mt_worklist_write(params, out, &rows, &error))
        return mt_command_fail(&mt_command_worklist, error);
    printf("%" G_GINT64_FORMAT " studies\n", rows);
    return 0;
}

static int run(int argc, char **argv)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *today = g_date_time_format(now, "%Y%m%d"), *date = NULL, *modality = NULL, *out = NULL;
    gboolean         archived = FALSE;
    double           timeout_s = 60;
    GOptionEntry     entries[] = {
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "the manifest to write, over what is there", "FILE.csv"},
            {"date", 0, 0, G_OPTION_ARG_STRING, &date, "YYYYMMDD, a range YYYYMMDD-YYYYMMDD, or any; default: today", "DATE"},
            {"modality", 0, 0, G_OPTION_ARG_STRING, &modality, "as CT, MR, SM; default: any", "NAME"},
            {"archived", 0, 0, G_OPTION_ARG_NONE, &archived, "studies that the archive has (study root), not those scheduled (worklist)", NULL},
            {"timeout", 0, 0, G_OPTION_ARG_DOUBLE, &timeout_s, "of a connection and of each answer; default 60", "SECONDS"},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_worklist, entries, &argc, &argv))
        return 64;
    if (argc != 2 || out == NULL)
        return mt_command_usage(&mt_command_worklist, "name one DICOM application, and the manifest with -o");
    bool any = date != NULL && strcmp(date, "any") == 0;
    return query(&(mt_worklist_params){.address = argv[1],
                                       .archived = archived,
                                       .date = any            ? NULL
                                               : date != NULL ? date
                                                              : today,
                                       .modality = modality,
                                       .timeout_s = timeout_s,
                                       .stop = &mt_network_stopped},
                 out);
}

const mt_command mt_command_worklist = {
    .name = "worklist",
    .arguments = "[CALLING:]CALLED@HOST:PORT",
    .summary = "The studies of a day, asked of a PACS, as a manifest for run.",
    .help = "C-FIND of the modality worklist (what is scheduled) or, with --archived, of the archive's studies.  Columns: path (the study "
            "UID: the\n"
            "folder that samples/pacs puts the study into), id (the accession number, or the study UID), patient, study_uid, accession, "
            "modality,\n"
            "date, time, priority.  No name and no birth date is asked for.\n\n"
            "  microtome worklist ORTHANC@pacs:4242 --modality CT -o today.csv\n\n"
            "Exit codes: 0 done, also with no studies; 64 usage; 74 no association, or the query failed; 75 stopped.",
    .run = run,
};
