// Runs once for the shot to label: buttons and keys answer for the shot that stands there.
const answer = (data) => {
  const card = element.querySelector(".sp-label, .sp-label-done");
  if (card) trigger("select", { shot: Number(card.dataset.shot), ...data });
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.index !== undefined) answer({ action: "say", index: Number(button.dataset.index) });
  else if (button.dataset.show !== undefined) answer({ action: "show", to: Number(button.dataset.show) });
  else if (button.dataset.action) answer({ action: button.dataset.action });
});
document.addEventListener("keydown", (event) => {
  if (!element.isConnected || element.offsetParent === null || event.repeat) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable=true]")) return;
  const key = event.key.toLowerCase();
  if (/^[1-9]$/.test(key)) {
    const button = element.querySelector(`[data-index="${Number(key) - 1}"]`);
    if (button) answer({ action: "say", index: Number(key) - 1 });
  } else if (key === "s") answer({ action: "skip" });
  else if (key === "z") answer({ action: "undo" });
});
element.addEventListener(
  "error",
  (event) => {
    if (event.target.tagName !== "VIDEO") return;
    const note = element.querySelector(".sp-label-player .sp-player-note");
    if (note) note.textContent = "This segment cannot be played: is the film still where it was?";
  },
  true,
);
// The next shot's clip is cut while this one is looked at.
let asked = "";
new MutationObserver(() => {
  const next = element.querySelector(".sp-label")?.dataset.next;
  if (!next || next === asked) return;
  asked = next;
  fetch(next, { headers: { Range: "bytes=0-0" } }).catch(() => {});
}).observe(element, { childList: true, subtree: true });
