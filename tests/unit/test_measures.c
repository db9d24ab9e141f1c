/* Rules of [measure] and [action]: values at known truths, the very edges, what cannot be told, and the message for each mistake. */
#include "src/result/actions.h"

#include <math.h>
#include <string.h>

static char *labels[] = {"cup", "disc", NULL};

static mt_measure_rule *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    mt_measure_rule *rule = mt_measure_rule_parse(text, labels, "r.ini", &error);

    g_assert_no_error(error);
    return rule;
}

static void check_measure_refused(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *whole = g_strdup_printf("read r.ini: [measure] %s: %s", text, message);

    g_assert_null(mt_measure_rule_parse(text, labels, "r.ini", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, whole);
}

static void test_measure_messages(void)
{
    check_measure_refused("", "NAME=RULE(CLASS ..) is wanted");
    check_measure_refused("a", "NAME=RULE(CLASS ..) is wanted");
    check_measure_refused("a=area(cup", "NAME=RULE(CLASS ..) is wanted");
    check_measure_refused(" =area(cup)", "NAME=RULE(CLASS ..) is wanted");
    check_measure_refused("a=area()", "area(CLASS) is wanted");
    check_measure_refused("a=area(lung)", "'lung' is none of the classes (cup, disc)");
    check_measure_refused("a=area(cup, disc)", "area(CLASS) is wanted");
    check_measure_refused("a=share(cup)", "share(CLASS of CLASS), share(CLASS of mask) is wanted");
    check_measure_refused("a=ratio_vertical(cup)", "ratio_vertical(CLASS, CLASS) is wanted");
    check_measure_refused("a=density(cup)", "density(CLASS, MM2) is wanted");
    check_measure_refused("a=density(cup, 0)", "an area in mm2 above 0 is wanted");
    check_measure_refused("a=density(cup, nan)", "an area in mm2 above 0 is wanted");
    check_measure_refused("a=density(cup, 2mm)", "an area in mm2 above 0 is wanted");
    check_measure_refused("a=girth(cup)",
                          "there is no rule 'girth'; there are area(CLASS), volume(CLASS), share(CLASS of CLASS), share(CLASS of mask), "
                          "count(CLASS), density(CLASS, MM2), ratio_vertical(CLASS, CLASS), ratio_area(CLASS, CLASS), longest(CLASS), "
                          "max_score(CLASS), finding(CLASS), score(CLASS)");
}

typedef struct scene {
    mt_objects     *objects;
    mt_label_counts counts[2];
    double          mask;
} scene;

/* value, low, high */
static void check(const scene *s, const char *text, double value, double low, double high, const char *unit)
{
    g_autoptr(mt_measure_rule) rule = parse(text);
    const mt_measure_facts facts = {s->objects, s->counts, s->mask};
    const double           wanted[3] = {value, low, high};
    mt_measurement         m;

    mt_measurement_find(rule, &facts, &m);
    const double found[3] = {m.value, m.low, m.high};
    for (int i = 0; i < 3; i++)
        if (isnan(wanted[i]))
            g_assert_true(isnan(found[i]));
        else
            g_assert_cmpfloat_with_epsilon(found[i], wanted[i], 1e-12);
    g_assert_cmpstr(m.unit, ==, unit);
    g_assert_cmpstr(m.rule, ==, strchr(text, '=') + 1);
    mt_measurement_clear(&m);
}

static void test_picture(void)
{
    const mt_objects_frame frame = {{100, 80, 1}, {0.5, 0.25, 0}, NULL};
    scene                  s = {mt_objects_new(&frame, labels), {{40, 30, 60}, {160, -1, -1}}, 400};
    g_autoptr(mt_objects) owned = s.objects;

    check(&s, "a=count(cup)", 0, NAN, NAN, "");
    check(&s, "a=density(cup, 2)", 0, NAN, NAN, "/mm2");
    check(&s, "a=longest(cup)", 0, NAN, NAN, "mm");
    check(&s, "a=max_score(cup)", 0, NAN, NAN, "");
    check(&s, "a=ratio_vertical(cup, disc)", NAN, NAN, NAN, "");
    mt_objects_add_box(owned, 0, (const double[]){10, 20, 0, 14, 30, 1}, 0.5);
    mt_objects_add_box(owned, 0, (const double[]){12, 22, 0, 16, 32, 1}, 0.75);
    mt_objects_add_box(owned, 1, (const double[]){5, 15, 0, 30, 35, 1}, NAN);
    check(&s, "a=area(cup)", 40 * 0.125, 30 * 0.125, 60 * 0.125, "mm2");
    check(&s, "a=area(disc)", 20, NAN, NAN, "mm2");
    check(&s, "a=volume(cup)", NAN, NAN, NAN, "mm3");
    check(&s, "a=share(cup of disc)", 0.25, 30 / 160.0, 60 / 160.0, "");
    check(&s, "a=share(cup of mask)", 0.1, 0.075, 0.15, "");
    check(&s, "a=count(cup)", 2, NAN, NAN, "");
    check(&s, "a=density(cup, 2)", 1, NAN, NAN, "/mm2");
    check(&s, "a=density(cup, 0.25)", 4, NAN, NAN, "/mm2"); /* too small for both: 1 mm and 0.5 mm apart */
    check(&s, "a=ratio_vertical(cup, disc)", 12 / 20.0, NAN, NAN, "");
    check(&s, "a=ratio_area(cup, disc)", 0.25, NAN, NAN, "");
    check(&s, "a=longest(cup)", 2.5, NAN, NAN, "mm");
    check(&s, "a=max_score(cup)", 0.75, NAN, NAN, "");
    check(&s, "a=max_score(disc)", NAN, NAN, NAN, "");
    check(&s, "a=finding(cup)", NAN, NAN, NAN, "");
    s.mask = 0;
    s.counts[1].voxels = 0;
    check(&s, "a=share(cup of mask)", NAN, NAN, NAN, "");
    check(&s, "a=share(cup of disc)", NAN, NAN, NAN, "");
    check(&s, "a=ratio_area(cup, disc)", NAN, NAN, NAN, "");
}

/* Without a spacing nothing has mm; counts and ratios stand. */
static void test_unknown_spacing(void)
{
    const mt_objects_frame frame = {{100, 80, 1}, {0, NAN, 0}, NULL};
    scene                  s = {mt_objects_new(&frame, labels), {{40, 30, 60}, {160, -1, -1}}, 400};
    g_autoptr(mt_objects) owned = s.objects;

    mt_objects_add_box(owned, 0, (const double[]){10, 20, 0, 14, 30, 1}, 0.5);
    check(&s, "a=area(cup)", NAN, NAN, NAN, "mm2");
    check(&s, "a=density(cup, 2)", NAN, NAN, NAN, "/mm2");
    check(&s, "a=longest(cup)", NAN, NAN, NAN, "mm");
    check(&s, "a=share(cup of mask)", 0.1, 0.075, 0.15, "");
    check(&s, "a=count(cup)", 1, NAN, NAN, "");
}

static void test_volume(void)
{
    static const double    tilted[16] = {-0.5, 0, 0, 0, 0, -0.5, 1.5, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    const mt_objects_frame frame = {{10, 10, 10}, {0.5, 0.5, 2.5}, tilted};
    scene                  s = {mt_objects_new(&frame, labels), {{1000, 900, 1000}, {0, 0, 7}}, 0};
    g_autoptr(mt_objects) owned = s.objects;

    check(&s, "a=volume(cup)", 500, 450, 500, "mm3"); /* 0.5 x 0.5 x 2 mm, not 2.5 */
    check(&s, "a=volume(disc)", 0, 0, 3.5, "mm3");
    check(&s, "a=area(cup)", NAN, NAN, NAN, "mm2");
    check(&s, "a=density(cup, 2)", NAN, NAN, NAN, "/mm2");
}

static char *advise(const char *rules, double value, mt_language language)
{
    g_autoptr(mt_measure_rule) size = parse("size=longest(cup)");
    mt_measure_rule *const measures[] = {size};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_action_rule) rule = mt_action_rule_parse(rules, measures, 1, "r.ini", &error);

    g_assert_no_error(error);
    mt_action *action = mt_action_choose(rule, &(mt_measurement){.name = (char *)"size", .unit = (char *)"mm", .value = value});
    char      *text = action != NULL ? g_strdup(action->text[language]) : NULL;
    mt_action_free(action);
    return text;
}

static void check_advice(const char *text, double value, const char *english, const char *korean)
{
    g_autofree char *en = advise(text, value, MT_LANGUAGE_EN), *ko = advise(text, value, MT_LANGUAGE_KO);

    g_assert_cmpstr(en, ==, english);
    g_assert_cmpstr(ko, ==, korean);
}

static void test_edges(void)
{
    static const char steps[] = "next=size >= 8: refer|의뢰; size >= 4: a year|1년; else: nothing";

    check_advice(steps, 8.0, "next: refer", "next: 의뢰");
    check_advice(steps, nextafter(8, 0), "next: a year", "next: 1년");
    check_advice(steps, 4.0, "next: a year", "next: 1년");
    check_advice(steps, nextafter(4, 0), "next: nothing", "next: nothing");
    check_advice(steps, 0, "next: nothing", "next: nothing");
    check_advice(steps, INFINITY, "next: refer", "next: 의뢰");
    check_advice(steps, NAN, NULL, NULL); /* not the else */
    check_advice("next=size > 8: refer; size <= 4: nothing;", 8, NULL, NULL);
    check_advice("next=size > 8: refer; size <= 4: nothing;", 4, "next: nothing", "next: nothing");
    check_advice("next=size<4:small", 4, NULL, NULL);
    check_advice("next=else: as ever", 4, "next: as ever", "next: as ever");
}

static void check_action_refused(const char *text, const char *message)
{
    g_autoptr(mt_measure_rule) size = parse("size=longest(cup)");
    mt_measure_rule *const measures[] = {size};
    g_autoptr(GError) error = NULL;
    g_autofree char *whole = g_strconcat("read r.ini: [action] ", message, NULL);

    g_assert_null(mt_action_rule_parse(text, measures, 1, "r.ini", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, whole);
}

static void test_action_messages(void)
{
#define WANTED ": MEASURE >= VALUE: text, with a measure of [measure], or else: text, is wanted"
    check_action_refused("next", "next: NAME=MEASURE >= VALUE: text; ... is wanted");
    check_action_refused("next=", "next=: NAME=MEASURE >= VALUE: text; ... is wanted");
    check_action_refused("next= ; ;", "next= ; ;: NAME=MEASURE >= VALUE: text; ... is wanted");
    check_action_refused("=size > 1: a", "=size > 1: a: NAME=MEASURE >= VALUE: text; ... is wanted");
    check_action_refused("next=size > 1: a;; else: b", "next: ''" WANTED);
    check_action_refused("next=;size > 1: a", "next: ''" WANTED);
    check_action_refused("next=size > 1: a;;", "next: ''" WANTED);
    check_action_refused("next=size > 1:", "next: 'size > 1:'" WANTED);
    check_action_refused("next=size > 1: a|", "next: 'size > 1: a|'" WANTED);
    check_action_refused("next=size > : a", "next: 'size > : a'" WANTED);
    check_action_refused("next=size > nan: a", "next: 'size > nan: a'" WANTED);
    check_action_refused("next=size = 4: a", "next: 'size = 4: a'" WANTED);
    check_action_refused("next=girth > 4: a", "next: 'girth > 4: a'" WANTED);
    check_action_refused("next=else: a; size > 4: b", "next: else is the last part: what follows it would never be read");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/measures/messages", test_measure_messages);
    g_test_add_func("/measures/picture", test_picture);
    g_test_add_func("/measures/unknown_spacing", test_unknown_spacing);
    g_test_add_func("/measures/volume", test_volume);
    g_test_add_func("/actions/edges", test_edges);
    g_test_add_func("/actions/messages", test_action_messages);
    return g_test_run();
}
