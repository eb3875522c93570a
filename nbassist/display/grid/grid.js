// A grid of replies on the page: its progress, its rows (gridtable.js), and the run that the reader opened.

class Grid {
  constructor(model) {
    this.model = model;
    this.count = 0;
    this.running = false;
    this.different = false;
    this.element = make("div", "nbassist nba-grid jp-RenderedHTMLCommon");
    const bar = make("div", "nba-gbar");
    this.words = make("span", "nba-gwords");
    this.words.setAttribute("role", "status");
    this.stopper = make("button", "nba-gbutton", "Stop");
    this.stopper.type = "button";
    this.stopper.addEventListener("click", () => {
      model.send({ kind: "stop" });
      this.stopper.disabled = true;
      this.stopper.textContent = "Stopping…";
    });
    this.filter = choice("Rows", ["", "different", "failed", "check failed", "unrated"], "all rows", () => this.choose());
    this.sort = choice("Sorted by", [""], "their own order", () => this.choose());
    const chosen = make("span", "nba-gchosen");
    chosen.append(this.filter.label, this.sort.label);
    bar.append(this.words, this.stopper, chosen);
    this.tools = make("div", "nba-gbar nba-gtools");
    this.pairer = button("Blind pairs", () => this.side.startPairs());
    this.retry = button("Retry failed", () => this.act("retry"));
    this.keeper = button("Keep as tests", () => this.act("keep"));
    this.exporter = button("Export", () => this.act("export"));
    this.said = make("span", "nba-gwords");
    this.said.setAttribute("role", "status");
    this.tools.append(this.pairer, this.retry, this.keeper, this.exporter, this.said);
    this.notes = make("div", "nba-gnotes");
    this.line = make("div", "nba-gline");
    this.line.append(make("div"));
    this.table = new GridTable(this);
    this.side = new GridSide(this);
    this.keys = new GridKeys(this);
    this.whole = make("div", "nba-gwhole");
    this.whole.hidden = true;
    this.whole.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.closeWhole();
    });
    this.element.append(bar, this.line, this.table.scroller, this.notes, this.tools, this.whole, this.side.element, this.side.blind);
    this.sync(model.get("first"));
    this.focused = null;
    this.element.addEventListener("focusin", (event) => (this.focused = event.target));
    // Leaving it is one thing, and being taken out of the page with the output that it stands in another: then it is
    // back in the page, with its focus, before this is looked at.
    this.element.addEventListener("focusout", () =>
      setTimeout(() => this.element.contains(document.activeElement) || (this.focused = null)));
    new ResizeObserver(() => this.table.later()).observe(this.table.scroller);
  }

  receive(message) {
    if (message.kind === "sync") this.sync(message);
    else if (message.kind === "rows") this.takeRows(message);
    else if (message.kind === "cells") this.table.change(message.cells);
    else if (message.kind === "head") {
      this.table.setHead(this.table.heads, message.summary);
      this.tell(message);
    } else if (message.kind === "beside") this.side.show(message);
    else if (message.kind === "pair") this.side.showPair(message);
    else if (message.kind === "said") this.said.textContent = message.text;
    else if (message.kind === "progress") this.setProgress(message.progress);
    else if (message.kind === "whole" && message.number === this.shown) {
      this.whole.querySelector(".nba-gbody").innerHTML = message.html;
      this.whole.scrollIntoView({ block: "nearest" });
    }
  }

  sync(message) {
    this.table.setHead(message.heads, message.summary);
    this.setProgress(message.progress);
    this.tell(message);
    this.table.rows.clear();
    this.takeRows(message);
  }

  /** Show what may be said of the columns, and what rows can be sorted by. */
  tell({ notes, sorts }) {
    this.notes.replaceChildren(...notes.map((line) => make("div", "", line)));
    this.sort.offer(sorts);
  }

  choose() {
    this.table.rows.clear();
    this.table.scroller.scrollTop = 0;
    this.table.look(true);
  }

  act(what, number = -1) {
    this.said.textContent = what === "retry" ? "asking anew…" : "…";
    this.model.send({ kind: "do", what, number });
  }

  titleOf(number) {
    for (const row of this.table.rows.values()) {
      const c = row.cells.findIndex((column) => column.some((cell) => cell[0] === number));
      if (c >= 0) return [...(this.table.heads[c] ?? []), row.label].filter(Boolean).join(" · ") || `Run ${number}`;
    }
    return `Run ${number}`;
  }

  takeRows(message) {
    this.count = message.count;
    this.table.take(message.from, message.rows);
  }

  setProgress({ words, share, running, stop }) {
    this.running = running;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.line.firstChild.style.width = `${100 * share}%`;
    this.line.hidden = !running;
    this.stopper.hidden = !stop;
    this.tools.hidden = running;
    this.pairer.hidden = this.table.heads.length < 2;
  }

  ask(from, to, again) {
    this.model.send({ kind: "look", from, to: Math.max(to, from + 10), filter: this.filter.value, sort: this.sort.value, again });
  }

  show(number, label, lines) {
    this.shown = number;
    const top = make("div", "nba-gtop");
    top.append(make("strong", "", [...lines, label].filter(Boolean).join(" · ") || "Run"), make("span", "nba-gnumber", `run ${number}`));
    for (const rating of ["good", "bad"]) {
      const button = make("button", "nba-gbutton", rating === "good" ? "Good" : "Bad");
      button.type = "button";
      button.dataset.rate = rating;
      button.addEventListener("click", () => this.rate(number, rating));
      top.append(button);
    }
    top.append(
      button("Pin", () => this.side.pin(number)),
      button("Adopt", () => this.act("adopt", number)),
    );
    const close = make("button", "nba-gbutton nba-gclose", "Close");
    close.type = "button";
    close.addEventListener("click", () => this.closeWhole());
    top.append(close);
    this.whole.replaceChildren(top, make("div", "nba-gbody", "…"));
    this.whole.hidden = false;
    this.table.mark("shown", [number]);
    this.opened = this.table.body.querySelector(`td[data-n="${number}"]`);
    this.mark(number);
    this.model.send({ kind: "show", number });
    this.whole.querySelector("button").focus({ preventScroll: true });
    this.whole.scrollIntoView({ block: "nearest" });
  }

  /** Rate a run; the same word again takes it back. */
  rate(number, rating) {
    const said = this.table.cell(number)?.[4] === rating ? "" : rating;
    this.model.send({ kind: "rate", number, rating: said });
    if (number !== this.shown) return;
    for (const other of this.whole.querySelectorAll("[data-rate]")) other.ariaPressed = String(other.dataset.rate === said);
  }

  mark(number) {
    const rating = this.table.cell(number)?.[4];
    for (const one of this.whole.querySelectorAll("[data-rate]")) one.ariaPressed = String(one.dataset.rate === rating);
  }

  /** Stand in another place of the page; what had the focus in it has it again. */
  again() {
    // The frontend gives it to the cell or the notebook, if it gives it to anything.
    if (document.activeElement.contains(this.element)) this.focused?.focus({ preventScroll: true });
    this.table.scroller.scrollTop = this.table.top; // an element that is moved forgets it
    this.table.drawn = null;
    this.table.look(true);
  }

  closeWhole() {
    this.whole.hidden = true;
    this.table.mark("shown", []);
    this.opened?.querySelector("button").focus({ preventScroll: true });
  }

  lose() {
    this.setProgress({ words: `${this.words.textContent} · the kernel stopped`, share: 0, running: false, stop: false });
  }
}

/** A list to choose from, with its label; the first, empty one is called `none`. */
function choice(label, values, none, changed) {
  const element = make("select", "nba-gselect");
  const made = {
    label: make("label", "nba-gonly"),
    get value() {
      return element.value;
    },
    offer(more) {
      const offered = ["", ...more];
      if (offered.length === element.options.length) return;
      const before = element.value;
      element.replaceChildren(...offered.map((value) => new Option(value || none, value)));
      element.value = offered.includes(before) ? before : "";
      made.label.hidden = offered.length < 2;
    },
  };
  element.addEventListener("change", changed);
  made.label.append(`${label} `, element);
  made.offer(values.slice(1));
  made.label.hidden = values.length < 2;
  return made;
}

/** What places (mount.js) mount while the runs go on; a grid has one page, which the last place gets. */
const pages = (grid) => ({
  open: () => ({ element: grid.element, start: () => grid.again() }),
  close: () => {},
});

export default () => {
  let grid = null;
  return {
    initialize({ model }) {
      grid = new Grid(model);
      const receive = (message) => grid.receive(message);
      const lose = () => grid.lose();
      model.on("msg:custom", receive);
      model.on("comm_live_update", lose);
      // The static grid is what the notebook keeps; as long as the kernel answers, this one stands in its place.
      const name = model.get("name");
      // A notebook that was closed and opened again without its kernel has the static one; not all frontends say it.
      const gone = () => "kernel" in (model.widget_manager ?? {}) && !model.widget_manager.kernel;
      const mount = () => {
        const place = document.querySelector(`.nba-grid-static.${name}`);
        if (gone() || !place || place.dataset.live) return;
        place.dataset.live = "true";
        places.stop();
        place.replaceChildren(grid.element);
        grid.again();
      };
      const places = new Places(pages(grid), `${name}-standing`);
      const watching = new MutationObserver(mount);
      watching.observe(document.body, { childList: true, subtree: true });
      mount();
      grid.table.look(true);
      return () => {
        watching.disconnect();
        places.end();
        model.off("msg:custom", receive);
        model.off("comm_live_update", lose);
      };
    },
    render({ el }) {
      el.append(grid.element);
      grid.table.look(true);
    },
  };
};
