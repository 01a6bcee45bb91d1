// Shows rows of the decision table that the page contains. This script has no rules: the options
// come from the form, and the answers come from the table, word for word.
"use strict";

(() => {
  const form = document.getElementById("explorer-form");
  const table = JSON.parse(document.getElementById("explorer-table").textContent);
  const cards = [...form.querySelectorAll("[data-action]")];
  const part = (name, within = form) => within.querySelector(`[data-part="${name}"]`);
  const log = part("log");

  // --- The choice: each radio button has the table's value that it stands for ---

  const radios = (name) => [...form.elements[name]];
  const chosen = (name) => radios(name).find((radio) => radio.checked);
  const choose = (name, fits) => {
    const found = radios(name).find(fits);
    if (found) found.checked = true;
  };
  const is = (radio, fact) => radio.dataset.json === JSON.stringify(fact);
  const label = (radio) => radio.labels[0].innerText.trim();
  const word = (name, fact) => label(radios(name).find((radio) => is(radio, fact)));

  const rowOf = (card) =>
    table.find(
      (row) =>
        row.action === card.dataset.action &&
        is(chosen("status"), row.status) &&
        is(chosen("role"), row.roles),
    );

  // --- Texts ---

  const arrow = (before, after) => `${word("status", before)} → ${word("status", after)}`;
  const inWords = (code) => code.replaceAll("_", " ");
  const reasons = (row) => row.denials.map(inWords).join(", ");
  const holders = (roles) =>
    radios("role")
      .map((radio) => radio.value)
      .filter((value) => roles.includes(value))
      .join(" or ");
  const step = ({ roles, action, before, after }) =>
    `${holders(roles)}: ${action}: ${arrow(before, after)}`;

  const element = (name, ...children) => {
    const made = document.createElement(name);
    made.append(...children);
    return made;
  };
  const denial = (code) => element("li", `${inWords(code)} `, element("code", code));

  // --- Display ---

  const show = (card) => {
    const row = rowOf(card);
    card.hidden = !row;
    if (!row) return;
    card.dataset.allowed = row.allowed;
    part("mark", card).textContent = row.allowed ? "✓" : "✗";
    part("verdict", card).textContent = row.allowed ? `allowed → ${row.target}` : "refused";
    part("denials", card).replaceChildren(...row.denials.map(denial));
    part("explanation", card).textContent = row.explanation;
    part("advice", card).textContent = row.advice;
    part("remedy", card).replaceChildren(...row.remedy.map((one) => element("li", step(one))));
    part("help", card).hidden = !row.advice;
    const button = part("take", card);
    button.textContent = row.allowed
      ? `Take it: ${row.action} → ${row.target}`
      : `Ask all the same: ${row.action}`;
    button.setAttribute("aria-disabled", String(!row.allowed));
  };

  const listed = (label, names) => (names.length ? `${label}: ${names.join(", ")}.` : "");
  const summary = () => {
    const rows = cards.map(rowOf).filter(Boolean);
    const allowed = rows.filter((row) => row.allowed);
    const refused = rows.filter((row) => !row.allowed);
    return [
      `${label(chosen("status"))}, as ${chosen("role").value}.`,
      listed("✓ Allowed", allowed.map((row) => `${row.action} → ${row.target}`)),
      listed("✗ Refused", refused.map((row) => row.action)),
    ].join(" ");
  };

  const refresh = () => {
    cards.forEach(show);
    part("summary").textContent = summary();
  };

  // --- A sequence of steps ---

  const begin = () => {
    log.replaceChildren();
    const status = chosen("status");
    const before = is(status, null) ? "" : "It begins with: "; // before there is a Connection
    part("beginning").textContent = `${before}${label(status)}.`;
    refresh();
  };

  const take = (row) => {
    const asked = `${chosen("role").value}: ${row.action}: `;
    if (row.allowed) {
      log.append(element("li", asked + arrow(row.status, row.target)));
      choose("status", (radio) => is(radio, row.target));
    } else {
      log.append(element("li", `${asked}✗ refused: ${reasons(row)}. ${row.explanation}`));
    }
    refresh();
  };

  // --- The page's address: it records the choice, and sets it when it changes ---

  const writeAddress = () =>
    history.replaceState(null, "", `#${new URLSearchParams(new FormData(form))}`);
  const readAddress = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const names = ["status", "role"].filter((name) => wanted.has(name));
    names.forEach((name) => choose(name, (radio) => radio.value === wanted.get(name)));
    if (names.length) begin();
  };

  // --- Events ---

  form.addEventListener("change", (event) => {
    if (event.target.name === "status") begin();
    else refresh();
    writeAddress();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const card of cards) {
    part("take", card).addEventListener("click", () => {
      take(rowOf(card));
      writeAddress();
    });
  }
  part("again").addEventListener("click", () => {
    radios("status")[0].checked = true;
    begin();
    writeAddress();
  });
  window.addEventListener("hashchange", readAddress);

  begin();
  readAddress();
  form.hidden = false;
})();
