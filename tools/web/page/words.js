"use strict";
// What the page says, a table a language.
window.microtomeWords = {
  en: {
    language: "Language",
    opacity: "Opacity of the map",
    threshold: "Clear below",
    colours: "Colours",
    tiles: "Strongest tiles",
    keys: "Click to go there; n and p: the next and the one before; arrows and + − move the slide; 0: all of it.",
    regions: "Hot regions",
    none: "none",
    unread: "not readable: {n} of {all} tiles",
    score: "score",
    mean: "mean",
    purpose: "For research and decision support; not a medical device.",
    demonstration: "DEMONSTRATION, not a trained model. For research and decision support; not a medical device.",
    noTissue: "nothing was looked at here",
    notRead: "not readable",
    viewer: "Slide with heatmap"
  },
  ko: {
    language: "언어",
    opacity: "히트맵 불투명도",
    threshold: "이 값 미만은 투명하게",
    colours: "색상표",
    tiles: "값이 가장 높은 타일",
    keys: "누르면 그 위치로 이동합니다. n, p: 다음, 이전. 화살표와 + −: 이동과 확대. 0: 전체 보기.",
    regions: "값이 높은 영역",
    none: "없음",
    unread: "읽지 못한 타일: 전체 {all}개 중 {n}개",
    score: "점수",
    mean: "평균",
    purpose: "연구 및 의사 결정 보조용이며 의료기기가 아닙니다.",
    demonstration: "시연용: 학습된 모델이 아닙니다. 연구 및 의사 결정 보조용이며 의료기기가 아닙니다.",
    noTissue: "분석하지 않은 곳",
    notRead: "읽지 못함",
    viewer: "슬라이드와 히트맵"
  }
};
