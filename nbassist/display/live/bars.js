// The bars below replies that have ended (bars.py): earlier runs of the cell, what changed, and what a run was worth.
// A bar stands inside of the finished reply on the page. When the frontend writes the output anew, it is put back.

class Bars {
  constructor(model) {
    this.model = model;
    this.known = new Map(); // the class of an output -> what is known of its cell
    this.shown = new WeakMap(); // an output -> its bar
    this.watching = new MutationObserver(() => this.look());
    this.watching.observe(document.body, { childList: true, subtree: true });
    model.send({ kind: "all" });
  }

  receive(message) {
    const { place } = message;
    if (message.kind === "bar") {
      const before = this.known.get(place);
      const { numbers, ratings } = message;
      this.known.set(place, { at: numbers.length - 1, diff: false, html: new Map(), ...before, place, numbers, ratings });
    } else if (message.kind === "version") {
      this.known.get(place)?.html.set(`${message.number} ${message.diff}`, message.html);
    }
    for (const bar of this.bars(place)) bar.draw();
  }

  *bars(place) {
    for (const mark of document.getElementsByClassName(place)) {
      const bar = this.shown.get(mark);
      if (bar) yield bar;
    }
  }

  look() {
    // A notebook that was closed and opened again without its kernel has no bars; not all frontends say whether it is there.
    if ("kernel" in (this.model.widget_manager ?? {}) && !this.model.widget_manager.kernel) return;
    for (const [place, cell] of this.known) {
      for (const mark of document.getElementsByClassName(place)) {
        if (!this.shown.has(mark)) this.shown.set(mark, new Bar(this, cell.place, mark));
      }
    }
  }

  /** Take a step through the runs of a cell, or turn its comparison on or off. */
  go(cell, at, diff) {
    cell.at = Math.min(Math.max(at, 0), cell.numbers.length - 1);
    cell.diff = diff && cell.numbers.length > 1;
    const number = cell.numbers[cell.at];
    if (this.wanted(cell) && !cell.html.has(this.wanted(cell))) {
      this.model.send({ kind: "show", place: cell.place, number, diff: cell.diff });
    }
    for (const bar of this.bars(cell.place)) bar.draw();
  }

  /** Which version stands in the place of the cell's own reply; empty for none. */
  wanted(cell) {
    if (cell.at === cell.numbers.length - 1 && !cell.diff) return "";
    return `${cell.numbers[cell.at]} ${cell.diff}`;
  }

  end() {
    this.watching.disconnect();
    for (const place of this.known.keys()) for (const bar of this.bars(place)) bar.remove();
  }
}

const THUMB = "M2 7h2v7H2zM5 13V7l3-5c1.4 0 1.8 1 1.5 2L9 6h4c1 0 1.5.8 1.3 1.6l-1.2 5c-.1.6-.6 1-1.2 1H6z";

class Bar {
  constructor(bars, place, mark) {
    this.bars = bars;
    this.place = place;
    this.mark = mark;
    this.element = document.createElement("div");
    this.element.className = "nba-bar";
    this.element.setAttribute("role", "group");
    this.element.ariaLabel = "The runs of this cell";
    this.element.dataset.lmSuppressShortcuts = "true";
    this.older = this.button("‹", "The run before", () => this.step(-1));
    this.newer = this.button("›", "The run after", () => this.step(1));
    this.count = document.createElement("span");
    this.count.className = "nba-count";
    this.count.setAttribute("role", "status");
    this.differ = this.button("Compare", "Compare with the run that the cell shows", () => this.compare());
    this.good = this.thumb("good", "A good reply");
    this.bad = this.thumb("bad", "A bad reply");
    const rest = document.createElement("span");
    rest.className = "nba-rest";
    rest.append(this.good, this.bad);
    this.element.append(this.older, this.count, this.newer, this.differ, rest);
    // A click leaves the focus where it is, and a key on a button is no command of the notebook.
    for (const kind of ["pointerdown", "mousedown"]) this.element.addEventListener(kind, (event) => event.preventDefault());
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    this.version = document.createElement("div");
    this.version.className = "nba-version";
    mark.append(this.version, this.element);
    this.draw();
  }

  get cell() {
    return this.bars.known.get(this.place);
  }

  button(text, label, clicked) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "nba-barbutton";
    made.textContent = text;
    made.ariaLabel = made.title = label;
    // Not `disabled`: a button that is loses the focus to the page.
    made.addEventListener("click", () => made.ariaDisabled !== "true" && clicked());
    return made;
  }

  thumb(rating, label) {
    const made = this.button("", label, () => this.rate(rating));
    made.innerHTML = `<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path d="${THUMB}" fill="currentColor"/></svg>`;
    made.dataset.rate = rating;
    return made;
  }

  pressed(event) {
    event.stopPropagation();
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) this.step(step);
    if (step) event.preventDefault();
  }

  step(by) {
    this.bars.go(this.cell, this.cell.at + by, this.cell.diff);
  }

  compare() {
    this.bars.go(this.cell, this.cell.at, !this.cell.diff);
  }

  rate(rating) {
    const { cell } = this;
    const number = cell.numbers[cell.at];
    const said = cell.ratings[number] === rating ? "" : rating;
    this.bars.model.send({ kind: "rate", place: this.place, number, rating: said });
  }

  draw() {
    const { cell } = this;
    const several = cell.numbers.length > 1;
    const number = cell.numbers[cell.at];
    for (const one of [this.older, this.newer, this.count, this.differ]) one.hidden = !several;
    this.older.ariaDisabled = String(cell.at === 0);
    this.newer.ariaDisabled = String(cell.at === cell.numbers.length - 1);
    this.differ.ariaPressed = String(cell.diff);
    this.count.textContent = `${cell.at + 1}/${cell.numbers.length}`;
    this.count.title = `run ${number} of %assistant log`;
    const rating = cell.ratings[number] ?? "";
    for (const one of [this.good, this.bad]) one.ariaPressed = String(one.dataset.rate === rating);
    const wanted = this.bars.wanted(cell);
    const html = wanted ? (cell.html.get(wanted) ?? null) : "";
    if (html === null) return; // it is asked for: what is shown stays until it is here
    this.version.innerHTML = html; // sealed in the kernel, as all that comes from there
    this.mark.classList.toggle("nba-elsewhere", !!wanted);
  }

  remove() {
    this.mark.classList.remove("nba-elsewhere");
    this.version.remove();
    this.element.remove();
  }
}

export default () => {
  let bars = null;
  return {
    initialize({ model }) {
      bars = new Bars(model);
      const receive = (message) => bars.receive(message);
      const end = () => bars.end(); // the kernel is gone: what the file holds is what stays
      model.on("msg:custom", receive);
      model.on("comm_live_update", end);
      return () => {
        bars.end();
        model.off("msg:custom", receive);
        model.off("comm_live_update", end);
      };
    },
    render() {},
  };
};
