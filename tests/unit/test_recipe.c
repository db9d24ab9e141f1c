#include "src/pipeline/contract.h"

#include <glib/gstdio.h>
#include <math.h>

static mt_recipe *load(const char *text, char **path, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("microtome-XXXXXX", NULL);

    *path = g_build_filename(folder, "r.ini", NULL);
    g_assert_true(g_file_set_contents(*path, text, -1, NULL));
    mt_recipe *recipe = mt_recipe_load(*path, error);
    g_unlink(*path);
    g_rmdir(folder);
    return recipe;
}

static void test_load(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_recipe) r =
        load("[input]\nplane_axis=sagittal\n[mask]\nmethod=clam:tcga\nmin_share=0.1\nexclude=pen;folds\n[stain]\nmethod=macenko\ntarget=t."
             "png\n[grid]\nmpp=0."
             "5\ntile=256\noverlap=0.25\ncompat=clam\npatch_level=1\n"
             "[encoder]\nmodel=models/e.onnx\nprecision=bf16\n[head]\nmodel=mean\n[labels]\nnames=a;b\npositive=b\n[thresholds]\nb=0.3\n"
             "[quality]\ndegraded_invalid=0.02\nwithheld_invalid=0.25\n",
             &path, &error);

    g_assert_no_error(error);
    g_autofree char *folder = g_path_get_dirname(path), *model = g_build_filename(folder, "models/e.onnx", NULL),
                    *target = g_build_filename(folder, "t.png", NULL);
    g_assert_cmpint(r->plane_axis, ==, MT_AXIS_SAGITTAL);
    g_assert_cmpstr(r->encoder, ==, model);
    g_assert_cmpstr(r->stain_method, ==, "macenko");
    g_assert_cmpstr(r->stain_target, ==, target);
    g_assert_cmpstr(r->head, ==, "mean");
    g_assert_cmpstr(r->precision, ==, "bf16");
    g_assert_true(r->mpp == 0.5 && r->overlap == 0.25 && r->threshold == 0.3 && r->min_share == 0.1);
    g_assert_true(r->degraded_invalid == 0.02 && r->withheld_invalid == 0.25);
    g_assert_cmpuint(r->exclude, ==, 3);
    g_autofree char *json = mt_recipe_to_json(r), *again = NULL;
    g_autoptr(mt_recipe) copy = mt_recipe_from_json(json, &error);
    again = mt_recipe_to_json(copy);
    g_assert_cmpstr(json, ==, again);
    g_assert_true(copy->compat == MT_COMPAT_CLAM && copy->patch_level == 1);
}

static void test_findings(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_recipe) r =
        load("[encoder]\nmodel=e.onnx\n[head]\ntask=segment\n[measure]\nsize=longest(nodule)\nload=volume(nodule)\n"
             "[action]\nnext=size >= 8: refer|의뢰\n[stage.2]\nmodel=m.onnx\nobjects=nodule\ncrop_mm=32\nlabels=benign;malignant\n"
             "[stage.3]\ntask=segment\nmodel=s.onnx\n",
             &path, &error);

    g_assert_no_error(error);
    g_autofree char *json = mt_recipe_to_json(r), *again = NULL;
    g_autoptr(mt_recipe) copy = mt_recipe_from_json(json, &error);
    g_assert_no_error(error);
    again = mt_recipe_to_json(copy);
    g_assert_cmpstr(json, ==, again);
    g_assert_true(copy->task == MT_RECIPE_SEGMENT && mt_recipe_task_is_dense(copy->task) && copy->n_stages == 2);
    g_assert_cmpstr(copy->measures[1], ==, "load=volume(nodule)");
    g_assert_cmpstr(copy->actions[0], ==, "next=size >= 8: refer|의뢰");
    g_assert_true(copy->stages[0].task == MT_RECIPE_CLASSIFY && copy->stages[1].task == MT_RECIPE_SEGMENT && copy->stages[0].crop_mm == 32);
    g_assert_cmpstr(copy->stages[0].labels[1], ==, "malignant");
    g_assert_true(g_str_has_suffix(copy->stages[1].model, "/s.onnx") && copy->stages[1].objects == NULL);
}

static void test_tasks(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_recipe) r = load("[encoder]\nmodel=e.onnx\n[head]\ntask=multi\ncombine=top-k\nk=3\n[head.a]\noutput=x\nprimary=true\n"
                                  "[head.b]\noutput=y\nlabels=p;q\n",
                                  &path, &error);

    g_assert_no_error(error);
    g_assert_true(mt_recipe_has_head(r));
    g_autofree char *json = mt_recipe_to_json(r), *again = NULL;
    g_autoptr(mt_recipe) copy = mt_recipe_from_json(json, &error);
    g_assert_no_error(error);
    again = mt_recipe_to_json(copy);
    g_assert_cmpstr(json, ==, again);
    g_assert_true(copy->task == MT_RECIPE_MULTI && copy->top_k == 3);
    g_assert_cmpstr(copy->combine, ==, "top-k");
    g_assert_cmpstr(copy->heads, ==, "[a]\noutput=x\nprimary=true\n\n[b]\noutput=y\nlabels=p;q\n");
    g_autofree char *beside = NULL;
    g_autoptr(mt_recipe) embed = load("[head]\ntask=embed\nreference=normal\n", &beside, &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_suffix(embed->reference, "/normal"));
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[input]\nplane_axis=up\n", "read %s: [input] plane_axis=up: axial, coronal or sagittal is wanted"},
        {"[mask]\nexclude=hair\n", "read %s: [mask] exclude=hair: a list of pen, folds, blur and bubbles is wanted"},
        {"[stain]\nmethod=vahadane\n", "read %s: [stain] method=vahadane: macenko, reinhard or none is wanted"},
        {"[stain]\ntarget=default\n", "read %s: [stain] method=: macenko, reinhard or none is wanted"},
        {"[stain]\nmethod=macenko\ntarget=../t.png\n", "read %s: path '../t.png': only paths below the file's own folder are followed"},
        {"[encoder]\nmodel=../e.onnx\n", "read %s: path '../e.onnx': only paths below the file's own folder are followed"},
        {"[labels]\npositive=b\n[thresholds]\na=0.3\n", "read %s: [thresholds] must hold one threshold, named as [labels] positive"},
        {"[head]\ncombine=sum\n", "read %s: [head] combine=sum: max, mean, noisy-or or top-k is wanted"},
        {"[head]\nk=0\n", "read %s: [head] k=0: a whole number from 1 to 1000000 is wanted"},
        {"[head]\nreference=../n\n", "read %s: path '../n': only paths below the file's own folder are followed"},
        {"[head]\ntask=guess\n",
         "read %s: [head] task=guess: one of mil, embed, classify, tiles, zero-shot, multi, segment, detect, reconstruct is wanted"},
        {"[stage.3]\nmodel=m.onnx\n", "read %s: the stages are called [stage.2], [stage.3] and on, without a gap, at most 8 of them"},
        {"[stage.2]\ntask=mil\nmodel=m.onnx\n", "read %s: [stage.2] task=mil: a later stage classifies or segments"},
        {"[stage.2]\ncrop_mm=3\n", "read %s: [stage.2] has no model"},
        {"[encoder]\nprecision=fp16\n", "read %s: [encoder] precision=fp16: fp32, bf16, int8 or auto is wanted"},
        {"[quality]\nwithheld_invalid=1.5\n", "read %s: [quality] withheld_invalid=1.5: a number from 0 to 1 is wanted"},
        {"[quality]\nwithheld_invalid=0.001\n", "read %s: [quality] withheld_invalid=0.001 is below degraded_invalid=0.01"},
        {"[grid]\ncompat=stamp\n", "read %s: [grid] compat=stamp: trident or clam is wanted"},
        {"[grid]\nmpp=-1\n", "read %s: [grid] mpp=-1: a number from 0 to 1000 is wanted"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_recipe) recipe = load(cases[i].text, &path, &error);
        g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 2);
        g_autofree char *message = g_strconcat(parts[0], path, parts[1], NULL);
        g_assert_null(recipe);
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, message);
    }
}

static void test_stain_option(void)
{
    g_autoptr(mt_recipe) r = mt_recipe_new();
    static const char *const refused[] = {"vahadane", "macenko:", "none:a.png", ""};

    g_assert_true(mt_recipe_set_stain(r, "reinhard:a:b.png", NULL));
    g_assert_cmpstr(r->stain_method, ==, "reinhard");
    g_assert_cmpstr(r->stain_target, ==, "a:b.png");
    g_assert_true(mt_recipe_set_stain(r, "macenko:default", NULL));
    g_assert_cmpstr(r->stain_method, ==, "macenko");
    g_assert_null(r->stain_target);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *message = g_strdup_printf("--stain %s: none, macenko[:IMAGE] or reinhard[:IMAGE] is wanted", refused[i]);
        g_assert_false(mt_recipe_set_stain(r, refused[i], &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, message);
        g_assert_cmpstr(r->stain_method, ==, "macenko");
    }
    g_assert_true(mt_recipe_set_stain(r, "none", NULL));
    g_assert_null(r->stain_method);
}

static void test_contract(void)
{
    static const struct {
        double wanted_mpp;
        int    tile;
        bool   allowed, ok, off;
    } cases[] = {{-1, 0, false, true, false},   {0.505, 0, false, true, false}, {0.52, 0, false, false, false}, {0.52, 0, true, true, true},
                 {-1, 224, false, true, false}, {-1, 256, false, false, false}, {-1, 256, true, true, true},    {0, 0, false, true, false}};
    mt_card card = {.name = (char *)"e", .tile_px = 224, .size_px = 224, .mpp = 0.5};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_recipe) recipe = mt_recipe_new();
        g_autoptr(GError) error = NULL;
        mt_contract contract;
        recipe->mpp = cases[i].wanted_mpp;
        recipe->tile_px = cases[i].tile;
        recipe->off_contract = cases[i].allowed;
        g_assert_true(mt_contract_resolve(recipe, &card, &contract, &error) == cases[i].ok);
        g_assert_true(!cases[i].ok || contract.off == cases[i].off);
        g_assert_true(cases[i].ok || g_error_matches(error, MT_ERROR, MT_ERROR_USAGE));
        mt_contract_clear(&contract);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recipe/load", test_load);
    g_test_add_func("/recipe/findings", test_findings);
    g_test_add_func("/recipe/tasks", test_tasks);
    g_test_add_func("/recipe/refusals", test_refusals);
    g_test_add_func("/recipe/stain", test_stain_option);
    g_test_add_func("/recipe/contract", test_contract);
    return g_test_run();
}
