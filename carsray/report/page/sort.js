"use strict";
// The table of trials in the order of any of its columns.
(() => {
  const table = document.getElementById("trial-table");
  if (!table) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const values = new Map(data.trials.map((each) => [String(each.trial), each.values]));
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];

  // What has no value comes last, whichever way.
  const order = (column, way) => (first, second) => {
    const a = values.get(first.dataset.t)[column];
    const b = values.get(second.dataset.t)[column];
    if (a === null || b === null || a === undefined || b === undefined) return (a ?? null) === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return way * (a - b);
    return way * String(a).localeCompare(String(b), undefined, { numeric: true });
  };

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      body.append(...[...body.rows].sort(order(column, ascending ? 1 : -1)));
    });
  });
})();
