// The browser's side of the live view: applies the patches of nbassist/display/live/canvas.py to the page, in order.
// All HTML comes sanitised from the kernel; nothing here makes HTML of text.

/** The copies of one reply on the page; without a view there is one that is not shown. */
class Reply {
  constructor(model) {
    this.model = model;
    this.pages = new Set();
    this.n = -1;
    this.asked = 0;
    this.touched = new Set();
    this.started = performance.now();
    this.status = { phase: "waiting", words: "Waiting" };
    this.stoppable = false;
    this.spare = new Page(this);
    this.pages.add(this.spare);
  }

  receive(message) {
    if (message.kind === "sync") {
      this.sync(message);
    } else if (message.kind === "patch" && message.n > this.n) {
      if (message.n !== this.n + 1) return this.ask();
      this.n = message.n;
      for (const page of this.pages) {
        for (const operation of message.ops) page.apply(operation);
        page.showEnd();
      }
      if (message.status) this.setStatus(message.status);
    }
  }

  sync(message) {
    if (message.n < this.n) return;
    this.n = message.n;
    this.started = performance.now() - 1000 * message.elapsed;
    this.stoppable = message.stop;
    for (const page of this.pages) page.whole(message.html, message.ops);
    this.setStatus(message.status);
  }

  /** A patch is missing: ask for the whole, at most once a second. */
  ask() {
    const now = performance.now();
    if (this.asked && now - this.asked < 1000) return;
    this.asked = now;
    this.model.send({ kind: "sync" });
  }

  setStatus(status) {
    if (status.pause && status.retry !== this.status.retry) this.due = performance.now() + 1000 * status.pause;
    this.status = status;
    for (const page of this.pages) page.showStatus();
  }

  /** The kernel is gone, and nothing more comes. */
  lose() {
    this.setStatus({ phase: "gone", words: "The kernel stopped: this is what came" });
  }

  /** Give a page for a view: the spare one, or a copy of another. */
  open() {
    if (this.spare) {
      const page = this.spare;
      this.spare = null;
      return page;
    }
    const page = new Page(this);
    page.copy(this.pages.values().next().value);
    this.pages.add(page);
    return page;
  }

  close(page) {
    if (this.pages.size > 1) this.pages.delete(page);
    else this.spare = page;
    page.stop();
  }
}

export default () => {
  let reply = null;
  return {
    initialize({ model }) {
      reply = new Reply(model);
      reply.sync(model.get("first"));
      const receive = (message) => reply.receive(message);
      const lose = () => reply.lose();
      model.on("msg:custom", receive);
      model.on("comm_live_update", lose);
      const { place } = model.get("first");
      const places = place ? new Places(reply, place) : null;
      reply.ask();
      return () => {
        places?.end();
        model.off("msg:custom", receive);
        model.off("comm_live_update", lose);
      };
    },
    render({ el }) {
      const page = reply.open();
      el.classList.add("jp-RenderedHTMLCommon", "rendered_html"); // as the frontend's own outputs look
      el.append(page.element);
      page.start();
      return () => reply.close(page);
    },
  };
};
