// The rows of a grid that are in view: a table of which only these exist, between two spacers.
// Replies stand in it as text; only the whole of a run is HTML, which comes sanitised from the kernel.

const ROW = 92; // pixels; each row is as high, so that the scroll bar tells the truth
const COLUMN = 165; // pixels at least
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
    this.scroller.addEventListener("keydown", (event) => event.stopPropagation()); // no commands of the notebook
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.look();
    });
  }

  /** Show what is in view, and ask for what of it is not here. */
  look(again = false) {
    const height = this.scroller.clientHeight || 500;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - AROUND);
    const last = Math.min(this.grid.count, Math.ceil((this.scroller.scrollTop + height) / ROW) + AROUND);
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
    this.body.replaceChildren(...shown);
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
    const [number, state, text, note, rating] = repeats[tab];
    const key = JSON.stringify([tab, repeats[tab], repeats.map((cell) => cell[1])]);
    if (td.dataset.key === key) return;
    td.dataset.key = key;
    td.dataset.n = number;
    td.dataset.state = state;
    const cell = make("div", "nba-gcell");
    const open = make("button", "nba-gopen");
    open.type = "button";
    open.disabled = state === "waiting";
    open.append(make("span", "nba-gtext", text || (state === "waiting" ? "·" : state === "running" ? "…" : "(nothing)")));
    cell.append(open);
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
    if (rating) foot.append(make("span", "nba-grating", rating));
    foot.append(make("span", "nba-gnote", note));
    cell.append(foot);
    td.replaceChildren(cell);
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
    } else if (event.target.closest(".nba-gopen")) {
      this.grid.show(Number(td.dataset.n), row.label, this.heads[Number(td.dataset.c)]);
    }
  }
}

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
