// Runs once for the gallery of hits: `element` holds whatever the server rendered last.
const play = (hit) => {
  const results = hit.closest(".sp-results");
  const video = results.querySelector(".sp-player video");
  for (const other of results.querySelectorAll(".sp-hit.is-active")) other.classList.remove("is-active");
  hit.classList.add("is-active");
  results.querySelector(".sp-player-title").textContent = hit.dataset.title;
  results.querySelector(".sp-player-range").textContent = hit.dataset.range;
  results.querySelector(".sp-player-note").textContent = "";
  video.poster = hit.dataset.poster;
  video.src = hit.dataset.src;
  video.play().catch(() => {});
  if (video.getBoundingClientRect().bottom > window.innerHeight || video.getBoundingClientRect().top < 0) {
    video.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }
};
element.addEventListener("click", (event) => {
  const hit = event.target.closest(".sp-hit");
  if (hit) play(hit);
});
// `error` does not bubble, so it is caught on its way down.
element.addEventListener(
  "error",
  (event) => {
    if (event.target.tagName !== "VIDEO") return;
    const note = event.target.parentElement.querySelector(".sp-player-note");
    if (note) note.textContent = "This segment cannot be played: is the film still where it was?";
  },
  true,
);
