// Runs once for the table of films: a row's button asks for its removal.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-remove]");
  if (button) trigger("select", { video_id: button.dataset.remove });
});
