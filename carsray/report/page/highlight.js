"use strict";
// The same trial in every chart: lit while it is pointed at or its button has the focus, and as long as it is pinned.
(() => {
  const tip = document.getElementById("tip");
  const data = JSON.parse(document.getElementById("data")?.textContent ?? '{"trials": []}');
  const told = new Map();
  for (const { values: [trial, state, epochs, score] } of data.trials) {
    told.set(String(trial), `trial ${trial}: ${score === null ? "no score" : score.toFixed(4)}, ${state} after ${epochs} epochs`);
  }
  const pinned = new Set();
  const marks = new Map();
  for (const mark of document.querySelectorAll("[data-t]:not(button)")) {
    if (!marks.has(mark.dataset.t)) marks.set(mark.dataset.t, []);
    marks.get(mark.dataset.t).push(mark);
  }
  let pointed = null;

  const light = (trial, on) => marks.get(trial)?.forEach((mark) => mark.classList.toggle("lit", on));

  const point = (trial) => {
    if (trial === pointed) return;
    if (pointed !== null && !pinned.has(pointed)) light(pointed, false);
    pointed = trial;
    if (trial !== null) light(trial, true);
  };

  const pin = (trial) => {
    const on = !pinned.has(trial);
    if (on) pinned.add(trial);
    else pinned.delete(trial);
    light(trial, on);
    document.querySelector(`button.pin[data-t="${trial}"]`)?.setAttribute("aria-pressed", String(on));
  };

  const explain = (mark, event) => {
    const words = mark?.dataset.tip ?? told.get(mark?.dataset.t);
    tip.hidden = !words;
    if (!words) return;
    tip.textContent = words;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8);
    const above = event.clientY - height - 12;
    tip.style.transform = `translate(${Math.max(left, 8)}px, ${above > 8 ? above : event.clientY + 18}px)`;
  };

  document.addEventListener("pointerover", (event) => {
    point(event.target.closest("[data-t]")?.dataset.t ?? null);
    explain(event.target.closest("svg [data-tip], svg [data-t]"), event);
  });
  document.addEventListener("focusin", (event) => point(event.target.dataset?.t ?? null));
  document.addEventListener("click", (event) => {
    const mark = event.target.closest("button.pin, svg [data-t]");
    if (mark) pin(mark.dataset.t);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    tip.hidden = true;
    [...pinned].forEach(pin);
  });
})();
