#include "src/result/messages.h"

#include <string.h>

static const char *const languages[MT_LANGUAGES] = {"en", "ko"};

static const char *const table[MT_MESSAGES][MT_LANGUAGES] = {
    [MT_MESSAGE_URGENT] = {"{label}: score {score} reaches the upper threshold of {threshold}: urgent.",
                           "{label}: 점수 {score}이(가) 상위 기준값 {threshold} 이상입니다: 긴급 판독 대상."},
    [MT_MESSAGE_REVIEW] = {"{label}: score {score} reaches the threshold of {threshold}: review.",
                           "{label}: 점수 {score}이(가) 기준값 {threshold} 이상입니다: 판독 대상."},
    [MT_MESSAGE_CLEAR] = {"{label}: score {score} is below the threshold of {threshold}: clear.",
                          "{label}: 점수 {score}이(가) 기준값 {threshold} 미만입니다: 이상 소견 없음."},
    [MT_MESSAGE_BELOW] = {"{label}: score {score} is below the threshold of {threshold}, but this case cannot be called clear.",
                          "{label}: 점수 {score}이(가) 기준값 {threshold} 미만이지만, 이상 소견 없음으로 판정할 수 없습니다."},
    [MT_MESSAGE_NO_TISSUE] = {"No tissue was found: there is nothing to judge.", "조직이 검출되지 않아 판정할 대상이 없습니다."},
    [MT_MESSAGE_HIGH_TILES] = {"{count} of {tiles} tiles reach the threshold by themselves.",
                               "전체 타일 {tiles}개 중 {count}개가 단독으로 기준값 이상입니다."},
    [MT_MESSAGE_HIGH_TILES_AREA] = {"{count} of {tiles} tiles reach the threshold by themselves, {area} mm2.",
                                    "전체 타일 {tiles}개 중 {count}개({area} mm2)가 단독으로 기준값 이상입니다."},
    [MT_MESSAGE_NO_HIGH_TILE] = {"None of {tiles} tiles reaches the threshold by itself.",
                                 "타일 {tiles}개 중 단독으로 기준값 이상인 것은 없습니다."},
    [MT_MESSAGE_SET] = {"With {confidence} % confidence it is one of: {labels}.", "{confidence} % 신뢰 수준에서 가능한 분류: {labels}."},
    [MT_MESSAGE_SET_EMPTY] = {"At {confidence} % confidence it is like none of the known classes.",
                              "{confidence} % 신뢰 수준에서 알려진 어느 분류와도 유사하지 않습니다."},
    [MT_MESSAGE_MEMBERS] = {"{members} heads give scores from {low} to {high} (standard deviation {spread}).",
                            "모델 {members}개의 점수 범위는 {low}~{high}입니다(표준편차 {spread})."},
    [MT_MESSAGE_NOT_CALIBRATED] = {"The score is not calibrated: it is no probability.", "점수가 보정되지 않아 확률로 해석할 수 없습니다."},
    [MT_MESSAGE_UNREAD] = {"{invalid} of {tiles} tiles could not be read ({share} %, degraded above {limit} %){cause}",
                           "타일 {tiles}개 중 {invalid}개를 읽지 못했습니다({share} %, {limit} % 초과 시 품질 저하){cause}"},
    [MT_MESSAGE_UNREAD_WITHHELD] = {"{invalid} of {tiles} tiles could not be read ({share} %, withheld above {limit} %){cause}",
                                    "타일 {tiles}개 중 {invalid}개를 읽지 못했습니다({share} %, {limit} % 초과 시 판정 보류){cause}"},
    [MT_MESSAGE_OFF_CONTRACT] = {"It was not read the way the encoder was made for.", "인코더의 규격과 다른 조건으로 읽었습니다."},
    [MT_MESSAGE_LITTLE_TISSUE] = {"Only {area} mm2 of tissue, at least {wanted} mm2 are wanted.",
                                  "조직 면적이 {area} mm2로, 최소 {wanted} mm2에 미치지 못합니다."},
    [MT_MESSAGE_FEW_TILES] = {"Only {count} readable tiles, at least {wanted} are wanted.",
                              "판독 가능한 타일이 {count}개로, 최소 {wanted}개에 미치지 못합니다."},
    [MT_MESSAGE_DISTANT] = {"It is unlike the training cases: distance {distance}, {share} % of those lie within {limit}.",
                            "학습 증례와 유사하지 않습니다: 거리 {distance}(학습 증례의 {share} %는 {limit} 이내)."},
    [MT_MESSAGE_DARK] = {"The picture is too dark: {share} % of the foreground is black.",
                         "영상이 너무 어둡습니다: 전경의 {share} %가 검정입니다."},
    [MT_MESSAGE_BRIGHT] = {"The picture is too bright: {share} % of the foreground is white.",
                           "영상이 너무 밝습니다: 전경의 {share} %가 흰색입니다."},
    [MT_MESSAGE_CLIPPED] = {"Exposure is cut off at both ends: {share} % of the foreground is black or white.",
                            "노출이 양 끝에서 잘렸습니다: 전경의 {share} %가 검정 또는 흰색입니다."},
    [MT_MESSAGE_FLAT] = {"There is next to no contrast: the foreground spans {range} of 255 grey values.",
                         "대비가 거의 없습니다: 전경의 밝기 범위가 255단계 중 {range}단계입니다."},
    [MT_MESSAGE_BLURRED] = {"It is blurred: sharpness {sharpness}, at least {wanted} is wanted.",
                            "초점이 흐립니다: 선명도 {sharpness}, 최소 {wanted}이(가) 필요합니다."},
    [MT_MESSAGE_SMALL_FIELD] = {"The field of view fills {share} % of the picture, at least {wanted} % is wanted.",
                                "시야가 영상의 {share} %로, 최소 {wanted} %에 미치지 못합니다."},
    [MT_MESSAGE_QUALITY_LOW] = {"The picture's {measure} is {value}, at least {wanted} is wanted.",
                                "영상 품질 {measure} 값이 {value}로, 최소 {wanted}에 미치지 못합니다."},
    [MT_MESSAGE_QUALITY_HIGH] = {"The picture's {measure} is {value}, at most {wanted} is wanted.",
                                 "영상 품질 {measure} 값이 {value}로, 최대 {wanted}을(를) 넘습니다."},
    [MT_MESSAGE_AUDIT] = {"Drawn for audit: {share} % of the clear cases get a second look.",
                          "감사 대상으로 추출됨: 이상 소견 없음 증례의 {share} %를 다시 확인합니다."},
    [MT_MESSAGE_WITHOUT] = {"without {cases}", "제외된 증례: {cases}"},
    [MT_MESSAGE_WITHOUT_RESULT] = {"no result", "결과 없음"},
    [MT_MESSAGE_WITHOUT_TILES] = {"insufficient", "판독 가능한 타일 없음"},
    [MT_MESSAGE_WITHOUT_WITHHELD] = {"withheld", "판정 보류"},
    [MT_MESSAGE_OBJECT] = {"{size} {class}", "{class} {size}"},
    [MT_MESSAGE_OBJECT_SCORE] = {"score", "점수"},
    [MT_MESSAGE_VOXELS] = {"voxels", "복셀"},
    [MT_MESSAGE_PLACE_PIXEL] = {"at x {x}, y {y} px", "위치 x {x}, y {y} px"},
    [MT_MESSAGE_PLACE_RIGHT] = {"right", "우측"},
    [MT_MESSAGE_PLACE_LEFT] = {"left", "좌측"},
    [MT_MESSAGE_PLACE_UPPER] = {"upper third", "상부 1/3"},
    [MT_MESSAGE_PLACE_MIDDLE] = {"middle third", "중간 1/3"},
    [MT_MESSAGE_PLACE_LOWER] = {"lower third", "하부 1/3"},
    [MT_MESSAGE_VALUE_BETWEEN] = {"{name} {value} (between {low} and {high})", "{name} {value} ({low}~{high})"},
    [MT_MESSAGE_ACTION_IF] = {"{name}: {text} if {condition}", "{name}: {condition}이면 {text}"},
    [MT_MESSAGE_ACTION_UNLESS] = {"{name}: {text} if not {condition}", "{name}: {condition}이(가) 아니면 {text}"},
    [MT_MESSAGE_MORE_OBJECTS] = {"and {count} more", "그 외 {count}개"},
    [MT_MESSAGE_GREW] = {"{class} grew from {before} to {after} {unit} ({percent} %)",
                         "{class} 크기 증가: {before}에서 {after} {unit} ({percent} %)"},
    [MT_MESSAGE_SHRANK] = {"{class} shrank from {before} to {after} {unit} ({percent} %)",
                           "{class} 크기 감소: {before}에서 {after} {unit} ({percent} %)"},
    [MT_MESSAGE_GREW_INSIDE] = {"{class} grew by {extent} % of volume: {before}, then {after} {unit} across",
                                "{class} 부피 {extent} % 증가: 직경 {before}, 현재 {after} {unit}"},
    [MT_MESSAGE_SHRANK_INSIDE] = {"{class} shrank by {extent} % of volume: {before}, then {after} {unit} across",
                                  "{class} 부피 {extent} % 감소: 직경 {before}, 현재 {after} {unit}"},
    [MT_MESSAGE_SAME_SIZE] = {"{class} of the same size: {before}, then {after} {unit}; a change below {limit} cannot be measured",
                              "{class} 크기 변화 없음: {before}, 현재 {after} {unit}; {limit} 미만의 변화는 측정할 수 없음"},
    [MT_MESSAGE_NOT_SIZED] = {"{class} seen again, its size is not known", "{class} 다시 보임, 크기를 알 수 없음"},
    [MT_MESSAGE_NEW] = {"new: {text}", "새로 보임: {text}"},
    [MT_MESSAGE_GONE] = {"gone: {text}", "보이지 않음: {text}"},
    [MT_MESSAGE_MERGED] = {"merged with another: {text}", "다른 병변과 합쳐짐: {text}"},
    [MT_MESSAGE_SPLIT] = {"split from another: {text}", "다른 병변에서 나뉨: {text}"},
    [MT_MESSAGE_VOLUME_CHANGE] = {"volume {percent} %", "부피 {percent} %"},
    [MT_MESSAGE_DOUBLING] = {"doubling time {days} days", "부피 배가 시간 {days}일"},
    [MT_MESSAGE_FINDING_BEFORE] = {"{name} {after}, before {before}", "{name} {after}, 이전 {before}"},
    [MT_MESSAGE_VALUE_CHANGE] = {"{name} from {before} to {after} ({change})", "{name}: {before}에서 {after} ({change})"},
    [MT_MESSAGE_VALUE_SAME] = {"{name} unchanged at {after}", "{name}: 변화 없음, {after}"},
    [MT_MESSAGE_ASK_WHAT] = {"What", "소견"},
    [MT_MESSAGE_ASK_WHERE] = {"Where", "위치"},
    [MT_MESSAGE_ASK_SIZE] = {"How large", "크기"},
    [MT_MESSAGE_ASK_SURE] = {"How sure", "확실성"},
    [MT_MESSAGE_ASK_LIMIT] = {"What limits it", "제한점"},
    [MT_MESSAGE_ASK_CHANGE] = {"What would change it", "판정이 바뀌는 조건"},
    [MT_MESSAGE_ASK_NEXT] = {"Next step", "다음 단계"},
    [MT_MESSAGE_ASK_LIKE] = {"Cases like it", "유사 증례"},
    [MT_MESSAGE_ASK_WHY] = {"Why", "판정 근거"},
    [MT_MESSAGE_LABEL_FOUND] = {"{label}: score {score} reaches its threshold of {threshold}.",
                                "{label}: 점수 {score}이(가) 기준값 {threshold} 이상입니다."},
    [MT_MESSAGE_LABEL_NOT_FOUND] = {"Not found: {labels}.", "기준값 미만: {labels}."},
    [MT_MESSAGE_LABEL_FIRST] = {"Highest score: {label}, {score}.", "최고 점수: {label}, {score}."},
    [MT_MESSAGE_NOTHING_FOUND] = {"No object was found.", "검출된 병변이 없습니다."},
    [MT_MESSAGE_SCORE_WITHHELD] = {"The score is withheld: {why}", "판정 보류: {why}"},
    [MT_MESSAGE_REGION_MM] = {"{label}: {area}, {x0} to {x1} mm from the left, {y0} to {y1} mm from the top, evidence {mean} on average.",
                              "{label}: {area}, 왼쪽에서 {x0}~{x1} mm, 위에서 {y0}~{y1} mm, 평균 근거값 {mean}."},
    [MT_MESSAGE_REGION_PX] = {"{label}: x {x0} to {x1} px, y {y0} to {y1} px, evidence {mean} on average.",
                              "{label}: x {x0}~{x1} px, y {y0}~{y1} px, 평균 근거값 {mean}."},
    [MT_MESSAGE_REGION_PLANE] = {"Plane {plane} of {planes} says most.", "전체 단면 {planes}개 중 {plane}번째 단면의 근거가 가장 큽니다."},
    [MT_MESSAGE_SIZE_OBJECT] = {"{class}: {size}", "{class}: 크기 {size}"},
    [MT_MESSAGE_SIZE_TISSUE] = {"Tissue: {area}.", "조직 면적: {area}."},
    [MT_MESSAGE_CHANGE_NOT_URGENT] = {"{label}: below {threshold} it would be for review, no longer urgent; the score is {margin} above.",
                                      "{label}: {threshold} 미만이면 긴급이 아닌 판독 대상입니다(현재 {margin} 초과)."},
    [MT_MESSAGE_CHANGE_CLEAR] = {"{label}: below {threshold} it would be clear; the score is {margin} above.",
                                 "{label}: {threshold} 미만이면 이상 소견 없음입니다(현재 {margin} 초과)."},
    [MT_MESSAGE_CHANGE_NO_REVIEW] = {"{label}: below {threshold} the score would not ask for review; it is {margin} above.",
                                     "{label}: {threshold} 미만이면 점수에 따른 판독 대상이 아닙니다(현재 {margin} 초과)."},
    [MT_MESSAGE_CHANGE_REVIEW] = {"{label}: from {threshold} on it would be for review; the score is {margin} below.",
                                  "{label}: {threshold} 이상이면 판독 대상입니다(현재 {margin} 미달)."},
    [MT_MESSAGE_REMOVED_TILES] = {"Without the {count} strongest of {of} tiles the score of {label} would be {score} (now {before}).",
                                  "전체 타일 {of}개 중 근거가 가장 큰 {count}개가 없으면 {label} 점수는 {score}입니다(현재 {before})."},
    [MT_MESSAGE_REMOVED_PART] = {"Without the part at {place} the score of {label} would be {score} (now {before}).",
                                 "{place} 부분이 없으면 {label} 점수는 {score}입니다(현재 {before})."},
    [MT_MESSAGE_REMOVED_PARTS] =
        {"Without the parts that speak most for it in {count} of {of} tiles the score of {label} would be {score} (now {before}).",
         "타일 {of}개 중 {count}개에서 근거가 가장 큰 부분이 없으면 {label} 점수는 {score}입니다(현재 {before})."},
    [MT_MESSAGE_NEXT_URGENT] = {"To be read first.", "우선 판독이 필요합니다."},
    [MT_MESSAGE_NEXT_REVIEW] = {"To be read.", "판독이 필요합니다."},
    [MT_MESSAGE_NEXT_AUDIT] = {"To be read for the audit.", "감사 판독이 필요합니다."},
    [MT_MESSAGE_NEXT_AGAIN] = {"To be read without the score, or taken again.", "점수 없이 판독하거나 다시 촬영·스캔해야 합니다."},
    [MT_MESSAGE_LIKE_SCORE] = {"{id}: likeness {likeness}, {label} {score}.", "{id}: 유사도 {likeness}, {label} {score}."},
    [MT_MESSAGE_LIKE] = {"{id}: likeness {likeness}.", "{id}: 유사도 {likeness}."},
    [MT_MESSAGE_REPORT_TITLE] = {"Batch report", "배치 처리 보고서"},
    [MT_MESSAGE_REPORT_COUNTS] = {"{done} of {total} done, {failed} failed, {running} running, {pending} pending",
                                  "전체 {total}건 중 완료 {done}건, 실패 {failed}건, 실행 중 {running}건, 대기 {pending}건"},
    [MT_MESSAGE_REPORT_DEMONSTRATION] = {"DEMONSTRATION: encoder or head are samples; these scores mean nothing for a patient.",
                                         "시연용: 인코더 또는 헤드가 예제이므로 이 점수는 환자에게 아무 의미가 없습니다."},
    [MT_MESSAGE_REPORT_DONE] = {"Done", "완료"},
    [MT_MESSAGE_REPORT_FAILED] = {"Failed", "실패"},
    [MT_MESSAGE_REPORT_RUNNING] = {"Running", "실행 중"},
    [MT_MESSAGE_REPORT_PENDING] = {"Pending", "대기"},
    [MT_MESSAGE_REPORT_URGENT] = {"Urgent", "긴급"},
    [MT_MESSAGE_REPORT_REVIEW] = {"Review", "판독 필요"},
    [MT_MESSAGE_REPORT_CLEAR] = {"Clear", "이상 소견 없음"},
    [MT_MESSAGE_REPORT_NONE] = {"No decision", "판정 없음"},
    [MT_MESSAGE_REPORT_WITHHELD] = {"Withheld", "판정 보류"},
    [MT_MESSAGE_REPORT_TO_DO] = {"What failed, and what to do", "실패한 증례와 조치"},
    [MT_MESSAGE_REPORT_RESCAN] = {"Copy or scan the slide again: the file was read and refused",
                                  "슬라이드 파일을 다시 복사하거나 재스캔: 파일을 읽었으나 사용할 수 없음"},
    [MT_MESSAGE_REPORT_SETTING] = {"Fix a setting or a path, then run again", "설정 또는 경로를 수정한 뒤 다시 실행"},
    [MT_MESSAGE_REPORT_RERUN] = {"Run the same command again: memory, disk or storage were short",
                                 "같은 명령을 다시 실행: 메모리, 디스크 또는 저장 장치 문제"},
    [MT_MESSAGE_REPORT_HELP] = {"Ask for help, with the record in failed/", "failed/ 폴더의 기록을 첨부하여 지원 요청"},
    [MT_MESSAGE_REPORT_CASES] = {"Cases", "증례"},
    [MT_MESSAGE_REPORT_CASE] = {"Case", "증례"},
    [MT_MESSAGE_REPORT_SLIDE] = {"Slide", "슬라이드"},
    [MT_MESSAGE_REPORT_HEAT] = {"Evidence", "근거"},
    [MT_MESSAGE_REPORT_PROJECTED] = {"Findings of all planes, drawn over the middle one.", "모든 단면의 소견을 중앙 단면 위에 표시합니다."},
    [MT_MESSAGE_REPORT_DECISION] = {"Decision", "판정"},
    [MT_MESSAGE_REPORT_SCORE] = {"Score", "점수"},
    [MT_MESSAGE_REPORT_QUALITY] = {"Quality", "품질"},
    [MT_MESSAGE_REPORT_TIME] = {"Time", "소요 시간"},
    [MT_MESSAGE_REPORT_REASON] = {"Reason", "사유"},
    [MT_MESSAGE_REPORT_STAGE] = {"Stage", "단계"},
    [MT_MESSAGE_REPORT_EXIT_CODE] = {"Exit code", "종료 코드"},
    [MT_MESSAGE_REPORT_SIGNAL] = {"signal {number}", "시그널 {number}"},
    [MT_MESSAGE_REPORT_ATTEMPTS] = {"Attempts", "시도 횟수"},
    [MT_MESSAGE_REPORT_UNREAD] = {"{count} tiles unread", "읽지 못한 타일 {count}개"},
    [MT_MESSAGE_REPORT_TILES] = {"{count} tiles", "타일 {count}개"},
    [MT_MESSAGE_REPORT_TISSUE] = {"{area} mm2 of tissue", "조직 {area} mm2"},
    [MT_MESSAGE_REPORT_FEW_PICTURES] =
        {"Pictures of the {count} most urgent cases alone: the folder has more cases than one page can show.",
         "증례가 많아 가장 긴급한 {count}건의 그림만 표시합니다."},
    [MT_MESSAGE_REPORT_STAGE_MASK] = {"open, tissue", "열기·조직"},
    [MT_MESSAGE_REPORT_STAGE_READ] = {"read", "읽기"},
    [MT_MESSAGE_REPORT_STAGE_ENCODE] = {"encode", "인코딩"},
    [MT_MESSAGE_REPORT_STAGE_SCORE] = {"score", "점수"},
    [MT_MESSAGE_REPORT_STAGE_WRITE] = {"write", "쓰기"},
    [MT_MESSAGE_REPORT_THREADS] = {"Reading and encoding are summed over the threads, so the parts may exceed the whole.",
                                   "읽기와 인코딩 시간은 모든 스레드의 합이므로 전체 시간보다 클 수 있습니다."},
    [MT_MESSAGE_REPORT_RESEARCH] = {"For research and decision support; not a medical device.",
                                    "연구 및 의사결정 보조용이며 의료기기가 아닙니다."},
};

bool mt_language_parse(const char *name, mt_language *language)
{
    for (int i = 0; i < MT_LANGUAGES; i++)
        if (strcmp(name, languages[i]) == 0) {
            *language = (mt_language)i;
            return true;
        }
    return false;
}

mt_language mt_language_of(const char *name)
{
    mt_language language = MT_LANGUAGE_EN;

    if (name != NULL)
        mt_language_parse(name, &language);
    return language;
}

const char *mt_language_name(mt_language language)
{
    return languages[language];
}

const char *mt_message_template(mt_message message, mt_language language)
{
    return table[message][language];
}

static const char *find_value(const char *const *pairs, guint n, const char *name, size_t bytes)
{
    for (guint i = 0; i + 1 < n; i += 2)
        if (strlen(pairs[i]) == bytes && memcmp(pairs[i], name, bytes) == 0)
            return pairs[i + 1];
    return "?";
}

char *mt_message_text_of(mt_message message, mt_language language, va_list list)
{
    const char *pairs[16];
    guint       n = 0;
    GString    *text = g_string_new(NULL);

    for (const char *next = va_arg(list, const char *); next != NULL && n < G_N_ELEMENTS(pairs); next = va_arg(list, const char *))
        pairs[n++] = next;
    for (const char *at = table[message][language]; *at != '\0';) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (end == NULL) {
            g_string_append_c(text, *at++);
            continue;
        }
        g_string_append(text, find_value(pairs, n, at + 1, (size_t)(end - at - 1)));
        at = end + 1;
    }
    return g_string_free(text, FALSE);
}

char *mt_message_text(mt_message message, mt_language language, ...)
{
    va_list list;

    va_start(list, language);
    char *text = mt_message_text_of(message, language, list);
    va_end(list);
    return text;
}
