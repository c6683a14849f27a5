// What rules, verdicts, facets and orders are called, and what they mean.

const RULES = new Map([
  ["repeated-block", ["Repeated block", "The same block stands elsewhere in the document."]],
  ["near-repeated-block", ["Near repeat", "Nearly the same block stands elsewhere in the document."]],
  ["excerpt", ["Excerpt", "A teaser or quotation of a longer paragraph that stays whole."]],
  ["doubled", ["Doubled text", "The same text stands twice in one block."]],
  ["cue", ["Cue", "Wording that marks boilerplate: also-read, share, newsletter, credits, notices."]],
  ["cue-continuation", ["After a cue", "What belongs to the cue above it: a link, a headline, a teaser."]],
  ["shape", ["Shape", "Separators, bare links, counters and other lines that are not prose."]],
  ["debris", ["Debris", "What a scraper left behind."]],
  ["site-boilerplate", ["Site boilerplate", "The same block recurs on several documents of this site."]],
  ["shared-passage", ["Shared passage", "A long passage that also stands in another document."]],
  ["user-rule", ["Your rule", "A rule of your configuration."]],
]);

/** Return a rule's name for people; an unknown rule keeps its own. */
export const ruleName = (rule) => RULES.get(rule)?.[0] ?? rule;
/** Return what a rule looks for, in a sentence. */
export const ruleWhy = (rule) => RULES.get(rule)?.[1] ?? "A rule that this report does not know.";

/** Verdicts by number, as the columns hold them; "mixed" is said of clusters only. */
export const VERDICTS = ["undecided", "accept", "reject", "swap", "defer", "mixed"];
export const VERDICT_NAMES = ["Undecided", "Accepted", "Rejected", "Swapped", "Deferred", "Mixed"];
export const VERDICT_MARKS = ["", "\u2713", "\u2715", "\u21c4", "\u2026", "\u25d0"];

export const KINDS = ["removed", "kept"];
/** Lower bounds of the confidence facet. */
export const CONFIDENCE_STEPS = [0, 0.5, 0.7, 0.8, 0.9, 0.97];
export const CONFIDENCE_NAMES = ["under .50", ".50 – .69", ".70 – .79", ".80 – .89", ".90 – .96", ".97 and more"];
/** Lower bounds of the facet of words that stand nowhere else. */
export const LOST_STEPS = [0, 1, 5, 20];
export const LOST_NAMES = ["none", "1 – 4 words", "5 – 19 words", "20 words or more"];

/** Return the last step that does not exceed a value. */
export function stepOf(steps, value) {
  let step = 0;
  while (step + 1 < steps.length && value >= steps[step + 1]) step += 1;
  return step;
}

export const ORDERS = [
  ["risk", "Words lost × documents"],
  ["documents", "Most documents"],
  ["words", "Most words removed"],
  ["doubt", "Least confidence"],
  ["ledger", "Order of the ledger"],
];

/** The facets, in the order of the panel. `name` says how to write a key. */
export const FACETS = [
  { id: "decision", title: "Decision", name: (key) => VERDICT_NAMES[VERDICTS.indexOf(key)] ?? key },
  { id: "kind", title: "Outcome", name: (key) => (key === "kept" ? "Found, but kept" : "Removed") },
  { id: "lost", title: "Words found nowhere else", name: (key) => LOST_NAMES[key] ?? key },
  { id: "rule", title: "Rule", name: ruleName },
  { id: "confidence", title: "Confidence", name: (key) => CONFIDENCE_NAMES[key] ?? key },
  { id: "language", title: "Language", name: (key) => key || "unknown" },
  { id: "host", title: "Host", name: (key) => key || "no host" },
];

export const SCOPES = [
  ["all", "on every site"],
  ["host", "on this host"],
  ["document", "in this document"],
  ["removal", "for this one only"],
];
