// Draw a whole document with its removals struck in place, and the list of documents.

import { bytes, count, counted, el, percent, plain, put, showLong, showText, svg } from "./dom.js";
import { wordDiff } from "./diff.js";
import { ruleName } from "./names.js";
import { statusMark } from "./detail.js";

const MAX_DOCUMENT = 300000;
const NUM_ROWS = 100;

/** Draw a document. `act` has openCluster(cluster, member), openDocument(name), back(). `key` is the removal to begin at. */
export async function drawDocument(node, name, key, adapter, act) {
  const found = await adapter.document(name);
  const body = found.text === null ? withoutText(found, act) : el("div", { class: "page text", dir: "auto" });
  if (found.text !== null) showLong(body, found.text.length, MAX_DOCUMENT, (into, from, to) => paint(into, found, from, to, act));
  const clean = el("input", { type: "checkbox", id: "hide-removed", on: { change: (event) => body.classList.toggle("clean", event.target.checked) } });
  put(node,
    el("header", { class: "head" }, el("button", { type: "button", class: "plain", text: "\u2190 Back", on: { click: act.back } }),
      el("h2", { dir: "auto", tabindex: "-1", text: plain(found.doc) }),
      el("p", { class: "facts" }, facts(found), found.near ? [" · near-duplicate of ", link(found.near.doc, act), ` (resemblance ${percent(found.near.resemblance ?? 0)})`] : null),
      found.text === null ? null : el("label", { class: "check" }, clean, " Hide what was removed"),
      found.near ? compareButton(found, adapter, node) : null),
    el("div", { class: "with-map" }, body, found.text === null ? null : map(found, act)));
  body.querySelector(`[data-key="${Number(key ?? -1)}"]`)?.scrollIntoView({ block: "center" });
}

function facts(found) {
  const gone = found.marks.filter((mark) => mark.kind === "removed");
  const parts = [counted(gone.length, "removal"), found.before ? `${percent(1 - found.after / found.before)} of ${bytes(found.before)}` : null, found.host ? plain(found.host) : null,
    found.flags ? "flagged: " + plain(found.flags) : null];
  return parts.filter(Boolean).join(" · ");
}

const link = (doc, act) => el("button", { type: "button", class: "link", dir: "auto", text: plain(doc), on: { click: () => act.openDocument(doc) } });

function paint(node, found, from, to, act) {
  let at = from;
  for (const mark of found.marks) {
    if (mark.end <= at || mark.start >= to) continue;
    if (mark.start > at) showText(node, found.text.slice(at, mark.start));
    const text = found.text.slice(Math.max(mark.start, at), Math.min(mark.end, to));
    const tag = mark.kind === "removed" ? "del" : "ins";
    const piece = el(tag, { class: "v" + mark.status, dataset: { key: mark.key }, tabindex: "0", role: "button",
      title: `${mark.kind === "kept" ? "Found, but kept" : "Removed"}: ${ruleName(mark.rule)}`, on: { click: () => act.openCluster(mark.cluster, mark.key) } });
    piece.addEventListener("keydown", (event) => { if (event.key === "Enter") act.openCluster(mark.cluster, mark.key); });
    node.append(showText(piece, text));
    at = Math.min(mark.end, to);
  }
  if (at < to) showText(node, found.text.slice(at, to));
}

function withoutText(found, act) {
  return el("div", { class: "page" },
    el("p", { class: "none", text: "This file does not carry the whole text of this document; `dedupe review` shows it. These are its removals:" }),
    el("ul", { class: "plain-list" }, found.marks.map((mark) => el("li", {}, el("button", { type: "button", class: "link", dir: "auto", text: plain(mark.text.trim().slice(0, 200)) || "(white space)", on: { click: () => act.openCluster(mark.cluster, mark.key) } }),
      el("span", { class: "quiet", text: ` ${ruleName(mark.rule)}, line ${count(mark.line[0])}` }), statusMark(mark.status)))));
}

/** Return a narrow map of where in the document something was found; a click scrolls there. */
function map(found, act) {
  const length = Math.max(found.text.length, 1);
  const node = svg("svg", { class: "map", viewBox: "0 0 12 1000", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const mark of found.marks.slice(0, 2000)) {
    const y = (mark.start / length) * 1000, height = Math.max(((mark.end - mark.start) / length) * 1000, 3);
    const bar = svg("rect", { x: 1, y, width: 10, height, class: mark.kind });
    bar.addEventListener("click", () => act.openCluster(mark.cluster, mark.key));
    node.append(bar);
  }
  return node;
}

function compareButton(found, adapter, node) {
  return el("button", { type: "button", class: "plain", text: "Compare with the kept document", on: { click: async () => {
    const other = await adapter.document(found.near.doc);
    if (found.text === null || other.text === null) return put(node.querySelector(".with-map"), el("p", { class: "none", text: "This file does not carry both texts; `dedupe review` compares them." }));
    const diff = wordDiff(found.text, other.text);
    return put(node.querySelector(".with-map"), el("div", { class: "sides" }, half("This document", found.text, diff.before, "removed"), half("Kept document", other.text, diff.after, "kept")));
  } } });
}

function half(title, text, changed, side) {
  const body = el("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": title });
  let at = 0;
  for (const [start, end] of changed) {
    showText(body, text.slice(at, start));
    body.append(showText(el("b", { class: "changed" }), text.slice(start, end)));
    at = end;
  }
  showText(body, text.slice(at));
  return el("section", { class: "side " + side, "aria-label": title }, el("h3", { text: title }), body);
}

/** Draw the table of documents, or of near-duplicates under the document that stays for them. */
export async function drawDocuments(node, adapter, act, options = { q: "", near: false, offset: 0 }) {
  const { total, items } = await adapter.documents({ ...options, limit: NUM_ROWS });
  const again = (change) => drawDocuments(node, adapter, act, { ...options, offset: 0, ...change });
  const search = el("input", { type: "search", class: "doc-search", placeholder: "Find a document", "aria-label": "Find a document", value: options.q });
  search.addEventListener("change", () => again({ q: search.value }));
  put(node,
    el("header", { class: "head row" }, el("h2", { tabindex: "-1", text: options.near ? counted(total, "near-duplicate") : counted(total, "document") }), search),
    el("table", { class: "docs" },
      el("thead", {}, el("tr", {}, (options.near ? ["Near-duplicate", "Kept for it", "Resemblance", "Containment"] : ["Document", "Removed", "", "Removals", "Size", "Notes"]).map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, items.map((item) => (options.near ? nearRow(item, act) : docRow(item, act))))),
    el("p", { class: "pager" },
      options.offset ? el("button", { type: "button", class: "plain", text: "Previous", on: { click: () => again({ offset: options.offset - NUM_ROWS }) } }) : null,
      options.offset + items.length < total ? el("button", { type: "button", class: "plain", text: `Next ${NUM_ROWS}`, on: { click: () => again({ offset: options.offset + NUM_ROWS }) } }) : null));
  if (options.q) search.focus();
}

function docRow(item, act) {
  const bar = svg("svg", { width: 80, height: 8, "aria-hidden": "true", class: "share" }, svg("rect", { width: 80, height: 8, rx: 2, class: "rest" }), svg("rect", { width: Math.max(item.share * 80, item.share > 0 ? 1 : 0), height: 8, rx: 2 }));
  return el("tr", {}, el("td", {}, link(item.doc, act)), el("td", { class: "num", text: percent(item.share) }), el("td", {}, bar), el("td", { class: "num", text: count(item.num_removals) }),
    el("td", { class: "num", text: bytes(item.before) }), el("td", {}, item.flags ? el("span", { class: "flag", text: plain(item.flags) }) : null, item.near ? "near-duplicate" : null));
}

function nearRow(item, act) {
  return el("tr", {}, el("td", {}, link(item.doc, act)), el("td", {}, link(item.near.doc, act)), el("td", { class: "num", text: percent(item.near.resemblance ?? 0) }), el("td", { class: "num", text: percent(item.near.containment ?? 0) }));
}
