// Build elements from data. Text only ever goes through textContent, so nothing a document says can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Create an element: `props` are attributes, but for `class`, `text`, `dataset` and `on` (listeners by event). */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Create an SVG element, with the same properties as `el`. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return the element with this id. */
export const byId = (id) => document.getElementById(id);

/** Replace an element's children. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Characters that a page would show as nothing at all, or that would turn the text around them. U+200C and U+200D stay, since
// Persian, Indic scripts and emoji need them.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;
const NAMES = {
  0xad: "SHY", 0x61c: "ALM", 0x200b: "ZWSP", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LS", 0x2029: "PS", 0x202a: "LRE",
  0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI",
  0x2069: "PDI", 0xfeff: "BOM", 0x85: "NEL",
};

/** Return how an unseen character is written: a control picture, a short name, or its code point. */
export function labelOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return NAMES[code] ?? "U+" + code.toString(16).toUpperCase().padStart(4, "0");
}

/** Return a text with every unseen character written out, for a tooltip, a title or a line of a list. */
export const plain = (text) => text.replace(UNSEEN, (found) => (found.codePointAt(0) < 0x20 ? labelOf(found) : `[${labelOf(found)}]`));

/** Append a text to an element, unseen characters as small labelled boxes. */
export function showText(node, text) {
  let at = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > at) node.append(text.slice(at, found.index));
    const code = "U+" + found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    node.append(el("span", { class: "unseen", title: code, text: labelOf(found[0]) }));
    at = found.index + found[0].length;
  }
  if (at < text.length) node.append(text.slice(at));
  return node;
}

/** Append a text, cut after `limit` characters with a button that shows the rest. `paint(node, from, to)` appends a part. */
export function showLong(node, length, limit, paint) {
  paint(node, 0, Math.min(length, limit));
  if (length <= limit) return node;
  const more = el("button", { class: "more", type: "button", text: `Show ${count(length - limit)} more characters` });
  more.addEventListener("click", () => {
    more.remove();
    paint(node, limit, length);
  });
  node.append(more);
  return node;
}

const FORMAT = new Intl.NumberFormat("en-US");

/** Write a whole number with separators. */
export const count = (value) => FORMAT.format(value);

/** Write a number with its noun: "1 page", "812 pages". */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Write a fraction as a percentage, "<0.1%" rather than a 0 that is not one. */
export function percent(fraction) {
  if (fraction > 0 && fraction < 0.001) return "<0.1%";
  return (fraction * 100).toFixed(fraction < 0.1 ? 1 : 0) + "%";
}

/** Write a size in bytes. */
export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
