// Compare two texts word by word (Myers' greedy algorithm over tokens), to show which words one has and the other lacks.

const TOKEN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*|[\p{L}\p{N}][\p{L}\p{N}\p{M}]*|\s+|./gsu;
const MAX_TOKENS = 6000;
const MAX_EDITS = 600;

/** Cut a text into tokens: words, single characters of scripts without spaces, runs of white space, punctuation. */
export const tokensOf = (text) => text.match(TOKEN) ?? [];

/** Return for each text the [start, end) ranges that have no counterpart in the other.
 *
 * Case and white space do not count as a difference. Texts that are very long, or very different, are compared at their two ends
 * only, and what lies between is marked as a whole.
 */
export function wordDiff(before, after) {
  const left = tokensOf(before.length > 200000 ? "" : before), right = tokensOf(after.length > 200000 ? "" : after);
  if (!left.length || !right.length) return { before: whole(before), after: whole(after) };
  const keep = [new Uint8Array(left.length), new Uint8Array(right.length)];
  const a = left.map(fold), b = right.map(fold);
  let head = 0, tail = 0;
  const shortest = Math.min(a.length, b.length);
  while (head < shortest && a[head] === b[head]) keep[0][head] = keep[1][head++] = 1;
  while (tail < shortest - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    keep[0][a.length - 1 - tail] = keep[1][b.length - 1 - tail] = 1;
    tail += 1;
  }
  const middle = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  for (const [x, y] of common(...middle)) keep[0][head + x] = keep[1][head + y] = 1;
  return { before: ranges(left, keep[0]), after: ranges(right, keep[1]) };
}

const fold = (token) => (/^\s/.test(token) ? " " : token.toLowerCase());
const whole = (text) => (text ? [[0, text.length]] : []);

/** Return pairs of positions of a longest common subsequence, none where that would take too long. */
function common(a, b) {
  if (!a.length || !b.length || a.length + b.length > MAX_TOKENS) return [];
  const limit = Math.min(a.length + b.length, MAX_EDITS), middle = limit + 1;
  let reach = new Int32Array(2 * limit + 3);
  const steps = [];
  for (let edits = 0; edits <= limit; edits++) {
    steps.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = down ? reach[middle + k + 1] : reach[middle + k - 1] + 1, y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) x++, y++;
      reach[middle + k] = x;
      if (x >= a.length && y >= b.length) return walkBack(a, b, steps, edits);
    }
  }
  return [];
}

function walkBack(a, b, steps, edits) {
  const pairs = [];
  let x = a.length, y = b.length;
  for (let d = edits; d > 0; d--) {
    const reach = (k) => steps[d][k + d + 1];
    const k = x - y;
    const down = k === -d || (k !== d && reach(k - 1) < reach(k + 1));
    const from = down ? k + 1 : k - 1, startX = reach(from), startY = startX - from;
    while (x > startX + (down ? 0 : 1) && y > startY + (down ? 1 : 0)) pairs.push([--x, --y]);
    [x, y] = [startX, startY];
  }
  while (x > 0 && y > 0) pairs.push([--x, --y]);
  return pairs;
}

/** Return the character ranges of tokens that are not kept; where only white space lies between two, they are one. */
function ranges(tokens, keep) {
  const found = [];
  let at = 0, joined = -1; // up to where only white space followed the last range
  tokens.forEach((token, index) => {
    const end = at + token.length;
    if (!keep[index]) {
      if (joined === at) found[found.length - 1][1] = end;
      else found.push([at, end]);
      joined = end;
    } else if (joined === at && /^\s/.test(token)) joined = end;
    at = end;
  });
  return found;
}
