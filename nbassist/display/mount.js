// Where outputs and widgets share a document, the live page of a reply or a grid stands in the place of the form that
// the file holds (nbassist/display/standing.py, grid.py): beside it in the same output, with the same frame, while the
// form itself is hidden. So the frontend may write the form anew, and nothing moves; when the finished one comes in its
// place, the page goes.

// Hidden, and not typeset: MathJax would take a second for the formulas of a long reply, each time.
const HIDDEN = ["nba-hidden", "mathjax_ignore", "tex2jax_ignore"];
const OUTPUT = ".jp-OutputArea-output, .output_subarea"; // of JupyterLab and Notebook, of nbclassic

class Places {
  constructor(reply, name) {
    this.reply = reply;
    this.name = name;
    this.mounted = new Map(); // output -> its page and frame
    this.marks = document.getElementsByClassName(name); // as the document is now, always
    this.watching = new MutationObserver(() => this.look());
    this.watching.observe(document.body, { childList: true, subtree: true });
    this.look();
  }

  look() {
    for (const output of this.mounted.keys()) {
      if (!output.querySelector(`.${this.name}`)) this.unmount(output);
    }
    for (const mark of this.marks) {
      const output = mark.closest(OUTPUT) ?? mark.parentElement;
      if (!this.mounted.has(output)) this.mount(output);
    }
  }

  mount(output) {
    for (const other of this.mounted.keys()) {
      if (!other.isConnected) this.unmount(other); // nbclassic makes a new output of each form
    }
    const page = this.reply.open();
    const frame = output.cloneNode(false);
    frame.removeAttribute("id");
    frame.append(page.element);
    output.classList.add(...HIDDEN);
    output.after(frame);
    this.mounted.set(output, { page, frame });
    page.start();
  }

  unmount(output) {
    const { page, frame } = this.mounted.get(output);
    this.mounted.delete(output);
    frame.remove();
    output.classList.remove(...HIDDEN);
    this.reply.close(page);
  }

  /** The widget is closed: the finished reply is here, or comes at once. */
  end() {
    if (this.mounted.size) setTimeout(() => this.stop(), 2000);
    else this.stop();
  }

  stop() {
    this.watching.disconnect();
    for (const output of [...this.mounted.keys()]) this.unmount(output);
  }
}
