// What all pages do: send, say what came of it, ask who somebody is.
"use strict";
const body = document.body;
const pad = (number) => String(number).padStart(2, "0");

let toastTimer = 0;
function toast(text, bad) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.className = bad ? "bad" : "";
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, bad ? 9000 : 4000);
}

async function post(path, fields) {
  try {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
    answer.said = await answer.json().catch(() => ({ text: answer.statusText }));
    toast(answer.said.text, !answer.ok);
    return answer;
  } catch (error) {
    toast(String(error), true);
    return null;
  }
}

function show(dialog, given) {
  const form = dialog.querySelector("form");
  form.reset();
  form.given = given;
  form.querySelector("h2 b").textContent = given.title || "";
  dialog.showModal();
  return form;
}

function needsSignIn() {
  if (body.dataset.signed === "1") return false;
  show(document.getElementById("sign-in"), {});
  return true;
}

document.addEventListener("click", (event) => {
  const from = event.target.closest("[data-dialog=sign-in], [data-close]");
  if (!from) return;
  if ("close" in from.dataset) from.closest("dialog").close();
  else show(document.getElementById("sign-in"), {});
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.verb !== "sign-in") return;
  event.preventDefault();
  const answer = await post("/sign-in", Object.fromEntries(new FormData(form, event.submitter)));
  if (answer && answer.ok) location.reload();
});
