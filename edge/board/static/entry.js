// Sends what is entered at a station. Nothing here judges: the gateway does.
"use strict";
const form = document.getElementById("entry");
const outcome = document.getElementById("outcome");
let ticket = body.dataset.ticket; // of this form: sent twice it counts once

const fields = () => [...form.querySelectorAll("input, button.good")].filter((field) =>
  field.offsetParent !== null && (field.type !== "radio" || field.checked ||
    !form.querySelector(`input[name="${field.name}"]:checked`)));

// Enter, which a scanner sends too, goes to the next field; from the last one it records.
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input")) return;
  event.preventDefault();
  if (event.ctrlKey) { form.requestSubmit(); return; }
  const all = fields().filter((field) => field.name !== event.target.name || field === event.target);
  const next = all[all.indexOf(event.target) + 1];
  if (next.type === "submit") form.requestSubmit(); else next.focus();
});

// A hint only, while somebody types; and what is said of the last part goes.
form.addEventListener("input", (event) => {
  outcome.className = outcome.textContent = "";
  const { lower, upper } = event.target.dataset;
  const value = Number(event.target.value.replace(",", "."));
  const out = event.target.value !== "" && ((lower && value < Number(lower)) ||
    (upper && value > Number(upper)));
  event.target.closest(".field").classList.toggle("out", Boolean(out));
});

form.addEventListener("click", (event) => {
  if (!("reason" in event.target.dataset)) return;
  form.elements.reason.value = event.target.dataset.reason;
  form.elements.reason.focus();
});

function begin() {
  form.reset();
  for (const field of form.querySelectorAll(".field")) field.classList.remove("out");
  document.getElementById("why").hidden = true;
  form.elements.serial.focus();
}

function complain(said) {
  if (said.code === "no.reason") document.getElementById("why").hidden = false;
  const named = said.field && form.querySelector(`[name="${said.field}"]`);
  if (named) { named.focus(); if (named.select) named.select(); }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (needsSignIn()) return;
  const button = form.querySelector("button.good");
  button.disabled = true;
  const given = Object.fromEntries(new FormData(form));
  const answer = await post("/record",
    { ...given, ticket, station: body.dataset.station, token: body.dataset.token });
  button.disabled = false;
  if (answer === null) return; // pressed again it is the same entry
  const said = answer.said;
  if (answer.status === 401) { body.dataset.signed = "0"; needsSignIn(); return; }
  if (said.ticket) ticket = said.ticket;
  if (!answer.ok) { complain(said); return; }
  outcome.className = said.verdict;
  outcome.textContent = said.text;
  if (said.row) {
    const row = document.createElement("li");
    row.textContent = said.row;
    row.className = said.verdict;
    document.getElementById("recent").prepend(row);
  }
  begin();
});

form.elements.serial.focus();
