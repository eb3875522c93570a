// The rows of a grid that are in view: a table of which only these exist, between two spacers.
// Replies are text while they are written, and HTML that comes sanitised from the kernel once they are whole.

const ROW = 92; // pixels; each row is as high, so that the scroll bar tells the truth
const COLUMN = 165; // pixels at least
const FEW = 30; // rows that are as high as they need to be
const AROUND = 6; // rows above and below those in view

class GridTable {
  constructor(grid) {
    this.grid = grid;
    this.rows = new Map(); // position -> {number, label, cells}
    this.tabs = new Map(); // row:column -> the repeat that is shown
    this.scroller = make("div", "nba-gscroll");
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "region");
    this.scroller.ariaLabel = "Replies, variants as columns";
    const table = make("table");
    this.head = make("thead");
    this.body = make("tbody");
    table.append(this.head, this.body);
    this.scroller.append(table);
    this.top = 0; // pixels; as far as the reader has scrolled
    const scrolled = () => {
      this.top = this.scroller.scrollTop;
      this.later();
    };
    this.scroller.addEventListener("scroll", scrolled, { passive: true });
    this.body.addEventListener("click", (event) => this.clicked(event));
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.look();
    });
  }

  /** Show what is in view, and ask for what of it is not here. */
  look(again = false) {
    this.few = this.grid.count <= FEW;
    this.scroller.classList.toggle("nba-gfew", this.few);
    const height = this.scroller.clientHeight || 500;
    const top = this.few ? 0 : this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - AROUND);
    const last = this.few ? this.grid.count : Math.min(this.grid.count, Math.ceil((top + height) / ROW) + AROUND);
    this.draw(first, last);
    let missing = again;
    for (let at = first; at < last && !missing; at++) missing = !this.rows.has(at);
    const moved = first !== this.asked?.[0] || last !== this.asked?.[1];
    if (again || (moved && (missing || this.grid.running))) {
      this.asked = [first, last];
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.grid.ask(first, last, again), again ? 0 : 40);
    }
  }

  take(from, rows) {
    rows.forEach(([number, label, cells], i) => this.rows.set(from + i, { number, label, cells }));
    if (this.rows.size > 2000) {
      for (const at of this.rows.keys()) {
        if (at < from - 200 || at > from + rows.length + 200) this.rows.delete(at);
      }
    }
    this.drawn = null;
    this.look();
  }

  /** Scroll to a row, and draw it. */
  reach(at) {
    if (!this.few) {
      const { scrollTop, clientHeight } = this.scroller;
      const head = this.head.offsetHeight;
      if (at * ROW < scrollTop) this.scroller.scrollTop = at * ROW;
      else if ((at + 1) * ROW + head > scrollTop + clientHeight) this.scroller.scrollTop = (at + 1) * ROW + head - clientHeight;
      this.look();
    }
    this.body.querySelector(`tr[data-at="${at}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** Mark the cells of these runs. */
  mark(name, numbers) {
    this.marked ??= {};
    this.marked[name] = new Set(numbers);
    for (const td of this.body.querySelectorAll("td[data-n]")) this.sign(td);
  }

  sign(td) {
    for (const [name, numbers] of Object.entries(this.marked ?? {})) {
      if (numbers.has(Number(td.dataset.n))) td.dataset[name] = "";
      else delete td.dataset[name];
    }
  }

  /** What is known here of a run. */
  cell(number) {
    for (const row of this.rows.values()) {
      const found = row.cells.flat().find((cell) => cell[0] === number);
      if (found) return found;
    }
    return null;
  }

  change(cells) {
    const changed = new Map(cells.map((cell) => [cell[0], cell]));
    for (const row of this.rows.values()) {
      for (const column of row.cells) column.forEach((cell, i) => changed.has(cell[0]) && (column[i] = changed.get(cell[0])));
    }
    for (const element of this.body.querySelectorAll("td[data-n]")) {
      const row = this.rows.get(Number(element.dataset.at));
      const column = row?.cells[Number(element.dataset.c)];
      if (column?.some((cell) => changed.has(cell[0]))) this.fill(element, row, Number(element.dataset.c));
    }
  }

  setHead(heads, summary) {
    const names = make("tr");
    names.append(make("td")); // over the labels of the rows
    for (const lines of heads) {
      const th = make("th");
      th.scope = "col";
      for (const line of lines.length ? lines : ["reply"]) th.append(make("div", "nba-ghead", line));
      names.append(th);
    }
    this.heads = heads;
    this.head.parentNode.style.minWidth = `${130 + COLUMN * heads.length}px`;
    this.head.replaceChildren(names);
    for (const [name, values] of summary) {
      const tr = make("tr", "nba-gsum");
      tr.append(make("th", "", name), ...values.map((value) => make("td", "", value)));
      this.head.append(tr);
    }
  }

  draw(first, last) {
    const key = `${first}-${last}-${this.grid.count}`;
    if (this.drawn === key) return;
    this.drawn = key;
    const span = this.heads.length + 1;
    const kept = new Map([...this.body.querySelectorAll("tr[data-at]")].map((tr) => [Number(tr.dataset.at), tr]));
    const shown = [spacer(first * ROW, span)];
    for (let at = first; at < last; at++) {
      const row = this.rows.get(at);
      const old = kept.get(at);
      shown.push(old && old.dataset.row === String(row?.number) ? this.refresh(old, row) : this.rowOf(at, row));
    }
    shown.push(spacer((this.grid.count - last) * ROW, span));
    const held = document.activeElement;
    this.body.replaceChildren(...shown); // also what stays is taken out for a moment, and the focus with it
    if (this.body.contains(held)) held.focus({ preventScroll: true });
  }

  refresh(tr, row) {
    tr.querySelectorAll("td").forEach((td, c) => this.fill(td, row, c));
    return tr;
  }

  rowOf(at, row) {
    const tr = make("tr");
    tr.dataset.at = at;
    tr.dataset.row = row?.number;
    const th = make("th");
    th.scope = "row";
    th.append(make("div", "nba-glabel", row?.label ?? "…"));
    tr.append(th);
    for (let c = 0; c < this.heads.length; c++) {
      const td = make("td");
      td.dataset.at = at;
      td.dataset.c = c;
      if (row) this.fill(td, row, c);
      tr.append(td);
    }
    return tr;
  }

  fill(td, row, c) {
    const repeats = row.cells[c];
    const tab = Math.min(this.tabs.get(`${row.number}:${c}`) ?? 0, repeats.length - 1);
    const [number, state, text, note, rating, html, marks] = repeats[tab];
    const key = JSON.stringify([tab, repeats[tab], repeats.map((cell) => cell[1])]);
    if (td.dataset.key === key) return;
    td.dataset.key = key;
    td.dataset.n = number;
    td.dataset.state = state;
    this.sign(td);
    const verdicts = marks.map((mark) => mark[1]).filter((value) => typeof value === "boolean");
    td.dataset.mark = !verdicts.length ? "" : verdicts.every(Boolean) ? "pass" : "fail";
    const cell = make("div", "nba-gcell");
    const open = make("button", "nba-gopen");
    open.type = "button";
    open.disabled = state === "waiting";
    const words = make("div", "nba-gtext", html ? "" : text || (state === "waiting" ? "·" : state === "running" ? "…" : "(nothing)"));
    if (html) {
      words.classList.add("nba-ghtml");
      words.innerHTML = html; // sanitised in the kernel
    }
    open.ariaLabel = `Open run ${number}: ${text.slice(0, 80)}`;
    const said = make("div", "nba-gsays");
    said.append(words);
    cell.append(said, open);
    const foot = make("div", "nba-gfoot");
    if (repeats.length > 1) {
      const tabs = make("span", "nba-gtabs");
      repeats.forEach((one, i) => {
        const button = make("button", "", String(i + 1));
        button.type = "button";
        button.dataset.tab = i;
        button.dataset.state = one[1];
        button.ariaPressed = String(i === tab);
        button.ariaLabel = `Repeat ${i + 1}`;
        tabs.append(button);
      });
      foot.append(tabs);
    }
    for (const [name, value] of marks) {
      if (typeof value === "boolean") foot.append(make("span", value ? "nba-gpass" : "nba-gfail", `${value ? "✓" : "✗"} ${name}`));
      else foot.append(make("span", "", `${name} ${Number(value.toPrecision(3))}`));
    }
    if (rating && rating !== "good" && rating !== "bad") foot.append(make("span", "nba-grating", rating));
    foot.append(make("span", "nba-gnote", note));
    if (state === "done") {
      const thumbs = make("span", "nba-gthumbs");
      for (const said of ["good", "bad"]) {
        const thumb = make("button", said === "good" ? "nba-gthumb" : "nba-gthumb nba-gdown");
        thumb.type = "button";
        thumb.innerHTML = THUMB;
        thumb.dataset.rate = said;
        thumb.ariaPressed = String(rating === said);
        thumb.ariaLabel = `Run ${number} is ${said}`;
        thumb.title = said;
        thumbs.append(thumb);
      }
      foot.append(thumbs);
    }
    cell.append(foot);
    const held = td.contains(document.activeElement);
    td.replaceChildren(cell);
    if (held) open.focus({ preventScroll: true }); // who rates by keys goes on from here
  }

  clicked(event) {
    const td = event.target.closest("td[data-n]");
    if (!td) return;
    const row = this.rows.get(Number(td.dataset.at));
    const tab = event.target.closest("[data-tab]");
    if (tab) {
      this.tabs.set(`${row.number}:${td.dataset.c}`, Number(tab.dataset.tab));
      this.fill(td, row, Number(td.dataset.c));
      td.querySelector(`[data-tab="${tab.dataset.tab}"]`).focus();
    } else if (event.target.closest("[data-rate]")) {
      const thumb = event.target.closest("[data-rate]");
      this.grid.rate(Number(td.dataset.n), thumb.dataset.rate);
    } else if (!event.target.closest("a, .nba-gfoot")) {
      if (td.querySelector(".nba-gopen").disabled || String(getSelection())) return;
      this.grid.show(Number(td.dataset.n), row.label, this.heads[Number(td.dataset.c)]);
    }
  }
}

const THUMB =
  '<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path fill="currentColor" d="M1.5 7.5h2.6V14H1.5zM5.2 ' +
  '13.4V7.6l3-5.8c1 0 1.7.8 1.5 1.8l-.5 2.6h3.7c.9 0 1.5.8 1.3 1.6l-1.2 5c-.2.7-.7 1.2-1.4 1.2H7c-.7 0-1.3-.2-1.8-.6z"/></svg>';

function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}

function spacer(height, span) {
  const tr = make("tr", "nba-gspace");
  const td = make("td");
  td.colSpan = span;
  td.style.height = `${height}px`;
  tr.hidden = height <= 0;
  tr.append(td);
  return tr;
}
