// Draw the overview: totals, and where the removals are, as plots that are also tables.

import { bytes, count, counted, el, percent, plain, put, svg } from "./dom.js";
import { ruleName, ruleWhy } from "./names.js";

/** Draw the overview. `act.filter(facet, key)` shows the removals behind a bar. */
export async function drawOverview(node, meta, adapter, act) {
  const view = await adapter.overview();
  const { summary } = meta;
  const share = summary.num_bytes_before ? 1 - summary.num_bytes_after / summary.num_bytes_before : 0;
  put(node,
    el("header", { class: "head" }, el("h2", { tabindex: "-1", text: "What this run removed" }), el("p", { class: "facts", dir: "auto", text: sentence(summary, view, share) })),
    el("div", { class: "tiles" },
      tile("of the text removed", percent(share), `${bytes(summary.num_bytes_before - summary.num_bytes_after || 0)} of ${bytes(summary.num_bytes_before || 0)}`),
      tile("removals", count(summary.num_removals ?? 0), `in ${count(summary.num_documents_changed ?? 0)} of ${counted(summary.num_documents ?? 0, "document")}`),
      tile("words found nowhere else", count(view.num_lost), `of ${count(view.num_words)} removed words`, view.num_lost ? "warn" : ""),
      tile("repeats found, but kept", count(summary.num_kept ?? 0), "with the reason beside each"),
      view.guarded ? tile("left for review", counted(view.guarded, "document"), "more than half of the prose would have gone", "warn") : null,
      meta.num_near ? tile("near-duplicates", counted(meta.num_near, "document"), "reported with the document that stays") : null),
    el("div", { class: "plots" },
      bars("Removals by rule", view.rules.map((rule) => ({ name: ruleName(rule.name), title: ruleWhy(rule.name), value: rule.removals, note: `${counted(rule.words, "word")}${rule.lost ? `, ${count(rule.lost)} lost` : ""}`, pick: () => act.filter("rule", rule.name) }))),
      histogram("Confidence", "Removals by confidence", view.confidence, (at) => (at / 20).toFixed(2).replace(/^0/, "")),
      histogram("Share removed per document", "Documents by the share of their text that went", view.shares, (at) => at * 5 + "%"),
      bars(`Hosts with most removals${view.num_hosts > view.hosts.length ? ` (of ${count(view.num_hosts)})` : ""}`, view.hosts.map((host) => ({ name: plain(host.name) || "no host", value: host.removals,
        note: `${counted(host.documents, "page")}, ${percent(host.before ? 1 - host.after / host.before : 0)} of their text`, pick: () => act.filter("host", host.name) })))),
    meta.num_errors ? problems("Could not be read", meta.errors.map((error) => `${error.uri ?? ""}${error.record === null || error.record === undefined ? "" : " record " + error.record}: ${error.message ?? ""}`), meta.num_errors) : null,
    meta.unmatched?.length ? problems("Decisions that match nothing in this run", meta.unmatched.map((line) => `${line.verdict} ${line.fingerprint} ${line.text ?? ""}`), meta.unmatched.length) : null,
    settings(meta));
}

function sentence(summary, view, share) {
  const most = view.rules[0];
  if (!most) return "Nothing was removed.";
  return `${count(summary.num_removals ?? 0)} passages went, ${percent(share)} of the text; most of them by “${ruleName(most.name)}” (${count(most.removals)}).`;
}

const tile = (name, value, note, tone = "") => el("div", { class: "tile " + tone }, el("strong", { text: value }), el("span", { text: name }), el("small", { text: note }));

/** A table whose rows carry a bar: the plot and what a screen reader reads are the same thing. */
function bars(title, rows) {
  const most = Math.max(...rows.map((row) => row.value), 1);
  return el("section", { class: "plot" }, el("h3", { text: title }), el("table", { class: "bars" }, el("thead", { class: "unseen-head" }, el("tr", {}, ["Name", "Share", "Removals", "More"].map((text) => el("th", { scope: "col", text })))),
    el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, el("button", { type: "button", class: "link", dir: "auto", text: row.name, title: row.title ?? null, on: { click: row.pick } })),
      el("td", { class: "plotted" }, svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { width: Math.max((row.value / most) * 100, 0.5), height: 10 }))),
      el("td", { class: "num", text: count(row.value) }), el("td", { class: "quiet", text: row.note }))))));
}

function histogram(title, label, values, nameOf) {
  const most = Math.max(...values, 1), width = 400, height = 120, step = width / values.length;
  const said = values.map((value, at) => (value ? `${nameOf(at)}: ${count(value)}` : "")).filter(Boolean).join(", ");
  const plot = svg("svg", { class: "histogram", viewBox: `0 0 ${width} ${height + 16}`, role: "img", "aria-label": `${label}. ${said}` });
  values.forEach((value, at) => {
    const tall = value ? Math.max((value / most) * height, 1.5) : 0;
    plot.append(svg("rect", { x: at * step + 1, y: height - tall, width: step - 2, height: tall }, svg("title", { text: `${nameOf(at)}: ${count(value)}` })));
    if (at % 4 === 0) plot.append(svg("text", { x: at * step + 1, y: height + 13, text: nameOf(at) }));
  });
  plot.append(svg("line", { x1: 0, x2: width, y1: height, y2: height }));
  return el("section", { class: "plot" }, el("h3", { text: title }), plot, el("p", { class: "quiet", text: `Tallest bar: ${count(Math.max(...values))}` }));
}

function problems(title, texts, total) {
  return el("section", { class: "problems" }, el("h3", { text: `${title}: ${count(total)}` }), el("ul", {}, texts.slice(0, 50).map((text) => el("li", { dir: "auto", text: plain(text) }))));
}

function settings(meta) {
  const { run } = meta;
  return el("details", { class: "settings" }, el("summary", { text: `Settings of the run (${plain(run.tool ?? "dedupe")} ${plain(run.version ?? "")}, ${plain(run.started ?? "no date")})` }),
    el("pre", { tabindex: "0", text: plain(JSON.stringify(run.config ?? {}, null, 1)) }));
}
