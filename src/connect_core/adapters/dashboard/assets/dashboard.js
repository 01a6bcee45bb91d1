// What the pages do better with a script. Each of them works without it.
"use strict";

// Menus: one at a time, closed by Escape or by a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Copy buttons, where the browser can copy. Their places are kept free, so that nothing moves.
if (navigator.clipboard) {
  document.documentElement.classList.add("can-copy");
  for (const button of document.querySelectorAll("[data-copy]")) {
    const label = button.firstChild;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        label.data = "Copied";
      } catch {
        label.data = "Not copied";
      }
      setTimeout(() => (label.data = "Copy"), 2000);
    });
  }
}

// A field that is checked as soon as it is left. The hint says what is wrong, and nothing moves, so
// that a click that leaves the field still hits what it was meant for.
for (const input of document.querySelectorAll("[data-pattern]")) {
  const hint = document.getElementById(`${input.id}-hint`);
  const usual = hint.textContent;
  input.addEventListener("change", () => {
    const wrong = input.value.trim() !== "" && !new RegExp(input.dataset.pattern).test(input.value);
    hint.textContent = wrong ? input.dataset.wrong : usual;
    hint.classList.toggle("hint-wrong", wrong);
    input.setAttribute("aria-invalid", String(wrong));
  });
}

// What went wrong is read first.
document.querySelector("[data-focus]")?.focus();

// Confirmations in a dialog instead of on a page of their own. Anything unexpected goes to the page.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = page.getElementById("confirm");
    if (!content || answer.redirected) throw new Error("this is another page");
    show(document.importNode(content, true));
  } catch {
    location.assign(link.href);
  }
});

function show(content) {
  if (document.querySelector("dialog[open]")) return; // of a double click, the first counts
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
