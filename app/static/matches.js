// Runs once for the table of matches: a row asks the server for its two segments.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-index]");
  if (!button) return;
  for (const row of element.querySelectorAll("tr.is-active")) row.classList.remove("is-active");
  button.closest("tr").classList.add("is-active");
  trigger("select", { index: Number(button.dataset.index) });
});
