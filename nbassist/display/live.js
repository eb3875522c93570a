// The browser's side of the live view: applies the patches of nbassist/display/canvas.py to the page, in order.
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
    this.spare = new Page(this);
    this.pages.add(this.spare);
  }

  receive(message) {
    if (message.kind === "sync") {
      this.sync(message);
    } else if (message.kind === "patch" && message.n > this.n) {
      if (message.n !== this.n + 1) return this.ask();
      this.n = message.n;
      for (const page of this.pages) for (const operation of message.ops) page.apply(operation);
      if (message.status) this.setStatus(message.status);
    }
  }

  sync(message) {
    if (message.n < this.n) return;
    this.n = message.n;
    this.started = performance.now() - 1000 * message.elapsed;
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
    this.status = status;
    for (const page of this.pages) page.showStatus();
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

class Page {
  constructor(reply) {
    this.reply = reply;
    this.slots = new Map();
    this.element = document.createElement("div");
    this.element.className = "nbassist nba-live jp-RenderedHTMLCommon";
    this.body = document.createElement("div");
    this.body.className = "nba-reply";
    this.footer = document.createElement("div");
    this.footer.className = "nba-status";
    const pulse = document.createElement("span");
    pulse.className = "nba-pulse";
    pulse.ariaHidden = "true";
    this.words = document.createElement("span");
    this.words.className = "nba-words";
    this.words.setAttribute("role", "status");
    this.time = document.createElement("span");
    this.time.className = "nba-time";
    this.time.ariaHidden = "true";
    this.actions = document.createElement("span"); // the place of buttons such as Stop
    this.actions.className = "nba-actions";
    this.footer.append(pulse, this.words, this.time, this.actions);
    this.element.append(this.body, this.footer);
    this.element.addEventListener("click", (event) => this.clicked(event));
    this.register(this.body, "0");
  }

  register(element, name) {
    this.slots.set(name, { element, closed: 0, open: "" });
  }

  adopt(root) {
    for (const element of root.querySelectorAll("[data-s]")) {
      this.register(element, element.dataset.s);
    }
  }

  apply([kind, name, ...rest]) {
    const slot = this.slots.get(name);
    if (!slot) return;
    if (kind === "add") this.add(slot, rest[0]);
    else if (kind === "open") this.openEnd(slot, slot.open.slice(0, rest[0]) + rest[1]);
    else if (kind === "html") {
      slot.element.replaceChildren();
      slot.closed = 0;
      slot.open = "";
      this.add(slot, rest[0]);
    } else if (kind === "attr") this.attribute(slot.element, rest[0], rest[1]);
  }

  clearEnd(slot) {
    const nodes = slot.element.childNodes;
    while (nodes.length > slot.closed) slot.element.lastChild.remove();
    slot.open = "";
  }

  add(slot, html) {
    this.clearEnd(slot);
    const last = slot.element.lastElementChild;
    slot.element.insertAdjacentHTML("beforeend", html);
    slot.closed = slot.element.childNodes.length;
    for (let added = last ? last.nextElementSibling : slot.element.firstElementChild; added; added = added.nextElementSibling) {
      if (added.dataset.s) this.register(added, added.dataset.s);
      this.adopt(added);
      this.decorate(added);
    }
  }

  openEnd(slot, html) {
    this.clearEnd(slot);
    slot.element.insertAdjacentHTML("beforeend", html);
    slot.open = html;
  }

  attribute(element, name, value) {
    if (name === "open" && this.reply.touched.has(element.dataset.p)) return;
    if (value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }

  whole(html, operations) {
    const opened = new Map();
    for (const panel of this.body.querySelectorAll("details[data-p]")) opened.set(panel.dataset.p, panel.open);
    this.body.innerHTML = html;
    this.slots.clear();
    this.register(this.body, "0");
    this.adopt(this.body);
    for (const slot of this.slots.values()) slot.closed = slot.element.childNodes.length;
    for (const panel of this.body.querySelectorAll("details[data-p]")) {
      const key = panel.dataset.p;
      if (this.reply.touched.has(key) && opened.has(key)) panel.open = opened.get(key);
    }
    this.decorate(this.body);
    for (const operation of operations) this.apply(operation);
  }

  copy(other) {
    this.body.innerHTML = other.body.innerHTML;
    for (const element of this.body.querySelectorAll("[data-s]")) this.register(element, element.dataset.s);
    for (const [name, slot] of this.slots) {
      const from = other.slots.get(name);
      if (from) Object.assign(slot, { closed: from.closed, open: from.open });
    }
    this.showStatus();
  }

  /** A copy button for each block of code that stands. */
  decorate(root) {
    const blocks = root.matches(".nba-text > .highlight") ? [root] : root.querySelectorAll(".nba-text .highlight");
    for (const block of blocks) {
      if (block.querySelector(":scope > .nba-copy")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "nba-copy";
      button.textContent = "Copy";
      button.ariaLabel = "Copy this code";
      block.append(button);
    }
  }

  clicked(event) {
    const button = event.target.closest(".nba-copy");
    if (button) return copyText(button);
    const panel = event.target.closest("summary")?.parentElement;
    if (panel?.dataset.p) {
      this.reply.touched.add(panel.dataset.p);
      setTimeout(() => this.reply.model.send({ kind: "toggle", panel: panel.dataset.p, open: panel.open }));
    }
  }

  showStatus() {
    const { phase, words } = this.reply.status;
    this.footer.dataset.phase = phase;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.showTime();
  }

  showTime() {
    const seconds = Math.floor((performance.now() - this.reply.started) / 1000);
    this.time.textContent = seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }

  start() {
    this.showStatus();
    this.timer = setInterval(() => this.showTime(), 1000);
  }

  stop() {
    clearInterval(this.timer);
  }
}

async function copyText(button) {
  const code = button.parentElement.querySelector("pre").textContent;
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    const area = document.createElement("textarea"); // where the page has no right to the clipboard
    area.value = code;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

export default () => {
  let reply = null;
  return {
    initialize({ model }) {
      reply = new Reply(model);
      reply.sync(model.get("first"));
      const receive = (message) => reply.receive(message);
      model.on("msg:custom", receive);
      reply.ask();
      return () => model.off("msg:custom", receive);
    },
    render({ el }) {
      const page = reply.open();
      el.append(page.element);
      page.start();
      return () => reply.close(page);
    },
  };
};
