// Runs once where long work reports: its Stop button.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action=stop]");
  if (!button) return;
  button.disabled = true;
  button.textContent = "Stopping …";
  trigger("stop");
});
