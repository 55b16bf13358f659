// Runs once for the pair of players: both start together.
element.addEventListener("click", (event) => {
  if (!event.target.closest("[data-action=play-both]")) return;
  const query = element.querySelector(".sp-pair-query");
  const ref = element.querySelector(".sp-pair-ref");
  ref.playbackRate = Math.min(4, Math.max(0.25, Number(ref.dataset.rate) || 1));
  for (const video of [query, ref]) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
});
