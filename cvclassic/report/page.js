// Sorting of tables, and a tab for each data set; what is folded opens on paper, where the style can't do that. Without it
// the page is complete, the data sets one below the other.
"use strict";

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, heading, column));
  });
}

// Numbers largest first, texts from a to z; a second click turns it round. Empty and failed cells stay last. Cells have
// what they are sorted by in data-value; a column of texts that all are numbers, such as a setting's, is sorted as such.
function sort(table, heading, column) {
  const named = table.tBodies[0].querySelectorAll("tr:not(.more)");
  const rows = [...named].map((row) => ({ row, value: row.cells[column].dataset.value ?? "" }));
  const all = rows.every(({ value }) => value === "" || Number.isFinite(Number(value)));
  const numeric = all || heading.classList.contains("number");
  const before = heading.getAttribute("aria-sort");
  const descending = before ? before === "ascending" : numeric;
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const isLast = ({ value }) => value === "" || (numeric && !Number.isFinite(Number(value)));
  rows.sort((a, b) => {
    if (isLast(a) || isLast(b)) return isLast(a) - isLast(b);
    const order = numeric ? a.value - b.value : a.value.localeCompare(b.value, "en", { numeric: true });
    return descending ? -order : order;
  });
  table.tBodies[0].append(...rows.flatMap(({ row }) => [row, row.nextElementSibling]));
}

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

const sets = [...document.querySelectorAll(".set")];
if (sets.length > 1) {
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Data sets");
  const tabs = sets.map((set, number) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${set.id}-tab`;
    tab.textContent = document.getElementById(`${set.id}-name`).textContent;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", set.id);
    tab.addEventListener("click", () => choose(number));
    set.setAttribute("role", "tabpanel");
    set.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });
  const choose = (chosen) => {
    sets.forEach((set, number) => {
      set.hidden = number !== chosen;
      tabs[number].setAttribute("aria-selected", String(number === chosen));
      tabs[number].tabIndex = number === chosen ? 0 : -1;
    });
  };
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (!(event.key in steps)) return;
    const next = (tabs.indexOf(document.activeElement) + steps[event.key] + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  });
  document.querySelector("main").prepend(list);
  // A link to a part of a data set, such as #set-2-bars, opens that.
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const linked = sets.findIndex((set) => set.contains(target));
  choose(Math.max(linked, 0));
}
