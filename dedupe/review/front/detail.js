// Draw one cluster: what was removed beside the copy that stays, why, and where else it happened.

import { count, counted, el, percent, plain, put, showLong, showText, svg } from "./dom.js";
import { wordDiff } from "./diff.js";
import { ruleName, ruleWhy, SCOPES, VERDICT_MARKS, VERDICT_NAMES } from "./names.js";

const MAX_SHOWN = 20000;
const NUM_PAGES = 12;
const CUT = 160; // context of this length was cut off

/** Draw a cluster and one of its members into `node`. `act` has verdict(name), member(index), openDocument(name, key), scope(). */
export async function drawDetail(node, cluster, at, adapter, act) {
  const { total, items } = await adapter.members(cluster.key, at, NUM_PAGES);
  if (!items.length) return null;
  const removal = items[0], variants = total > 1 ? await adapter.variants(cluster.key) : { total: 0 };
  put(node,
    header(cluster, removal), actions(removal, act), pager(removal, at, total, act), sides(removal, act), evidence(removal),
    variants.total > 1 ? variantList(variants) : null, total > 1 ? pages(items, at, total, act) : null);
  node.scrollTop = 0;
  return removal;
}

function header(cluster, removal) {
  const where = cluster.num_documents > 1 ? `on ${counted(cluster.num_documents, "page")}` : "on one page";
  const facts = [
    `${removal.kind === "kept" ? "Found" : "Removed"} ${cluster.num_removals === 1 ? "once" : counted(cluster.num_removals, "time")}, ${where}`,
    cluster.num_in_run > cluster.num_documents ? `${count(cluster.num_in_run)} in the whole run` : null,
    cluster.num_hosts > 1 ? counted(cluster.num_hosts, "host") : null, `${counted(cluster.num_words, "word")}`,
  ].filter(Boolean);
  return el("header", { class: "head" },
    el("h2", { tabindex: "-1" }, el("span", { class: "tag", text: ruleName(removal.rule) }), el("span", { class: "why", text: ruleWhy(removal.rule) })),
    el("p", { class: "facts" }, facts.join(" · "), " · ", lostMark(cluster.num_lost), statusMark(cluster.status)));
}

function lostMark(lost) {
  return lost > 0
    ? el("strong", { class: "lost", text: `${counted(lost, "word")} found nowhere else` })
    : el("span", { class: "quiet", text: "every word stands elsewhere too" });
}

/** Return a small sign for a verdict, null where there is none. */
export function statusMark(status) {
  return status ? el("span", { class: "status s" + status }, el("span", { "aria-hidden": "true", text: VERDICT_MARKS[status] + " " }), VERDICT_NAMES[status]) : null;
}

/** Say why swapping a removal would leave both copies, null where it would not. */
export function whyNoSwap({ kept, doc }) {
  if (!kept) return "No copy stays, so there is nothing to swap with";
  return kept.doc === doc ? null : "The copy stands in another document, and a swap takes nothing from there; reject to keep this one";
}

function actions(removal, act) {
  const button = (verdict, text, key) =>
    el("button", { type: "button", class: "verdict " + verdict, "aria-keyshortcuts": key, on: { click: () => act.verdict(verdict) } },
      text, el("kbd", { text: key, "aria-hidden": "true" }));
  const swap = button("swap", "Swap copies", "s");
  swap.disabled = whyNoSwap(removal) !== null;
  swap.title = whyNoSwap(removal) ?? "This stays, and the kept copy goes";
  const scope = el("select", { id: "scope", "aria-label": "What the decision covers" }, SCOPES.map(([value, text]) => el("option", { value, text })));
  scope.value = act.scope();
  scope.addEventListener("change", () => act.setScope(scope.value));
  return el("div", { class: "actions", role: "group", "aria-label": "Decision" },
    button("accept", "Accept", "a"), button("reject", "Reject", "r"), swap, button("defer", "Later", "d"),
    el("label", { class: "scope" }, scope));
}

function pager(removal, at, total, act) {
  const step = (by, text, label) => {
    const button = el("button", { type: "button", text, "aria-label": label, on: { click: () => act.member(at + by) } });
    button.disabled = at + by < 0 || at + by >= total;
    return button;
  };
  return el("div", { class: "pager" },
    total > 1 ? [step(-1, "\u2039", "Previous page with it"), el("span", { class: "num", text: `${count(at + 1)} of ${count(total)}` }), step(1, "\u203a", "Next page with it")] : null,
    docButton(removal.doc, removal.key, act), el("span", { class: "quiet", text: linesOf(removal) }),
    removal.flags ? el("span", { class: "flag", text: removal.flags }) : null,
    removal.url ? el("span", { class: "quiet url", dir: "auto", text: plain(removal.url) }) : null);
}

function docButton(doc, key, act) {
  return el("button", { type: "button", class: "link doc", dir: "auto", title: "Show the whole document", text: plain(doc), on: { click: () => act.openDocument(doc, key) } });
}

const lines = ([start, end]) => (end - start > 1 ? `lines ${count(start)}–${count(end - 1)}` : `line ${count(start)}`);

/** Name the lines of a removal's words; the blank lines that went with them would only confuse. */
function linesOf({ line, removed }) {
  const ends = (text) => text.split(/\r\n|[\n\r\u2028\u2029]/).length - 1, words = removed.text.trim();
  const first = line[0] + ends(removed.text.slice(0, removed.text.indexOf(words)));
  return lines([first, Math.max(first + 1, Math.min(line[1], first + ends(words) + 1))]);
}

function sides(removal, act) {
  const { removed, kept } = removal;
  const both = kept && kept.text !== null;
  const diff = both ? wordDiff(removed.text, kept.text) : { before: [], after: [] };
  const title = removal.kind === "kept" ? "Repeat, left in place" : "Removed";
  return el("div", { class: kept ? "sides" : "sides one" },
    el("section", { class: removal.kind === "kept" ? "side found" : "side removed", "aria-label": title },
      el("h3", {}, el("span", { class: "sign", "aria-hidden": "true", text: removal.kind === "kept" ? "\u2248" : "\u2212" }), title),
      passage(removed, diff.before)),
    kept ? el("section", { class: "side kept", "aria-label": "Kept copy" },
      el("h3", {}, el("span", { class: "sign", "aria-hidden": "true", text: "=" }), "Kept copy",
        el("span", { class: "place" }, kept.doc === removal.doc ? "same document, " : [docButton(kept.doc, null, act), " "], lines(kept.line))),
      both ? passage(kept, diff.after) : el("p", { class: "none", text: "This report does not carry the text of that document." }))
      : el("p", { class: "none", text: "No copy stays: this went for what it is, not because it stands elsewhere." }));
}

function passage(part, changed) {
  const text = el("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": "Text in its context" });
  if (part.before) showText(text.appendChild(el("span", { class: "context" })), (part.before.length >= CUT ? "… " : "") + part.before);
  const body = text.appendChild(el("mark", { class: "body" }));
  showLong(body, part.text.length, MAX_SHOWN, (node, from, to) => paintChanges(node, part.text, changed, from, to));
  if (part.after) showText(text.appendChild(el("span", { class: "context" })), part.after + (part.after.length >= CUT ? " …" : ""));
  return text;
}

function paintChanges(node, text, changed, from, to) {
  let at = from;
  const until = (end) => {
    if (end > at) showText(node, text.slice(at, end));
    at = Math.max(at, end);
  };
  for (const [start, end] of changed) {
    if (end <= from || start >= to) continue;
    until(Math.max(start, from));
    showText(node.appendChild(el("b", { class: "changed" })), text.slice(at, Math.min(end, to)));
    at = Math.min(end, to);
  }
  until(to);
}

function evidence(removal) {
  const size = (reason) => (reason.name === "base" ? -1 : Math.abs(Number(reason.weight) || 0)); // the base tells nothing of this passage
  const reasons = removal.evidence.slice().sort((a, b) => size(b) - size(a));
  const rows = reasons.map((reason) => {
    const weight = Number(reason.weight) || 0, name = plain(String(reason.name ?? ""));
    return el("tr", {}, el("th", { scope: "row", dir: "auto" }, showText(el("span"), String(reason.note || name)), " ", el("code", { text: name })),
      el("td", { class: "num", text: numberOf(reason.value) }),
      el("td", { class: "weight" }, weightBar(weight), el("span", { class: "num", text: (weight > 0 ? "+" : weight < 0 ? "\u2212" : "") + Math.abs(weight).toFixed(1) })));
  });
  const figures = [
    ["Confidence", removal.confidence.toFixed(3).replace(/^0/, "")], ["Resemblance", ratio(removal.resemblance)], ["Containment", ratio(removal.containment)],
    ["Words", count(removal.words)], ["Found nowhere else", count(removal.lost)], ["Id", removal.id],
  ];
  return el("section", { class: "evidence", "aria-label": "Evidence" }, el("h3", { text: "Why" }),
    el("dl", {}, figures.filter(([, value]) => value !== null).map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: plain(value) })))),
    rows.length ? el("table", {}, el("thead", {}, el("tr", {}, ["Reason", "Value", "For or against"].map((text) => el("th", { scope: "col", text })))), el("tbody", {}, rows)) : null);
}

const ratio = (value) => (value === null || value === undefined ? null : percent(value));
const numberOf = (value) => (typeof value === "number" ? (Number.isInteger(value) ? count(value) : value.toFixed(2)) : plain(String(value ?? "")));

function weightBar(weight) {
  const width = Math.min(Math.abs(weight) / 4, 1) * 30;
  return svg("svg", { class: weight < 0 ? "against" : "for", width: 62, height: 10, "aria-hidden": "true" },
    svg("line", { x1: 31, x2: 31, y1: 0, y2: 10 }), svg("rect", { x: weight < 0 ? 31 - width : 31, y: 2, width, height: 6, rx: 1 }));
}

function variantList({ total, items }) {
  const first = items[0][0];
  return el("section", { class: "variants", "aria-label": "Variants" }, el("h3", { text: `${counted(total, "variant")} of the text` }),
    el("ol", {}, items.map(([text, number], at) => {
      const body = el("span", { class: "text", dir: "auto" });
      const short = text.trim().slice(0, 600);
      paintChanges(body, short, at ? wordDiff(short, first.trim()).before : [], 0, short.length);
      return el("li", {}, el("span", { class: "num", text: count(number) + "×" }), body);
    })));
}

function pages(items, at, total, act) {
  return el("section", { class: "pages", "aria-label": "Pages with it" }, el("h3", { text: "Pages with it" }),
    el("ul", {}, items.map((item, index) => el("li", {}, el("button", { type: "button", class: "link", dir: "auto", text: plain(item.doc), "aria-current": index === 0, on: { click: () => act.member(at + index) } }),
      el("span", { class: "quiet", text: linesOf(item) }), statusMark(item.status)))),
    at + items.length < total ? el("button", { type: "button", class: "more", text: `${count(total - at - items.length)} more`, on: { click: () => act.member(at + items.length) } }) : null);
}
