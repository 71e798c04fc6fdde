// Pages work without this. It keeps them current, and sends a filter as soon as it is chosen.
"use strict";

const main = document.getElementById("content");

// What an action says that it has done is said once: not again when the page is fetched anew, kept or passed on.
const address = new URL(location.href);
if (address.searchParams.has("notice")) {
  address.searchParams.delete("notice");
  history.replaceState(null, "", address);
}

// <main data-refresh="60"> is fetched again every 60 s, unless somebody is typing, has opened something or looks elsewhere.
function isBusy() {
  const active = document.activeElement;
  return document.hidden || (active && active.matches("input, select, textarea, button") && main.contains(active)) ||
    main.querySelector("details[open][data-keep], dialog[open]") !== null;
}

async function refresh() {
  if (isBusy()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Forewarn-Refresh": "1" } });
    if (answer.redirected) location.reload(); // the session has ended: what is shown would only grow old
    if (!answer.ok || answer.redirected) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
    if (found && !isBusy() && found.innerHTML !== main.innerHTML) {
      main.replaceChildren(...found.childNodes);
    }
  } catch { /* the endpoint is away for a moment; the next time will show */ }
}

const seconds = Number(main.dataset.refresh);
if (seconds > 0) setInterval(refresh, 1000 * seconds);

// <form data-auto> is sent when a choice in it changes.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && form.matches("[data-auto]") && event.target.matches("select, input[type=checkbox]")) form.requestSubmit();
});

// <button data-print> prints the page.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
