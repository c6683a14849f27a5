// Show a list of any length by drawing only the rows in view. Rows have one height and may arrive later than they are asked for.

import { put } from "./dom.js";

const MAX_PIXELS = 8_000_000; // browsers stop being exact somewhere above; longer lists scroll in proportion instead
const PAGE = 60;

/** A listbox that is told how many rows there are, and asks `fetchRows(offset, limit)` for those it shows. */
export class VirtualList {
  constructor(box, { rowHeight, draw, fetchRows, onPick }) {
    Object.assign(this, { box, rowHeight, draw, fetchRows, onPick });
    this.inner = box.firstElementChild;
    this.total = 0;
    this.current = -1;
    this.pages = new Map();
    this.version = 0;
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.pick(Number(row.dataset.index));
    });
    new ResizeObserver(() => this.paint()).observe(box);
  }

  /** Begin again with `total` rows; keep the current row where it can be kept. */
  reset(total, current = 0) {
    this.total = total;
    this.pages.clear();
    this.version += 1;
    this.height = Math.min(total * this.rowHeight, MAX_PIXELS);
    this.inner.style.height = this.height + "px";
    this.current = total ? Math.min(Math.max(current, 0), total - 1) : -1;
    this.reveal();
    return this.paint();
  }

  /** Forget the rows fetched so far, since what they show has changed; their number has not. */
  refresh() {
    this.pages.clear();
    this.version += 1;
    return this.paint();
  }

  get top() {
    const room = this.height - this.box.clientHeight, hidden = this.total * this.rowHeight - this.box.clientHeight;
    return room > 0 ? (this.box.scrollTop / room) * Math.max(hidden, 0) : 0;
  }

  async page(number) {
    if (!this.pages.has(number)) this.pages.set(number, this.fetchRows(number * PAGE, PAGE));
    return this.pages.get(number);
  }

  /** Return row `index`, or undefined past the end. */
  async row(index) {
    return index < 0 || index >= this.total ? undefined : (await this.page(Math.floor(index / PAGE)))[index % PAGE];
  }

  async paint() {
    const version = this.version, top = this.top, first = Math.max(0, Math.floor(top / this.rowHeight) - 3);
    const last = Math.min(this.total, Math.ceil((top + (this.box.clientHeight || 600)) / this.rowHeight) + 3);
    const ticket = (this.ticket = (this.ticket ?? 0) + 1);
    const rows = [];
    for (let index = first; index < last; index++) rows.push(await this.row(index));
    if (version !== this.version || ticket !== this.ticket) return;
    const shift = this.box.scrollTop - top;
    put(this.inner, rows.map((row, at) => this.option(row, first + at, shift)));
    if (this.current >= first && this.current < last) this.box.setAttribute("aria-activedescendant", "option-" + this.current);
    else this.box.removeAttribute("aria-activedescendant");
  }

  option(row, index, shift) {
    const node = this.draw(row);
    node.id = "option-" + index;
    node.dataset.index = index;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", index === this.current);
    node.setAttribute("aria-setsize", this.total);
    node.setAttribute("aria-posinset", index + 1);
    node.style.top = index * this.rowHeight + shift + "px";
    return node;
  }

  /** Make a row the current one and tell `onPick`. */
  async pick(index) {
    if (!this.total) return;
    this.current = Math.min(Math.max(index, 0), this.total - 1);
    this.reveal();
    await this.paint();
    await this.onPick(await this.row(this.current), this.current);
  }

  reveal() {
    if (this.current < 0) return;
    const at = this.current * this.rowHeight, top = this.top, view = this.box.clientHeight;
    const wanted = at < top ? at : at + this.rowHeight > top + view ? at + this.rowHeight - view : null;
    if (wanted === null) return;
    const hidden = this.total * this.rowHeight - view;
    this.box.scrollTop = hidden > 0 ? (wanted / hidden) * (this.height - view) : 0;
  }
}
