// An extension of nbclassic, written by hand: prompts of %%assistant are coloured as markdown, not as Python, and a
// request names its cell, as those of JupyterLab do, so that a reply has the bar of the cell's earlier runs.
// Nothing depends on it; where it is missing, all else works.
define(["base/js/namespace", "notebook/js/codecell"], (Jupyter, codecell) => {
  "use strict";

  /** Put the id of the cell into the metadata of the request that runs it. */
  function name_cells() {
    const execute = codecell.CodeCell.prototype.execute;
    codecell.CodeCell.prototype.execute = function (...given) {
      const kernel = this.kernel;
      if (!kernel?.send_shell_message || !this.id) return execute.apply(this, given);
      // The request is sent before `execute` returns, and has no hook of its own.
      const own = Object.getOwnPropertyDescriptor(kernel, "send_shell_message");
      const send = kernel.send_shell_message;
      kernel.send_shell_message = (type, content, callbacks, metadata, ...rest) => {
        const named = type === "execute_request" ? { ...metadata, cellId: this.id } : metadata;
        return send.call(kernel, type, content, callbacks, named, ...rest);
      };
      try {
        return execute.apply(this, given);
      } finally {
        if (own) Object.defineProperty(kernel, "send_shell_message", own);
        else delete kernel.send_shell_message;
      }
    };
  }

  function load_ipython_extension() {
    name_cells();
    codecell.CodeCell.options_default.highlight_modes.magic_markdown = { reg: [/^%%assistant(?=\s|$)/] };
    for (const cell of Jupyter.notebook.get_cells()) {
      if (cell.cell_type === "code") cell.auto_highlight(); // those that were there before
    }
  }

  return { load_ipython_extension };
});
