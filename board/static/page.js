// Small things that every page's script needs: fragments, times, counts, stored values. No state of its own.

/** The one element in a piece of our own server's markup. */
export function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

/** "1 reply", "2 replies". */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** The address of a socket. */
export function socketUrl(path, query) {
  return `${path}?${new URLSearchParams({ v: 1, ...query })}`;
}

/** The page at `url` as a document. Throws when it is not there or `signal` ends the wait. */
export async function fetchPage(url, signal) {
  const response = await fetch(url, { headers: { Accept: "text/html" }, signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Whether a click means "do it here", not "open it elsewhere". */
export function isPlain(click) {
  return !(click.button || click.ctrlKey || click.metaKey || click.shiftKey || click.altKey);
}

/** A value kept in this browser, `otherwise` when there is none or storage is forbidden. */
export function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keeps a value in this browser; null forgets it. Full or forbidden storage is borne in silence. */
export function store(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The page works without; only memory between visits is lost.
  }
}

const OWN_KEPT = 500;

/** Whether post `no` was made in this browser. */
export function isOwn(no) {
  return stored("own", []).includes(Number(no));
}

export function rememberOwn(no) {
  store("own", [...stored("own", []), Number(no)].slice(-OWN_KEPT));
}

/** Shows which posts are one's own and which answer one's own. */
export function mark(post) {
  if (isOwn(post.dataset.no)) post.classList.add("own");
  const cites = post.querySelectorAll('.text a[href*="#p"]');
  if ([...cites].some((cite) => isOwn(cite.hash.slice(2)))) post.classList.add("to-you");
}

/** What is selected inside `post`, "" when nothing or when the selection lies elsewhere. */
export function selectedText(post) {
  const selection = getSelection();
  return post && selection.rangeCount && post.contains(selection.anchorNode) ? selection.toString().trim() : "";
}

const UNITS = [[60, "min"], [3600, "h"], [86_400, "day"]];

/** "just now", "5 min ago", "3 h ago", "2 days ago"; after a month the date. */
function age(when, now) {
  const seconds = (now - when) / 1000;
  if (seconds < 60) return "just now";
  if (seconds > 30 * 86_400) return when.toLocaleDateString(undefined, { dateStyle: "medium" });
  const [size, word] = UNITS.findLast(([length]) => seconds >= length);
  const number = Math.floor(seconds / size);
  return word === "day" ? `${count(number, word)} ago` : `${number} ${word} ago`;
}

/** Writes times below `root` as ages, with the exact local time as their title. */
export function showTimes(root = document) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const when = new Date(time.dateTime);
    const text = age(when, now);
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = when.toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" });
  }
}
