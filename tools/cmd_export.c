#include "tools/command.h"
#include "tools/export_files.h"

#include <microtome/batch.h>
#include <microtome/layouts.h>

#include <stdio.h>

/* A control case withholds scores: layouts that hold none may be written. */
static bool may_tell(const char *path, const mt_layout_params *params, GError **error)
{
    g_autofree char *why = mt_layout_tells_scores(params->layout) ? mt_batch_withheld(path) : NULL;

    if (why != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "export %s: its score is withheld: %s: clam, trident and stamp hold no scores", path,
                    why);
    return why == NULL;
}

static bool add(mt_layout_export *export, const char *path, const mt_layout_params *params, GError **error)
{
    g_autoptr(mt_result) result = may_tell(path, params, error) ? mt_result_open(path, error) : NULL;

    return result != NULL && mt_layout_export_add(export, result, error);
}

static int export_all(char **paths, const mt_layout_params *params)
{
    g_autoptr(GError) refused = NULL;
    g_autoptr(mt_layout_export) export = mt_layout_export_new(params, &refused);
    int code = 0, written = 0;

    if (export == NULL)
        return mt_command_fail(&mt_command_export, refused);
    for (; *paths != NULL; paths++) {
        g_autoptr(GError) error = NULL;
        if (add(export, *paths, params, &error)) {
            puts(*paths);
            written++;
            continue;
        }
        int one = mt_command_fail(&mt_command_export, error);
        code = code == 0 || code == one ? one : 65;
        if (one == 74)
            break; /* our disk: the others would fail too */
    }
    if (!mt_layout_export_write_lists(export, &refused))
        return mt_command_fail(&mt_command_export, refused);
    return code != 0 && code != 74 && written > 0 ? 65 : code;
}

/* Results by themselves, or of folders. */
static int export_files(char **arguments, const mt_export_files *e)
{
    g_autoptr(GPtrArray) paths = mt_command_results((const char *const *)arguments);

    return mt_export_files_run(&mt_command_export, (char **)paths->pdata, e);
}

static int run(int argc, char **argv)
{
    mt_layout_params params = {0};
    mt_export_files  files = {0};
    gboolean         force = FALSE;
    g_autofree char *layout = NULL, *folder = NULL, *slide_ext = NULL, *encoder = NULL, *kinds = NULL, *sources = NULL, *manifest = NULL,
                    *language = NULL;
    g_autofree char *layout_help = g_strdup_printf("whose: %s", mt_layout_names());
    g_autofree char *to_help = g_strdup_printf("files for other systems: %s", mt_handover_kind_names());
    GOptionEntry     entries[] = {
            {"layout", 0, 0, G_OPTION_ARG_STRING, &layout, layout_help, "NAME"},
            {"to", 0, 0, G_OPTION_ARG_STRING, &kinds, to_help, "KIND[,KIND]"},
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder of all the results", "DIR"},
            {"sources", 0, 0, G_OPTION_ARG_FILENAME, &sources, "with --to: what the results were made from", "DIR|MANIFEST.csv"},
            {"manifest", 0, 0, G_OPTION_ARG_FILENAME, &manifest, "with --to: patient, study_uid, accession of what is no DICOM", "CSV"},
            {"language", 0, 0, G_OPTION_ARG_STRING, &language, "with --to: of sentences (default: en)", "en|ko"},
            {"slide-ext", 0, 0, G_OPTION_ARG_STRING, &slide_ext, "what lists of slides have behind the names (default: nothing)", ".EXT"},
            {"encoder-name", 0, 0, G_OPTION_ARG_STRING, &encoder, "what the other tool calls the encoder (default: the result's name)", "NAME"},
            {"force", 0, 0, G_OPTION_ARG_NONE, &force, "replace files that exist", NULL},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_export, entries, &argc, &argv))
        return 64;
    if (argc < 2 || folder == NULL || (layout == NULL) == (kinds == NULL))
        return mt_command_usage(&mt_command_export, "name results (OUT/cases/*.h5) and give --layout NAME or --to KIND[,KIND], and -o DIR");
    if (layout != NULL && (sources != NULL || manifest != NULL || language != NULL))
        return mt_command_usage(&mt_command_export, "--sources, --manifest and --language belong to --to");
    if (kinds != NULL && (slide_ext != NULL || encoder != NULL))
        return mt_command_usage(&mt_command_export, "--slide-ext and --encoder-name belong to --layout");
    if (kinds != NULL) {
        files = (mt_export_files){{kinds, folder, language, force}, sources, manifest};
        return export_files(argv + 1, &files);
    }
    params = (mt_layout_params){layout, folder, slide_ext, encoder, force};
    return export_all(argv + 1, &params);
}

const mt_command mt_command_export = {
    .name = "export",
    .arguments = "OUT|RESULT.h5...",
    .summary = "Hand stored results over: the folders of other tools, objects for an archive.",
    .help = "--layout, no slide is opened; what is in which file: docs/layouts.md\n"
            "  clam     patches, masks, stitches, process list; features as h5_files and pt_files\n"
            "  trident  a job directory that TRIDENT resumes from\n"
            "  stamp    features in µm and float16\n"
            "  wsinfer  tile scores as CSV and GeoJSON\n"
            "  h5ad     AnnData: features, tile scores, places\n"
            "--to, files ID_KIND.dcm; DICOM objects carry the identity and the geometry of the source, whose headers are read: "
            "docs/dicom_out.md\n"
            "  sr       DICOM structured report (TID 1500): scores, decision, findings with their sizes\n"
            "  seg      DICOM Segmentation of the label map; seg-fractional: of the probability map\n"
            "  pmap     DICOM Parametric Map: the probability map, else what the tiles say\n"
            "  sc       DICOM Secondary Capture: overlay with legend, findings, picture\n"
            "  pdf      DICOM encapsulated PDF: a page with picture and sentences\n"
            "  rtstruct DICOM RT Structure Set: outlines of the labels in the source's slices\n"
            "  nifti    the label map on the case's own grid (ID_nifti.nii.gz)\n"
            "  stl      surfaces of the labels, LPS mm (ID_stl.stl)\n"
            "  fhir     FHIR R4 DiagnosticReport (ID_fhir.json)\n"
            "  hl7      HL7 v2.5.1 ORU^R01 message (ID_hl7.hl7)\n"
            "What cannot be true of a result is refused by name; the others are written.\n"
            "Examples:\n"
            "  microtome export OUT/cases/*.h5 --layout clam -o RESULTS --slide-ext .svs\n"
            "  microtome export OUT/cases/*.h5 --layout trident -o JOB --slide-ext .svs --encoder-name uni_v1\n"
            "  microtome export OUT --to seg,sr --sources STUDIES/ -o TO_PACS",
    .run = run,
};
