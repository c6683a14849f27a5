// Unpack the data blocks of a report, and lay the removals out as typed arrays that a filter can run over.

import { CONFIDENCE_STEPS, LOST_STEPS, stepOf } from "./names.js";

const blocks = new Map();

/** Return the value of a data block, null where there is none. Each is unpacked once. */
export function unpack(name) {
  if (!blocks.has(name)) blocks.set(name, unpackBlock(name));
  return blocks.get(name);
}

/** Large blocks are gzip in base64; small ones are JSON. */
async function unpackBlock(name) {
  const node = document.getElementById("island-" + name);
  if (!node) return null;
  if (node.type === "application/json") return JSON.parse(node.textContent);
  const packed = fromBase64(node.textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text), out = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) out[at] = binary.charCodeAt(at);
  return out;
}

/** Return the columns of a core block. Rows are removals and kept repeats; `members` lists the rows of each cluster. */
export function layOut(core) {
  const rows = core.removals, num = rows.doc.length, numClusters = core.clusters.fingerprint.length;
  const columns = {
    num, numClusters, ids: unpackIds(rows.id), rows, docs: core.docs, hosts: core.hosts, languages: core.languages, rules: core.rules,
    evidence: core.evidence, fingerprints: core.clusters.fingerprint,
    doc: new Int32Array(rows.doc), kind: new Uint8Array(rows.kind), rule: new Uint16Array(rows.rule),
    confidence: new Int16Array(rows.confidence), lost: new Int32Array(rows.lost), words: new Int32Array(rows.words),
    cluster: new Int32Array(rows.cluster), text: new Int32Array(rows.text), resemblance: new Int16Array(rows.resemblance),
    status: new Uint8Array(num), hostOf: new Int32Array(num), languageOf: new Uint16Array(num),
    confidenceStep: new Uint8Array(num), lostStep: new Uint8Array(num),
  };
  for (let row = 0; row < num; row++) {
    columns.hostOf[row] = core.docs.host[columns.doc[row]];
    columns.languageOf[row] = core.docs.language[columns.doc[row]];
    columns.confidenceStep[row] = stepOf(CONFIDENCE_STEPS, columns.confidence[row] / 1000);
    columns.lostStep[row] = stepOf(LOST_STEPS, columns.lost[row]);
  }
  return Object.assign(columns, groupBy(columns.cluster, numClusters));
}

/** Return ids, which come as one string of twelve digits each where all are of that form. */
function unpackIds(ids) {
  return typeof ids === "string" ? Array.from({ length: ids.length / 12 }, (_, at) => "r" + ids.slice(at * 12, at * 12 + 12)) : ids;
}

/** Return the rows of each group: those of group g are `members[memberStart[g]]` up to, not with, `memberStart[g + 1]`. */
export function groupBy(groups, numGroups) {
  const memberStart = new Int32Array(numGroups + 1), members = new Int32Array(groups.length);
  for (const group of groups) memberStart[group + 1] += 1;
  for (let group = 0; group < numGroups; group++) memberStart[group + 1] += memberStart[group];
  const next = memberStart.slice();
  groups.forEach((group, row) => { members[next[group]++] = row; });
  return { memberStart, members };
}

/** Return positions in a JavaScript string for ascending positions in code points. */
export function toUnits(text, positions) {
  if (!/[\ud800-\udfff]/.test(text)) return positions;
  let unit = 0, point = 0;
  return positions.map((position) => {
    while (point < position && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    return unit;
  });
}
