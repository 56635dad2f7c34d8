// Composing a profile: "all of a server" and its single tools follow each other. What that weighs, the server tells.
document.getElementById("compose")?.addEventListener("change", (event) => {
  const server = event.target.closest("[data-server]");
  if (event.target.matches("[data-all]") && event.target.checked) {
    for (const box of server.querySelectorAll("[data-tool]")) box.checked = true;
  } else if (event.target.matches("[data-tool]") && !event.target.checked) {
    server.querySelector("[data-all]").checked = false;
  }
});

// What was unfolded there stays so when it is told anew.
let unfolded = false;
document.addEventListener("htmx:before:swap", () => { unfolded = Boolean(document.querySelector("#weight details[open]")); });
document.addEventListener("htmx:after:swap", () => {
  const details = document.querySelector("#weight details");
  if (details && unfolded) details.open = true;
});
