"use strict";
// What a point or a cell says of itself is shown on hover, on focus and on a tap; Escape hides it.
const tip = document.getElementById("tip");
let shown = null;

function wordsOf(mark) {
  if (!mark.hash) return mark.getAttribute("aria-label");
  const row = document.querySelector(mark.hash);
  const headings = row.closest("table").querySelectorAll("thead th");
  const cells = [...row.cells].map((cell, i) => [headings[i].textContent, cell.textContent]);
  const title = row.parentNode.querySelector("th[colspan]").textContent;
  return [title, ...cells.filter(([, text]) => !["–", ""].includes(text)).map((pair) => pair.join(": "))].join("\n");
}

function show(mark) {
  hide();
  shown = mark;
  tip.textContent = wordsOf(mark);
  tip.hidden = false;
  mark.setAttribute("aria-describedby", "tip");
  const place = mark.getBoundingClientRect();
  const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = place.bottom + 6 + tip.offsetHeight <= window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? place.bottom + 6 : Math.max(8, place.top - tip.offsetHeight - 6)}px`;
}

function hide() {
  if (shown) shown.removeAttribute("aria-describedby");
  shown = null;
  tip.hidden = true;
}

// The browser's own tooltip would stand beside ours.
for (const title of document.querySelectorAll("svg title")) {
  title.parentNode.setAttribute("aria-label", title.textContent);
  title.remove();
}

// One stop of the Tab key for each picture: the arrow keys move inside it, by rows of so many marks.
for (const group of document.querySelectorAll("[data-row]")) {
  const marks = [...group.querySelectorAll("a, [tabindex]")];
  const stop = (current) => marks.forEach((mark) => mark.setAttribute("tabindex", mark === current ? 0 : -1));
  stop(marks[0]);
  group.addEventListener("focusin", (event) => stop(event.target));
  group.addEventListener("keydown", (event) => {
    const row = Number(group.dataset.row);
    const last = marks.length - 1;
    const at = marks.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - row, ArrowDown: at + row, Home: 0, End: last };
    if (!(event.key in to)) return;
    event.preventDefault();
    if (marks[to[event.key]]) marks[to[event.key]].focus();
  });
  for (const mark of marks) {
    for (const kind of ["pointerenter", "focus"]) mark.addEventListener(kind, () => show(mark));
    mark.addEventListener("blur", hide);
    mark.addEventListener("pointerleave", (event) => event.relatedTarget !== tip && hide());
  }
}
tip.addEventListener("pointerleave", hide);
const follow = () => (shown && shown === document.activeElement ? show(shown) : hide());
window.addEventListener("scroll", follow, { capture: true, passive: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

// The data as plain JSON where the browser can decompress them; without a script the link gives them compressed.
const link = document.getElementById("data");
if (link && "DecompressionStream" in window) {
  const compressed = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
  const plain = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(plain).blob().then((json) => {
    link.href = URL.createObjectURL(new Blob([json], { type: "application/json" }));
    link.download = link.download.replace(/\.gz$/, "");
  });
}
