// One copy of a reply on the page.

class Page {
  constructor(reply) {
    this.reply = reply;
    this.slots = new Map();
    this.element = document.createElement("div");
    this.element.className = "nbassist nba-live";
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
    this.meter = document.createElement("span"); // not read aloud: it changes twice a second
    this.meter.className = "nba-meter";
    this.meter.ariaHidden = "true";
    this.stopper = document.createElement("button");
    this.stopper.type = "button";
    this.stopper.className = "nba-button nba-stop";
    this.stopper.textContent = "Stop";
    this.stopper.ariaLabel = "Stop this reply";
    this.stopper.hidden = true;
    this.stopper.dataset.lmSuppressShortcuts = "true"; // a key pressed on it is no command of the notebook
    this.newest = document.createElement("button");
    this.newest.type = "button";
    this.newest.className = "nba-button nba-newest";
    this.newest.textContent = "↓ Newest";
    this.newest.ariaLabel = "Go to the newest text";
    this.newest.hidden = true;
    this.newest.dataset.lmSuppressShortcuts = "true";
    this.footer.append(pulse, this.words, this.time, this.meter, this.newest, this.stopper);
    this.end = document.createElement("div");
    this.element.append(this.body, this.end, this.footer);
    // A click leaves the focus where it is: the notebook's own keys go on working.
    this.footer.addEventListener("pointerdown", (event) => event.preventDefault());
    this.footer.addEventListener("mousedown", (event) => event.preventDefault());
    listenTo(this);
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
      keepFocus(slot.element);
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
    if (name === "open" && value === null && this.reply.touched.has(element.dataset.p)) return;
    if (value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }

  whole(html, operations) {
    const opened = new Map();
    const forms = new Map(); // what the person wrote in one stays
    for (const form of this.body.querySelectorAll(".nba-ask")) forms.set(form.dataset.question, form);
    for (const panel of this.body.querySelectorAll("details[data-p]")) opened.set(panel.dataset.p, panel.open);
    this.body.innerHTML = html;
    this.slots.clear();
    this.register(this.body, "0");
    this.adopt(this.body);
    for (const slot of this.slots.values()) slot.closed = slot.element.childNodes.length;
    for (const panel of this.body.querySelectorAll("details[data-p]")) {
      const key = panel.dataset.p;
      if (this.reply.touched.has(key) && opened.has(key)) panel.open = opened.get(key) || !!panel.querySelector(".nba-ask");
    }
    for (const form of this.body.querySelectorAll(".nba-ask")) {
      if (forms.has(form.dataset.question)) form.replaceWith(forms.get(form.dataset.question));
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

  showStatus() {
    const { phase, words, meter } = this.reply.status;
    this.meter.textContent = meter ?? "";
    this.stopper.hidden = !this.reply.stoppable || phase === "ended" || phase === "gone";
    this.footer.dataset.phase = phase;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.showTime();
  }

  showTime() {
    if (this.reply.status.phase === "gone") return;
    if (this.reply.status.phase === "retrying") {
      const left = Math.ceil((this.reply.due - performance.now()) / 1000);
      this.time.textContent = left > 0 ? `${left} s left` : "now";
      return;
    }
    const seconds = Math.floor((performance.now() - this.reply.started) / 1000);
    this.time.textContent = seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }

  start() {
    this.showStatus();
    this.timer = setInterval(() => {
      this.showTime();
      // It tells of changes alone, and the first look may come before the reply has its place in the page.
      this.sight.unobserve(this.end);
      this.sight.observe(this.end);
    }, 1000);
    this.letGo = holdStill(this.element);
    this.returnFocus = rememberFocus(this.element);
    this.sight = new IntersectionObserver(([entry]) => {
      const below = !entry.isIntersecting && entry.boundingClientRect.top > 0;
      this.newest.hidden = !below || this.reply.status.phase === "gone";
    });
    this.sight.observe(this.end);
  }

  /** Show the end of the reply, where the newest text comes, and stay there until the reader scrolls back. */
  follow() {
    this.following = true;
    const leave = (event) => {
      const back = event.type === "wheel" ? event.deltaY < 0 : event.type !== "keydown" || BACKWARDS.has(event.key);
      if (!back) return;
      this.following = false;
      for (const kind of ["wheel", "touchmove", "keydown"]) document.removeEventListener(kind, leave, true);
    };
    for (const kind of ["wheel", "touchmove", "keydown"]) document.addEventListener(kind, leave, true);
    this.showEnd();
  }

  showEnd() {
    // The status sticks to the lower edge of what is seen: what it would cover is left free.
    if (this.following) this.footer.scrollIntoView({ block: "nearest" });
    if (this.following && this.end.getBoundingClientRect().bottom > this.footer.getBoundingClientRect().top) {
      this.end.scrollIntoView({ block: "end" });
    }
  }

  stop() {
    clearInterval(this.timer);
    this.sight?.disconnect();
    this.returnFocus?.();
    this.letGo?.();
  }
}

const BACKWARDS = new Set(["ArrowUp", "PageUp", "Home", "k"]);

/**
 * Give the cell the focus where it was in a reply that goes away: on the page's body no key of the notebook would work.
 *
 * When it goes, the browser has moved the focus already, so it is noted as it comes and leaves.
 */
function rememberFocus(element) {
  let within = element.contains(document.activeElement);
  let cell = null;
  const soon = requestAnimationFrame(() => (cell = element.closest(".jp-Cell, .cell"))); // not on the page yet
  const came = () => (within = true);
  const left = () => element.isConnected && (within = false);
  element.addEventListener("focusin", came);
  element.addEventListener("focusout", left);
  return () => {
    cancelAnimationFrame(soon);
    cell = element.closest(".jp-Cell, .cell") ?? cell;
    if ((within || element.contains(document.activeElement)) && cell) {
      setTimeout(() => {
        if (document.activeElement === document.body) cell.focus({ preventScroll: true });
      });
    }
  };
}

/**
 * Keep what the reader reads where it is while the reply grows, and give back what takes that back.
 *
 * JupyterLab lets the browser anchor the page at the active cell alone; where that is below, the reply would move up
 * and away. While a reply grows, whatever the reader sees first is the anchor, as on any page; see live.css.
 */
function holdStill(element) {
  let notebook = null;
  const hold = () => {
    notebook = element.closest(".jp-Notebook");
    if (notebook) notebook.dataset.nbaGrowing = 1 + Number(notebook.dataset.nbaGrowing ?? 0);
  };
  const soon = requestAnimationFrame(hold); // it is not on the page yet
  return () => {
    cancelAnimationFrame(soon);
    const left = notebook;
    notebook = null;
    if (!left) return;
    setTimeout(() => { // the static reply comes in this one's place first
      const others = Number(left.dataset.nbaGrowing ?? 0) - 1;
      if (others > 0) left.dataset.nbaGrowing = others;
      else delete left.dataset.nbaGrowing;
    }, 1000);
  };
}
