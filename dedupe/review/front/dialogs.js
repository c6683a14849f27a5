// The dialogs: help, saving, and the question before thousands of decisions at once.

import { byId, count, counted, el, plain, put } from "./dom.js";

const KEYS = [
  ["j k", "next, previous in the list"], ["n p", "next, previous page with the same passage"], ["a", "accept: it may go, in later runs too"],
  ["r", "reject: it stays, in later runs too"], ["s", "swap: the other copy goes"], ["d", "later: ask again"], ["A R", "accept, reject everything in the filter"],
  ["u", "undo"], ["/", "search"], ["o", "the whole document"], ["1 2 3", "removals, overview, documents"], ["t", "light, dark, or as the system says"], ["?", "this help"],
];

/** Open the help. */
export function showHelp() {
  const body = el("div", {}, el("table", { class: "keys" }, el("tbody", {}, KEYS.map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, keys.split(" ").map((key) => el("kbd", { text: key }))), el("td", { text }))))),
    el("p", { text: "Decisions name a passage by its fingerprint, not by its line, so that the next run obeys them wherever the passage stands. An accept also remembers how many words were lost and how alike the copies were: a worse match later is asked again." }));
  return ask("Keys and what they do", body);
}

/** Open a dialog; resolve with the value of the button that closed it. */
export function ask(title, body, buttons = [["close", "Close"]]) {
  const dialog = byId("dialog");
  put(dialog, el("form", { method: "dialog" }, el("h2", { id: "dialog-title", text: title }), body,
    el("p", { class: "buttons" }, buttons.map(([value, text, tone]) => el("button", { value, text, class: tone ?? "plain" })))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** Ask before a decision on everything in the filter; resolve with whether to go on. */
export async function confirmBulk(verdict, totals, filtered) {
  const text = `${verdict === "accept" ? "Accept" : "Reject"} ${counted(totals.num_removals, "removal")} in ${counted(totals.num_documents, "document")}` +
    (filtered ? ", everything the filter shows" : ", everything in this run") + "?";
  const lost = totals.num_lost ? el("p", { class: "lost", text: `${counted(totals.num_lost, "word")} of them are found nowhere else.` }) : null;
  const note = el("p", { class: "quiet", text: "One key (u) takes all of it back. The decisions cover no more than what is in the filter now." });
  return (await ask(verdict === "accept" ? "Accept all" : "Reject all", el("div", {}, el("p", { text }), lost, note), [["yes", verdict === "accept" ? "Accept all" : "Reject all", "primary"], ["no", "Cancel"]])) === "yes";
}

/** Download the decisions and show the command that applies them; in the app, say where they are. */
export async function saveDecisions(adapter, meta) {
  const saved = await adapter.save();
  if (saved.text !== undefined) download("decisions.jsonl", saved.text);
  const number = saved.text === undefined ? saved.num_lines : saved.text.split("\n").length - 1;
  const command = meta.command || `dedupe clean PATH… --decisions ${saved.path ?? "decisions.jsonl"}`;
  const code = el("pre", { class: "command", tabindex: "0", text: plain(command) });
  const body = el("div", {},
    el("p", { text: saved.text === undefined ? `${counted(number, "decision")} stand in ${saved.path}; each was written when it was made.` : `decisions.jsonl with ${counted(number, "line")} was downloaded. Put it beside your texts and commit it.` }),
    el("p", { text: "The next run obeys them:" }), code,
    meta.unmatched?.length ? el("p", { class: "quiet", text: `${count(meta.unmatched.length)} earlier decisions match nothing in this run; they are kept in the file.` }) : null);
  await ask("Decisions saved", body, [["copy", "Copy command"], ["close", "Close", "primary"]]).then((value) => (value === "copy" ? navigator.clipboard?.writeText(command).catch(() => {}) : null));
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Ask for a decisions file and hand its text on. */
export function openFile(onText) {
  const input = el("input", { type: "file", accept: ".jsonl,.json" });
  input.addEventListener("change", async () => input.files[0] && onText(await input.files[0].text()));
  input.click();
}
