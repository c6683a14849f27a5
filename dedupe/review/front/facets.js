// Draw the facets: what there is to filter by, how many of each, and what is chosen.

import { byId, count, el, plain, put } from "./dom.js";
import { FACETS } from "./names.js";

const NUM_SHOWN = 8;
const unfolded = new Set();

/** Draw every facet that tells rows apart. `chosen` maps a facet's id to its keys; `onChange(id, keys)` follows a click. */
export function drawFacets(facets, chosen, onChange) {
  const held = document.activeElement?.dataset?.facetKey;
  put(byId("facets"), FACETS.map((facet) => drawFacet(facet, facets[facet.id] ?? [], chosen[facet.id] ?? [], onChange, facets, chosen)));
  if (held) [...byId("facets").querySelectorAll("input")].find((input) => input.dataset.facetKey === held)?.focus();
}

function drawFacet(facet, entries, chosen, onChange, facets, all) {
  const known = new Set(entries.map(([key]) => key));
  const rows = [...entries, ...chosen.filter((key) => !known.has(key)).map((key) => [key, 0])];
  if (!rows.length || (rows.length === 1 && !chosen.length && facet.id !== "rule")) return null;
  if (facet.id === "host" || facet.id === "rule" || facet.id === "language") rows.sort((a, b) => b[1] - a[1]);
  const shown = unfolded.has(facet.id) ? rows.slice(0, 200) : rows.filter(([key], at) => at < NUM_SHOWN || chosen.includes(key));
  const most = Math.max(...rows.map(([, number]) => number), 1);
  const body = shown.map(([key, number]) => drawKey(facet, key, number, most, chosen, onChange));
  if (rows.length > shown.length) body.push(unfoldButton(facet, rows.length, () => drawFacets(facets, all, onChange)));
  return el("fieldset", { class: "facet" }, el("legend", { text: facet.title }), body);
}

function drawKey(facet, key, number, most, chosen, onChange) {
  const input = el("input", { type: "checkbox", dataset: { facetKey: facet.id + "\n" + key } });
  input.checked = chosen.includes(key);
  input.addEventListener("change", () => onChange(facet.id, input.checked ? [...chosen, key] : chosen.filter((other) => other !== key)));
  const bar = el("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--part", number / most);
  return el("label", { class: number ? "key" : "key none" }, input, bar,
    el("span", { class: "name", dir: "auto", text: plain(facet.name(key)), title: plain(facet.name(key)) }), el("span", { class: "num", text: count(number) }));
}

function unfoldButton(facet, total, redraw) {
  const button = el("button", { type: "button", class: "more", text: `Show all ${count(total)}` });
  button.addEventListener("click", () => {
    unfolded.add(facet.id);
    redraw();
  });
  return button;
}
