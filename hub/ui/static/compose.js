// The cost of a profile while it is being composed: how many tools, how many tokens, and too many of them.
const form = document.getElementById("compose");

function sum() {
  const chosen = [...form.querySelectorAll("[data-tokens]:checked")];
  const tokens = chosen.reduce((total, box) => total + Number(box.dataset.tokens), 0);
  document.getElementById("sum-tools").textContent = chosen.length;
  document.getElementById("sum-tokens").textContent = tokens.toLocaleString("en");
  document.getElementById("too-many").hidden = chosen.length <= Number(form.dataset.many);
}

form?.addEventListener("change", (event) => {
  const server = event.target.closest("[data-server]");
  if (event.target.matches("[data-all]") && event.target.checked) {
    for (const box of server.querySelectorAll("[data-tokens]")) box.checked = true;
  } else if (event.target.matches("[data-tokens]") && !event.target.checked) {
    server.querySelector("[data-all]").checked = false;
  }
  if (document.getElementById("sum-tools")) sum();
});
