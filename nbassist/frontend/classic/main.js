// An extension of nbclassic, written by hand: prompts of %%assistant are coloured as markdown, not as Python.
// Nothing depends on it; where it is missing, all else works.
define(["base/js/namespace", "notebook/js/codecell"], (Jupyter, codecell) => {
  "use strict";

  function load_ipython_extension() {
    codecell.CodeCell.options_default.highlight_modes.magic_markdown = { reg: [/^%%assistant(?=\s|$)/] };
    for (const cell of Jupyter.notebook.get_cells()) {
      if (cell.cell_type === "code") cell.auto_highlight(); // those that were there before
    }
  }

  return { load_ipython_extension };
});
