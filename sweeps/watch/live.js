// Asks for the page again and puts its new parts in place of the old: scroll positions and what is closed stay.
"use strict";
const pause = 1000 * Number(document.documentElement.dataset.seconds);

async function renew() {
  const silent = document.getElementById("silent");
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (answer.ok) {
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    document.getElementById("silent").hidden = answer.ok;
  } catch {
    silent.hidden = false;
  }
}

function swap(page) {
  const closed = new Set([...document.querySelectorAll("details:not([open])")].map((one) => one.id));
  const across = document.getElementById("runs").scrollLeft;
  const focused = document.activeElement && document.activeElement.closest("[id]");
  for (const one of page.querySelectorAll("details")) {
    one.open = !closed.has(one.id);
  }
  document.title = page.title;
  for (const part of ["state", "content"]) {
    document.getElementById(part).replaceChildren(...page.getElementById(part).childNodes);
  }
  document.getElementById("runs").scrollLeft = across;
  if (focused && !focused.isConnected) {
    const same = document.getElementById(focused.id);
    if (same) {
      (same.querySelector("summary") || same).focus({ preventScroll: true });
    }
  }
}

setInterval(() => { if (!document.hidden) renew(); }, pause);
document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
