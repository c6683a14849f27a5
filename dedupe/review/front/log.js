// Keep the decisions of a report that is a file: which are made, what they cover, and the lines that are saved.

import { VERDICTS } from "./names.js";

const RANKS = { all: 0, host: 1, document: 2, removal: 3 };

/** Hold decisions in the order they were made; the narrowest scope wins, then the latest.
 *
 * `columns.status` follows every change. A line is an object with the fields of `decisions/1`; a verdict of "withdraw" takes
 * back what its key said before.
 */
export class DecisionLog {
  constructor(columns, lines) {
    this.columns = columns;
    this.clusterOf = new Map(columns.fingerprints.map((fingerprint, cluster) => [fingerprint, cluster]));
    this.byCluster = new Map();
    this.operations = [];
    this.unmatched = [];
    this.saved = 0;
    this.loaded = [];
    this.load(lines);
  }

  /** Take the lines of a decisions file; return how many name a passage of this report. */
  load(lines) {
    const touched = new Set();
    let known = 0;
    for (const line of lines) {
      if (!line || typeof line !== "object" || (line.type ?? "decision") !== "decision") continue;
      this.loaded.push(line);
      const cluster = this.clusterOf.get(line.fingerprint);
      if (cluster === undefined) this.unmatched.push(line);
      else {
        this.push(cluster, line);
        touched.add(cluster);
        known += 1;
      }
    }
    this.refresh(touched);
    return known;
  }

  push(cluster, line) {
    const lines = this.byCluster.get(cluster);
    if (lines) lines.push(line);
    else this.byCluster.set(cluster, [line]);
  }

  /** Add lines as one operation, which one `undo` takes back. `pairs` are [cluster, line]. */
  add(pairs, label) {
    for (const [cluster, line] of pairs) this.push(cluster, line);
    this.operations.push({ pairs, label });
    this.refresh(new Set(pairs.map(([cluster]) => cluster)));
  }

  /** Take the latest operation back; return what it was called, or null where there is none. */
  undo() {
    const operation = this.operations.pop();
    if (!operation) return null;
    const gone = new Set(operation.pairs.map(([, line]) => line));
    const touched = new Set(operation.pairs.map(([cluster]) => cluster));
    for (const cluster of touched) this.byCluster.set(cluster, this.byCluster.get(cluster).filter((line) => !gone.has(line)));
    this.refresh(touched);
    return operation.label;
  }

  refresh(clusters) {
    const { memberStart, members, status } = this.columns;
    for (const cluster of clusters) {
      const lines = this.byCluster.get(cluster) ?? [];
      for (let at = memberStart[cluster]; at < memberStart[cluster + 1]; at++) status[members[at]] = this.verdictOf(members[at], lines);
    }
  }

  verdictOf(removal, lines) {
    const best = [0, 0, 0, 0];
    for (const line of lines) {
      if (!this.covers(line, removal)) continue;
      const withdrawn = line.verdict === "withdraw";
      if (!withdrawn && !this.withinBounds(line, removal)) continue;
      best[RANKS[line.scope ?? "all"] ?? 0] = withdrawn ? 0 : Math.max(0, VERDICTS.indexOf(line.verdict));
    }
    return best[3] || best[2] || best[1] || best[0];
  }

  covers(line, removal) {
    const { doc, docs, hostOf, hosts, ids } = this.columns;
    if (line.scope === "removal") return line.removal === ids[removal];
    if (line.scope === "document") return line.doc === docs.name[doc[removal]];
    if (line.scope === "host") return line.host === hosts[hostOf[removal]];
    return true;
  }

  withinBounds(line, removal) {
    const { lost, resemblance } = this.columns;
    if (line.max_lost_words !== undefined && line.max_lost_words !== null && lost[removal] > line.max_lost_words) return false;
    if (line.min_resemblance === undefined || line.min_resemblance === null) return true;
    return resemblance[removal] >= Math.round(line.min_resemblance * 1000);
  }

  /** Return how many decisions were made since the last save. */
  get numUnsaved() {
    return this.operations.length - this.saved;
  }

  /** Return the lines of the whole file: what it began with, then everything decided here. */
  text() {
    const lines = [...this.loaded, ...this.operations.flatMap((operation) => operation.pairs.map(([, line]) => line))];
    return lines.map((line) => JSON.stringify(line) + "\n").join("");
  }
}
