// Where outputs and widgets share a document, the live page of a reply or a grid stands in the place of the form that
// the file holds (nbassist/display/static/reply.py, grid/grid.py): beside it in the same output, with the same frame, while the
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
    const select = keepSelection(page.element);
    const cell = frame.closest(".jp-Cell, .cell");
    this.reply.close(page); // while it stands: what has the focus in it gives it back
    frame.remove();
    output.classList.remove(...HIDDEN);
    select(output.isConnected ? output : cell);
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

/**
 * Give what the reader has selected in a page that goes away, to select it in what comes in its place.
 *
 * The two have the same words in other elements: what is selected is found by its letters, and by how often the same
 * stands before it.
 */
function keepSelection(from) {
  const selection = getSelection();
  if (selection.isCollapsed || !from.contains(selection.anchorNode) || !from.contains(selection.focusNode)) return () => {};
  const range = selection.getRangeAt(0);
  const before = document.createRange();
  before.setStart(from, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const letters = (text) => text.replace(/\s+/g, "");
  const wanted = letters(range.toString());
  const earlier = letters(before.toString()).split(wanted).length - 1;
  return (to) => {
    const nodes = [];
    const walker = document.createTreeWalker(to ?? document.createElement("div"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) nodes.push(node);
    const places = nodes.flatMap((node) => node.data.split("").flatMap((c, at) => (/\s/.test(c) ? [] : [[node, at, c]])));
    const text = places.map(([, , c]) => c).join("");
    let start = text.indexOf(wanted);
    for (let n = 0; n < earlier && start >= 0; n++) start = text.indexOf(wanted, start + 1);
    if (!wanted || start < 0) return; // a formula, say, which is other text there
    const [first, last] = [places[start], places[start + wanted.length - 1]];
    getSelection().setBaseAndExtent(first[0], first[1], last[0], last[1] + 1);
  };
}
