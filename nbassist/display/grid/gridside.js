// Replies side by side below the rows: those that are pinned, with a word diff, and blind pairs.

class GridSide {
  constructor(grid) {
    this.grid = grid;
    this.pins = []; // numbers of runs, in the order in which they were pinned
    this.diff = false;
    this.element = make("div", "nba-gside");
    this.element.hidden = true;
    this.blind = make("div", "nba-gside nba-gblind");
    this.blind.hidden = true;
    this.blind.tabIndex = 0;
    this.blind.setAttribute("role", "region");
    this.blind.ariaLabel = "Blind pairs: press 1, 2 or t for a tie";
    this.blind.addEventListener("keydown", (event) => this.pressed(event));
  }

  pin(number) {
    const place = this.pins.indexOf(number);
    if (place < 0) this.pins.push(number);
    else this.pins.splice(place, 1);
    this.ask();
  }

  unpin() {
    this.pins = [];
    this.ask();
  }

  ask() {
    this.grid.table.mark("pinned", this.pins);
    this.element.hidden = !this.pins.length;
    if (this.pins.length) this.grid.model.send({ kind: "beside", numbers: this.pins, diff: this.diff });
  }

  /** Show the replies that came, where they are still those that are pinned. */
  show({ numbers, replies }) {
    if (numbers.join() !== this.pins.slice(0, numbers.length).join()) return;
    const bar = make("div", "nba-gtop");
    bar.append(make("strong", "", `${numbers.length} side by side`));
    if (numbers.length > 1) {
      const words = button("Word diff", () => {
        this.diff = !this.diff;
        this.ask();
      });
      words.ariaPressed = String(this.diff);
      bar.append(words);
    }
    const close = button("Unpin all", () => this.unpin());
    close.classList.add("nba-gclose");
    bar.append(close);
    const columns = make("div", "nba-gcolumns");
    numbers.forEach((number, i) => {
      const column = make("div", "nba-gcolumn");
      column.tabIndex = 0;
      column.setAttribute("role", "region");
      const title = this.grid.titleOf(number);
      column.ariaLabel = title;
      const body = make("div", "nba-gbody");
      body.innerHTML = replies[i]; // sanitised in the kernel
      column.append(make("div", "nba-gname", title), body);
      columns.append(column);
    });
    this.element.replaceChildren(bar, columns);
    this.element.scrollIntoView({ block: "nearest" });
  }

  startPairs() {
    this.blind.hidden = false;
    this.grid.model.send({ kind: "pair", choice: "" });
  }

  pressed(event) {
    event.stopPropagation();
    const choice = { 1: "1", 2: "2", t: "tie", 0: "tie", u: "undo" }[event.key];
    if (event.key === "Escape") this.blind.hidden = true;
    else if (choice) this.choose(choice);
    else return;
    event.preventDefault();
  }

  choose(choice) {
    this.grid.model.send({ kind: "pair", choice });
  }

  showPair({ done, line, asked, replies }) {
    const bar = make("div", "nba-gtop");
    bar.append(make("strong", "", "Which is better?"));
    const said = make("span", "nba-gnumber", line);
    said.setAttribute("role", "status");
    bar.append(said);
    const close = button("Close", () => (this.blind.hidden = true));
    close.classList.add("nba-gclose");
    const parts = [bar];
    if (!done) {
      for (const [label, choice] of [["1", "1"], ["2", "2"], ["Tie", "tie"], ["Undo", "undo"]]) {
        bar.append(button(label, () => this.choose(choice)));
      }
      if (asked) parts.push(make("div", "nba-gname", asked));
      const columns = make("div", "nba-gcolumns");
      replies.forEach((html, i) => {
        const column = make("div", "nba-gcolumn");
        const body = make("div", "nba-gbody");
        body.innerHTML = html; // sanitised in the kernel
        column.append(make("div", "nba-gname", `Reply ${i + 1}`), body);
        columns.append(column);
      });
      parts.push(columns);
    }
    bar.append(close);
    this.blind.replaceChildren(...parts);
    this.blind.focus({ preventScroll: true });
    this.blind.scrollIntoView({ block: "nearest" });
  }
}

function button(text, act) {
  const made = make("button", "nba-gbutton", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
