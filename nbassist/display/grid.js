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
    const label = make("label", "nba-gonly");
    this.only = make("input");
    this.only.type = "checkbox";
    this.only.addEventListener("change", () => {
      this.different = this.only.checked;
      this.table.rows.clear();
      this.table.scroller.scrollTop = 0;
      this.table.look(true);
    });
    label.append(this.only, " Only different rows");
    this.label = label;
    bar.append(this.words, this.stopper, label);
    this.line = make("div", "nba-gline");
    this.line.append(make("div"));
    this.table = new GridTable(this);
    this.whole = make("div", "nba-gwhole");
    this.whole.hidden = true;
    this.whole.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.closeWhole();
    });
    this.element.append(bar, this.line, this.table.scroller, this.whole);
    this.sync(model.get("first"));
    new ResizeObserver(() => this.table.later()).observe(this.table.scroller);
  }

  receive(message) {
    if (message.kind === "sync") this.sync(message);
    else if (message.kind === "rows") this.takeRows(message);
    else if (message.kind === "cells") this.table.change(message.cells);
    else if (message.kind === "head") this.table.setHead(this.table.heads, message.summary);
    else if (message.kind === "progress") this.setProgress(message.progress);
    else if (message.kind === "whole" && message.number === this.shown) {
      this.whole.querySelector(".nba-gbody").innerHTML = message.html;
    }
  }

  sync(message) {
    this.table.setHead(message.heads, message.summary);
    this.setProgress(message.progress);
    this.table.rows.clear();
    this.takeRows(message);
  }

  takeRows(message) {
    this.count = message.count;
    this.label.hidden = this.table.heads.length < 2;
    this.table.take(message.from, message.rows);
  }

  setProgress({ words, share, running, stop }) {
    this.running = running;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.line.firstChild.style.width = `${100 * share}%`;
    this.line.hidden = !running;
    this.stopper.hidden = !stop;
  }

  ask(from, to, again) {
    this.model.send({ kind: "look", from, to: Math.max(to, from + 10), different: this.different, again });
  }

  show(number, label, lines) {
    this.shown = number;
    const top = make("div", "nba-gtop");
    top.append(make("strong", "", [...lines, label].filter(Boolean).join(" · ") || "Run"), make("span", "nba-gnumber", `run ${number}`));
    for (const rating of ["good", "bad"]) {
      const button = make("button", "nba-gbutton", rating === "good" ? "Good" : "Bad");
      button.type = "button";
      button.dataset.rate = rating;
      button.addEventListener("click", () => this.rate(number, button));
      top.append(button);
    }
    const close = make("button", "nba-gbutton nba-gclose", "Close");
    close.type = "button";
    close.addEventListener("click", () => this.closeWhole());
    top.append(close);
    this.whole.replaceChildren(top, make("div", "nba-gbody", "…"));
    this.whole.hidden = false;
    this.marked?.removeAttribute("data-shown");
    this.marked = this.table.body.querySelector(`td[data-n="${number}"]`);
    this.marked?.setAttribute("data-shown", "");
    this.mark(number);
    this.model.send({ kind: "show", number });
    this.whole.querySelector("button").focus({ preventScroll: true });
    this.whole.scrollIntoView({ block: "nearest" });
  }

  rate(number, button) {
    const again = button.ariaPressed === "true";
    this.model.send({ kind: "rate", number, rating: again ? "" : button.dataset.rate });
    for (const other of this.whole.querySelectorAll("[data-rate]")) other.ariaPressed = String(other === button && !again);
  }

  mark(number) {
    for (const row of this.table.rows.values()) {
      for (const cell of row.cells.flat()) {
        if (cell[0] !== number) continue;
        for (const button of this.whole.querySelectorAll("[data-rate]")) button.ariaPressed = String(button.dataset.rate === cell[4]);
      }
    }
  }

  /** Stand in another place of the page. */
  again() {
    this.table.scroller.scrollTop = this.table.top; // an element that is moved forgets it
    this.table.drawn = null;
    this.table.look(true);
  }

  closeWhole() {
    this.whole.hidden = true;
    this.marked?.removeAttribute("data-shown");
    this.marked?.querySelector("button").focus({ preventScroll: true });
  }

  lose() {
    this.setProgress({ words: `${this.words.textContent} · the kernel stopped`, share: 0, running: false, stop: false });
  }
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
      const mount = () => {
        const place = document.querySelector(`.nba-grid-static.${name}`);
        if (!place || place.dataset.live) return;
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
