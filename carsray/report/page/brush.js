"use strict";
// Brushes: what the axes leave of the trials, in the table and in every chart.
(() => {
  const form = document.getElementById("parallel");
  if (!form) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = document.getElementById("count");
  const axes = [...form.querySelectorAll(".axis")].map((place) => ({
    place,
    facts: data.axes[Number(place.dataset.axis)],
    low: place.querySelector("input.low"),
    high: place.querySelector("input.high"),
    boxes: [...place.querySelectorAll("input[type=checkbox]")],
    brushed: place.querySelector(".brushed"),
  }));
  const marks = new Map(data.trials.map((each) => [String(each.trial), []]));
  for (const mark of document.querySelectorAll("[data-t]:not(button)")) marks.get(mark.dataset.t)?.push(mark);

  const isBrushed = (axis) =>
    axis.low ? axis.low.value > 0 || axis.high.value < 100 : axis.boxes.some((box) => !box.checked);

  // A trial without a value goes once the axis is brushed.
  const keeps = (axis, at) => {
    if (!isBrushed(axis)) return true;
    if (at === null) return false;
    if (axis.low) return at >= Number(axis.low.value) - 0.005 && at <= Number(axis.high.value) + 0.005;
    return axis.boxes[at].checked;
  };

  const valueAt = ({ low, high, log, integer, name, ends }, percent) => {
    if (percent === 0) return ends[0];
    if (percent === 100) return ends[1];
    const share = percent / 100;
    const value = log ? low * (high / low) ** share : low + (high - low) * share;
    if (integer) return String(Math.round(value));
    if (name.startsWith("val/")) return value.toFixed(4);
    return Math.abs(value) < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  };

  const show = (axis) => {
    axis.place.classList.toggle("brushed-axis", isBrushed(axis));
    if (!axis.low) return;
    axis.brushed.setAttribute("x", `${axis.low.value}%`);
    axis.brushed.setAttribute("width", `${axis.high.value - axis.low.value}%`);
    for (const end of [axis.low, axis.high]) end.setAttribute("aria-valuetext", valueAt(axis.facts, Number(end.value)));
    const [low, high] = axis.place.querySelectorAll(".end");
    low.textContent = valueAt(axis.facts, Number(axis.low.value));
    high.textContent = valueAt(axis.facts, Number(axis.high.value));
  };

  const filter = () => {
    axes.forEach(show);
    let left = 0;
    for (const trial of data.trials) {
      const stays = axes.every((axis, number) => keeps(axis, trial.at[number]));
      left += stays;
      for (const mark of marks.get(String(trial.trial))) {
        if (mark.localName === "tr") mark.hidden = !stays;
        else mark.classList.toggle("out", !stays);
      }
    }
    const all = data.trials.length;
    count.textContent = left === all ? `All ${all} trials` : `${left} of ${all} trials are left`;
  };

  // The two ends never pass each other.
  const moved = (event) => {
    const axis = axes.find((each) => each.low === event.target || each.high === event.target);
    if (axis && Number(axis.low.value) > Number(axis.high.value)) {
      if (event.target === axis.low) axis.low.value = axis.high.value;
      else axis.high.value = axis.low.value;
    }
    filter();
  };

  const dragged = (axis) => {
    const track = axis.place.querySelector(".known");
    let from = null;
    const percent = (event) => {
      const box = track.getBoundingClientRect();
      return Math.round(Math.min(Math.max((100 * (event.clientX - box.left)) / box.width, 0), 100));
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.target.matches("input") || event.button) return;
      from = percent(event);
      track.setPointerCapture(event.pointerId);
    });
    track.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(percent(event) - from) < 1) return;
      const to = percent(event);
      axis.low.value = Math.min(from, to);
      axis.high.value = Math.max(from, to);
      filter();
    });
    track.addEventListener("pointerup", () => (from = null));
    track.addEventListener("pointercancel", () => (from = null));
    track.addEventListener("dblclick", () => {
      axis.low.value = 0;
      axis.high.value = 100;
      filter();
    });
  };

  form.addEventListener("input", moved);
  form.querySelector("button[type=reset]").addEventListener("click", (event) => {
    event.preventDefault();
    form.reset();
    filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  axes.filter((axis) => axis.low).forEach(dragged);
})();
