// A module of JupyterLab and Notebook 7, written by hand: prompts of %%assistant look like prose, and what is in a
// reply can be copied. Nothing depends on it; where it is missing, all else works.
//
// JupyterLab loads this file as a script and finds a container of module federation under the package's name: `init`
// gets the modules that the page shares, `get` gives the plugins. There is no build step: the few modules of the page
// that are needed are taken from what it shares, at the version that it has.
(() => {
  "use strict";

  const MAGIC = /^(?:[ \t]*(?:#.*)?\n)*[ \t]*%%assistant(?=\s|$)/;
  const MARKDOWN = "text/x-ipythongfm";
  let shared = {};

  /** The module that the page shares under a name; the page has one version of each that matters here. */
  async function page(name) {
    const versions = Object.values(shared[name] ?? {});
    if (!versions.length) throw new Error(`nbassist: this page does not share ${name}`);
    return (await versions[0].get())();
  }

  /** Whether the page shares all of these; Voilà's shares what its widgets need, and no editor. */
  const shares = (...names) => names.every((name) => Object.keys(shared[name] ?? {}).length);

  const isOurs = (text) => MAGIC.test(text);

  // ---- prose --------------------------------------------------------------------------------------------------

  /** Give each code cell the language of its text: markdown for a prompt, else the notebook's own. */
  function watch(panel) {
    const notebook = panel.content;
    const known = new WeakSet();

    function settle(model) {
      if (model.type !== "code") return;
      const own = notebook.codeMimetype;
      const now = model.mimeType;
      if (isOurs(model.sharedModel.getSource())) {
        if (now !== MARKDOWN) model.mimeType = MARKDOWN;
      } else if (now === MARKDOWN && own !== MARKDOWN) {
        model.mimeType = own;
      }
    }

    function settleAll() {
      const cells = notebook.model?.cells;
      for (let at = 0; at < (cells?.length ?? 0); at++) {
        const model = cells.get(at);
        if (!known.has(model)) {
          known.add(model);
          model.sharedModel.changed.connect(() => settle(model));
          // A kernel that tells its language sets that of all cells anew.
          model.mimeTypeChanged.connect(() => settle(model));
        }
        settle(model);
      }
    }

    notebook.modelChanged.connect(() => {
      notebook.model?.cells.changed.connect(settleAll);
      settleAll();
    });
    notebook.model?.cells.changed.connect(settleAll);
    panel.context.ready.then(settleAll);
    settleAll();
  }

  /** Mark the magic, its flags, and the expressions in braces, in cells of ours alone. */
  async function marks() {
    const { Decoration, MatchDecorator, ViewPlugin } = await page("@codemirror/view");
    const head = Decoration.mark({ class: "nba-magic" });
    const flag = Decoration.mark({ class: "nba-flag" });
    const value = Decoration.mark({ class: "nba-value" });
    const matcher = new MatchDecorator({
      regexp: /\{\{[^{}\n]*\}\}|%%assistant(?=\s|$)|(?<=%%assistant\s[^\n]*)(?<=\s)--?[a-z][\w-]*/g,
      decoration: (match) => (match[0].startsWith("{{") ? value : match[0].startsWith("%%") ? head : flag),
    });
    // 300 characters hold the comments that may stand above the magic.
    const ours = (view) => isOurs(view.state.sliceDoc(0, 300));
    return ViewPlugin.fromClass(
      class {
        constructor(view) {
          this.ours = ours(view);
          this.marks = this.ours ? matcher.createDeco(view) : Decoration.none;
        }
        update(update) {
          const now = update.docChanged ? ours(update.view) : this.ours;
          if (now && this.ours) this.marks = matcher.updateDeco(update, this.marks);
          else if (now !== this.ours) this.marks = now ? matcher.createDeco(update.view) : Decoration.none;
          this.ours = now;
        }
      },
      { decorations: (plugin) => plugin.marks },
    );
  }

  // ---- copying ------------------------------------------------------------------------------------------------

  const LABELS = { copy: "Copy", copied: "Copied", failed: "Not allowed here" };

  /** Put a button on what the pointer or the focus is over; it goes when they leave. The saved reply holds none. */
  function copying() {
    let button = null;
    let over = null;

    function target(element) {
      // A reply that is being written has buttons of its own, and so has a grid.
      if (element.closest?.(".nba-live, .nba-grid")) return null;
      const code = element.closest?.(".nbassist .highlight");
      return code ?? element.closest?.(".nbassist");
    }

    function text(element) {
      if (element.matches(".highlight")) return element.querySelector("pre")?.innerText ?? "";
      // What the model said, without the panels of its calls.
      const labels = element.querySelectorAll(".nba-lang");
      for (const label of labels) label.hidden = true; // until the text is read: nothing is painted meanwhile
      const said = [...element.querySelectorAll(":scope > .nba-text")].map((part) => part.innerText.trim());
      const all = said.length ? said.join("\n\n") : element.innerText;
      for (const label of labels) label.hidden = false;
      return all;
    }

    function show(element) {
      if (element === over) return;
      hide();
      over = element;
      button = document.createElement("button");
      button.type = "button";
      button.className = "nba-copy";
      button.textContent = LABELS.copy;
      button.title = element.matches(".highlight") ? "Copy this code" : "Copy this reply";
      button.addEventListener("click", async (event) => {
        event.stopPropagation();
        try {
          await navigator.clipboard.writeText(text(element));
          button.textContent = LABELS.copied;
        } catch {
          button.textContent = LABELS.failed;
        }
      });
      if (getComputedStyle(element).position === "static") element.style.position = "relative";
      element.append(button);
    }

    function hide() {
      button?.remove();
      button = over = null;
    }

    document.addEventListener("pointerover", (event) => {
      const element = target(event.target);
      if (element) show(element);
      else hide();
    });
  }

  // ---- pictures and drawings --------------------------------------------------------------------------------

  /** A picture from elsewhere is loaded by a click, and told nothing of where it was asked. */
  function loading() {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.(".nbassist a.nba-image");
      if (!link || link.closest(".nba-live") || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const image = document.createElement("img");
      image.alt = link.textContent;
      image.referrerPolicy = "no-referrer";
      image.style.maxWidth = "100%";
      image.onerror = () => {
        link.append(" (could not be loaded)");
        image.replaceWith(link);
      };
      image.src = link.href;
      link.replaceWith(image);
    });
  }

  // What lets a diagram of a model's fetch something while it is drawn, bring styles or markup of its own, or link out:
  // pictures and icons in shapes, directives, HTML in labels. Such a diagram stays code.
  const LOADS = /\/\/|url\s*\(|@import|@\{|%%\{|^\s*---\s*$|^\s*(?:click|link|links|callback)\b|<\/?[a-z!]|&[#\w]+;|\\/im;

  /**
   * Draw code that is mermaid by JupyterLab's own renderer, below the code, which folds away.
   *
   * The drawing stands in an `img`, where SVG runs and loads nothing. What can't be drawn stays code.
   */
  function drawing(manager) {
    const seen = new WeakSet();

    async function draw(block) {
      const code = block.querySelector("pre")?.textContent ?? "";
      let made = null;
      if (LOADS.test(code.replace(/<br ?\/?>/g, " "))) return;
      try {
        made = await manager.renderSvg(code);
      } catch {
        return; // no drawing, or one of a kind that the renderer does not know
      }
      if (!block.isConnected) return;
      const image = document.createElement("img");
      image.className = "nba-drawing";
      image.alt = made.accessibleTitle ?? code;
      if (made.width) image.width = Math.ceil(made.width);
      image.src = `data:image/svg+xml,${encodeURIComponent(made.svg)}`;
      const folded = document.createElement("details");
      folded.className = "nba-drawn";
      const summary = document.createElement("summary");
      summary.textContent = "mermaid";
      block.before(image, folded);
      block.querySelector(".nba-lang").hidden = true;
      folded.append(summary, block);
    }

    function look(root) {
      for (const label of root.querySelectorAll?.(".nbassist:not(.nba-live) .nba-lang") ?? []) {
        const block = label.closest(".highlight");
        if (label.textContent !== "mermaid" || seen.has(block) || block.closest(".nba-hidden")) continue;
        seen.add(block);
        draw(block);
      }
    }

    new MutationObserver((changes) => {
      if (changes.some((change) => change.addedNodes.length)) look(document);
    }).observe(document.body, { childList: true, subtree: true });
    look(document);
  }

  const STYLE = `
    .nba-drawing { display: block; max-width: 100%; margin: 0 0 8px; }
    .nba-drawn > summary { cursor: pointer; font-size: 11px; opacity: 0.75; margin: 0 0 4px; }
    .nba-magic { color: var(--jp-mirror-editor-meta-color, var(--jp-ui-font-color2)); font-weight: 600; }
    .nba-flag { color: var(--jp-mirror-editor-attribute-color, var(--jp-ui-font-color2)); }
    .nba-value { color: var(--jp-mirror-editor-variable-2-color, inherit); border-radius: 2px;
      background: color-mix(in srgb, currentColor 12%, transparent); }
    .nba-value * { color: inherit !important; }
    .nba-copy { position: absolute; top: 4px; right: 4px; z-index: 1; padding: 2px 8px; cursor: pointer;
      font: 11px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, inherit);
      background: var(--jp-layout-color1, Canvas); border: 1px solid var(--jp-border-color1, currentColor);
      border-radius: 3px; opacity: 0.85; }
    .nba-copy:hover, .nba-copy:focus-visible { opacity: 1; border-color: var(--jp-brand-color1, currentColor); }
    @media print { .nba-copy { display: none; } }
  `;

  /** The plugin that draws, where the page has a renderer: JupyterLab and Notebook 7 have one since 4.1 and 7.1. */
  async function drawings() {
    let token = null;
    try {
      token = (await page("@jupyterlab/mermaid")).IMermaidManager;
    } catch {
      return [];
    }
    return [
      {
        id: "nbassist:drawing",
        description: "Mermaid in replies is drawn.",
        autoStart: true,
        optional: [token],
        activate: (app, manager) => manager && drawing(manager),
      },
    ];
  }

  /** The plugin for prompts, where the page has notebooks with editors. */
  async function prompts() {
    if (!shares("@jupyterlab/notebook", "@jupyterlab/codemirror", "@codemirror/view")) return [];
    const { INotebookTracker } = await page("@jupyterlab/notebook");
    const { IEditorExtensionRegistry } = await page("@jupyterlab/codemirror");
    const extension = await marks(); // before anything is activated: an editor that is there already would not get it
    return [
      {
        id: "nbassist:prompts",
        description: "Prompts of %%assistant look like prose.",
        autoStart: true,
        requires: [INotebookTracker],
        optional: [IEditorExtensionRegistry],
        activate: (app, tracker, registry) => {
          tracker.forEach(watch);
          tracker.widgetAdded.connect((_, panel) => watch(panel));
          registry?.addExtension({
            name: "nbassist:marks",
            factory: () => ({ instance: () => extension, reconfigure: () => null }),
          });
        },
      },
    ];
  }

  async function plugins() {
    return [
      ...(await prompts()),
      {
        id: "nbassist:copying",
        description: "Replies and the code in them can be copied.",
        autoStart: true,
        activate: () => {
          const style = document.createElement("style");
          style.textContent = STYLE;
          document.head.append(style);
          copying();
          loading();
        },
      },
      ...(await drawings()),
    ];
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB.nbassist = {
    init: (scope) => {
      shared = scope;
    },
    get: async (name) => {
      if (name !== "./extension") throw new Error(`nbassist has no module ${name}`);
      const found = await plugins();
      return () => ({ __esModule: true, default: found });
    },
  };
})();
