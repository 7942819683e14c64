"use strict";

// What is searched for: { file } or { row }; the filter may change while it stays.
let subject = null;
// Answers that come after a newer question are dropped.
let asking = 0;
let shownUrl = null;
const classes = new Set();
const by = (id) => document.getElementById(id);

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(text);
  return made;
}

async function fetched(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.error || `The server refused (${response.status}).`);
  return said;
}

async function ask() {
  const number = ++asking;
  by("problem").textContent = "";
  by("status").textContent = "Searching …";
  by("result").setAttribute("aria-busy", "true");
  try {
    const answer = await fetched(...request());
    if (number === asking) show(answer);
  } catch (error) {
    if (number === asking) refuse(error.message);
  }
  if (number === asking) by("result").removeAttribute("aria-busy");
}

function request() {
  const wanted = new URLSearchParams({ k: 12 });
  const name = by("filter").value.trim();
  if (name) wanted.set("class", name);
  if (subject.row !== undefined) return [`/api/search/gallery/${subject.row}?${wanted}`, { method: "POST" }];
  const body = new FormData();
  body.append("image", subject.file);
  return [`/api/search?${wanted}`, { method: "POST", body }];
}

function refuse(text) {
  by("status").textContent = "";
  by("problem").textContent = text;
  by("result").hidden = true;
}

function show(answer) {
  const found = answer.neighbours.length;
  const [best] = answer.guesses;
  by("title").textContent = best ? "The model says" : called(answer.asked);
  by("guesses").replaceChildren(...answer.guesses.map(guess));
  by("neighbours").replaceChildren(...answer.neighbours.map(neighbour));
  by("result").hidden = false;
  const said = best ? `${best.name}, ${percent(best.probability)}. ` : `From ${called(answer.asked)}. `;
  by("status").textContent = `${said}${found} similar ${found === 1 ? "picture" : "pictures"}.`;
}

function called({ name, file }) {
  return name || file; // of pictures that were added, nobody may have said the class
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function guess({ name, probability }) {
  const line = element("li", "");
  const meter = element("meter", "", { value: probability });
  meter.setAttribute("aria-hidden", "true");
  line.append(element("span", name), element("span", percent(probability)), meter);
  return line;
}

function neighbour(near) {
  const { row, file, distance, thumbnail } = near;
  const name = called(near);
  const button = element("button", "", { type: "button", title: file });
  if (thumbnail) button.append(element("img", "", { src: `/api/gallery/${row}`, alt: "", loading: "lazy" }));
  button.append(element("span", name), element("small", `distance ${distance.toFixed(3)}`));
  button.addEventListener("click", () => searchFrom(row, name, thumbnail));
  const line = element("li", "");
  line.append(button);
  return line;
}

async function searchFrom(row, name, thumbnail) {
  subject = { row };
  picture(thumbnail ? `/api/gallery/${row}` : null, name);
  await ask();
  by("result").focus();
  by("ask").scrollIntoView({ block: "nearest" });
}

function take(file) {
  if (!file) return;
  subject = { file };
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = URL.createObjectURL(file);
  picture(shownUrl, file.name);
  ask();
}

function picture(url, name) {
  if (shownUrl && shownUrl !== url) {
    URL.revokeObjectURL(shownUrl);
    shownUrl = null;
  }
  const image = by("asked");
  image.hidden = !url;
  if (url) image.src = url;
  image.alt = `Searched for: ${name}`;
  by("asked-name").textContent = name;
}

function listen() {
  for (const id of ["choose", "photograph"]) {
    by(id).addEventListener("change", ({ target }) => {
      take(target.files[0]);
      target.value = ""; // the same file may be chosen again
    });
  }
  // A browser would show the dropped file in place of the page, wherever it lands.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    by("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => by("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    by("drop").classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", ({ clipboardData }) => take(clipboardData.files[0]));
  by("asked").addEventListener("error", () => { by("asked").hidden = true; });
  by("filter").addEventListener("input", ({ target }) => {
    const name = target.value.trim();
    if (subject && (!name || classes.has(name))) ask();
  });
}

async function introduce() {
  try {
    const about = await fetched("/api/model");
    about.classes.forEach((name) => classes.add(name));
    by("classes").replaceChildren(...about.classes.map((value) => element("option", "", { value })));
    const right = about.accuracy === null ? "" : ` Right for ${percent(about.accuracy)} of ${about.test_pictures} test pictures.`;
    by("about").textContent =
      `${about.name} tells ${about.classes.length} classes apart and searches ${about.pictures} pictures.${right}`;
  } catch (error) {
    refuse(error.message);
  }
}

listen();
introduce();
