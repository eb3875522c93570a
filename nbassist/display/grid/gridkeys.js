// The keys of a grid: arrows go from cell to cell, enter opens, g and b rate, p pins, r lets go of all pins.

class GridKeys {
  constructor(grid) {
    this.grid = grid;
    grid.table.scroller.addEventListener("keydown", (event) => this.pressed(event));
  }

  pressed(event) {
    event.stopPropagation(); // no commands of the notebook
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const td = event.target.closest("td[data-n]");
    const act = this.keyed(event.key, td);
    if (!act) return;
    event.preventDefault();
    act();
  }

  keyed(key, td) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step) return () => this.go(td, ...step);
    if (!td) return null;
    const number = Number(td.dataset.n);
    const acts = {
      Enter: () => td.querySelector(".nba-gopen").click(),
      g: () => this.grid.rate(number, "good"),
      b: () => this.grid.rate(number, "bad"),
      p: () => this.grid.side.pin(number),
      r: () => this.grid.side.unpin(),
      Escape: () => this.grid.closeWhole(),
    };
    return acts[key] ?? null;
  }

  /** Focus the next cell, which is drawn first where it is out of view. */
  go(td, down, right) {
    const { table, count } = this.grid;
    const at = Math.min(Math.max((td ? Number(td.dataset.at) : -down) + down, 0), count - 1);
    const c = Math.min(Math.max((td ? Number(td.dataset.c) : 0) + right, 0), table.heads.length - 1);
    table.reach(at);
    table.body.querySelector(`td[data-at="${at}"][data-c="${c}"] .nba-gopen`)?.focus();
  }
}
