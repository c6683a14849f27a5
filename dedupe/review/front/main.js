// Put the parts together: what is shown, what the keys do, and which adapter answers.

import { byId, bytes, count, counted, el, percent, plain, put } from "./dom.js";
import { confirmBulk, openFile, saveDecisions, showHelp } from "./dialogs.js";
import { drawDetail, statusMark, whyNoSwap } from "./detail.js";
import { drawDocument, drawDocuments } from "./document.js";
import { drawFacets } from "./facets.js";
import { drawOverview } from "./overview.js";
import { openIsland } from "./island.js";
import { ORDERS, ruleName } from "./names.js";
import { VirtualList } from "./vlist.js";

const NUM_PRINTED = 200;
const state = { filter: { q: "", order: "risk", kind: ["removed"] }, view: "removals", cluster: null, member: 0, removal: null, scope: "all", back: null };
let adapter, meta, list, totals;

async function start() {
  const server = document.documentElement.dataset.adapter;
  adapter = server ? await (await import("./http.js")).openServer() : await openIsland();
  meta = await adapter.meta();
  document.title = plain(meta.title ?? "Removals");
  byId("title").textContent = document.title;
  notice();
  list = new VirtualList(byId("list"), { rowHeight: 68, draw: drawRow, fetchRows: (offset, limit) => adapter.rows(offset, limit), onPick: openRow });
  put(byId("order"), ORDERS.map(([value, text]) => el("option", { value, text })));
  byId("near-tab").hidden = !meta.num_near;
  listen();
  if (!(meta.summary.num_removals ?? meta.num_rows) && meta.num_rows) state.filter.kind = [];
  await query(0);
  document.body.dataset.ready = "true";
  performance.mark("first-view");
  (window.requestIdleCallback ?? setTimeout)(() => adapter.warm?.().catch(failed));
}

function notice() {
  const { summary } = meta;
  const share = summary.num_bytes_before ? 1 - summary.num_bytes_after / summary.num_bytes_before : 0;
  byId("subtitle").textContent = `${counted(summary.num_removals ?? meta.num_rows, "removal")} in ${count(summary.num_documents_changed ?? 0)} of ${counted(summary.num_documents ?? 0, "document")} · ${percent(share)} of the text`;
  if (meta.is_large) {
    byId("notice").hidden = false;
    byId("notice").textContent = `This file holds ${bytes(meta.island_bytes)}; a browser gets slow with that much. \`dedupe review\` shows the same from disk.`;
  }
}

/** Filter again and show the row at `index`, or where the current cluster went. */
async function query(index, { quiet = false } = {}) {
  totals = await adapter.query(state.filter);
  drawFacets(totals.facets, state.filter, (id, keys) => run(() => change({ [id]: keys })));
  const whole = totals.num_removals ? `${counted(totals.num_clusters, "passage")}, ${counted(totals.num_removals, "removal")}` : "Nothing here";
  byId("found").textContent = whole;
  byId("progress").textContent = totals.num_removals ? `${count(totals.num_decided)} of ${count(totals.num_removals)} decided` : "";
  byId("meter").value = totals.num_removals ? totals.num_decided / totals.num_removals : 0;
  drawChips();
  byId("undo").disabled = !adapter.canUndo;
  byId("save-mark").hidden = !adapter.numUnsaved;
  await list.reset(totals.num_clusters, index);
  (window.requestIdleCallback ?? setTimeout)(() => fillPrintList().catch(failed));
  if (!quiet) await openRow(await list.row(list.current), list.current, { keepFocus: true });
}

function change(part) {
  state.filter = { ...state.filter, ...part };
  return query(0);
}

function drawChips() {
  const chips = [];
  for (const [id, keys] of Object.entries(state.filter)) {
    if (!Array.isArray(keys) || (id === "kind" && keys.length === 1 && keys[0] === "removed")) continue;
    for (const key of keys) chips.push([`${id}: ${id === "rule" ? ruleName(key) : key || "none"}`, () => change({ [id]: keys.filter((other) => other !== key) })]);
  }
  if (state.filter.q) chips.push([`“${state.filter.q}”`, () => { byId("search").value = ""; return change({ q: "" }); }]);
  put(byId("chips"), chips.map(([text, drop]) => el("button", { type: "button", class: "chip", "aria-label": "Drop the filter " + plain(text), on: { click: () => run(drop) } }, el("span", { dir: "auto", text: plain(text) }), " \u00d7")));
}

/** Lay the first passages out in full for the printer, which cannot scroll. */
async function fillPrintList() {
  const rows = await adapter.rows(0, NUM_PRINTED);
  put(byId("print-list"), el("h2", { text: `${count(rows.length)} of ${counted(totals.num_clusters, "passage")}` }), rows.map((row) => drawRow(row)));
}

function drawRow(row) {
  if (!row) return el("div", { class: "row loading" });
  return el("div", { class: "row" },
    el("div", { class: "line" }, el("span", { class: "tag" + (row.kept ? " hollow" : ""), text: ruleName(row.rule) }), el("span", { class: "quiet", text: row.num_documents > 1 ? counted(row.num_documents, "page") : "1 page" }),
      row.num_removals > row.num_documents ? el("span", { class: "quiet", text: count(row.num_removals) + "×" }) : null,
      row.num_lost ? el("span", { class: "lost", title: "words found nowhere else", text: `\u2212${counted(row.num_lost, "word")}` }) : null, statusMark(row.status), el("span", { class: "num confidence", title: "least confidence", text: row.confidence.toFixed(2).replace(/^0/, "") })),
    el("div", { class: "snippet", dir: "auto", text: plain(row.text.replace(/\s+/g, " ")) || "(white space)" }));
}

async function openRow(row, _index, { keepFocus = true, member = 0 } = {}) {
  const node = byId("detail");
  if (!row) {
    state.cluster = state.removal = null;
    return void put(node, el("p", { class: "none", text: totals.num_removals || meta.num_rows ? "Nothing passes this filter." : "This run removed nothing." }));
  }
  state.cluster = row;
  state.member = member;
  state.removal = await drawDetail(node, row, member, adapter, { ...acts, scope: () => state.scope, setScope: (scope) => { state.scope = scope; } });
  if (!keepFocus) node.querySelector("h2")?.focus();
}

const acts = {
  verdict: (verdict) => decide(verdict),
  member: (index) => state.cluster && openRow(state.cluster, 0, { member: index }),
  filter: (facet, key) => show("removals").then(() => change({ [facet]: [key] })),
  back: () => show(state.back ?? "removals"),
  async openDocument(name, key) {
    if (state.view !== "document") state.back = state.view;
    await show("document");
    await drawDocument(byId("view-document"), name, key, adapter, acts);
    byId("view-document").querySelector("h2").focus({ preventScroll: true });
  },
  async openCluster(cluster) {
    await show("removals");
    let at = await adapter.position(cluster);
    if (at < 0) {
      state.filter = { q: "", order: state.filter.order, kind: [] };
      byId("search").value = "";
      await query(0, { quiet: true });
      at = await adapter.position(cluster);
    }
    await list.pick(at);
  },
};

async function decide(verdict) {
  if (!state.cluster || state.view !== "removals") return;
  const { cluster, removal } = state, index = list.current;
  if (verdict === "swap" && whyNoSwap(removal)) return say(whyNoSwap(removal));
  const number = await adapter.decide(cluster.key, verdict, state.scope, removal.key);
  say(`${{ accept: "Accepted", reject: "Rejected", swap: "Swapped", defer: "Put off" }[verdict]}: ${counted(number, "removal")}`);
  await query(index, { quiet: true });
  const at = await adapter.position(cluster.key);
  await list.pick(at < 0 ? index : Math.min(at + 1, totals.num_clusters - 1));
  if (!totals.num_clusters) await openRow(undefined);
}

async function bulk(verdict) {
  if (!totals.num_removals || state.view !== "removals") return;
  if (!(await confirmBulk(verdict, totals, byId("chips").childElementCount > 0))) return;
  const number = await adapter.bulk(verdict);
  say(`${verdict === "accept" ? "Accepted" : "Rejected"} ${counted(number, "removal")}; u undoes it`);
  await query(list.current);
}

async function undo() {
  const label = await adapter.undo();
  say(label ? "Undone: " + label : "Nothing to undo");
  if (label) await query(list.current);
}

async function show(view) {
  state.view = view;
  for (const node of document.querySelectorAll("[data-view]")) node.hidden = node.dataset.view !== view;
  for (const tab of document.querySelectorAll("[data-tab]")) tab.setAttribute("aria-current", tab.dataset.tab === view ? "page" : "false");
  if (view === "overview") await drawOverview(byId("view-overview"), meta, adapter, acts);
  if (view === "documents") await drawDocuments(byId("view-documents"), adapter, acts);
  if (view === "near") await drawDocuments(byId("view-near"), adapter, acts, { q: "", near: true, offset: 0 });
  if (view === "removals") list.paint();
}

function say(text) {
  byId("said").textContent = "";
  byId("said").textContent = text;
  byId("toast").textContent = text;
  byId("toast").classList.add("on");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => byId("toast").classList.remove("on"), 2500);
}

async function save() {
  await saveDecisions(adapter, meta);
  byId("save-mark").hidden = !adapter.numUnsaved;
}

function theme() {
  const root = document.documentElement, next = { "": "dark", dark: "light", light: "" }[root.dataset.theme ?? ""];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  say(`Colors: ${next || "as the system says"}`);
}

const KEYMAP = {
  j: () => list.pick(list.current + 1), k: () => list.pick(list.current - 1), n: () => acts.member(state.member + 1), p: () => state.member > 0 && acts.member(state.member - 1),
  a: () => decide("accept"), r: () => decide("reject"), s: () => decide("swap"), d: () => decide("defer"), A: () => bulk("accept"), R: () => bulk("reject"), u: undo,
  "/": () => show("removals").then(() => byId("search").select()), "?": showHelp, o: () => state.removal && acts.openDocument(state.removal.doc, state.removal.key), t: theme,
  1: () => show("removals"), 2: () => show("overview"), 3: () => show("documents"), 4: () => meta.num_near && show("near"), Escape: () => state.view !== "removals" && show("removals"),
};
const LIST_KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("dialog").open) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (typing) return void (event.key === "Escape" && (event.target.blur(), byId("list").focus()));
  if (event.target === byId("list") && LIST_KEYS[event.key]) {
    event.preventDefault();
    return void list.pick(Math.min(Math.max(list.current + LIST_KEYS[event.key], 0), list.total - 1));
  }
  const act = Object.hasOwn(KEYMAP, event.key) ? KEYMAP[event.key] : null;
  if (!act) return;
  event.preventDefault();
  run(act);
}

/** Do one thing after the other, in the order of the keys; `data-busy` tells while something is under way. */
function run(act) {
  state.pending = (state.pending ?? 0) + 1;
  document.body.dataset.busy = "true";
  state.working = (state.working ?? Promise.resolve()).then(act).catch(failed).finally(() => {
    state.pending -= 1;
    if (!state.pending) delete document.body.dataset.busy;
  });
  return state.working;
}

function failed(error) {
  say("That did not work: " + plain(String(error?.message ?? error)));
}

function listen() {
  let timer;
  byId("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => run(() => change({ q: byId("search").value })), 120);
  });
  byId("order").addEventListener("change", () => run(() => change({ order: byId("order").value })));
  for (const tab of document.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => run(() => show(tab.dataset.tab)));
  const onClick = { save, undo, help: showHelp, theme, "accept-all": () => bulk("accept"), "reject-all": () => bulk("reject"),
    "show-facets": () => byId("show-facets").setAttribute("aria-expanded", document.body.classList.toggle("with-facets")),
    load: () => openFile(async (text) => { say(`${counted(await adapter.load(text), "decision")} taken from the file`); await query(list.current); }) };
  for (const [id, act] of Object.entries(onClick)) byId(id).addEventListener("click", () => run(act));
  byId("load").hidden = meta.mode !== "file";
  document.addEventListener("keydown", onKey);
  addEventListener("beforeunload", (event) => adapter.numUnsaved && event.preventDefault());
}

start().catch((error) => {
  byId("notice").hidden = false;
  byId("notice").textContent = "This report cannot be shown: " + plain(String(error?.message ?? error));
});
