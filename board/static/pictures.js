// A thumbnail grows into its picture where it stands, and shrinks again. Without scripts it is a plain link.

import { isPlain } from "./page.js";

export function startPictures() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.pic");
    if (!link || !isPlain(event)) return;
    event.preventDefault();
    if (link.classList.contains("open")) shrink(link);
    else grow(link);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "e" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const links = [...document.querySelectorAll("a.pic")];
    const anyClosed = links.some((link) => !link.classList.contains("open"));
    links.filter((link) => link.classList.contains("open") !== anyClosed).forEach(anyClosed ? grow : shrink);
  });
}

function isTyping(element) {
  return element.matches?.("input, textarea, select, [contenteditable]");
}

function grow(link) {
  const thumb = link.querySelector("img");
  const full = new Image(Number(link.dataset.width), Number(link.dataset.height));
  full.alt = thumb.alt;
  full.className = "full";
  full.src = link.href;
  thumb.hidden = true;
  link.append(full);
  link.classList.add("open");
}

function shrink(link) {
  link.classList.remove("open");
  link.querySelector("img.full").remove();
  link.querySelector("img").hidden = false;
  const post = link.closest(".post");
  if (post.getBoundingClientRect().top < 0) post.scrollIntoView({ block: "start" });
}
