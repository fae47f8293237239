// The form, better: it sends without leaving the page, shows the picture, keeps drafts, says what went wrong where.
// Works on the same fields that a browser without scripts sends; what happens after a post is its owner's matter.

import { rememberOwn, store, stored } from "./page.js";

const SHOW_REMAINING_FROM = 0.8;

/** One form; `posted(answer)` gets the server's {no, thread, url, seq, form_key}. */
export class Composer {
  #form;
  #posted;
  #body;
  #picture;
  #button;
  #label;
  #draft;
  #request = null;
  #renewed = false;
  #preview = null;
  #remaining = element("span", "remaining");
  #sending = element("span", "sending");

  constructor(form, posted) {
    this.#form = form;
    this.#posted = posted;
    this.#body = form.elements.body;
    this.#picture = form.elements.picture;
    this.#button = form.querySelector('[type="submit"]');
    this.#label = this.#button.textContent;
    this.#draft = `draft:${new URL(form.action).pathname}`;
    this.#remaining.hidden = this.#sending.hidden = true;
    this.#body.after(this.#remaining);
    this.#button.before(this.#sending);
    this.#listen();
    this.#restore();
  }

  focus() {
    this.#body.focus({ preventScroll: true });
  }

  /** Goes to the first field of the form. */
  focusFirst() {
    (this.#form.elements.title ?? this.#body).focus({ preventScroll: true });
  }

  /** Puts `>>no` where the text is being written, and the selected words as quoted lines. */
  quote(no, words = "") {
    const { value, selectionStart } = this.#body;
    const before = value.slice(0, selectionStart);
    const lines = words ? words.split("\n").map((line) => `>${line}\n`).join("") : "";
    const start = before && !before.endsWith("\n") ? "\n" : "";
    this.#body.setRangeText(`${start}>>${no}\n${lines}`, selectionStart, this.#body.selectionEnd, "end");
    this.#changed();
  }

  #listen() {
    const form = this.#form;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    form.addEventListener("input", () => this.#changed());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.#picture.addEventListener("change", () => this.#showPicture());
    form.addEventListener("paste", (event) => this.#offer(event, event.clipboardData));
    form.addEventListener("drop", (event) => this.#offer(event, event.dataTransfer));
    form.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      form.classList.add("dropping");
    });
    for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("dropping"));
  }

  // Drafts

  #restore() {
    const draft = stored(this.#draft, {});
    const names = { ...draft, name: stored("name", "") };
    for (const name of ["title", "name", "body"]) {
      const field = this.#form.elements[name];
      if (field && !field.value && names[name]) field.value = names[name];
    }
    this.#showRemaining();
  }

  #changed() {
    const { title, body, name } = this.#form.elements;
    const draft = { title: title?.value ?? "", body: body.value };
    store(this.#draft, draft.title || draft.body ? draft : null);
    store("name", name.value || null);
    this.#showRemaining();
  }

  #showRemaining() {
    const limit = Number(this.#form.dataset.maxBody);
    const left = limit - [...this.#body.value].length;
    this.#remaining.hidden = left > limit * (1 - SHOW_REMAINING_FROM);
    this.#remaining.classList.toggle("over", left < 0);
    this.#remaining.textContent = left < 0 ? `${-left} characters too many` : `${left} characters left`;
  }

  // The picture

  #offer(event, transfer) {
    const file = [...(transfer?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    const files = new DataTransfer();
    files.items.add(file);
    this.#picture.files = files.files;
    this.#showPicture();
  }

  #showPicture() {
    this.#clearPreview();
    this.#problem("picture", "");
    const file = this.#picture.files[0];
    if (!file) return;
    const limit = Number(this.#form.dataset.maxFile);
    if (file.size > limit) {
      this.#problem("picture", `This file has ${megabytes(file.size)}; up to ${megabytes(limit)} fit. Choose a smaller one.`);
    }
    const image = new Image();
    image.src = URL.createObjectURL(file);
    image.alt = "";
    image.addEventListener("error", () => image.remove());
    const remove = element("button", "button small", "Remove");
    remove.type = "button";
    remove.addEventListener("click", () => this.#removePicture());
    this.#preview = element("div", "preview");
    this.#preview.append(image, element("span", "", `${file.name}, ${megabytes(file.size)}`), remove);
    this.#picture.after(this.#preview);
    this.#form.classList.add("has-picture");
  }

  #removePicture() {
    this.#picture.value = "";
    this.#problem("picture", "");
    this.#clearPreview();
    this.#picture.focus({ preventScroll: true });
  }

  #clearPreview() {
    if (!this.#preview) return;
    URL.revokeObjectURL(this.#preview.querySelector("img")?.src);
    this.#preview.remove();
    this.#preview = null;
    this.#form.classList.remove("has-picture");
  }

  // Sending. XMLHttpRequest, because fetch does not tell how much of a picture has left.

  #send() {
    if (this.#request) return;
    for (const name of ["form", "title", "body", "picture"]) this.#problem(name, "");
    const request = new XMLHttpRequest();
    this.#request = request;
    request.open("POST", this.#form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "text";
    request.upload.addEventListener("progress", (event) => this.#progress(event.loaded / event.total));
    for (const end of ["load", "error"]) request.addEventListener(end, () => this.#finish(request));
    request.addEventListener("abort", () => this.#rest());
    this.#button.disabled = true;
    this.#button.textContent = "Sending";
    request.send(new FormData(this.#form));
  }

  #progress(share) {
    if (this.#sending.hidden && this.#picture.files.length) {
      const bar = element("progress", "");
      const cancel = element("button", "button small", "Cancel");
      cancel.type = "button";
      cancel.addEventListener("click", () => this.#request?.abort());
      this.#sending.replaceChildren(bar, cancel);
      this.#sending.hidden = false;
    }
    const bar = this.#sending.querySelector("progress");
    if (bar) bar.value = share;
    this.#button.textContent = share < 1 ? `Sending ${Math.round(share * 100)} %` : "Sending";
  }

  #rest() {
    this.#request = null;
    this.#sending.hidden = true;
    this.#button.disabled = false;
    this.#button.textContent = this.#label;
  }

  #finish(request) {
    this.#rest();
    const answer = parsed(request.responseText);
    if (answer?.ok) this.#succeed(answer);
    else if (answer?.error?.code === "csrf" && !this.#renewed) this.#sendRenewed(answer.csrf_token);
    else if (answer?.error) this.#fail(answer.error, answer.errors);
    else this.#fail(explained(request));
  }

  #succeed(answer) {
    rememberOwn(answer.no);
    const { title, body, form_key: key } = this.#form.elements;
    if (title) title.value = "";
    body.value = "";
    key.value = answer.form_key; // the next post is another one, even in the same words
    this.#renewed = false;
    this.#picture.value = "";
    this.#clearPreview();
    this.#changed();
    this.focus();
    this.#posted(answer);
  }

  /** The page had grown old: the refusal brings a new token. */
  #sendRenewed(token) {
    this.#renewed = true;
    this.#form.elements.csrf_token.value = token;
    this.#send();
  }

  #fail({ field, message, retry_after: wait }, errors = {}) {
    const place = this.#form.querySelector(`[data-problem="${field}"]`) ? field : "form";
    for (const [name, text] of Object.entries({ ...errors, [place]: message })) this.#problem(name, text);
    const faulty = this.#form.elements[place];
    (faulty instanceof HTMLElement ? faulty : this.#body).focus({ preventScroll: true });
    this.#form.querySelector(`[data-problem="${place}"]`).scrollIntoView({ block: "nearest" });
    if (wait) this.#countDown(Math.ceil(wait));
  }

  #countDown(seconds) {
    this.#button.disabled = seconds > 0;
    this.#button.textContent = seconds > 0 ? `Wait ${seconds} s` : this.#label;
    if (seconds > 0) setTimeout(() => this.#countDown(seconds - 1), 1000);
  }

  #problem(name, text) {
    const place = this.#form.querySelector(`[data-problem="${name}"]`);
    if (!place) return;
    place.textContent = text;
    place.hidden = !text;
    const field = this.#form.elements[name];
    if (!(field instanceof HTMLElement)) return;
    if (text) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What to say when the answer is not the board's own. */
function explained(request) {
  const retry = Number(request.getResponseHeader("Retry-After")) || 0;
  if (request.status === 0) return { message: "Not sent: there is no connection. Your text is kept; try again." };
  if (request.status === 413) return { field: "picture", message: "This is too large to send. Choose a smaller picture." };
  if (request.status === 503) return { message: "The board is busy. Your text is kept; try again in a moment.", retry_after: retry };
  return { message: `The board could not take this (error ${request.status}). Your text is kept; try again.` };
}

function megabytes(bytes) {
  return bytes < 1_048_576 ? `${Math.max(1, Math.round(bytes / 1024))} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
