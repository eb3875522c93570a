// What the person does in a reply: panels, copies, images, Stop, and the answer to a question.

const NOTEBOOK_KEYS = ".nba-ask, .nba-button, .nba-copy, summary";

function listenTo(page) {
  const { element, reply } = page;
  element.addEventListener("click", (event) => clicked(event, page));
  element.addEventListener("submit", (event) => event.preventDefault());
  element.addEventListener("keydown", (event) => {
    if (event.target.closest(NOTEBOOK_KEYS)) event.stopPropagation(); // no command of the notebook, where it hears them
    if (event.key === "Enter" && event.target.matches(".nba-comment")) {
      event.preventDefault();
      answer(event.target.closest(".nba-ask"), "refused", reply);
    }
  });
}

function clicked(event, page) {
  const { reply } = page;
  const at = (selector) => event.target.closest(selector);
  const button = at("button");
  if (button?.matches(".nba-copy")) return copyText(button);
  if (button?.matches(".nba-newest")) return page.follow();
  if (button?.matches(".nba-stop")) return stop(button, reply);
  if (button?.dataset.answer) return answer(at(".nba-ask"), button.dataset.answer, reply);
  if (button?.dataset.edit) return edit(at(".nba-ask"), button);
  const image = at("a.nba-image");
  if (image && !(event.ctrlKey || event.metaKey || event.shiftKey)) return loadImage(event, image);
  const panel = at("summary")?.parentElement;
  if (panel?.dataset.p) {
    reply.touched.add(panel.dataset.p);
    setTimeout(() => reply.model.send({ kind: "toggle", panel: panel.dataset.p, open: panel.open }));
  }
}

function stop(button, reply) {
  reply.model.send({ kind: "stop" });
  button.disabled = true;
  button.textContent = "Stopping…";
  setTimeout(() => {
    button.disabled = false; // the code that runs may take its time, or hold on to the interrupt
    button.textContent = "Stop";
  }, 3000);
}

/** Let the person change the arguments, or not, after all. */
function edit(form, button) {
  const panel = form.querySelector(".nba-edit");
  panel.hidden = !panel.hidden;
  button.textContent = panel.hidden ? "Edit" : "Do not edit";
  const allow = form.querySelector(".nba-primary");
  allow.textContent = panel.hidden ? "Allow" : "Run as edited";
  allow.dataset.answer = panel.hidden ? "allowed" : "edited";
  form.querySelector("[data-answer=always]").hidden = !panel.hidden;
  if (!panel.hidden) panel.querySelector("textarea").focus();
}

function answer(form, decision, reply) {
  const area = form.querySelector("textarea");
  if (decision === "edited" && area.dataset.json !== undefined) {
    try {
      JSON.parse(area.value);
    } catch (error) {
      form.querySelector(".nba-edit .nba-wrong").textContent = `This is not JSON: ${error.message}`;
      area.setAttribute("aria-invalid", "true");
      return area.focus();
    }
  }
  reply.model.send({
    kind: "answer",
    question: Number(form.dataset.question),
    decision,
    comment: form.querySelector(".nba-comment").value,
    arguments: decision === "edited" ? area.value : "",
  });
  for (const field of form.elements) field.disabled = true;
}

/** What has the focus goes: its panel gets it, not the page. */
function keepFocus(element) {
  if (element.contains(document.activeElement) && document.activeElement.closest(".nba-ask")) {
    element.closest("details")?.querySelector("summary").focus({ preventScroll: true });
  }
}

/** An image from elsewhere: asked for by this click, and told nothing of where it was asked. */
function loadImage(event, link) {
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
