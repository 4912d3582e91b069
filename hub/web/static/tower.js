// The control tower: what is shown was rendered by the hub; this keeps it so. A live event has the
// page's content fetched anew, and only the parts that differ are put in place.

import { Refused, follow } from "./api.js";

const content = document.getElementById("content");
const TOWER = document.title;
const TOKEN = () => sessionStorage.getItem("token");
let end = () => {};
let wrong = null; // why what is shown may be old
let fetched = Date.now();

function headers(more = {}) {
  return TOKEN() ? { ...more, Authorization: `Bearer ${TOKEN()}` } : more;
}

async function part(url) {
  const answer = await fetch(url, {
    headers: headers({ "X-Part": "1" }), cache: "no-store", signal: AbortSignal.timeout(10_000),
  });
  if (answer.status === 401) throw new Refused(401, "no token");
  if (!answer.ok && answer.status !== 404) throw new Error(answer.statusText);
  return answer.text();
}

/** Put what differs in place, part by part, so that what somebody types in stays. */
function put(html) {
  const next = new DOMParser().parseFromString(html, "text/html").body;
  const parts = [...next.querySelectorAll("[data-part]")];
  const here = parts.map((each) => content.querySelector(`[data-part="${each.dataset.part}"]`));
  fetched = Date.now();
  if (!parts.length || here.some((each) => !each)) {
    if (plain(content) !== plain(next) && !content.contains(busy())) content.replaceChildren(...next.children);
  } else {
    parts.forEach((each, at) => {
      if (plain(here[at]) !== plain(each)) here[at].replaceWith(each);
    });
  }
  tick();
  lookAtAll();
  nameTab();
}

// Several pages are open beside one another, and the history lists them.
function nameTab() {
  const heading = content.querySelector("h1")?.textContent.trim();
  document.title = heading ? `${heading} \u00b7 ${TOWER}` : TOWER;
}

// Pictures are fetched, so that they come by the token too; they last as long as their page is shown.
const pictures = new Map();
async function bring(url) {
  const answer = await fetch(url, { headers: headers() });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.blob();
}

function asText(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

function lookAtAll() {
  content.querySelectorAll("img[data-src]:not([src])").forEach(look);
}

async function look(image) {
  const url = image.dataset.src;
  if (!pictures.has(url)) pictures.set(url, bring(url).then(asText));
  try {
    image.src = await pictures.get(url);
  } catch {
    pictures.delete(url); // tried again when the page changes
  }
}

async function save(link) {
  try {
    const url = URL.createObjectURL(await bring(link.href));
    Object.assign(document.createElement("a"), { href: url, download: link.download }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    refuse(error.message);
  }
}

function refuse(why) {
  const refusal = document.getElementById("refusal");
  refusal.hidden = !why;
  refusal.textContent = why;
}

function busy() {
  const active = document.activeElement;
  return active?.matches("input") && active.value ? active : null;
}

// As it came: what `tick` has written since does not count.
function plain(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll("time, [data-spare]").forEach((each) => { each.textContent = ""; });
  copy.querySelectorAll("[data-spare]").forEach((each) => {
    each.removeAttribute("data-spare");
    each.className = "";
  });
  copy.querySelectorAll(".line").forEach((each) => { each.className = "line"; });
  copy.querySelectorAll("img[data-src]").forEach((each) => each.removeAttribute("src"));
  copy.querySelectorAll("svg .done, svg .lorry").forEach((each) => each.remove());
  return copy.innerHTML;
}

let running = false;
let again = false;
async function load() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  do {
    again = false;
    try {
      put(await part(location.pathname + location.search));
      wrong = null;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        ask();
      } else {
        wrong = error;
        setTimeout(load, 2_000);
      }
    }
    show();
  } while (again);
  running = false;
}

let soon = null;
function heard(event) {
  if (event === "samples") return;
  soon ??= setTimeout(() => {
    soon = null;
    load();
  }, event === "reset" ? 0 : 250);
}

let stream = null;
function state(now, error) {
  if (error instanceof Refused && error.status === 401) {
    ask();
    return;
  }
  stream = now === "live" ? null : error;
  document.body.dataset.stream = now;
  show();
}

function show() {
  const lost = stream ?? wrong;
  const now = document.body.dataset.stream ? (lost ? "lost" : "live") : "connecting";
  document.body.dataset.connection = now;
  document.querySelector(".connection b").textContent = document.body.dataset[now];
  document.getElementById("outage").hidden = now !== "lost";
}

function ask() {
  const dialog = document.getElementById("ask");
  if (dialog.open) return;
  end();
  document.getElementById("unknown").hidden = !TOKEN();
  document.getElementById("token").value = "";
  dialog.showModal();
  dialog.addEventListener("close", () => {
    sessionStorage.setItem("token", document.getElementById("token").value.trim());
    listen();
    load();
  }, { once: true });
}

function listen() {
  end();
  end = follow("/v1/live", heard, state);
}

// Every second: clocks, ages, what is left to spare, where the trucks are; of pictures no event tells.
function tick() {
  const now = Date.now();
  if (content.querySelector("[data-coming]") && now - fetched > 2_000 && !wrong) load();
  const lang = document.documentElement.lang;
  document.getElementById("clock").textContent = new Date(now).toLocaleTimeString(lang, { hour12: false });
  const each = (selector, does) => document.querySelectorAll(selector).forEach(does);
  each("[data-clock]", (e) => { e.textContent = clock(e.dateTime, now, lang, false); });
  each("[data-date]", (e) => { e.textContent = clock(e.dateTime, now, lang, true); });
  each("[data-age]", (e) => { e.textContent = span((now - new Date(e.dateTime)) / 1000); });
  each("[data-spare]", (e) => {
    const left = Number(e.dataset.spare) - (now - fetched) / 1000;
    e.textContent = span(left);
    e.className = left < Number(e.dataset.red) ? "red" : left < Number(e.dataset.yellow) ? "yellow" : "green";
    const line = e.closest(".line");
    if (!line.querySelector(".blind")) line.className = `line ${e.className}`;
  });
  each("svg[data-to]", (e) => {
    const from = new Date(e.dataset.from);
    const to = new Date(e.dataset.to);
    const gone = e.dataset.arrived ? 1 : Math.min(0.97, Math.max(0, (now - from) / (to - from)) || 0);
    e.querySelector(".done").setAttribute("d", `M4 20H${4 + gone * 212}`);
    e.querySelector(".lorry").setAttribute("transform", `translate(${2 + gone * 186} 0)`);
  });
}

function clock(instant, now, lang, exact) {
  const at = new Date(instant);
  const time = at.toLocaleTimeString(lang, { hour12: false, hour: "2-digit", minute: "2-digit", ...(exact && { second: "2-digit" }) });
  const sameDay = at.toDateString() === new Date(now).toDateString();
  return sameDay ? time : `${at.toLocaleDateString(lang, { month: "2-digit", day: "2-digit" })} ${time}`;
}

function span(seconds) {
  const rest = Math.abs(Math.trunc(seconds));
  const sign = seconds < 0 && rest ? "\u2212" : "";
  const two = (n) => String(n).padStart(2, "0");
  if (rest >= 86_400) return `${sign}${Math.floor(rest / 86_400)} d`;
  if (rest >= 3600) return `${sign}${Math.floor(rest / 3600)} h ${two(Math.floor((rest % 3600) / 60))}`;
  return `${sign}${Math.floor(rest / 60)}:${two(rest % 60)}`;
}

// Pages of the tower follow one another without a new document, so that the token and the live
// events go on.
async function go(url, push) {
  if (push) history.pushState(null, "", url);
  document.querySelectorAll("nav a").forEach((a) => {
    const to = a.getAttribute("href");
    const on = to === "/tower" ? location.pathname === to : location.pathname.startsWith(to) && to !== "/";
    if (on) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  });
  const language = document.querySelector(".language");
  language.href = `${location.pathname}?lang=${language.hreflang}`;
  refuse("");
  pictures.clear();
  content.replaceChildren();
  await load();
  scrollTo(0, 0);
}

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  const link = event.target.closest("a[href]") ?? (row && { href: new URL(row.dataset.href, location.href).href, dataset: {} });
  if (!link || "whole" in link.dataset || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if ("save" in link.dataset) {
    event.preventDefault();
    save(link);
    return;
  }
  const url = new URL(link.href);
  if (url.origin !== location.origin || !url.pathname.startsWith("/tower")) return;
  event.preventDefault();
  go(url.pathname + url.search, true);
});
addEventListener("popstate", () => go(location.pathname + location.search, false));

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-post]");
  if (!form) return;
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  form.querySelectorAll("input[type=checkbox]").forEach((box) => { body[box.name] = box.checked; });
  if (event.submitter?.name) body[event.submitter.name] = event.submitter.value;
  const answer = await fetch(form.dataset.post, {
    method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body),
  }).catch(() => null);
  const problem = answer?.ok ? null : await answer?.json().catch(() => null);
  refuse(answer?.ok ? "" : problem?.detail ?? document.body.dataset.lost);
  if (answer?.ok) {
    form.reset();
    document.activeElement?.blur();
    load();
  }
});

setInterval(tick, 1_000);
tick();
lookAtAll();
nameTab();
listen();
if (!content.children.length) load();
