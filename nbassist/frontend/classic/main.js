// An extension of nbclassic, written by hand: prompts of %%assistant are coloured as markdown, not as Python, and the
// kernel is told which cell runs, as by JupyterLab and Notebook 7: a cell that runs again takes the place of its turn, and
// has its earlier runs below its reply. Nothing depends on it; where it is missing, all else works.
define(["base/js/namespace", "notebook/js/codecell"], (Jupyter, codecell) => {
  "use strict";

  function tellWhichCellRuns() {
    const execute = codecell.CodeCell.prototype.execute;
    codecell.CodeCell.prototype.execute = function (...args) {
      const { kernel, id } = this;
      if (!kernel || !id) return execute.apply(this, args);
      kernel.send_shell_message = function (type, content, callbacks, metadata, buffers) {
        const said = type === "execute_request" ? { cellId: id, ...metadata } : metadata;
        return Object.getPrototypeOf(kernel).send_shell_message.call(kernel, type, content, callbacks, said, buffers);
      };
      try {
        return execute.apply(this, args);
      } finally {
        delete kernel.send_shell_message; // the one of its class is back
      }
    };
  }

  function load_ipython_extension() {
    tellWhichCellRuns();
    codecell.CodeCell.options_default.highlight_modes.magic_markdown = { reg: [/^%%assistant(?=\s|$)/] };
    for (const cell of Jupyter.notebook.get_cells()) {
      if (cell.cell_type === "code") cell.auto_highlight(); // those that were there before
    }
  }

  return { load_ipython_extension };
});
