// Before anything is painted: the theme that was chosen in this browser, else the system's.
const chosen = localStorage.getItem("hub-theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
